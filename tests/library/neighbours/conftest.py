"""Other instrumentations, installed and switched on; they write to the same exporter as we do."""

from __future__ import annotations

import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any

import pytest

pytest.importorskip("openinference.instrumentation.openai", reason="in an environment of its own: make test-matrix")

from opentelemetry import trace

import otelllm
from otelllm import neighbours

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from telemetry import Telemetry

NEIGHBOURS = {
    "genai": (
        "opentelemetry.instrumentation.genai.openai:OpenAIInstrumentor",
        "opentelemetry.instrumentation.genai.anthropic:AnthropicInstrumentor",
    ),
    "openinference": (
        "openinference.instrumentation.openai:OpenAIInstrumentor",
        "openinference.instrumentation.anthropic:AnthropicInstrumentor",
    ),
    "openllmetry": (
        "opentelemetry.instrumentation.openai:OpenAIInstrumentor",
        "opentelemetry.instrumentation.anthropic:AnthropicInstrumentor",
    ),
    "botocore": ("opentelemetry.instrumentation.botocore:BotocoreInstrumentor",),
}
OF_BOTH_SDKS = ("genai", "openinference", "openllmetry")


class Neighbours:
    """Switches them on and off."""

    def __init__(self, otel: Telemetry, names: tuple[str, ...]) -> None:
        self.otel = otel
        self.instrumentors = [self._made(target) for name in names for target in NEIGHBOURS[name]]

    @staticmethod
    def _made(target: str) -> Any:
        module, _, kind = target.partition(":")
        return getattr(import_module(module), kind)()

    def on(self) -> None:
        """All of them, with the test's providers."""
        for instrumentor in self.instrumentors:
            instrumentor.instrument(
                tracer_provider=self.otel.tracer_provider,
                meter_provider=self.otel.meter_provider,
                logger_provider=self.otel.logger_provider,
                skip_dep_check=True,
            )

    def off(self) -> None:
        """All of them."""
        for instrumentor in self.instrumentors:
            if instrumentor.is_instrumented_by_opentelemetry:
                instrumentor.uninstrument()


@pytest.fixture(params=[*OF_BOTH_SDKS, "all"])
def neighbourhood(
    request: pytest.FixtureRequest, otel: Telemetry, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Neighbours]:
    """One of them, and all together; off."""
    monkeypatch.setenv("TRACELOOP_TRACE_CONTENT", "false")
    names = OF_BOTH_SDKS if request.param == "all" else (request.param,)
    it = Neighbours(otel, names)
    neighbours._named.clear()
    yield it
    it.off()
    otelllm.uninstrument()
    _take_off()


def _take_off() -> None:
    """OpenLLMetry leaves its wrappers on the openai SDK when it is switched off: the next test is not to have them."""
    for name, module in list(sys.modules.items()):
        if name.partition(".")[0] in {"openai", "anthropic"}:
            for owner in [one for one in vars(module).values() if isinstance(one, type)]:
                for attribute, value in list(vars(owner).items()):
                    if hasattr(value, "_self_wrapper"):
                        setattr(owner, attribute, neighbours.peel(value)[0])


@pytest.fixture(params=["before us", "after us"])
def settled(request: pytest.FixtureRequest, otel: Telemetry, neighbourhood: Neighbours) -> Callable[..., None]:
    """Switches everything on, in either order."""

    def settle(**settings: Any) -> None:
        otelllm.uninstrument()
        if request.param == "before us":
            neighbourhood.on()
            otel.instrument(**settings)
        else:
            otel.instrument(**settings)
            neighbourhood.on()

    assert trace.get_current_span() is trace.INVALID_SPAN
    return settle
