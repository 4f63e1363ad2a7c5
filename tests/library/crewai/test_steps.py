"""Crews, flows, agents, tools and searches of the real CrewAI: one tree, whatever thread they work in."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import pytest
from crewai import Agent
from crewai.flow.flow import Flow, listen, start
from crewai.knowledge.knowledge import Knowledge
from crewai.knowledge.storage.base_knowledge_storage import BaseKnowledgeStorage
from crewai.lite_agent import LiteAgent
from crewai.llms.base_llm import BaseLLM
from crewai.memory.types import MemoryRecord
from crewai.memory.unified_memory import Memory
from crewai.tools import BaseTool
from opentelemetry.trace import StatusCode
from wire.server import whole

import otelllm
from otelllm import semconv

from .crews import (
    Broken,
    Local,
    a_crew,
    an_agent,
    chat_body,
    id_of,
    named,
    order_status,
    over_openai,
    parent_of,
    run_crew,
    told,
)

if TYPE_CHECKING:
    from telemetry import Telemetry
    from wire.server import Provider

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")


@pytest.mark.parametrize("way", ["kickoff", "kickoff_async", "akickoff"])
def test_a_crew_is_one_tree(otel: Telemetry, provider: Provider, way: str) -> None:
    otel.instrument(capture="full")
    provider.reply(whole(chat_body(name="order_status", arguments={"order": "A-1"})))
    provider.reply(whole(chat_body("It is on its way.")))
    assert run_crew(a_crew(an_agent(over_openai(provider), order_status)), way).raw == "It is on its way."
    (crew,), (agent,), (tool_run,), chats = (
        named(otel, "invoke_workflow desk"),
        named(otel, "invoke_agent Helper"),
        named(otel, "execute_tool order_status"),
        named(otel, "chat"),
    )
    (below,) = named(otel, "execute_tool look_up")
    assert len(otel.spans) == 6
    assert parent_of(crew) is None
    assert parent_of(agent) == id_of(crew)
    assert {parent_of(one) for one in (*chats, tool_run)} == {id_of(agent)}
    assert parent_of(below) == id_of(tool_run)
    assert [told(one)[semconv.USAGE_INPUT] for one in chats] == [20, 20]
    assert all(semconv.COST in told(one) for one in chats)
    assert told(crew)[semconv.TOTAL_INPUT] == told(agent)[semconv.TOTAL_INPUT] == 40
    assert told(tool_run)[semconv.TOOL_CALL_ID] == "call_1"
    assert json.loads(told(tool_run)[semconv.TOOL_CALL_ARGUMENTS]) == {"order": "A-1"}
    assert json.loads(told(tool_run)[semconv.TOOL_CALL_RESULT]) == "A-1 is on its way"
    assert "A-1" in told(crew)[semconv.INPUT_MESSAGES]
    assert "on its way" in told(crew)[semconv.OUTPUT_MESSAGES]
    assert all(told(one)[semconv.AGENT_NAME] == "Helper" for one in (agent, tool_run))


def test_without_content_none_is_kept(otel: Telemetry, provider: Provider) -> None:
    provider.reply(whole(chat_body(name="order_status", arguments={"order": "A-1"})))
    provider.reply(whole(chat_body("It is on its way.")))
    run_crew(a_crew(an_agent(over_openai(provider), order_status)), "kickoff")
    assert "A-1" not in otel.everything()
    assert "on its way" not in otel.everything()


def test_tasks_in_threads_stay_below_their_crew(otel: Telemetry) -> None:
    run_crew(a_crew(*(an_agent(Local(model="mine")) for _ in range(3))), "kickoff")
    (crew,), agents, chats = named(otel, "invoke_workflow"), named(otel, "invoke_agent"), named(otel, "chat mine")
    assert len(agents) == len(chats) == 3
    assert {parent_of(one) for one in agents} == {id_of(crew)}
    assert {parent_of(one) for one in chats} == {id_of(one) for one in agents}
    assert crew.end_time is not None
    assert all((one.end_time or 0) <= crew.end_time for one in agents)


def test_a_streamed_crew_is_one_workflow_when_its_reader_reads(otel: Telemetry) -> None:
    stream = a_crew(an_agent(Local(model="mine")), stream=True).kickoff(inputs={"order": "A-1"})
    assert otel.spans == []
    list(stream)
    assert [span.name for span in otel.spans] == ["chat mine", "invoke_agent Helper", "invoke_workflow desk"]


def test_flows(otel: Telemetry) -> None:
    class Desk(Flow):  # type: ignore[misc, type-arg]
        _skip_auto_memory = True  # a vector store's import, which takes seconds

        @start()  # type: ignore[misc]
        def ask(self) -> Any:
            return Local(model="mine").call("Hm?")

        @listen(ask)  # type: ignore[misc]
        async def answer(self, said: Any) -> Any:
            return (await an_agent(Local(model="other")).kickoff_async("Hm?")).raw

    assert Desk().kickoff() == "I am local."
    (flow,), (agent,), (mine,), (other,) = (
        named(otel, "invoke_workflow Desk"), named(otel, "invoke_agent"), named(otel, "chat mine"),
        named(otel, "chat other"),
    )  # fmt: skip
    assert len(otel.spans) == 4
    assert parent_of(flow) is None
    assert {parent_of(one) for one in (mine, agent)} == {id_of(flow)}
    assert parent_of(other) == id_of(agent)


def test_an_agent_alone(otel: Telemetry) -> None:
    agent = an_agent(Local(model="mine"))
    assert agent.kickoff("Hm?").raw == "I am local."
    assert [span.name for span in otel.spans] == ["chat mine", "invoke_agent Helper"]
    otel.clear()

    async def go() -> Any:
        return await agent.kickoff("Hm?")  # in a loop it gives a coroutine

    assert asyncio.run(go()).raw == "I am local."
    assert [span.name for span in otel.spans] == ["chat mine", "invoke_agent Helper"]


def test_a_tool_that_fails_ends_its_span(otel: Telemetry, provider: Provider) -> None:
    provider.reply(whole(chat_body(name="broken", arguments={"order": "A-1"})))
    provider.reply(whole(chat_body("It broke.")))
    assert run_crew(a_crew(an_agent(over_openai(provider), Broken())), "kickoff").raw == "It broke."
    (broken,) = named(otel, "execute_tool broken")
    assert broken.status.status_code is StatusCode.ERROR
    assert told(broken)[semconv.ERROR_TYPE] == "LookupError"


def test_tools_side_by_side_have_their_own_calls(otel: Telemetry, provider: Provider) -> None:
    otel.instrument(capture="full")
    asked = chat_body(name="order_status", arguments={"order": "A-1"})
    calls = asked["choices"][0]["message"]["tool_calls"]
    calls.append({**calls[0], "id": "call_2", "function": {"name": "order_status", "arguments": '{"order": "B-2"}'}})
    provider.reply(whole(asked))
    provider.reply(whole(chat_body("On their way.")))
    run_crew(a_crew(an_agent(over_openai(provider), order_status)), "kickoff")
    (agent,), tools = named(otel, "invoke_agent"), named(otel, "execute_tool order_status")
    assert {parent_of(one) for one in tools} == {id_of(agent)}
    assert {
        (told(one)[semconv.TOOL_CALL_ID], json.loads(told(one)[semconv.TOOL_CALL_ARGUMENTS])["order"]) for one in tools
    } == {("call_1", "A-1"), ("call_2", "B-2")}
    assert {parent_of(one) for one in named(otel, "execute_tool look_up")} == {id_of(one) for one in tools}


def test_a_tool_in_a_thread_has_its_context(otel: Telemetry) -> None:
    structured = order_status.to_structured_tool()
    before = structured.current_usage_count
    assert asyncio.run(structured.ainvoke({"order": "A-1"})) == "A-1 is on its way"
    below, status = otel.spans
    assert (below.name, status.name) == ("execute_tool look_up", "execute_tool order_status")
    assert parent_of(below) == id_of(status)
    assert structured.current_usage_count == before + 1


def test_a_flow_that_streams_is_one_workflow(otel: Telemetry) -> None:
    class Desk(Flow):  # type: ignore[misc, type-arg]
        _skip_auto_memory = True
        stream = True

        @start()  # type: ignore[misc]
        def ask(self) -> Any:
            return Local(model="mine").call("Hm?")

    list(Desk().kickoff())
    chat, flow = otel.spans
    assert (chat.name, flow.name) == ("chat mine", "invoke_workflow Desk")
    assert parent_of(chat) == id_of(flow)


class Reacting(Local):
    """A model that asks for tools in its text, as those do that know no function calls."""

    def call(self, messages: Any, *args: Any, **kwargs: Any) -> Any:
        if any("on its way" in str(one) for one in messages):
            return "Thought: I know.\nFinal Answer: On its way."
        return 'Thought: I must look.\nAction: order_status\nAction Input: {"order": "A-1"}'

    def supports_function_calling(self) -> bool:
        return False


@pytest.mark.parametrize("way", ["kickoff", "akickoff"])
def test_a_tool_asked_for_in_text(otel: Telemetry, way: str) -> None:
    otel.instrument(capture="full")
    assert run_crew(a_crew(an_agent(Reacting(model="mine"), order_status)), way).raw == "On its way."
    (agent,), (status,), (below,), chats = (
        named(otel, "invoke_agent"), named(otel, "execute_tool order_status"), named(otel, "execute_tool look_up"),
        named(otel, "chat"),
    )  # fmt: skip
    assert {parent_of(one) for one in (status, *chats)} == {id_of(agent)}
    assert parent_of(below) == id_of(status)
    assert json.loads(told(status)[semconv.TOOL_CALL_ARGUMENTS]) == {"order": "A-1"}
    assert len(chats) == 2


def test_errors_are_the_apps_and_end_their_spans(otel: Telemetry) -> None:
    error = RuntimeError("no")
    with pytest.raises(RuntimeError) as raised:
        Local(model="mine", answer=error).call("Hm?")
    assert raised.value is error
    assert otel.span.status.status_code is StatusCode.ERROR
    otel.clear()
    agent = an_agent(Local(model="mine", answer=error), max_retry_limit=1)
    with pytest.raises(RuntimeError):
        run_crew(a_crew(agent), "kickoff")
    (crew,), (only,), chats = named(otel, "invoke_workflow"), named(otel, "invoke_agent"), named(otel, "chat")
    assert len(chats) == 2, "an agent that tries again is the same run"
    assert {parent_of(one) for one in chats} == {id_of(only)}
    assert {one.status.status_code for one in (crew, only, *chats)} == {StatusCode.ERROR}


class Shelf(BaseKnowledgeStorage):  # type: ignore[misc]
    """Knowledge that is on nobody's disk."""

    collection_name: str = "parcels"

    def search(self, query: Any, limit: int = 5, **_: Any) -> Any:
        return [{"id": "a", "content": "Parcels take two days.", "metadata": {}, "score": 0.5}]

    async def asearch(self, query: Any, limit: int = 5, **_: Any) -> Any:
        return self.search(query)

    def save(self, documents: Any) -> None: ...

    async def asave(self, documents: Any) -> None: ...

    def reset(self) -> None: ...

    async def areset(self) -> None: ...


def test_knowledge_is_retrieved(otel: Telemetry) -> None:
    otel.instrument(capture="full")
    knowledge = Knowledge(collection_name="parcels", sources=[], storage=Shelf())
    assert knowledge.query(["How long?"], results_limit=3)
    assert otel.span.name == "retrieval parcels"
    assert otel.attributes[semconv.RETRIEVAL_COUNT] == 1
    assert otel.attributes[semconv.RETRIEVAL_TOP_K] == 3
    assert otel.attributes[semconv.RETRIEVAL_QUERY] == "How long?"
    assert otel.messages(semconv.RETRIEVAL_DOCUMENTS) == [
        {"id": "a", "score": 0.5, "content": "Parcels take two days."}
    ]
    otel.clear()
    assert asyncio.run(knowledge.aquery(["How long?"]))
    assert otel.span.name == "retrieval parcels"


class Notes:
    """Memories that are on nobody's disk; the methods that a recall calls."""

    def search(self, embedding: Any, **_: Any) -> Any:
        return [(MemoryRecord(id="m", content="They like blue."), 0.9)]


def test_memories_are_retrieved(otel: Telemetry) -> None:
    otel.instrument(capture="full")
    memory = Memory(
        llm=Local(model="mine"), storage=Notes(), embedder=lambda texts: [[1.0] for _ in texts], read_only=True
    )
    assert memory.recall("Which colour?", limit=2, depth="shallow")
    assert otel.span.name == "retrieval memory"
    assert otel.attributes[semconv.RETRIEVAL_TOP_K] == 2
    (found,) = otel.messages(semconv.RETRIEVAL_DOCUMENTS)
    assert (found["id"], found["content"]) == ("m", "They like blue.")
    assert found["score"] > 0


@pytest.mark.filterwarnings("ignore:LiteAgent is deprecated")
def test_an_agent_of_the_light_kind(otel: Telemetry) -> None:
    agent = LiteAgent(
        role="Clerk", goal="Help", backstory="Kind.", llm=Local(model="mine", answer="Final Answer: Yes.")
    )
    agent.kickoff("Hm?")
    assert [span.name for span in otel.spans] == ["chat mine", "invoke_agent Clerk"]


def test_switched_off_it_is_silent_and_as_it_was(otel: Telemetry) -> None:
    seen = Local.call, Agent.execute_task, BaseTool.run, BaseLLM.__dict__["__init_subclass__"]
    otelllm.uninstrument()
    now = Local.call, Agent.execute_task, BaseTool.run, BaseLLM.__dict__["__init_subclass__"]
    assert all(one is not other for one, other in zip(seen, now, strict=True))
    run_crew(a_crew(an_agent(Local(model="mine"))), "kickoff")
    assert otel.spans == []
