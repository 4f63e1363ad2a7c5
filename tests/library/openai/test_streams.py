"""Every way in which a stream can end, on every surface, sync and async: one span, ended once, with what had come."""

from __future__ import annotations

import asyncio
import gc
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import openai
import pytest
from openai import _streaming
from opentelemetry.trace import SpanKind, StatusCode
from wire import files
from wire.server import CUT, RESET, STALL, Gate, sse, whole

import otelllm
from otelllm import semconv

from .surfaces import CHAT, RESPONSES, STREAMING, Surface

if TYPE_CHECKING:
    from collections.abc import Callable

    from telemetry import Telemetry
    from wire.server import Provider

    from .app import App, AsyncApp, SyncApp

# Older SDKs let the HTTP library's errors in the middle of a stream through as they are.
IS_WRAPPED = hasattr(_streaming, "APIConnectionError")
NETWORK = openai.APIConnectionError if IS_WRAPPED else _streaming.httpx.TransportError


def _open(app: App, provider: Provider, surface: Surface, *steps: Any) -> Any:
    provider.reply(sse(*steps))
    return app.call(surface.method(app.client), **surface.streaming)


def _head(surface: Surface) -> list[bytes]:
    return surface.events[: surface.head]


def _drop(app: App) -> None:
    """The last reference is gone: openai's streams sit in a cycle of their own, async ones end in a task of a loop."""
    gc.collect()
    app.settle()
    gc.collect()


def read_to_the_end(app: App, provider: Provider, surface: Surface) -> None:
    app.read(_open(app, provider, surface, surface.events))


def left_by_with(app: App, provider: Provider, surface: Surface) -> None:
    stream = _open(app, provider, surface, _head(surface), Gate())
    app.leave(stream, surface.head)
    provider.last.wait_left()


def closed(app: App, provider: Provider, surface: Surface) -> None:
    stream = _open(app, provider, surface, _head(surface), Gate())
    app.take(stream, surface.head)
    app.close(stream)
    provider.last.wait_left()


def abandoned(app: App, provider: Provider, surface: Surface) -> None:
    stream = _open(app, provider, surface, _head(surface), Gate())
    app.take(stream, surface.head)
    del stream
    _drop(app)


def never_iterated(app: App, provider: Provider, surface: Surface) -> None:
    stream = _open(app, provider, surface, _head(surface), Gate())
    del stream
    _drop(app)


def never_iterated_but_closed(app: App, provider: Provider, surface: Surface) -> None:
    stream = _open(app, provider, surface, _head(surface), Gate())
    app.close(stream)


def cut(app: App, provider: Provider, surface: Surface) -> None:
    gate = Gate()
    stream = _open(app, provider, surface, _head(surface), gate, CUT)
    app.take(stream, surface.head)
    gate.open()
    with pytest.raises(NETWORK):
        app.read(stream)


def reset(app: App, provider: Provider, surface: Surface) -> None:
    gate = Gate()
    stream = _open(app, provider, surface, _head(surface), gate, RESET)
    app.take(stream, surface.head)
    gate.open()
    with pytest.raises(NETWORK):
        app.read(stream)


def ended_too_soon(app: App, provider: Provider, surface: Surface) -> None:
    """A body that is whole by HTTP and lacks the provider's own end: the SDK raises nothing."""
    assert len(app.read(_open(app, provider, surface, _head(surface)))) == surface.head


def error_event(app: App, provider: Provider, surface: Surface) -> None:
    error = files.event({"error": {"message": "overloaded", "type": "server_error", "code": "server_error"}})
    stream = _open(app, provider, surface, _head(surface), error)
    app.take(stream, surface.head)
    with pytest.raises(openai.APIError, match="overloaded"):
        app.read(stream)


def timed_out(app: App, provider: Provider, surface: Surface) -> None:
    provider.reply(sse(_head(surface), STALL))
    stream = app.call(surface.method(app.client), **surface.streaming, timeout=0.1)
    app.take(stream, surface.head)
    with pytest.raises(openai.APITimeoutError if IS_WRAPPED else _streaming.httpx.ReadTimeout):
        app.read(stream)
    provider.last.wait_left()


def refused(app: App, provider: Provider, surface: Surface) -> None:
    provider.reply(whole(files.body("openai/error_429.json"), status=429))
    with pytest.raises(openai.RateLimitError):
        app.call(surface.method(app.client), **surface.streaming)


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
    Row(cut, "broken", "openai.APIConnectionError" if IS_WRAPPED else "httpx.RemoteProtocolError"),
    Row(reset, "broken", "openai.APIConnectionError" if IS_WRAPPED else "httpx.ReadError"),
    Row(ended_too_soon, "broken", "incomplete"),
    Row(error_event, "broken", "server_error"),
    Row(timed_out, "broken", "timeout"),
    Row(refused, "broken", "rate_limit_exceeded", saw="none"),
]


@pytest.mark.parametrize("surface", STREAMING, ids=lambda surface: surface.name)
@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.act.__name__)
# A stream that nobody closes leaves its connection to the garbage collector, with and without us.
@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_every_ending_is_one_span_that_says_so(
    otel: Telemetry, app: App, provider: Provider, surface: Surface, row: Row
) -> None:
    """One span, ended once; its end, status and error by the rules; what had come is on it, what had not is absent."""
    row.act(app, provider, surface)
    span, found = otel.span, otel.attributes
    assert (span.name, span.kind) == (surface.span_name, SpanKind.CLIENT)
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
        assert (found[semconv.USAGE_INPUT], found[semconv.USAGE_OUTPUT]) == surface.tokens
        assert semconv.USAGE_ESTIMATED not in found
    elif semconv.USAGE_INPUT in found or semconv.USAGE_OUTPUT in found:
        assert found[semconv.USAGE_ESTIMATED] is True
    duration = otel.metrics()[semconv.METRIC_DURATION]
    assert sum(point.count for point in duration) == 1


@pytest.mark.parametrize("surface", STREAMING, ids=lambda surface: surface.name)
def test_what_had_come_of_a_closed_stream_is_kept(
    otel: Telemetry, app: App, provider: Provider, surface: Surface
) -> None:
    """With content captured, the text so far and no more is on the span."""
    otel.instrument(capture="full")
    closed(app, provider, surface)
    (message,) = otel.messages(semconv.OUTPUT_MESSAGES)
    assert message["parts"] == [{"type": "text", "content": surface.started}]


@pytest.mark.parametrize("surface", STREAMING, ids=lambda surface: surface.name)
def test_a_second_end_changes_nothing(otel: Telemetry, app: App, provider: Provider, surface: Surface) -> None:
    """Read to the end, closed, closed again and dropped: still one span, and it is complete."""
    stream = _open(app, provider, surface, surface.events)
    app.read(stream)
    app.close(stream)
    app.close(stream)
    del stream
    _drop(app)
    assert otel.attributes[semconv.STREAM_END] == "complete"


@pytest.mark.parametrize("surface", STREAMING, ids=lambda surface: surface.name)
def test_a_cancelled_read_ends_the_span_as_cancelled(
    otel: Telemetry, async_app: AsyncApp, provider: Provider, surface: Surface
) -> None:
    """The reading task is cancelled inside the SDK's iterator: the app sees CancelledError, the provider the close."""
    provider.reply(sse(_head(surface), Gate()))

    async def go() -> None:
        stream = await surface.method(async_app.client)(**surface.streaming)
        seen: list[Any] = []

        async def read() -> None:
            async for chunk in stream:
                seen.append(chunk)  # noqa: PERF401  the other task watches it grow

        task = asyncio.create_task(read())
        # Once the last chunk that was sent is here, the reader waits inside the SDK's iterator.
        while len(seen) < surface.head:
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


@pytest.mark.parametrize("surface", STREAMING, ids=lambda surface: surface.name)
def test_cancelled_before_the_answer_began(
    otel: Telemetry, async_app: AsyncApp, provider: Provider, surface: Surface
) -> None:
    """The call itself is cancelled while the provider is silent."""
    provider.reply(sse(STALL))

    async def go() -> None:
        task = asyncio.create_task(surface.method(async_app.client)(**surface.streaming))
        while not provider.requests:
            await asyncio.sleep(0.001)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    async_app.runner.run(go())
    provider.last.wait_left()
    found = otel.attributes
    assert (found[semconv.STREAM_END], found[semconv.ERROR_TYPE]) == ("cancelled", "cancelled")


def test_an_error_of_the_apps_own_inside_with_is_a_close(otel: Telemetry, app: App, provider: Provider) -> None:
    """The app's code fails between two chunks: the stream was closed by the app, and the provider did nothing wrong."""
    stream = _open(app, provider, CHAT, _head(CHAT), Gate())

    def body(stream: Any) -> Any:
        raise RuntimeError("the app's own")

    with pytest.raises(RuntimeError, match="the app's own"):
        app.within(stream, body)
    assert otel.attributes[semconv.STREAM_END] == "closed"
    assert otel.span.status.status_code is StatusCode.UNSET


@pytest.mark.parametrize(
    ("file", "end", "error", "finish"),
    [
        ("openai/responses_stream_failed.sse", "broken", "server_error", ("error",)),
        ("openai/responses_stream_error.sse", "broken", "rate_limit_exceeded", None),
        ("openai/responses_stream_incomplete.sse", "complete", None, ("length",)),
    ],
)
def test_a_failure_that_is_only_an_event_is_on_the_span(
    otel: Telemetry,
    app: App,
    provider: Provider,
    file: str,
    end: str,
    error: str | None,
    finish: tuple[str, ...] | None,
) -> None:
    """The SDK yields these events and raises nothing; the span must say so all the same."""
    events = files.events(file)
    assert len(app.read(_open(app, provider, RESPONSES, events))) == len(events)
    found = otel.attributes
    assert (found[semconv.STREAM_END], found.get(semconv.ERROR_TYPE)) == (end, error)
    assert found.get(semconv.RESPONSE_FINISH_REASONS) == finish
    assert otel.span.status.status_code is (StatusCode.ERROR if error else StatusCode.UNSET)


def test_a_stream_read_in_another_thread_ends_there(otel: Telemetry, sync_app: SyncApp, provider: Provider) -> None:
    """Made in one thread, read in another; the parent is that of the call."""
    with otel.tracer.start_as_current_span("request") as request:
        stream = _open(sync_app, provider, CHAT, CHAT.events)
    reader = threading.Thread(target=sync_app.read, args=(stream,))
    reader.start()
    reader.join()
    assert otel.span.parent is not None
    assert otel.span.parent.span_id == request.get_span_context().span_id
    assert otel.attributes[semconv.STREAM_END] == "complete"


def test_a_blocked_stream_sends_nothing(
    otel: Telemetry, app: App, provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The kill switch refuses before anything is sent, and the span says that it was blocked."""
    monkeypatch.setenv("OTELLLM_KILL", "model:gpt-4o*")
    otel.instrument()
    with pytest.raises(otelllm.KillSwitchOn):
        app.call(CHAT.method(app.client), **CHAT.streaming)
    assert provider.requests == []
    found = otel.attributes
    assert (found[semconv.STREAM_END], found[semconv.VERDICT]) == ("blocked", "block")


def test_cancelled_between_two_chunks(otel: Telemetry, async_app: AsyncApp, provider: Provider) -> None:
    """The app's own await inside `async with` is cancelled: the SDK closes the stream, and that is no plain close."""
    provider.reply(sse(_head(CHAT), Gate()))

    async def go() -> None:
        started = asyncio.Event()

        async def work() -> None:
            async with await CHAT.method(async_app.client)(**CHAT.streaming) as stream:
                async for _ in stream:
                    started.set()
                    await asyncio.Event().wait()

        task = asyncio.create_task(work())
        await started.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    async_app.runner.run(go())
    provider.last.wait_left()
    assert (otel.attributes[semconv.STREAM_END], otel.attributes[semconv.ERROR_TYPE]) == ("cancelled", "cancelled")


def test_a_stop_button(otel: Telemetry, async_app: AsyncApp, provider: Provider) -> None:
    """One task reads, another closes the stream: whatever the reader is raised, the app closed it."""
    provider.reply(sse(_head(CHAT), Gate()))

    async def go() -> None:
        stream = await CHAT.method(async_app.client)(**CHAT.streaming)
        seen: list[Any] = []

        async def read() -> None:
            async for chunk in stream:
                seen.append(chunk)  # noqa: PERF401  the other task watches it grow

        reader = asyncio.create_task(read())
        while len(seen) < CHAT.head:
            await asyncio.sleep(0.001)
        await stream.close()
        await asyncio.gather(reader, return_exceptions=True)

    async_app.runner.run(go())
    provider.last.wait_left()
    assert otel.attributes[semconv.STREAM_END] == "closed"
    assert semconv.ERROR_TYPE not in otel.attributes
