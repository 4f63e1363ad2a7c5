"""Streams beside the contract suite: generators, their context, their timing, their memory."""

from __future__ import annotations

import gc
import inspect
from collections.abc import AsyncGenerator, Generator
from typing import TYPE_CHECKING, Any

import pytest
from google.genai import models
from opentelemetry.trace import StatusCode
from wire import files
from wire.server import Gate, sse

from otelllm import semconv

from .app import MODEL, QUESTION

if TYPE_CHECKING:
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
