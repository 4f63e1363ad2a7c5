"""Streams beside the contract suite: a failure that is only an event, other threads, a task that is cancelled."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry.trace import StatusCode
from wire import files
from wire.server import Gate, sse

from otelllm import semconv

from .surfaces import CHAT, RESPONSES, Surface

if TYPE_CHECKING:
    from telemetry import Telemetry
    from wire.server import Provider

    from .app import App, AsyncApp, SyncApp


def _open(app: App, provider: Provider, surface: Surface, *steps: Any) -> Any:
    provider.reply(sse(*steps))
    return app.call(surface.method(app.client), **surface.streaming)


def _head(surface: Surface) -> list[bytes]:
    return surface.events[: surface.head]


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
