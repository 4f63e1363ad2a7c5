"""A failure in our own code never reaches the app: each hook broken in turn, in every way of asking."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import anthropic
import pytest
from opentelemetry.sdk.trace import Span, Tracer, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExporter, SpanExportResult
from wire import files
from wire.server import Gate, sse, whole

from otelllm import calls, safely
from otelllm.providers.anthropic import PROVIDER, messages

from .surfaces import ARGUMENTS, EVENTS, HEAD, MANAGER, PLAIN, TEXT, open_stream

if TYPE_CHECKING:
    from collections.abc import Iterator

    from telemetry import Telemetry
    from wire.server import Provider

    from .app import App

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def as_in_production() -> Iterator[None]:
    """Swallow, and forget what was counted."""
    before = safely.strict(False)
    yield
    safely.strict(before)
    safely.failures.clear()


SURFACE, OURS = type(messages.MESSAGES), type(PROVIDER)
HOOKS = [
    *((SURFACE, name) for name in ("read_request", "read_input", "read_response", "fold_chunk", "finish")),
    *((OURS, name) for name in ("endpoint", "receive", "read_headers", "read_error")),
    (calls, "copy"),
]


@pytest.mark.parametrize(("owner", "name"), HOOKS, ids=lambda value: value if isinstance(value, str) else "")
def test_the_app_sees_what_it_would_see_without_us(
    otel: Telemetry, app: App, provider: Provider, monkeypatch: pytest.MonkeyPatch, owner: Any, name: str
) -> None:
    """Answers, streams, managers and errors are the SDK's own, whatever of ours is broken."""
    otel.instrument(capture="full")

    def broken(*args: Any, **kwargs: Any) -> Any:
        raise RuntimeError("ours")

    monkeypatch.setattr(owner, name, broken)
    provider.reply(whole(files.body("anthropic/message.json")), sse(EVENTS), sse(EVENTS))
    assert app.call(PLAIN.method(app.client), **ARGUMENTS).content[0].text == TEXT
    assert len(app.read(open_stream(app, PLAIN))) == len(EVENTS) - 1
    manager = MANAGER.method(app.client)(**ARGUMENTS)
    assert app.within(manager, lambda stream: stream.get_final_message()).content[0].text == TEXT
    provider.reply(whole(files.body("anthropic/error_429.json"), status=429))
    with pytest.raises(anthropic.RateLimitError):
        app.call(PLAIN.method(app.client), **ARGUMENTS)


def _exercise(app: App, provider: Provider) -> None:
    """Whole, streamed, by a manager, left early and refused: all as without us."""
    provider.reply(whole(files.body("anthropic/message.json")), sse(EVENTS), sse(EVENTS), sse(EVENTS[:HEAD], Gate()))
    assert app.call(PLAIN.method(app.client), **ARGUMENTS).content[0].text == TEXT
    stream = open_stream(app, PLAIN)
    assert type(stream) is app.stream_type
    assert len(app.read(stream)) == len(EVENTS) - 1
    manager = MANAGER.method(app.client)(**ARGUMENTS)
    assert app.within(manager, lambda stream: stream.get_final_message()).content[0].text == TEXT
    app.leave(open_stream(app, PLAIN), 2)
    provider.last.wait_left()
    provider.reply(whole(files.body("anthropic/error_429.json"), status=429))
    with pytest.raises(anthropic.RateLimitError):
        app.call(PLAIN.method(app.client), **ARGUMENTS)


@pytest.mark.parametrize(
    ("owner", "name"),
    [(Tracer, "start_span"), *((Span, name) for name in ("set_attribute", "set_attributes", "add_event", "end"))],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_broken_tracer_never_reaches_the_app(
    otel: Telemetry, app: App, provider: Provider, monkeypatch: pytest.MonkeyPatch, owner: Any, name: str
) -> None:
    """A tracer of somebody else's, that raises at a span's start, at its attributes or at its end."""

    def broken(*_: Any, **__: Any) -> Any:
        raise RuntimeError("theirs")

    monkeypatch.setattr(owner, name, broken)
    otel.instrument(capture="full")
    _exercise(app, provider)


class _BrokenExporter(SpanExporter):
    def export(self, spans: Any) -> SpanExportResult:
        raise RuntimeError("theirs")

    def shutdown(self) -> None:
        """Nothing to shut."""


def test_a_broken_exporter_never_reaches_the_app(otel: Telemetry, app: App, provider: Provider) -> None:
    """What raises behind the span's end stays there."""
    tracer_provider = TracerProvider()
    tracer_provider.add_span_processor(SimpleSpanProcessor(_BrokenExporter()))
    otel.instrument(tracer_provider=tracer_provider)
    _exercise(app, provider)
