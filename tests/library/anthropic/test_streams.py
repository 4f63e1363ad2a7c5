"""Every way in which a stream can end, however it was asked for, sync and async: one span, ended once."""

from __future__ import annotations

import asyncio
import gc
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import anthropic
import httpx2
import pytest
from opentelemetry.trace import SpanKind, StatusCode
from wire import files
from wire.server import CUT, RESET, STALL, Gate, sse, whole

import otelllm
from otelllm import semconv

from .surfaces import ARGUMENTS, EVENTS, HEAD, MANAGER, MODEL, PLAIN, STREAMING, TEXT, Surface, open_stream

if TYPE_CHECKING:
    from collections.abc import Callable

    from telemetry import Telemetry
    from wire.server import Provider

    from .app import App, AsyncApp

ERROR = files.event({"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}, "error")
BEGUN = EVENTS[:HEAD]
SURFACES = [surface if surface in (PLAIN, MANAGER) else pytest.param(surface, marks=pytest.mark.slow)
            for surface in STREAMING]  # fmt: skip


def _open(app: App, provider: Provider, surface: Surface, *steps: Any, **more: Any) -> Any:
    provider.reply(sse(*steps))
    return open_stream(app, surface, **more)


def _drop(app: App) -> None:
    gc.collect()
    app.settle()
    gc.collect()


def read_to_the_end(app: App, provider: Provider, surface: Surface) -> None:
    app.read(_open(app, provider, surface, EVENTS))


def left_by_with(app: App, provider: Provider, surface: Surface) -> None:
    app.leave(_open(app, provider, surface, BEGUN, Gate()), surface.taken)
    provider.last.wait_left()


def closed(app: App, provider: Provider, surface: Surface) -> None:
    stream = _open(app, provider, surface, BEGUN, Gate())
    app.take(stream, surface.taken)
    app.close(stream)
    provider.last.wait_left()


def abandoned(app: App, provider: Provider, surface: Surface) -> None:
    stream = _open(app, provider, surface, BEGUN, Gate())
    app.take(stream, surface.taken)
    del stream
    _drop(app)


def never_iterated(app: App, provider: Provider, surface: Surface) -> None:
    stream = _open(app, provider, surface, BEGUN, Gate())
    del stream
    _drop(app)


def never_iterated_but_closed(app: App, provider: Provider, surface: Surface) -> None:
    app.close(_open(app, provider, surface, BEGUN, Gate()))


def _broken(app: App, provider: Provider, surface: Surface, how: Any) -> None:
    gate = Gate()
    stream = _open(app, provider, surface, BEGUN, gate, how)
    app.take(stream, surface.taken)
    gate.open()
    with pytest.raises(httpx2.NetworkError if how == RESET else httpx2.RemoteProtocolError):  # the SDK wraps neither
        app.read(stream)


def cut(app: App, provider: Provider, surface: Surface) -> None:
    _broken(app, provider, surface, CUT)


def reset(app: App, provider: Provider, surface: Surface) -> None:
    _broken(app, provider, surface, RESET)


def ended_too_soon(app: App, provider: Provider, surface: Surface) -> None:
    """A body that is whole by HTTP and lacks the provider's own end: the SDK raises nothing."""
    assert len(app.read(_open(app, provider, surface, BEGUN))) == surface.taken


def error_event(app: App, provider: Provider, surface: Surface) -> None:
    stream = _open(app, provider, surface, BEGUN, ERROR)
    app.take(stream, surface.taken)
    with pytest.raises(anthropic.APIStatusError, match="Overloaded"):
        app.read(stream)


def timed_out(app: App, provider: Provider, surface: Surface) -> None:
    stream = _open(app, provider, surface, BEGUN, STALL, timeout=0.1)
    app.take(stream, surface.taken)
    with pytest.raises(httpx2.ReadTimeout):
        app.read(stream)
    provider.last.wait_left()


def refused(app: App, provider: Provider, surface: Surface) -> None:
    provider.reply(whole(files.body("anthropic/error_429.json"), status=429))
    with pytest.raises(anthropic.RateLimitError):
        open_stream(app, surface)


@dataclass(frozen=True, slots=True)
class Row:
    """One way to end, and what the span must say of it."""

    act: Callable[[App, Provider, Surface], None]
    end: str
    error: str | None = None
    saw: str = "some"


ROWS = [
    Row(read_to_the_end, "complete", saw="all"),
    Row(left_by_with, "closed"),
    Row(closed, "closed"),
    Row(abandoned, "abandoned"),
    Row(never_iterated, "abandoned", saw="none"),
    Row(never_iterated_but_closed, "closed", saw="none"),
    Row(cut, "broken", "httpx2.RemoteProtocolError"),
    Row(reset, "broken", "httpx2.ReadError"),
    Row(ended_too_soon, "broken", "incomplete"),
    Row(error_event, "broken", "overloaded_error"),
    Row(timed_out, "broken", "timeout"),
    Row(refused, "broken", "rate_limit_error", saw="none"),
]


@pytest.mark.parametrize("surface", SURFACES, ids=lambda surface: surface.name)
@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.act.__name__)
# A stream that nobody closes leaves its connection to the garbage collector, with and without us.
@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_every_ending_is_one_span_that_says_so(
    otel: Telemetry, app: App, provider: Provider, surface: Surface, row: Row
) -> None:
    """One span, ended once; its end, status and error by the rules; what had come is on it, what had not is absent."""
    row.act(app, provider, surface)
    span, found = otel.span, otel.attributes
    assert (span.name, span.kind) == (f"chat {MODEL}", SpanKind.CLIENT)
    assert found[semconv.STREAM_END] == row.end
    assert found[semconv.REQUEST_STREAM] is True
    assert found.get(semconv.ERROR_TYPE) == row.error
    assert span.status.status_code is (StatusCode.ERROR if row.error else StatusCode.UNSET)
    assert span.status.description is None
    has_answer = row.saw != "none"
    assert (semconv.RESPONSE_ID in found) is has_answer
    assert (semconv.RESPONSE_TIME_TO_FIRST_CHUNK in found) is has_answer
    assert (semconv.TTFT in found) is has_answer
    assert (semconv.RESPONSE_FINISH_REASONS in found) is (row.saw == "all")
    if row.saw == "all":
        assert (found[semconv.USAGE_INPUT], found[semconv.USAGE_OUTPUT]) == (1200, 50)
        assert semconv.USAGE_ESTIMATED not in found
    elif has_answer:
        # The input was counted at the start; the output was not, and the first event's 1 is no count of it.
        assert found[semconv.USAGE_INPUT] == 1200
        assert 2 <= found[semconv.USAGE_OUTPUT] <= 40
        assert (found[semconv.USAGE_ESTIMATED], found[semconv.COST_STATUS]) == (True, "estimated")
    duration = otel.metrics()[semconv.METRIC_DURATION]
    assert sum(point.count for point in duration) == 1


@pytest.mark.parametrize("surface", [PLAIN, MANAGER], ids=lambda surface: surface.name)
def test_what_had_come_of_a_closed_stream_is_kept(
    otel: Telemetry, app: App, provider: Provider, surface: Surface
) -> None:
    """With content captured, the text so far and no more is on the span; a second end changes nothing."""
    otel.instrument(capture="full")
    stream = _open(app, provider, surface, BEGUN, Gate())
    app.take(stream, surface.taken)
    app.close(stream)
    app.close(stream)
    (message,) = otel.messages(semconv.OUTPUT_MESSAGES)
    assert message["parts"] == [{"type": "text", "content": "The lighthouse at Skagen "}]


@pytest.mark.parametrize("surface", [PLAIN, MANAGER], ids=lambda surface: surface.name)
def test_a_cancelled_read_ends_the_span_as_cancelled(
    otel: Telemetry, async_app: AsyncApp, provider: Provider, surface: Surface
) -> None:
    """The reading task is cancelled inside the SDK's iterator: the app sees CancelledError, the provider the close."""
    stream = _open(async_app, provider, surface, BEGUN, Gate())

    async def go() -> None:
        seen: list[Any] = []

        async def read() -> None:
            async for chunk in stream:
                seen.append(chunk)  # noqa: PERF401  the other task watches it grow

        task = asyncio.create_task(read())
        while len(seen) < surface.taken:
            await asyncio.sleep(0.001)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await stream.close()

    async_app.runner.run(go())
    provider.last.wait_left()
    found = otel.attributes
    assert (found[semconv.STREAM_END], found[semconv.ERROR_TYPE]) == ("cancelled", "cancelled")
    assert otel.span.status.status_code is StatusCode.ERROR


def test_cancelled_before_a_manager_was_entered_whole(otel: Telemetry, async_app: AsyncApp, provider: Provider) -> None:
    """The request is on its way when the app's task is cancelled."""
    provider.reply(sse(STALL))

    async def enter() -> None:
        async with async_app.client.messages.stream(**ARGUMENTS):
            pass

    async def go() -> None:
        task = asyncio.create_task(enter())
        while not provider.requests:
            await asyncio.sleep(0.001)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    async_app.runner.run(go())
    provider.last.wait_left()
    assert (otel.attributes[semconv.STREAM_END], otel.attributes[semconv.ERROR_TYPE]) == ("cancelled", "cancelled")


@pytest.mark.parametrize("surface", [PLAIN, MANAGER], ids=lambda surface: surface.name)
def test_a_blocked_stream_sends_nothing(
    otel: Telemetry, app: App, provider: Provider, monkeypatch: pytest.MonkeyPatch, surface: Surface
) -> None:
    """The kill switch refuses before anything is sent; a manager, when it is entered."""
    monkeypatch.setenv("OTELLLM_KILL", "provider:anthropic")
    otel.instrument()
    with pytest.raises(otelllm.KillSwitchOn):
        open_stream(app, surface)
    assert provider.requests == []
    found = otel.attributes
    assert (found[semconv.STREAM_END], found[semconv.VERDICT]) == ("blocked", "block")


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
