"""Every way in which a stream can end, sync and async: one span, ended once, with what had come."""

from __future__ import annotations

import asyncio
import gc
import inspect
from collections.abc import AsyncGenerator, Generator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
from google.genai import errors, models
from opentelemetry.trace import SpanKind, StatusCode
from wire import files
from wire.server import CUT, RESET, STALL, Gate, sse, whole

import otelllm
from otelllm import semconv

from .app import MODEL, QUESTION, http

if TYPE_CHECKING:
    from collections.abc import Callable

    from telemetry import Telemetry
    from wire.server import Provider

    from .app import App, AsyncApp, SyncApp

EVENTS = files.events("google/generate_stream.sse")
HEAD = EVENTS[:2]
ASKED: dict[str, Any] = {"model": MODEL, "contents": QUESTION}


def _open(app: App, provider: Provider, *steps: Any, **config: Any) -> Any:
    provider.reply(sse(*steps))
    return app.call(app.client.models.generate_content_stream, **ASKED, config=config or None)


def read_to_the_end(app: App, provider: Provider) -> None:
    app.read(_open(app, provider, EVENTS))


def closed(app: App, provider: Provider) -> None:
    stream = _open(app, provider, HEAD, Gate())
    app.take(stream, 2)
    app.close(stream)
    del stream
    app.settle()
    if app.kind == "sync":  # the async SDK's connection stays open until a garbage collection, with and without us
        provider.last.wait_left()


def abandoned(app: App, provider: Provider) -> None:
    stream = _open(app, provider, HEAD, Gate())
    app.take(stream, 2)
    del stream
    app.settle()
    gc.collect()
    app.settle()


def cut(app: App, provider: Provider) -> None:
    with pytest.raises(http.RemoteProtocolError):
        app.read(_open(app, provider, HEAD, CUT))


def reset(app: App, provider: Provider) -> None:
    gate = Gate()
    stream = _open(app, provider, HEAD, gate, RESET)
    app.take(stream, 2)
    gate.open()
    with pytest.raises(http.ReadError):
        app.read(stream)


def ended_too_soon(app: App, provider: Provider) -> None:
    """A body that is whole by HTTP and lacks the provider's own end: the SDK raises nothing."""
    assert len(app.read(_open(app, provider, HEAD))) == 2


def error_event(app: App, provider: Provider) -> None:
    stream = _open(app, provider, HEAD, files.event(files.edited("google/error_503.json")))
    app.take(stream, 2)
    with pytest.raises(errors.ServerError, match="overloaded"):
        app.read(stream)


def timed_out(app: App, provider: Provider) -> None:
    stream = _open(app, provider, HEAD, STALL, http_options={"timeout": 100})
    app.take(stream, 2)
    with pytest.raises(http.ReadTimeout):
        app.read(stream)
    provider.last.wait_left()


def refused(app: App, provider: Provider) -> None:
    provider.reply(whole(files.body("google/error_429.json"), status=429))
    stream = app.call(app.client.models.generate_content_stream, **ASKED)
    with pytest.raises(errors.ClientError):
        app.read(stream)


@dataclass(frozen=True, slots=True)
class Row:
    """One way to end, and what the span must say of it."""

    act: Callable[[App, Provider], None]
    end: str
    error: str | None = None
    saw: str = "some"


ROWS = [
    Row(read_to_the_end, "complete", saw="all"),
    Row(closed, "closed"),
    Row(abandoned, "abandoned"),
    Row(cut, "broken", f"{http.__name__}.RemoteProtocolError"),
    Row(reset, "broken", f"{http.__name__}.ReadError"),
    Row(ended_too_soon, "broken", "incomplete"),
    Row(error_event, "broken", "UNAVAILABLE"),
    Row(timed_out, "broken", "timeout"),
    Row(refused, "broken", "RESOURCE_EXHAUSTED", saw="none"),
]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.act.__name__)
# A stream that nobody closes leaves its connection to the garbage collector, with and without us.
@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_every_ending_is_one_span_that_says_so(otel: Telemetry, app: App, provider: Provider, row: Row) -> None:
    """One span, ended once; its end, status and error by the rules; what had come is on it, what had not is absent."""
    row.act(app, provider)
    span, found = otel.span, otel.attributes
    assert (span.name, span.kind) == (f"generate_content {MODEL}", SpanKind.CLIENT)
    # The SDK's async generators leave those inside them to the garbage collector, closed or not.
    assert found[semconv.STREAM_END] == ("abandoned" if row.act is closed and app.kind == "async" else row.end)
    assert found[semconv.REQUEST_STREAM] is True
    assert found.get(semconv.ERROR_TYPE) == row.error
    assert span.status.status_code is (StatusCode.ERROR if row.error else StatusCode.UNSET)
    assert span.status.description is None
    has_answer = row.saw != "none"
    assert (semconv.RESPONSE_ID in found) is has_answer
    assert (semconv.TTFT in found) is has_answer
    assert (semconv.RESPONSE_FINISH_REASONS in found) is (row.saw == "all")
    # Usage is a running total: an interrupted stream has what was counted until then.
    usage = (found.get(semconv.USAGE_INPUT), found.get(semconv.USAGE_OUTPUT))
    assert usage == {"all": (1200, 114), "some": (1200, 76), "none": (None, None)}[row.saw]
    assert semconv.USAGE_ESTIMATED not in found
    assert found.get(semconv.PROVIDER_REQUEST_ID) == "req_wire"
    assert sum(point.count for point in otel.metrics()[semconv.METRIC_DURATION]) == 1


def test_an_answer_before_its_count_is_estimated(otel: Telemetry, app: App, provider: Provider) -> None:
    """The prompt's count came, the answer's did not: only that one is ours, and flagged."""
    stream = _open(app, provider, files.events("google/generate_stream_tools.sse")[:1], Gate())
    app.take(stream, 1)
    app.close(stream)
    del stream
    app.settle()
    found = otel.attributes
    assert (found[semconv.USAGE_INPUT], found[semconv.USAGE_OUTPUT]) == (80, 3)
    assert found[semconv.USAGE_ESTIMATED] is True


def test_a_stream_is_lazy_and_the_sdks_own(otel: Telemetry, app: App, provider: Provider) -> None:
    """A generator of the SDK's, which sends nothing and leaves no span before it is read."""
    stream = app.call(app.client.models.generate_content_stream, **ASKED)
    assert inspect.isgenerator(stream) or inspect.isasyncgen(stream)
    assert "otelllm" not in getattr(stream, "gi_code", getattr(stream, "ag_code", None)).co_filename
    del stream
    app.settle()
    assert (provider.requests, otel.spans) == ([], [])


def test_the_patched_methods_keep_their_kind(otel: Telemetry) -> None:
    """Generator functions stay generator functions, coroutine functions coroutine functions."""
    assert inspect.isgeneratorfunction(models.Models._generate_content_stream)
    assert inspect.isgeneratorfunction(models.Models.generate_content_stream)
    assert inspect.iscoroutinefunction(models.AsyncModels._generate_content_stream)
    assert inspect.iscoroutinefunction(models.AsyncModels._generate_content)
    assert list(inspect.signature(models.Models.embed_content).parameters) == ["self", "model", "contents", "config"]


def test_what_stands_in_for_a_generator_is_of_its_kind(
    otel: Telemetry, app: App, async_app: AsyncApp, provider: Provider
) -> None:
    """To inspect, isinstance and the reader, whichever layer it is taken from."""
    provider.reply(sse(EVENTS))
    config = None
    stream = app.call(app.client.models._generate_content_stream, **ASKED, config=config)
    if app.kind == "sync":
        assert inspect.isgenerator(stream)
        assert isinstance(stream, Generator)
        assert inspect.getgeneratorstate(stream) == inspect.GEN_CREATED
    else:
        assert inspect.isasyncgen(stream)
        assert isinstance(stream, AsyncGenerator)
    assert len(app.read(stream)) == len(EVENTS)
    assert otel.attributes[semconv.STREAM_END] == "complete"


def test_throwing_into_a_stream(otel: Telemetry, sync_app: SyncApp, provider: Provider) -> None:
    """The app's own error goes through the SDK's generators and comes back out."""
    stream = _open(sync_app, provider, HEAD, Gate())
    next(stream)
    with pytest.raises(RuntimeError, match="the app's own"):
        stream.throw(RuntimeError("the app's own"))
    assert otel.attributes[semconv.STREAM_END] in {"closed", "abandoned"}
    assert otel.span.status.status_code is StatusCode.UNSET


def test_the_request_goes_out_under_our_span(otel: Telemetry, sync_app: SyncApp, provider: Provider) -> None:
    """Also where the first read sends it: an HTTP instrumentation's span goes below ours; later reads are the app's."""
    from opentelemetry import trace

    seen: list[Any] = []
    client = sync_app.client._api_client
    send = client.request_streamed

    def watched(*args: Any, **kwargs: Any) -> Any:
        seen.append(trace.get_current_span().get_span_context().span_id)
        for chunk in send(*args, **kwargs):
            seen.append(trace.get_current_span().get_span_context().span_id)
            yield chunk

    client.request_streamed = watched
    with otel.tracer.start_as_current_span("request") as request:
        read_to_the_end(sync_app, provider)
    ours = otel.span.context
    assert ours is not None
    assert otel.span.parent is not None
    assert otel.span.parent.span_id == request.get_span_context().span_id
    assert seen == [ours.span_id, ours.span_id] + [otel.span.parent.span_id] * (len(EVENTS) - 1)


def test_time_to_the_first_token(otel: Telemetry, app: App, provider: Provider) -> None:
    """Thoughts are tokens; the answer itself comes later, and each has its moment."""
    events = files.events("google/generate_stream_thoughts.sse")
    gate = Gate()
    stream = _open(app, provider, events[:2], gate, events[2:])
    app.take(stream, 2)
    gate.open()
    app.read(stream)
    found = otel.attributes
    assert 0 < found[semconv.TTFT] < found[semconv.TTFT_CONTENT]
    assert found[semconv.RESPONSE_TIME_TO_FIRST_CHUNK] == found[semconv.TTFT]
    assert found[semconv.STREAM_CHUNKS] == len(events)


@pytest.mark.parametrize("is_answering", [True, False], ids=["inside the stream", "before the answer"])
def test_a_cancelled_read_ends_the_span_as_cancelled(
    otel: Telemetry, async_app: AsyncApp, provider: Provider, is_answering: bool
) -> None:
    """The reading task is cancelled inside the SDK's iterator: the app sees CancelledError."""
    provider.reply(sse(HEAD, Gate()) if is_answering else sse(STALL))
    seen: list[Any] = []

    async def read() -> None:
        async for chunk in await async_app.client.models.generate_content_stream(**ASKED):
            seen.append(chunk)  # noqa: PERF401  the other task watches it grow

    async def go() -> None:
        task = asyncio.create_task(read())
        while len(seen) < 2 if is_answering else not provider.requests:
            await asyncio.sleep(0.001)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    async_app.runner.run(go())
    provider.last.wait_left()
    found = otel.attributes
    assert (found[semconv.STREAM_END], found[semconv.ERROR_TYPE]) == ("cancelled", "cancelled")


def test_a_blocked_stream_sends_nothing(
    otel: Telemetry, app: App, provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The kill switch refuses before anything is sent: at the first read, where the SDK's own errors come too."""
    monkeypatch.setenv("OTELLLM_KILL", "model:gemini*")
    otel.instrument()
    stream = app.call(app.client.models.generate_content_stream, **ASKED)
    with pytest.raises(otelllm.KillSwitchOn):
        app.read(stream)
    assert provider.requests == []
    found = otel.attributes
    assert (found[semconv.STREAM_END], found[semconv.VERDICT]) == ("blocked", "block")


def test_a_slow_reader_of_a_long_stream_keeps_memory_flat(
    otel: Telemetry, sync_app: SyncApp, provider: Provider
) -> None:
    """Chunks are folded as they come: 5,000 of them are not kept."""
    from google.genai import types

    middle = files.event(
        {"candidates": [{"content": {"role": "model", "parts": [{"text": "x"}]}, "index": 0}], "modelVersion": "m"}
    )
    stream = _open(sync_app, provider, [middle] * 5000, EVENTS[-1:])
    for count, _ in enumerate(stream):
        if count == 4000:
            alive = sum(isinstance(one, types.GenerateContentResponse) for one in gc.get_objects())
            assert alive < 100
    assert otel.attributes[semconv.STREAM_CHUNKS] == 5001
