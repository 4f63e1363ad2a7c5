"""Where OTLP comes in."""
