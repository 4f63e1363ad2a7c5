"""What is below what: the SDKs' spans and the app's own, in the run that they belong to, whichever way it runs."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, TypedDict

import pytest
from langchain_core.runnables import RunnableConfig, RunnableLambda, RunnableParallel
from langchain_core.tools import tool
from langgraph.graph import START, StateGraph
from opentelemetry import context
from wire.files import body, events
from wire.server import sse, whole

import otelllm
from otelllm import semconv

from .apps import Local, attributes, calls, loop, named, run, tree
from .test_steps import store

if TYPE_CHECKING:
    from telemetry import Telemetry
    from wire.server import Provider

WAYS = ["sync", "async", "stream", "astream"]


class State(TypedDict):
    said: str


@otelllm.tool
def own(what: str) -> str:
    return what


def graph(node: Any, name: str = "work") -> Any:
    builder = StateGraph(State)
    builder.add_node("node", node)
    builder.add_edge(START, "node")
    return builder.compile(name=name)


def above(otel: Telemetry) -> list[str]:
    """For each model call, in the order of their ends, the names of the spans above it, the root first."""
    by_id = {it.context.span_id: it for it in otel.all_spans}
    paths = []
    for call in calls(otel):
        path, span = [], call
        while span.parent is not None and span.parent.span_id in by_id:
            span = by_id[span.parent.span_id]
            path.insert(0, span.name)
        paths.append(" > ".join(path))
    return paths


@pytest.mark.parametrize("way", WAYS)
def test_calls_and_the_apps_own_spans_are_below_their_node(
    otel: Telemetry, provider: Provider, openai_model: Any, way: str
) -> None:
    provider.always = whole(body("openai/chat.json"))

    def node(state: State) -> dict[str, Any]:
        with otel.tracer.start_as_current_span("mine"):
            own("x")
            return {"said": openai_model.invoke("hi").content}

    async def anode(state: State) -> dict[str, Any]:
        with otel.tracer.start_as_current_span("mine"):
            own("x")
            return {"said": (await openai_model.ainvoke("hi")).content}

    run(way, graph(node if way in {"sync", "stream"} else anode), {"said": ""})
    assert tree(otel) == [
        "invoke_workflow work", "  node", "    mine", "      execute_tool own", "      chat gpt-4o-mini",
    ]  # fmt: skip


@pytest.mark.parametrize("way", ["sync", "async"])
def test_calls_in_a_tool_are_below_the_tool(otel: Telemetry, provider: Provider, openai_model: Any, way: str) -> None:
    provider.always = whole(body("openai/chat.json"))

    @tool
    def asks() -> str:
        """Asks."""
        own("x")
        return str(openai_model.invoke("hi").content)

    run(way, asks, {})
    assert tree(otel) == ["execute_tool asks", "  execute_tool own", "  chat gpt-4o-mini"]


@pytest.mark.parametrize("way", ["sync", "async"])
@pytest.mark.parametrize("which", ["local", "sdk"])
def test_in_a_batch_each_call_is_below_its_own_chain(
    otel: Telemetry, provider: Provider, openai_model: Any, way: str, which: str
) -> None:
    provider.always = whole(body("openai/chat.json"))
    chain = RunnableLambda(own) | (Local() if which == "local" else openai_model)
    if way == "sync":
        chain.batch(["a", "b", "c"])
    else:
        loop(chain.abatch(["a", "b", "c"]))
    assert len(calls(otel)) == 3
    roots = [span for span in otel.spans if span.parent is None]
    assert [span.name for span in roots] == ["invoke_workflow RunnableSequence"] * 3
    for kind in ("chat", "execute_tool"):
        parents = [span.parent.span_id for span in otel.spans if span.name.startswith(kind) and span.parent]
        assert sorted(parents) == sorted(span.context.span_id for span in roots)


def test_a_retriever_in_a_batch(otel: Telemetry) -> None:
    chain = RunnableLambda(lambda text: text) | store().as_retriever()
    otel.clear()
    chain.batch(["a", "b"])
    lines = tree(otel)
    assert sorted(lines) == sorted(
        ["invoke_workflow RunnableSequence", "  retrieval VectorStoreRetriever", "    embeddings words-1"] * 2
    )


@pytest.mark.parametrize("way", WAYS)
def test_what_runs_at_once_is_below_one_root(otel: Telemetry, provider: Provider, openai_model: Any, way: str) -> None:
    streams = way in {"stream", "astream"}
    provider.always = sse(events("openai/chat_stream.sse")) if streams else whole(body("openai/chat.json"))
    both = RunnableParallel(left=openai_model, right=RunnableLambda(own) | openai_model)
    run(way, both, "hi")
    (root,) = {span.context.span_id for span in otel.spans if span.parent is None}
    assert {span.parent.span_id for span in otel.spans if span.parent} == {root}
    assert len(otel.spans) == 4


@pytest.mark.parametrize("way", ["sync", "async"])
def test_a_thread_that_was_handed_the_config_only(otel: Telemetry, way: str) -> None:
    """The parent is known by its id, where the context is not carried."""

    def node(state: State, config: RunnableConfig) -> dict[str, Any]:
        thread = threading.Thread(target=lambda: Local().invoke("hi", config))
        thread.start()
        thread.join()
        return {"said": ""}

    run(way, graph(node), {"said": ""})
    assert above(otel) == ["invoke_workflow work > node"]


def test_an_sdks_call_there_too(otel: Telemetry, provider: Provider, openai_model: Any) -> None:
    provider.always = whole(body("openai/chat.json"))
    kept: dict[str, Any] = {}

    def node(state: State, config: RunnableConfig) -> dict[str, Any]:
        with ThreadPoolExecutor() as pool:
            kept["message"] = pool.submit(openai_model.invoke, "hi", config).result()
        return {"said": ""}

    graph(node).invoke({"said": ""}, {"configurable": {"thread_id": "t-1"}})
    assert above(otel) == ["invoke_workflow work > node"]
    assert attributes(calls(otel)[0])[semconv.CONVERSATION_ID] == "t-1"


def test_a_bare_thread_has_a_trace_of_its_own(otel: Telemetry) -> None:
    with otel.tracer.start_as_current_span("mine"):
        thread = threading.Thread(target=lambda: RunnableLambda(own).invoke("x"))
        thread.start()
        thread.join()
    assert tree(otel) == ["mine", "invoke_workflow own", "  execute_tool own"]


@pytest.mark.parametrize("way", ["sync", "async"])
def test_runs_are_below_the_apps_own_span(otel: Telemetry, way: str) -> None:
    with otel.tracer.start_as_current_span("request"):
        run(way, graph(lambda state: {"said": own("x")}), {"said": ""})
    assert tree(otel) == ["request", "  invoke_workflow work", "    node", "      execute_tool own"]


def test_many_at_once_are_not_mixed_up(otel: Telemetry) -> None:
    async def node(state: State) -> dict[str, Any]:
        await asyncio.sleep(0)
        text = (await Local().ainvoke(state["said"])).content
        await asyncio.sleep(0)
        return {"said": own(str(text))}

    async def go() -> None:
        work = graph(node)
        await asyncio.gather(*(work.ainvoke({"said": str(n)}) for n in range(20)))

    loop(go())
    assert above(otel) == ["invoke_workflow work > node"] * 20
    by_trace: dict[int, list[str]] = {}
    for span in otel.spans:
        by_trace.setdefault(span.context.trace_id, []).append(span.name)
    assert len(by_trace) == 20
    assert all(len(names) == 4 for names in by_trace.values())


@pytest.mark.parametrize("which", ["chain", "graph"])
@pytest.mark.parametrize("way", ["sync", "async"])
def test_nothing_leaks_into_the_readers_context(otel: Telemetry, which: str, way: str) -> None:
    thing = graph(lambda state: {"said": own("x")}) if which == "graph" else RunnableLambda(own) | RunnableLambda(own)
    given: Any = {"said": ""} if which == "graph" else "x"
    before = context.get_current()
    if way == "sync":
        stream = thing.stream(given)
        next(stream)
        assert context.get_current() is before
        stream.close()
        assert context.get_current() is before
    else:

        async def go() -> None:
            inside = context.get_current()
            stream = thing.astream(given)
            await anext(stream)
            assert context.get_current() is inside
            await stream.aclose()
            assert context.get_current() is inside

        loop(go())
    assert all(span.status.is_unset for span in otel.spans)
    assert [it for it in tree(otel) if it.startswith("invoke_workflow")] != []


def test_a_stream_read_by_one_task_and_closed_by_another(otel: Telemetry) -> None:
    async def go() -> None:
        stream = graph(lambda state: {"said": "x"}).astream({"said": ""})
        await asyncio.create_task(anext(stream))
        await asyncio.create_task(stream.aclose())

    loop(go())
    assert sorted(span.name for span in otel.spans) == ["invoke_workflow work", "node"]


def test_suppressed_runs_have_no_spans(otel: Telemetry) -> None:
    token = context.attach(context.set_value("suppress_instrumentation", True))
    try:
        graph(lambda state: {"said": Local().invoke("hi").content}).invoke({"said": ""})
    finally:
        context.detach(token)
    assert otel.spans == []


def test_who_it_is_for_is_on_all_of_it(otel: Telemetry) -> None:
    with otelllm.context(user="u-1", feature="chat"):
        graph(lambda state: {"said": Local().invoke("hi").content}).invoke({"said": ""})
    assert {attributes(span).get(semconv.USER_ID) for span in otel.spans} == {"u-1"}
    assert attributes(named(otel, "chat local-1"))[semconv.FEATURE] == "chat"
