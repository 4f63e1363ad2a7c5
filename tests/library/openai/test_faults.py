"""Our own parts fail, one at a time: the app's result is what it would have been, and the span ends all the same.

The only tests that replace functions of ours, and the only ones in which the library swallows as in production.
"""

from __future__ import annotations

import gc
from typing import TYPE_CHECKING, Any

import openai
import pytest
from library.faults import Broken, as_in_production, broken  # noqa: F401  the second is a fixture
from opentelemetry.sdk.trace import Span, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace import Tracer as SdkTracer
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExporter, SpanExportResult
from wire import files
from wire.server import Gate, sse, whole

from otelllm import safely

from .surfaces import CHAT, RESPONSES, STREAMING, Surface

if TYPE_CHECKING:
    from telemetry import Telemetry
    from wire.server import Provider

    from .app import App

pytestmark = [
    pytest.mark.slow,
    # The pieces that we break complain in their own way; what matters here is the app.
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


def _exercise(app: App, provider: Provider, surface: Surface) -> None:
    """Whole, streamed, raw, failed, left early and refused: all as without us."""
    method = surface.method(app.client)
    provider.reply(whole(surface.body))
    assert app.call(method, **surface.arguments).model
    provider.reply(sse(surface.events))
    stream = app.call(method, **surface.streaming)
    assert type(stream) is app.stream_type
    assert len(app.read(stream)) == len(surface.events) - (surface is not RESPONSES)
    provider.reply(sse(surface.events[:3], Gate()))
    app.leave(app.call(method, **surface.streaming), 2)
    provider.last.wait_left()
    provider.reply(sse(surface.events[:2], files.event({"error": {"message": "overloaded"}})))
    with pytest.raises(openai.APIError, match="overloaded"):
        app.read(app.call(method, **surface.streaming))
    provider.reply(whole(files.body("openai/error_429.json"), status=429))
    with pytest.raises(openai.RateLimitError):
        app.call(method, **surface.arguments)
    resource = method.__self__
    provider.reply(whole(surface.body))
    assert app.call(resource.with_raw_response.create, **surface.arguments).parse().model
    provider.reply(whole(surface.body))
    manager = resource.with_streaming_response.create(**surface.arguments)
    assert app.within(manager, lambda response: response.parse()).model


CALLS = 7
OPENAI = "otelllm.providers.openai"
HOOKS = {
    # What fails before there is a span leaves none; everything later leaves one a call.
    "{place}.read_request": 0,
    f"{OPENAI}:_OpenAI.endpoint": 0,
    "otelllm.begun:Record": 0,
    "otelllm.begun:current": 0,
    "{place}.read_input": CALLS,
    "{place}.read_response": CALLS,
    "{place}.fold_chunk": CALLS,
    "{place}.finish": CALLS,
    f"{OPENAI}:_OpenAI.receive": CALLS,
    f"{OPENAI}:_OpenAI.read_headers": CALLS,
    f"{OPENAI}:_OpenAI.read_error": CALLS,
    "otelllm.flow:Relay": CALLS,
    "otelllm.flow:attach": CALLS,
    "otelllm.connection:tap": CALLS,
    "otelllm.connection:Body": CALLS,
    "otelllm.connection:Body.feed": CALLS,
    "otelllm.connection:_hooked": CALLS,
    "otelllm.connection:relay_of": CALLS,
    "otelllm.calls:tap_body": CALLS,
    "otelllm.relay:Relay.read": CALLS,
    "otelllm.relay:Relay.closed": CALLS,
    "otelllm.emit:start_attributes": 0,
    "otelllm.emit:attributes": CALLS,
    "otelllm.emit:cost_of": CALLS,
    "otelllm.emit:write_error": CALLS,
    "otelllm.emit:Content": CALLS,
    "otelllm.emit:above": 0,
    "otelllm.metrics:Instruments.record": CALLS,
}
PLACES = {"chat": "otelllm.openai_format.chat:Chat", "responses": "otelllm.openai_format.responses:Responses"}


@pytest.mark.parametrize("surface", STREAMING[:2], ids=lambda surface: surface.name)
@pytest.mark.parametrize("hook", HOOKS)
def test_a_broken_part_of_ours_never_reaches_the_app(
    otel: Telemetry, app: App, provider: Provider, monkeypatch: pytest.MonkeyPatch, surface: Surface, hook: str
) -> None:
    """Every call of the app goes through; spans end; what went wrong is counted."""
    otel.instrument(capture="full")
    target = hook.format(place=PLACES[surface.name])
    called = broken(monkeypatch, target)
    _exercise(app, provider, surface)
    app.settle()
    gc.collect()  # where the end was missed it comes with the stream's last reference
    assert called, f"{target} was never called: the test proves nothing"
    assert len(otel.spans) == HOOKS[hook]
    assert safely.failures


@pytest.mark.parametrize(
    "method", ["set_attribute", "set_attributes", "add_event", "set_status", "end", "is_recording"]
)
@pytest.mark.parametrize("surface", STREAMING[:2], ids=lambda surface: surface.name)
def test_a_broken_span_never_reaches_the_app(
    otel: Telemetry, app: App, provider: Provider, monkeypatch: pytest.MonkeyPatch, surface: Surface, method: str
) -> None:
    """A tracer of somebody else's, whose spans raise."""

    def broken(*_: Any, **__: Any) -> Any:
        raise Broken(method)

    monkeypatch.setattr(Span, method, broken)
    otel.instrument(capture="full")
    _exercise(app, provider, surface)


@pytest.mark.parametrize("surface", STREAMING[:2], ids=lambda surface: surface.name)
def test_a_broken_tracer_never_reaches_the_app(
    otel: Telemetry, app: App, provider: Provider, monkeypatch: pytest.MonkeyPatch, surface: Surface
) -> None:
    """start_span raises: no span, and the metrics go on."""

    def broken(*_: Any, **__: Any) -> Any:
        raise Broken("start_span")

    monkeypatch.setattr(SdkTracer, "start_span", broken)
    otel.instrument()
    _exercise(app, provider, surface)
    assert otel.spans == []
    assert otel.metrics()


class _BrokenProcessor(SpanProcessor):
    def on_end(self, span: Any) -> None:
        raise Broken("on_end")


class _BrokenExporter(SpanExporter):
    def export(self, spans: Any) -> SpanExportResult:
        raise Broken("export")

    def shutdown(self) -> None:
        """Nothing to shut."""


@pytest.mark.parametrize(
    "processor", [_BrokenProcessor(), SimpleSpanProcessor(_BrokenExporter())], ids=["end", "export"]
)
def test_a_broken_exporter_never_reaches_the_app(
    otel: Telemetry, app: App, provider: Provider, processor: SpanProcessor
) -> None:
    """Whatever raises behind the span's end stays there."""
    tracer_provider = TracerProvider()
    tracer_provider.add_span_processor(processor)
    otel.instrument(tracer_provider=tracer_provider)
    _exercise(app, provider, CHAT)


def test_a_failure_is_logged_once_without_content(
    otel: Telemetry, app: App, provider: Provider, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The log says what failed and where, once a cause; the error's text, which may hold a prompt, is not in it."""
    broken(monkeypatch, "otelllm.openai_format.chat:Chat.read_response")
    for _ in range(3):
        provider.reply(whole(CHAT.body))
        app.call(CHAT.method(app.client), **CHAT.arguments)
    (record,) = [one for one in caplog.records if one.name.startswith("otelllm")]
    assert "Broken" in record.getMessage()
    assert "openai_format.chat:" not in record.getMessage()
    assert sum(safely.failures.values()) == 3


def test_a_users_redaction_that_fails_keeps_nothing(otel: Telemetry, app: App, provider: Provider) -> None:
    """Content that could not be redacted is dropped, never kept as it was."""

    def redact(text: str) -> str:
        raise Broken(text)

    otel.instrument(capture="full", redact=redact)
    provider.reply(whole(CHAT.body))
    app.call(CHAT.method(app.client), **CHAT.arguments)
    assert "Skagen" not in otel.everything()
    assert "lighthouses" not in otel.everything()
