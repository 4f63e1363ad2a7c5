"""Graphs, their nodes, agents, chains: which spans there are, under which, and what they say."""

from __future__ import annotations

import asyncio
import operator
import warnings
from typing import TYPE_CHECKING, Annotated, Any, TypedDict

import pytest
from langchain_core.messages import AIMessage, AIMessageChunk
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import RunnableLambda
from langchain_core.tools import tool
from langgraph.checkpoint.memory import MemorySaver as InMemorySaver
from langgraph.graph import END, START, StateGraph
from langgraph.prebuilt import ToolNode
from langgraph.types import Command, interrupt
from wire.files import body
from wire.server import whole

import otelllm
from otelllm import semconv

from .apps import Local, Streaming, attributes, content, loop, named, run, tree, usage

if TYPE_CHECKING:
    from collections.abc import Callable

    from telemetry import Telemetry
    from wire.server import Provider

WAYS = ["sync", "async", "stream", "astream"]
CALL = {"name": "add", "args": {"a": 1, "b": 2}, "id": "c1", "type": "tool_call"}


class State(TypedDict):
    x: Annotated[int, operator.add]


@tool
def add(a: int, b: int) -> int:
    """Adds."""
    return a + b


def told() -> list[Any]:
    """A model's answers: a tool call, then a text."""
    return [AIMessage("", tool_calls=[CALL], usage_metadata=usage(10, 2)),  # type: ignore[arg-type,list-item]
            AIMessage("three", usage_metadata=usage(20, 3))]  # type: ignore[arg-type]  # fmt: skip


def graph(*nodes: tuple[str, Any], **options: Any) -> Any:
    """A graph of nodes one after another."""
    builder = StateGraph(State)
    above = START
    for name, node in nodes:
        builder.add_node(name, node)
        builder.add_edge(above, name)
        above = name
    builder.add_edge(above, END)
    return builder.compile(**options)


def make_agents() -> list[Callable[..., Any]]:
    """The builders of agents that there are in this version."""
    found: list[Callable[..., Any]] = []
    try:
        from langchain.agents import create_agent

        found.append(create_agent)
    except ImportError:
        pass
    from langgraph.prebuilt import create_react_agent

    return [*found, create_react_agent]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("make", make_agents(), ids=lambda it: it.__name__)
@pytest.mark.filterwarnings("ignore:create_react_agent")
def test_an_agent_its_nodes_calls_and_tools(full: Telemetry, make: Any, way: str) -> None:
    agent = make(Local(said=told()), [add], name="calculator")
    run(way, agent, {"messages": [("user", "1+2?")]}, {"configurable": {"thread_id": "t-1"}})
    think = "model" if make.__name__ == "create_agent" else "agent"
    assert tree(full) == [
        "invoke_agent calculator",
        f"  {think}", "    chat local-1",
        "  tools", "    execute_tool add",
        f"  {think}", "    chat local-1",
    ]  # fmt: skip
    for span in full.spans:
        assert attributes(span)[semconv.CONVERSATION_ID] == "t-1"
        assert span.status.is_unset
    top = named(full, "invoke_agent calculator")
    found = attributes(top)
    assert (found[semconv.TOTAL_INPUT], found[semconv.TOTAL_OUTPUT]) == (30, 5)
    assert semconv.USAGE_INPUT not in found
    assert content(top, semconv.INPUT_MESSAGES) == [
        {"role": "user", "parts": [{"type": "text", "content": "1+2?"}]}
    ]  # fmt: skip
    assert content(top, semconv.OUTPUT_MESSAGES)[0]["parts"] == [{"type": "text", "content": "three"}]
    for span in full.spans:
        if span.name.startswith(("chat", "execute_tool")):
            assert attributes(span)[semconv.AGENT_NAME] == "calculator"
    assert full.metrics()[semconv.METRIC_AGENT_DURATION]


@pytest.mark.parametrize("make", make_agents(), ids=lambda it: it.__name__)
@pytest.mark.filterwarnings("ignore:create_react_agent")
def test_an_agent_without_a_name_has_none(otel: Telemetry, make: Any) -> None:
    make(Local(), []).invoke({"messages": [("user", "hi")]})
    top = named(otel, "invoke_agent")
    assert semconv.AGENT_NAME not in attributes(top)
    (point,) = otel.metrics()[semconv.METRIC_AGENT_DURATION]
    assert semconv.AGENT_NAME not in point.attributes


@pytest.mark.parametrize("way", WAYS)
def test_a_graph_of_the_apps_own_with_a_graph_in_it(otel: Telemetry, way: str) -> None:
    inner = graph(("deep", lambda state: {"x": 1}), name="inside")
    outer = graph(("one", lambda state: {"x": 1}), ("two", inner), name="pipeline")
    run(way, outer, {"x": 0})
    assert tree(otel) == ["invoke_workflow pipeline", "  one", "  two", "    invoke_workflow inside", "      deep"]
    assert attributes(named(otel, "invoke_workflow inside"))[semconv.WORKFLOW_NAME] == "inside"


@pytest.mark.parametrize("way", WAYS)
def test_an_agent_that_is_a_tool_of_another(otel: Telemetry, way: str) -> None:
    (make, *_) = make_agents()

    @tool
    def add(a: int, b: int) -> str:
        """Asks the other agent."""
        other = make(Local(), [], name="helper")
        return str(other.invoke({"messages": [("user", "add")]})["messages"][-1].content)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        run(way, make(Local(said=told()), [add], name="boss"), {"messages": [("user", "hi")]})
    lines = tree(otel)
    place = lines.index("    execute_tool add")
    assert lines[place + 1 : place + 3] == ["      invoke_agent helper", lines[place + 2]]
    deep = next(it for it in otel.spans if it.name == "chat local-1" and attributes(it)["gen_ai.agent.name"] != "boss")
    assert attributes(deep)[semconv.AGENT_NAME] == "helper"
    assert attributes(named(otel, "invoke_agent boss"))[semconv.TOTAL_INPUT] == 37


def test_an_interrupt_is_no_error(otel: Telemetry) -> None:
    def asks(state: State) -> dict[str, Any]:
        return {"x": interrupt("sure?")}

    asking = graph(("asks", asks), checkpointer=InMemorySaver())
    config = {"configurable": {"thread_id": "t-1"}}
    asking.invoke({"x": 0}, config)
    assert asking.invoke(Command(resume=5), config)["x"] == 5
    assert len(otel.spans) == 4
    assert all(span.status.is_unset for span in otel.spans)
    assert all(semconv.ERROR_TYPE not in attributes(span) for span in otel.spans)


@pytest.mark.parametrize("way", ["sync", "async"])
def test_an_interrupt_in_a_tool_is_no_error(otel: Telemetry, way: str) -> None:
    @tool
    def asks() -> str:
        """Asks a person."""
        return str(interrupt("sure?"))

    class Messages(TypedDict):
        messages: Annotated[list[Any], operator.add]

    builder = StateGraph(Messages)
    builder.add_node("tools", ToolNode([asks]))
    builder.add_edge(START, "tools")
    asking = builder.compile(checkpointer=InMemorySaver())
    message = AIMessage("", tool_calls=[{"name": "asks", "args": {}, "id": "c1", "type": "tool_call"}])
    run(way, asking, {"messages": [message]}, {"configurable": {"thread_id": "t-1"}})
    assert named(otel, "execute_tool asks").status.is_unset
    assert all(span.status.is_unset for span in otel.spans)


def test_a_command_for_the_graph_above_is_no_error(otel: Telemetry) -> None:
    def up(state: State) -> Command[Any]:
        return Command(graph=Command.PARENT, update={"x": 5}, goto="last")

    builder = StateGraph(State)
    builder.add_node("sub", graph(("up", up)))
    builder.add_node("last", lambda state: {"x": 1})
    builder.add_edge(START, "sub")
    assert builder.compile().invoke({"x": 0})["x"] == 6
    assert all(span.status.is_unset for span in otel.spans)


@pytest.mark.parametrize("way", WAYS)
def test_a_node_that_fails(otel: Telemetry, way: str) -> None:
    error = ValueError("secret")

    def fails(state: State) -> None:
        raise error

    with pytest.raises(ValueError, match="secret") as raised:
        run(way, graph(("fails", fails)), {"x": 0})
    assert raised.value is error
    assert [attributes(span)[semconv.ERROR_TYPE] for span in otel.spans] == ["ValueError"] * 2
    assert "secret" not in otel.everything()


def test_a_cancelled_graph(otel: Telemetry) -> None:
    async def waits(state: State) -> None:
        await asyncio.Event().wait()

    async def go() -> None:
        job = asyncio.create_task(graph(("waits", waits)).ainvoke({"x": 0}))
        for _ in range(30):
            await asyncio.sleep(0)
        job.cancel()
        with pytest.raises(asyncio.CancelledError):
            await job

    loop(go())
    assert {attributes(span)[semconv.ERROR_TYPE] for span in otel.spans} == {"cancelled"}
    assert len(otel.spans) == 2


@pytest.mark.parametrize("way", WAYS)
def test_a_chain_is_a_workflow_and_its_steps_are_no_spans(full: Telemetry, way: str) -> None:
    model = Streaming(chunks=[AIMessageChunk("hel"), AIMessageChunk("lo")])
    chain = ChatPromptTemplate.from_template("{it}?") | model | RunnableLambda(lambda message: message.content.upper())
    run(way, chain, {"it": "what"}, {"run_name": "shout"})
    assert tree(full) == ["invoke_workflow shout", "  chat local-1"]
    top = named(full, "invoke_workflow shout")
    assert content(top, semconv.INPUT_MESSAGES)[0]["parts"][0]["content"] == '{"it":"what"}'
    assert content(top, semconv.OUTPUT_MESSAGES)[0]["parts"][0]["content"] == "HELLO"
    assert full.metrics()[semconv.METRIC_WORKFLOW_DURATION]


def test_a_prompt_or_parser_alone_is_no_workflow(otel: Telemetry) -> None:
    from langchain_core.output_parsers import StrOutputParser

    ChatPromptTemplate.from_template("{it}?").invoke({"it": "what"})
    StrOutputParser().invoke(AIMessage("hi"))
    assert otel.spans == []


def test_nodes_of_one_step_run_at_once_each_with_what_is_its_own(
    otel: Telemetry, provider: Provider, openai_model: Any
) -> None:
    provider.always = whole(body("openai/chat.json"))
    builder = StateGraph(State)
    for name in ("left", "right"):
        builder.add_node(name, lambda state: {"x": len(openai_model.invoke("hi").content)})
        builder.add_edge(START, name)
    builder.compile(name="both").invoke({"x": 0})
    lines = tree(otel)
    assert lines[0] == "invoke_workflow both"
    assert sorted(lines[1:]) == ["    chat gpt-4o-mini"] * 2 + ["  left", "  right"]
    by_id = {it.context.span_id: it for it in otel.spans}
    above = {by_id[it.parent.span_id].name for it in otel.spans if it.name.startswith("chat") and it.parent}
    assert above == {"left", "right"}


def test_the_functional_way(otel: Telemetry) -> None:
    from langgraph.func import entrypoint, task

    @task
    def double(n: int) -> int:
        return 2 * n

    @entrypoint()
    def work(n: int) -> int:
        return double(n).result() + double(n + 1).result()

    assert work.invoke(1) == 6
    assert tree(otel)[0].startswith("invoke_workflow ")
    assert [it.strip() for it in tree(otel)].count("double") == 2
    assert len({span.context.trace_id for span in otel.spans}) == 1


def test_the_apps_conversation_for_calls_that_langchain_knows_nothing_of(otel: Telemetry, provider: Provider) -> None:
    import openai

    client = openai.OpenAI(api_key="sk", base_url=provider.url, max_retries=0)
    provider.reply(whole(body("openai/chat.json")))

    def asks(state: State) -> dict[str, Any]:
        client.chat.completions.create(model="gpt-4o-mini", messages=[{"role": "user", "content": "hi"}])
        return {"x": 1}

    graph(("asks", asks)).invoke({"x": 0}, {"configurable": {"thread_id": "t-9"}})
    found = attributes(named(otel, "chat gpt-4o-mini"))
    assert found[semconv.CONVERSATION_ID] == "t-9"
    client.close()


def test_an_app_that_is_not_instrumented_any_more(otel: Telemetry) -> None:
    two = graph(("one", lambda state: {"x": 1}), ("off", lambda state: otelllm.uninstrument() or {"x": 1}))
    assert two.invoke({"x": 0})["x"] == 2
    two.invoke({"x": 0})
    names = [span.name for span in otel.all_spans]
    assert sorted(names) == ["invoke_workflow LangGraph", "off", "one"]
    assert attributes(named(otel, "invoke_workflow LangGraph"))[semconv.ERROR_TYPE] == "abandoned"


@pytest.mark.parametrize("way", ["sync", "async"])
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_an_agent_of_the_older_kind(otel: Telemetry, way: str) -> None:
    agents = pytest.importorskip("langchain.agents")
    if not hasattr(agents, "AgentExecutor"):
        agents = pytest.importorskip("langchain_classic.agents")
    prompt = ChatPromptTemplate.from_messages([("user", "{input}"), ("placeholder", "{agent_scratchpad}")])
    agent = agents.create_tool_calling_agent(Local(said=told()), [add], prompt)
    executor = agents.AgentExecutor(agent=agent, tools=[add], stream_runnable=False)
    assert run(way, executor, {"input": "1+2?"})["output"] == "three"
    assert tree(otel) == ["invoke_agent AgentExecutor", "  chat local-1", "  execute_tool add", "  chat local-1"]
    assert attributes(named(otel, "invoke_agent AgentExecutor"))[semconv.TOTAL_INPUT] == 30
