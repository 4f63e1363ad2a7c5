"""The app sees what it would see without us: results, kinds, laziness, events, errors; and the policy is kept."""

from __future__ import annotations

import inspect
import pickle
import re
from typing import TYPE_CHECKING, Any

import pytest
from langchain_core.chat_history import InMemoryChatMessageHistory
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessageChunk
from langchain_core.retrievers import BaseRetriever
from langchain_core.runnables import RunnableLambda
from langchain_core.runnables.history import RunnableWithMessageHistory
from langchain_core.tools import BaseTool
from langgraph.graph import START, StateGraph
from langgraph.pregel import Pregel
from wire.files import body, events
from wire.server import sse, whole

import otelllm
from otelllm import semconv

from .apps import Local, Streaming, attributes, calls, loop, run, tree
from .test_contexts import State
from .test_steps import Words, store

if TYPE_CHECKING:
    from collections.abc import Callable

    from telemetry import Telemetry
    from wire.server import Provider

METHODS = [
    (BaseChatModel, "stream"), (BaseChatModel, "astream"), (BaseChatModel, "_generate_with_cache"),
    (BaseChatModel, "_agenerate_with_cache"), (BaseTool, "run"), (BaseTool, "arun"), (BaseRetriever, "invoke"),
    (BaseRetriever, "ainvoke"), (Pregel, "stream"), (Pregel, "astream"), (Words, "embed_query"),
]  # fmt: skip
KINDS: list[Callable[[Any], bool]] = [
    inspect.iscoroutinefunction, inspect.isgeneratorfunction, inspect.isasyncgenfunction, inspect.isfunction,
]  # fmt: skip


@pytest.mark.parametrize(("cls", "name"), METHODS, ids=lambda it: it if isinstance(it, str) else it.__name__)
def test_methods_are_of_the_kind_that_they_were(otel: Telemetry, cls: type, name: str) -> None:
    ours = cls.__dict__[name]
    bare = ours.__wrapped__
    assert [kind(ours) for kind in KINDS] == [kind(bare) for kind in KINDS]
    assert inspect.signature(ours) == inspect.signature(bare)
    assert (ours.__name__, ours.__qualname__, ours.__doc__) == (bare.__name__, bare.__qualname__, bare.__doc__)
    assert pickle.loads(pickle.dumps(ours)) is ours


def graph() -> Any:
    builder = StateGraph(State)
    builder.add_node("ask", lambda state: {"said": Streaming(chunks=chunks()).invoke("hi").content})
    builder.add_edge(START, "ask")
    return builder.compile()


def chunks() -> list[Any]:
    return [AIMessageChunk("hel", id="m-1"), AIMessageChunk("lo", id="m-1")]


def _results() -> list[Any]:
    """What an app gets, in many ways."""
    model, retriever = Streaming(chunks=chunks()), store().as_retriever()
    found: list[Any] = []
    for way in ("stream", "astream"):
        found += [run(way, model, "hi"), run(way, graph(), {"said": ""}), run(way, RunnableLambda(len) | str, "abc")]
    for way in ("sync", "async"):
        found += [
            run(way, graph(), {"said": ""}),
            run(way, retriever, "dd"),
            run(way, RunnableLambda(len) | str, "abc"),
        ]
    found.append(list(graph().stream({"said": ""}, stream_mode=["updates", "values"])))
    found.append([type(it) for it in model.stream("hi")])
    found.append((RunnableLambda(len) | str).batch(["a", "bb"]))
    return found


def test_results_are_the_same() -> None:
    bare = _results()
    otelllm.instrument(capture="full", **_providers())
    with_us = _results()
    otelllm.uninstrument()
    assert _without_ids(with_us) == _without_ids(bare)


def _without_ids(results: list[Any]) -> str:
    """LangChain makes new ids at each run."""
    return re.sub(r"run-[-0-9a-f]{30,}(?:-\d)?", "run", repr(results))


def _providers() -> dict[str, Any]:
    from telemetry import Telemetry

    made = Telemetry()
    return {"tracer_provider": made.tracer_provider, "meter_provider": made.meter_provider}


def test_the_events_that_an_app_asks_for_are_the_same(otel: Telemetry) -> None:
    async def go() -> list[tuple[str, str]]:
        chain = RunnableLambda(lambda text: text) | Streaming(chunks=chunks())
        return [(it["event"], it["name"]) async for it in chain.astream_events("hi", version="v2")]

    with_us = loop(go())
    assert tree(otel) == ["invoke_workflow RunnableSequence", "  chat local-1"]
    otelllm.uninstrument()
    assert loop(go()) == with_us
    assert len(with_us) > 5


def test_nothing_is_done_before_it_is_read(otel: Telemetry) -> None:
    asked: list[str] = []
    stream = Streaming(chunks=chunks(), hook=lambda: asked.append("asked")).stream("hi")
    flow = graph().stream({"said": ""})
    assert (asked, otel.spans) == ([], [])
    next(stream)
    assert asked == ["asked"]
    stream.close()
    flow.close()
    assert len(otel.spans) == 1


def test_a_fallback_is_a_second_call(otel: Telemetry) -> None:
    model = Local(model="first", said=[ValueError("no")]).with_fallbacks([Local(model="second")])
    assert model.invoke("hi").content == "hello"
    first, second = calls(otel)
    assert attributes(first)[semconv.ERROR_TYPE] == "ValueError"
    assert second.name == "chat second"
    assert len({span.context.trace_id for span in otel.spans}) == 1


def test_a_retry_is_a_second_call(otel: Telemetry) -> None:
    model = Local(said=[ValueError("no")]).with_retry(wait_exponential_jitter=False)
    assert model.invoke("hi").content == "hello"
    assert [semconv.ERROR_TYPE in attributes(span) for span in calls(otel)] == [True, False]


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_history_is_a_conversation(otel: Telemetry) -> None:
    kept: dict[str, InMemoryChatMessageHistory] = {}
    chain = RunnableWithMessageHistory(
        Local(), lambda session_id: kept.setdefault(session_id, InMemoryChatMessageHistory())
    )
    for _ in range(2):
        chain.invoke("hi", {"configurable": {"session_id": "s-1"}})
    assert len(kept["s-1"].messages) == 4
    for span in otel.spans:
        assert attributes(span)[semconv.CONVERSATION_ID] == "s-1"


def _text(content: Any) -> str:
    """The text of a message's content, in a version's own shape."""
    return content if isinstance(content, str) else "".join(str(it.get("text", "")) for it in content)


@pytest.mark.parametrize("which", ["openai", "anthropic"])
@pytest.mark.parametrize("way", ["sync", "async", "stream", "astream"])
def test_the_kill_switchs_answer_comes_through(
    otel: Telemetry, provider: Provider, request: pytest.FixtureRequest, which: str, way: str
) -> None:
    otel.instrument(policy={"kill": [{"answer": "we are closed"}]})
    answer = run(way, request.getfixturevalue(f"{which}_model"), "hi")
    assert "".join(_text(it.content) for it in (answer if isinstance(answer, list) else [answer])) == "we are closed"
    assert provider.requests == []
    assert attributes(calls(otel)[0])[semconv.VERDICT] == "block"


@pytest.mark.parametrize("way", ["sync", "async"])
def test_a_refusal_reaches_the_app(otel: Telemetry, provider: Provider, openai_model: Any, way: str) -> None:
    otel.instrument(policy={"kill": [{}]})
    with pytest.raises(otelllm.Blocked):
        run(way, RunnableLambda(lambda text: text) | openai_model, "hi")
    assert provider.requests == []
    assert {attributes(span)[semconv.ERROR_TYPE] for span in otel.spans} == {"KillSwitchOn"}


@pytest.mark.filterwarnings("ignore:Streaming with Pydantic response_format")  # older langchain_openai's own
def test_structured_output(otel: Telemetry, provider: Provider, openai_model: Any) -> None:
    from pydantic import BaseModel

    class Answer(BaseModel):
        place: str
        year: int

    provider.reply(whole(body("openai/chat_parse.json")))
    made = openai_model.with_structured_output(Answer, method="json_schema").invoke("hi")
    assert isinstance(made, Answer)
    (span,) = calls(otel)
    assert attributes(span)[semconv.OUTPUT_TYPE] == "json"


def test_streams_of_two_models_read_in_turns(otel: Telemetry, provider: Provider, openai_model: Any) -> None:
    provider.reply(sse(events("openai/chat_stream.sse")))
    first, second = openai_model.stream("a"), Streaming(chunks=chunks()).stream("b")
    ends = 0
    while ends < 2:
        ends = sum(next(it, None) is None for it in (first, second))
    assert sorted(span.name for span in calls(otel)) == ["chat gpt-4o-mini", "chat local-1"]
    assert all(attributes(span)[semconv.STREAM_END] == "complete" for span in calls(otel))
