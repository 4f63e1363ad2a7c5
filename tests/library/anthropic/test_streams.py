"""Streams beside the contract suite: managers, their helpers, and when their first token came."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from wire import files
from wire.server import Gate, sse

from otelllm import semconv

from .surfaces import ARGUMENTS, EVENTS, HEAD, MANAGER, PLAIN, STREAMING, TEXT, Surface, open_stream

if TYPE_CHECKING:
    from telemetry import Telemetry
    from wire.server import Provider

    from .app import App

BEGUN = EVENTS[:HEAD]
SURFACES = [surface if surface in (PLAIN, MANAGER) else pytest.param(surface, marks=pytest.mark.slow)
            for surface in STREAMING]  # fmt: skip


def _open(app: App, provider: Provider, surface: Surface, *steps: Any, **more: Any) -> Any:
    provider.reply(sse(*steps))
    return open_stream(app, surface, **more)


def _text(app: App, stream: Any) -> Any:
    if app.kind == "sync":
        return "".join(stream.text_stream)

    async def join() -> str:
        return "".join([piece async for piece in stream.text_stream])

    return join()


@pytest.mark.parametrize("surface", SURFACES[2:], ids=lambda surface: surface.name)
@pytest.mark.parametrize("helper", ["text_stream", "get_final_message", "get_final_text", "until_done"])
def test_helpers_of_a_manager(otel: Telemetry, app: App, provider: Provider, surface: Surface, helper: str) -> None:
    """They read inside the SDK: the app gets what they give, and the span is complete when the block is left."""
    provider.reply(sse(EVENTS))

    def body(stream: Any) -> Any:
        return _text(app, stream) if helper == "text_stream" else getattr(stream, helper)()

    got = app.within(surface.method(app.client)(**ARGUMENTS), body)
    if helper == "get_final_message":
        assert (got.content[0].text, got.usage.output_tokens) == (TEXT, 50)
    else:
        assert got == (None if helper == "until_done" else TEXT)
    assert otel.attributes[semconv.STREAM_END] == "complete"
    assert otel.attributes[semconv.STREAM_CHUNKS] == len(EVENTS) - 1
    assert otel.attributes[semconv.USAGE_OUTPUT] == 50


def test_leaving_the_text_early(otel: Telemetry, app: App, provider: Provider) -> None:
    """`break` out of `text_stream`: the manager closes, and that is no error."""
    provider.reply(sse(BEGUN, Gate()))

    async def first(stream: Any) -> str:
        async for piece in stream.text_stream:
            return str(piece)
        return ""

    def body(stream: Any) -> Any:
        return next(iter(stream.text_stream)) if app.kind == "sync" else first(stream)

    assert app.within(MANAGER.method(app.client)(**ARGUMENTS), body) == "The light"
    provider.last.wait_left()
    assert otel.attributes[semconv.STREAM_END] == "closed"
    assert semconv.ERROR_TYPE not in otel.attributes


def test_a_manager_is_the_sdks_own_and_sends_when_it_is_entered(otel: Telemetry, app: App, provider: Provider) -> None:
    """Its type, its stream's type, and nothing sent or written before; the span's parent is the one at its entry."""
    manager = app.client.messages.stream(**ARGUMENTS)
    assert type(manager).__name__ == ("MessageStreamManager" if app.kind == "sync" else "AsyncMessageStreamManager")
    assert (provider.requests, otel.spans) == ([], [])
    provider.reply(sse(EVENTS))
    with otel.tracer.start_as_current_span("request") as request:
        stream = app.enter(manager)
    assert type(stream).__name__ == ("MessageStream" if app.kind == "sync" else "AsyncMessageStream")
    assert type(stream._raw_stream) is app.stream_type
    assert stream.request_id is None
    app.read(stream)
    assert otel.span.parent is not None
    assert otel.span.parent.span_id == request.get_span_context().span_id


def test_a_manager_that_is_never_entered_leaves_nothing(otel: Telemetry, app: App, provider: Provider) -> None:
    """The manager is lazy; the async one holds a coroutine that was never awaited, the SDK's warning and no other."""
    manager = app.client.messages.stream(**ARGUMENTS)
    if app.kind == "async":
        with pytest.warns(RuntimeWarning, match="never awaited"):
            del manager
    assert (provider.requests, otel.spans) == ([], [])


def test_ttft_is_the_first_thought_or_word(otel: Telemetry, app: App, provider: Provider) -> None:
    """The message's start and an empty block are no tokens."""
    gate, later = Gate(), Gate()
    events = files.events("anthropic/message_stream_thinking.sse")
    provider.reply(sse(events[:2], gate, events[2:8], later, events[8:]))
    stream = open_stream(app, PLAIN)
    gate.open()
    later.open()
    app.read(stream)
    found = otel.attributes
    assert found[semconv.RESPONSE_TIME_TO_FIRST_CHUNK] < found[semconv.TTFT] < found[semconv.TTFT_CONTENT]
