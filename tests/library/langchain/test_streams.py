"""Streams of models: their times, their ends, and nothing of them in the app's context between two chunks."""

from __future__ import annotations

import asyncio
import gc
from typing import TYPE_CHECKING, Any, TypedDict

import pytest
from langchain_core.messages import AIMessageChunk
from langgraph.graph import START, StateGraph
from opentelemetry import context
from wire.files import body, events
from wire.server import CUT, STALL, sse, whole

from otelllm import semconv
from otelllm.enclosing import enclosing
from otelllm.frameworks.langchain.open_steps import FRAME

from .apps import Local, Streaming, attributes, calls, content, loop, run, usage

if TYPE_CHECKING:
    from collections.abc import Iterator

    from telemetry import Telemetry
    from wire.server import Provider

STREAMS = ["stream", "astream"]
CHUNKS = [
    AIMessageChunk(""),
    AIMessageChunk("", additional_kwargs={"reasoning_content": "hm"}),
    AIMessageChunk("hel"),
    AIMessageChunk("lo", response_metadata={"finish_reason": "stop", "model_name": "local-1-2026"}),
    AIMessageChunk("", usage_metadata=usage()),  # type: ignore[arg-type]
]


class State(TypedDict):
    said: str


def model(*chunks: Any, **more: Any) -> Streaming:
    return Streaming(chunks=list(chunks or CHUNKS), **more)


def is_untouched() -> bool:
    """Whether the app's context is as if we were not here."""
    return enclosing() is None and FRAME.get() is None and context.get_current() == {}


@pytest.mark.parametrize("way", STREAMS)
def test_a_local_models_stream(full: Telemetry, way: str) -> None:
    run(way, model(), "hi")
    found = full.attributes
    assert found[semconv.REQUEST_STREAM] is True
    assert found[semconv.STREAM_END] == "complete"
    assert found[semconv.RESPONSE_TIME_TO_FIRST_CHUNK] < found[semconv.TTFT] < found[semconv.TTFT_CONTENT]
    assert found[semconv.RESPONSE_MODEL] == "local-1-2026"
    assert found[semconv.RESPONSE_FINISH_REASONS] == ("stop",)
    assert (found[semconv.USAGE_INPUT], found[semconv.USAGE_OUTPUT]) == (7, 3)
    assert semconv.USAGE_ESTIMATED not in found
    assert full.messages(semconv.OUTPUT_MESSAGES)[0]["parts"] == [
        {"type": "reasoning", "content": "hm"}, {"type": "text", "content": "hello"},
    ]  # fmt: skip
    assert full.metrics()[semconv.METRIC_TIME_TO_FIRST_CHUNK]


@pytest.mark.parametrize("way", STREAMS)
def test_a_stream_of_a_model_that_has_none(otel: Telemetry, way: str) -> None:
    (chunk, *_) = run(way, Local(), "hi")
    assert chunk.content == "hello"
    assert is_untouched()
    assert semconv.REQUEST_STREAM not in otel.attributes


def test_between_chunks_the_apps_context_is_its_own(otel: Telemetry, provider: Provider, openai_model: Any) -> None:
    provider.always = whole(body("openai/chat.json"))
    for _ in model().stream("hi"):
        assert is_untouched()
        openai_model.invoke("another")
    assert len(provider.requests) >= len(CHUNKS)  # newer versions end a stream by a chunk of their own
    names = [span.name for span in calls(otel)]
    assert names == ["chat gpt-4o-mini"] * len(provider.requests) + ["chat local-1"]


def test_between_chunks_of_an_async_stream_too(otel: Telemetry, provider: Provider, openai_model: Any) -> None:
    provider.always = whole(body("openai/chat.json"))

    async def go() -> None:
        async for _ in model().astream("hi"):
            assert is_untouched()
            await openai_model.ainvoke("another")

    loop(go())
    assert [span.name for span in calls(otel)].count("chat local-1") == 1
    assert len(calls(otel)) == len(provider.requests) + 1


def test_a_stream_that_the_app_left(full: Telemetry) -> None:
    stream = model().stream("hi there")
    while next(stream).content != "lo":
        pass
    stream.close()
    assert is_untouched()
    found = full.attributes
    assert full.span.status.is_unset
    assert found[semconv.STREAM_END] == "closed"
    assert found[semconv.USAGE_ESTIMATED] is True
    assert found[semconv.USAGE_INPUT] == 2
    # Older versions leave out the chunk at which the reader left.
    assert full.messages(semconv.OUTPUT_MESSAGES)[0]["parts"][-1]["content"] in {"hel", "hello"}


def test_an_async_stream_that_the_app_left(otel: Telemetry) -> None:
    async def go() -> None:
        stream = model().astream("hi")
        await anext(stream)
        await stream.aclose()

    loop(go())
    assert otel.attributes[semconv.STREAM_END] == "closed"
    assert otel.span.status.is_unset


def test_a_stream_that_was_dropped(otel: Telemetry) -> None:
    stream = model().stream("hi")
    next(stream)
    del stream
    gc.collect()
    assert otel.span.status.is_unset

    async def go() -> None:
        stream = model().astream("hi")
        await anext(stream)
        del stream
        for _ in range(5):
            await asyncio.sleep(0)

    otel.clear()
    loop(go())
    assert otel.span.status.is_unset


@pytest.mark.parametrize("way", STREAMS)
def test_a_stream_that_breaks(full: Telemetry, way: str) -> None:
    error = ValueError("lost")
    with pytest.raises(ValueError, match="lost") as raised:
        run(way, model(AIMessageChunk("hel"), error), "hi")
    assert raised.value is error
    found = full.attributes
    assert found[semconv.ERROR_TYPE] == "ValueError"
    assert found[semconv.STREAM_END] == "broken"
    assert content(full.span, semconv.OUTPUT_MESSAGES)[0]["parts"] == [{"type": "text", "content": "hel"}]


@pytest.mark.parametrize("which", [model, lambda **more: model(**more).with_retry()])
def test_a_cancelled_stream(otel: Telemetry, which: Any) -> None:
    async def go() -> None:
        started = asyncio.Event()

        async def wait() -> None:
            started.set()
            await asyncio.Event().wait()

        async def read() -> None:
            async for _ in which(ahook=wait).astream("hi"):
                pass

        job = asyncio.create_task(read())
        await started.wait()
        job.cancel()
        with pytest.raises(asyncio.CancelledError):
            await job

    loop(go())
    (span,) = calls(otel)
    assert attributes(span)[semconv.ERROR_TYPE] == "cancelled"


def test_a_cancelled_whole_call(otel: Telemetry) -> None:
    async def go() -> None:
        started = asyncio.Event()

        async def wait() -> None:
            started.set()
            await asyncio.Event().wait()

        job = asyncio.create_task(model(ahook=wait).ainvoke("hi"))
        await started.wait()
        job.cancel()
        with pytest.raises(asyncio.CancelledError):
            await job

    loop(go())
    assert otel.attributes[semconv.ERROR_TYPE] == "cancelled"
    assert otel.attributes[semconv.PROVIDER] == "streaming"
    assert otel.span.name == "chat local-1"


def test_a_stream_of_an_sdk_that_the_app_left(otel: Telemetry, provider: Provider, openai_model: Any) -> None:
    provider.reply(sse(events("openai/chat_stream.sse")[:3], STALL))
    for chunk in openai_model.stream("hi"):
        if chunk.content:
            break
    gc.collect()
    assert otel.attributes[semconv.STREAM_END] in {"closed", "abandoned"}
    assert otel.span.status.is_unset


def test_a_stream_of_an_sdk_that_breaks(otel: Telemetry, provider: Provider, anthropic_model: Any) -> None:
    provider.reply(sse(events("anthropic/message_stream.sse")[:3], CUT))
    with pytest.raises(Exception, match=r"."):
        list(anthropic_model.stream("hi"))
    assert otel.attributes[semconv.STREAM_END] == "broken"
    assert otel.attributes[semconv.ERROR_TYPE]


@pytest.mark.parametrize("way", ["sync", "async"])
def test_a_graph_that_streams_its_models_messages(
    otel: Telemetry, provider: Provider, openai_model: Any, way: str
) -> None:
    def ask(state: State) -> dict[str, Any]:
        return {"said": openai_model.invoke("hi").content + model().invoke("hi").content}

    builder = StateGraph(State)
    builder.add_node("ask", ask)
    builder.add_edge(START, "ask")
    provider.reply(sse(events("openai/chat_stream.sse")))
    graph = builder.compile(name="asker")
    if way == "sync":
        for _ in graph.stream({"said": ""}, stream_mode="messages"):
            assert is_untouched()
    else:

        async def go() -> None:
            async for _ in graph.astream({"said": ""}, stream_mode="messages"):
                assert is_untouched()

        loop(go())
    first, second = calls(otel)
    assert attributes(first)[semconv.TTFT] > 0
    assert attributes(second)[semconv.TTFT] > 0
    assert len(otel.spans) == 4


def _has_events() -> bool:
    return hasattr(Streaming, "_iter_v2_events")


@pytest.mark.skipif(not _has_events(), reason="this version has no such streams")
@pytest.mark.filterwarnings("ignore::langchain_core._api.beta_decorator.LangChainBetaWarning")
@pytest.mark.parametrize("which", ["local", "openai"])
def test_the_newer_way_to_stream(otel: Telemetry, provider: Provider, openai_model: Any, which: str) -> None:
    provider.always = sse(events("openai/chat_stream.sse"))
    used = openai_model if which == "openai" else model()
    stream = used.stream_events("hi", version="v3")
    for _ in stream.text:
        assert is_untouched()
    assert otel.attributes[semconv.TTFT] > 0
    assert otel.attributes[semconv.USAGE_OUTPUT] > 0

    async def go() -> None:
        stream = await used.astream_events("hi", version="v3")
        async for _ in stream.text:
            assert is_untouched()

    otel.clear()
    loop(go())
    assert otel.attributes[semconv.TTFT] > 0


def test_a_text_model_that_streams(otel: Telemetry) -> None:
    from langchain_core.language_models import LLM
    from langchain_core.outputs import GenerationChunk

    class Text(LLM):
        @property
        def _llm_type(self) -> str:
            return "text"

        def _call(self, prompt: str, *args: Any, **kwargs: Any) -> str:
            return "hi"

        def _stream(self, prompt: str, *args: Any, **kwargs: Any) -> Iterator[GenerationChunk]:
            for letter in "hi":
                chunk = GenerationChunk(text=letter)
                kwargs["run_manager"].on_llm_new_token(letter, chunk=chunk)
                yield chunk

    for _ in Text().stream("hi"):
        assert is_untouched()
    assert otel.span.name == "text_completion"
    assert otel.attributes[semconv.STREAM_CHUNKS] == 2
