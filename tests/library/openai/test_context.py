"""Whose child a call's span is, and that nothing of ours stays current: threads, pools, tasks, generators."""

from __future__ import annotations

import asyncio
import gc
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry import context, trace
from opentelemetry.context import _SUPPRESS_INSTRUMENTATION_KEY, attach, detach, set_value
from wire.server import Gate, sse, whole

import otelllm
from otelllm import semconv

from .surfaces import CHAT, STREAMING, SURFACES, Surface

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from opentelemetry.sdk.trace import ReadableSpan
    from telemetry import Telemetry
    from wire.server import Provider

    from .app import App, AsyncApp, SyncApp


def _parent(span: ReadableSpan) -> int | None:
    return span.parent.span_id if span.parent else None


@pytest.mark.parametrize("surface", SURFACES, ids=lambda surface: surface.name)
def test_the_parent_is_the_apps_span(otel: Telemetry, app: App, provider: Provider, surface: Surface) -> None:
    """A call inside a span is its child; afterwards the app's span is current again, not ours."""
    provider.reply(whole(surface.body))
    with otel.tracer.start_as_current_span("request") as request:
        before = context.get_current()
        app.call(surface.method(app.client), **surface.arguments)
        assert context.get_current() is before
    assert _parent(otel.span) == request.get_span_context().span_id


@pytest.mark.parametrize("surface", STREAMING, ids=lambda surface: surface.name)
def test_a_returned_stream_leaves_the_context_alone(
    otel: Telemetry, sync_app: SyncApp, provider: Provider, surface: Surface
) -> None:
    """The moment a stream is returned, and between its chunks, the current span is the app's."""
    provider.reply(sse(surface.events))
    with otel.tracer.start_as_current_span("request"):
        before = context.get_current()
        stream = sync_app.call(surface.method(sync_app.client), **surface.streaming)
        assert context.get_current() is before
        for _ in stream:
            assert context.get_current() is before
        assert context.get_current() is before


def test_the_request_is_sent_inside_our_span(otel: Telemetry, provider: Provider, sync_app: SyncApp) -> None:
    """What the HTTP client traces is our span's child: the context is ours while the request goes out."""
    seen: list[trace.SpanContext] = []
    http = sync_app.client._client
    http.event_hooks = {"request": [lambda _: seen.append(trace.get_current_span().get_span_context())], "response": []}
    provider.reply(whole(CHAT.body))
    sync_app.call(CHAT.method(sync_app.client), **CHAT.arguments)
    assert [it.span_id for it in seen] == [otel.span.context.span_id]


def test_threads_of_a_pool_keep_their_own_parents(otel: Telemetry, sync_app: SyncApp, provider: Provider) -> None:
    """Forty calls from eight threads, each under a span of its own."""
    provider.always = lambda request: sse(CHAT.events) if request.json.get("stream") else whole(CHAT.body)

    def work(number: int) -> tuple[str, int]:
        with otel.tracer.start_as_current_span(f"job {number}") as job:
            with otelllm.context(user=f"u-{number}"):
                if number % 2:
                    sync_app.read(sync_app.call(CHAT.method(sync_app.client), **CHAT.streaming))
                else:
                    sync_app.call(CHAT.method(sync_app.client), **CHAT.arguments)
            return f"u-{number}", job.get_span_context().span_id

    with ThreadPoolExecutor(8) as pool:
        jobs = dict(pool.map(work, range(40)))
    assert {(span.attributes or {})[semconv.USER_ID]: _parent(span) for span in otel.spans} == jobs


def test_a_pool_that_carries_the_context(otel: Telemetry, sync_app: SyncApp, provider: Provider) -> None:
    """`copy_context().run` carries parent and scope into the worker."""
    provider.reply(whole(CHAT.body))
    with ThreadPoolExecutor(1) as pool, otel.tracer.start_as_current_span("request") as request:
        with otelllm.context(session="s-1"):
            carried = copy_context()
        pool.submit(carried.run, sync_app.call, CHAT.method(sync_app.client), **CHAT.arguments).result()
    assert _parent(otel.span) == request.get_span_context().span_id
    assert otel.attributes[semconv.SESSION_ID] == "s-1"


def test_gathered_tasks_keep_their_own_parents(otel: Telemetry, async_app: AsyncApp, provider: Provider) -> None:
    """Thirty concurrent tasks, streamed, each under a span of its own."""
    provider.always = lambda request: sse(CHAT.events)

    async def work(number: int) -> tuple[str, int]:
        with (
            otel.tracer.start_as_current_span(f"job {number}") as job,
            otelllm.context(user=f"u-{number}"),
        ):
            async for _ in await CHAT.method(async_app.client)(**CHAT.streaming):
                await asyncio.sleep(0)
            return f"u-{number}", job.get_span_context().span_id

    async def go() -> list[tuple[str, int]]:
        return await asyncio.gather(*(work(number) for number in range(30)))

    jobs = dict(async_app.runner.run(go()))
    assert {(span.attributes or {})[semconv.USER_ID]: _parent(span) for span in otel.spans} == jobs


async def _tokens(otel: Telemetry, app: AsyncApp) -> AsyncIterator[str]:
    """An async generator of the app's, as a web framework streams it."""
    with otel.tracer.start_as_current_span("handler"):
        stream = await CHAT.method(app.client)(**CHAT.streaming)
        # The app's own mistake or not: its span is current over a yield. Ours must not add to it.
        async for chunk in stream:
            yield chunk.choices[0].delta.content if chunk.choices else ""


def test_an_async_generator_read_to_its_end(otel: Telemetry, async_app: AsyncApp, provider: Provider) -> None:
    """The call is on a span, below the generator's own."""
    provider.reply(sse(CHAT.events))

    async def go() -> str:
        return "".join([token or "" async for token in _tokens(otel, async_app)])

    assert async_app.runner.run(go()) == "The lighthouse at Skagen was lit in 1858."
    handler = next(span for span in otel.all_spans if span.name == "handler")
    assert _parent(otel.span) == handler.context.span_id


async def _plain_tokens(app: AsyncApp) -> AsyncIterator[Any]:
    async for chunk in await CHAT.method(app.client)(**CHAT.streaming):
        yield chunk


@pytest.mark.parametrize("closes", [True, False], ids=["aclose", "collected"])
def test_an_async_generator_left_early(otel: Telemetry, async_app: AsyncApp, provider: Provider, closes: bool) -> None:
    """Left by break, closed in the loop or by the garbage collector in another task: one span, and no word from
    OpenTelemetry's context (the check around every test looks for it).
    """
    provider.reply(sse(CHAT.events[:4], Gate()))

    async def go() -> None:
        generator = _plain_tokens(async_app)
        async for _ in generator:
            break
        if closes:
            await generator.aclose()  # type: ignore[attr-defined]
        del generator
        for _ in range(3):
            gc.collect()
            await asyncio.sleep(0.001)

    async_app.runner.run(go())
    gc.collect()
    provider.last.wait_left()
    assert otel.attributes[semconv.STREAM_END] in {"closed", "abandoned"}
    assert semconv.ERROR_TYPE not in otel.attributes


def test_a_stream_handed_to_another_task(otel: Telemetry, async_app: AsyncApp, provider: Provider) -> None:
    """Made in one task under a span, read in another without one: the parent is that of the call."""
    provider.reply(sse(CHAT.events))

    async def make() -> tuple[Any, int]:
        with otel.tracer.start_as_current_span("maker") as maker:
            return await CHAT.method(async_app.client)(**CHAT.streaming), maker.get_span_context().span_id

    async def read(stream: Any) -> int:
        return len([chunk async for chunk in stream])

    async def go() -> tuple[int, int]:
        stream, maker = await asyncio.create_task(make())
        return await asyncio.create_task(read(stream)), maker

    count, maker = async_app.runner.run(go())
    assert count == 13
    assert _parent(otel.span) == maker


def test_a_generator_of_a_stream_across_threads(otel: Telemetry, sync_app: SyncApp, provider: Provider) -> None:
    """Each chunk is pulled by another thread, as some web servers do with a sync body."""
    provider.reply(sse(CHAT.events))
    stream = sync_app.call(CHAT.method(sync_app.client), **CHAT.streaming)
    chunks = []
    with ThreadPoolExecutor(4) as pool:
        while (chunk := pool.submit(next, stream, None).result()) is not None:
            chunks.append(chunk)
    assert len(chunks) == 13
    assert otel.attributes[semconv.STREAM_END] == "complete"


def test_suppression_drops_the_span(otel: Telemetry, app: App, provider: Provider) -> None:
    """OpenTelemetry's own switch is honoured, and left as it was."""
    provider.always = lambda request: sse(CHAT.events) if request.json.get("stream") else whole(CHAT.body)
    token = attach(set_value(_SUPPRESS_INSTRUMENTATION_KEY, True))
    try:
        app.call(CHAT.method(app.client), **CHAT.arguments)
        app.read(app.call(CHAT.method(app.client), **CHAT.streaming))
    finally:
        detach(token)
    assert otel.spans == []
    app.call(CHAT.method(app.client), **CHAT.arguments)
    assert len(otel.spans) == 1


def test_an_unsampled_call_is_counted_and_not_recorded(otel: Telemetry, app: App, provider: Provider) -> None:
    """Sampling drops the span; the metrics go on."""
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.sampling import ALWAYS_OFF

    otel.instrument(tracer_provider=TracerProvider(sampler=ALWAYS_OFF), capture="full")
    provider.reply(whole(CHAT.body), sse(CHAT.events))
    app.call(CHAT.method(app.client), **CHAT.arguments)
    app.read(app.call(CHAT.method(app.client), **CHAT.streaming))
    assert otel.spans == []
    metrics = otel.metrics()
    assert sum(point.count for point in metrics[semconv.METRIC_DURATION]) == 2
    assert sum(point.sum for point in metrics[semconv.METRIC_TOKENS]) == 2 * 1250
    assert sum(point.value for point in metrics[semconv.METRIC_COST]) > 0


def test_a_sampler_sees_the_request(otel: Telemetry, app: App, provider: Provider) -> None:
    """Operation, provider, model and server are there when the span starts."""
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.sampling import ALWAYS_ON, Sampler

    seen: list[dict[str, Any]] = []

    class Watching(Sampler):
        def should_sample(self, *arguments: Any, **named: Any) -> Any:
            result = ALWAYS_ON.should_sample(*arguments, **named)
            given = named.get("attributes") or (arguments[4] if len(arguments) > 4 else None)
            seen.append(dict(given or {}))
            return result

        def get_description(self) -> str:
            return "watching"

    otel.instrument(tracer_provider=TracerProvider(sampler=Watching()))
    provider.reply(whole(CHAT.body))
    app.call(CHAT.method(app.client), **CHAT.arguments)
    expected = {
        semconv.OPERATION: "chat",
        semconv.PROVIDER: "openai",
        semconv.REQUEST_MODEL: "gpt-4o-mini",
        semconv.SERVER_ADDRESS: "127.0.0.1",
        semconv.SERVER_PORT: provider.port,
    }
    assert {name: seen[0].get(name) for name in expected} == expected


def test_keys_are_told_apart_by_a_short_hash_and_never_shown(
    otel: Telemetry, answering: Provider, make_app: Callable[..., Any]
) -> None:
    """The same key has the same hash in every process; the key itself is nowhere."""
    keys = ("sk-team-a", "sk-team-b", "sk-team-a")
    for key in keys:
        app = make_app(api_key=key)
        app.call(app.client.chat.completions.create, **CHAT.arguments)
    hashes = [(span.attributes or {})[semconv.KEY] for span in otel.spans]
    assert hashes[0] == hashes[2] != hashes[1]
    assert "sk-team" not in otel.everything()
