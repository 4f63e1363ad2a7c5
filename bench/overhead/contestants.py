"""Who takes part: the packages of each, and how it is switched on with everything that it records kept.

To add one: an entry in `CONTESTANTS`, and its packages' versions in `constraints.txt`.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, NamedTuple

from .environments import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable

    from .telemetry import Telemetry

__all__ = ["CONTESTANTS", "Contestant"]


class Contestant(NamedTuple):
    """One instrumentation of the openai SDK."""

    packages: tuple[str, ...]
    """Besides the SDK, OpenTelemetry's and orjson, which every environment has."""
    start: Callable[[Telemetry], None] | None
    """Switches it on; all of it is start-up time. None for the bare client."""
    content: bool = True
    one_span: bool = True
    """Whether it writes just one span a call."""


def _ours(telemetry: Telemetry, capture: str = "full") -> None:
    sys.path.insert(0, str(ROOT))  # the checkout's, not an installed one
    import otelllm

    otelllm.instrument(
        tracer_provider=telemetry.tracer_provider, meter_provider=telemetry.meter_provider, capture=capture
    )


def _genai(telemetry: Telemetry) -> None:
    os.environ["OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"] = "span_only"
    os.environ["OTEL_SEMCONV_STABILITY_OPT_IN"] = "gen_ai_latest_experimental"
    from opentelemetry.instrumentation.genai.openai import OpenAIInstrumentor

    OpenAIInstrumentor().instrument(tracer_provider=telemetry.tracer_provider, meter_provider=telemetry.meter_provider)


def _openllmetry(telemetry: Telemetry) -> None:
    os.environ["TRACELOOP_TRACE_CONTENT"] = "true"
    from opentelemetry.instrumentation.openai import OpenAIInstrumentor

    OpenAIInstrumentor().instrument(tracer_provider=telemetry.tracer_provider, meter_provider=telemetry.meter_provider)


def _openinference(telemetry: Telemetry) -> None:
    from openinference.instrumentation.openai import OpenAIInstrumentor

    OpenAIInstrumentor().instrument(tracer_provider=telemetry.tracer_provider)


def _logfire(telemetry: Telemetry) -> None:
    import logfire

    logfire.configure(
        send_to_logfire=False, console=False, inspect_arguments=False, metrics=False,
        additional_span_processors=[telemetry.batches],
    )  # fmt: skip
    logfire.instrument_openai()


_OURS = ("wrapt", "opentelemetry-exporter-otlp-proto-http")
CONTESTANTS = {
    "bare client": Contestant((), None, one_span=False),
    "otelllm": Contestant(_OURS, _ours),
    "otelllm, no content": Contestant(_OURS, lambda telemetry: _ours(telemetry, "off"), content=False),
    "opentelemetry-instrumentation-genai-openai": Contestant(("opentelemetry-instrumentation-genai-openai",), _genai),
    "opentelemetry-instrumentation-openai": Contestant(("opentelemetry-instrumentation-openai",), _openllmetry),
    "openinference-instrumentation-openai": Contestant(("openinference-instrumentation-openai",), _openinference),
    "logfire": Contestant(("logfire",), _logfire, one_span=False),
}
