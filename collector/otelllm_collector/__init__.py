"""The collector of otelllm: OTLP in, DuckDB, a query API out."""
