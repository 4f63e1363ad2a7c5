"""The real CrewAI, over its openai class and over models of the app's own: one tree, one span a call."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import pytest
from crewai import LLM, Agent, Crew, Task
from crewai.events import crewai_event_bus
from crewai.flow.flow import Flow, listen, start
from crewai.hooks import register_before_llm_call_hook, unregister_before_llm_call_hook
from crewai.knowledge.knowledge import Knowledge
from crewai.knowledge.storage.base_knowledge_storage import BaseKnowledgeStorage
from crewai.lite_agent import LiteAgent
from crewai.llms.base_llm import BaseLLM, llm_call_context
from crewai.memory.types import MemoryRecord
from crewai.memory.unified_memory import Memory
from crewai.tools import BaseTool, tool
from opentelemetry.trace import StatusCode
from wire import files
from wire.server import sse, whole

import otelllm
from otelllm import semconv

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from opentelemetry.sdk.trace import ReadableSpan
    from telemetry import Telemetry
    from wire.server import Provider

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")


@pytest.fixture(autouse=True)
def events_are_handled() -> Iterator[None]:
    """CrewAI's own listeners, in threads of its own, are done before the next test."""
    yield
    crewai_event_bus.flush()


def _told(span: ReadableSpan) -> Mapping[str, Any]:
    return span.attributes or {}


def _parent(span: ReadableSpan) -> int | None:
    return span.parent.span_id if span.parent else None


def _id(span: ReadableSpan) -> int:
    return span.context.span_id


def _named(otel: Telemetry, start: str) -> list[ReadableSpan]:
    return [span for span in otel.spans if span.name.startswith(start)]


def _over_openai(provider: Provider, **options: Any) -> Any:
    return LLM(
        model="gpt-4o-mini", provider="openai", api_key="sk-test", base_url=provider.url, max_retries=0, **options
    )


def _chat(content: str | None = None, **call: Any) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": content}
    if call:
        function = {"name": call["name"], "arguments": json.dumps(call["arguments"])}
        message["tool_calls"] = [{"id": "call_1", "type": "function", "function": function}]
    return {
        "id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": "gpt-4o-mini-2024-07-18",
        "choices": [{"index": 0, "message": message, "finish_reason": "tool_calls" if call else "stop"}],
        "usage": {"prompt_tokens": 20, "completion_tokens": 5, "total_tokens": 25},
    }  # fmt: skip


class Local(BaseLLM):
    """A model of the app's own, which sends nothing."""

    answer: Any = "I am local."

    def call(self, messages: Any, *args: Any, **kwargs: Any) -> Any:
        with llm_call_context():
            self._emit_call_started_event(messages=messages)
            for word in ("I ", "am ", "local.") if self.stream else ():
                self._emit_stream_chunk_event(chunk=word)
            if isinstance(self.answer, Exception):
                raise self.answer
            self._emit_call_completed_event(
                response=self.answer,
                call_type="llm_call",
                usage={"prompt_tokens": 7, "completion_tokens": 3, "cached_prompt_tokens": 2},
                finish_reason="stop",
                response_id="local-1",
            )
            return self.answer

    async def acall(self, messages: Any, *args: Any, **kwargs: Any) -> Any:
        await asyncio.sleep(0)
        return self.call(messages)


class Louder(Local):
    """Its own call is its base's, made louder."""

    def call(self, messages: Any, *args: Any, **kwargs: Any) -> Any:
        return str(super().call(messages)).upper()


@tool("Order status")  # type: ignore[misc]
def order_status(order: str) -> str:
    """Where an order is."""
    return look_up(order)


@otelllm.tool
def look_up(order: str) -> str:
    return f"{order} is on its way"


class Broken(BaseTool):  # type: ignore[misc]
    name: str = "broken"
    description: str = "It breaks."

    def _run(self, order: str) -> str:
        raise LookupError(order)


def _agent(llm: Any, *tools: Any, **options: Any) -> Agent:
    return Agent(role="Helper", goal="Help people", backstory="Kind.", llm=llm, tools=list(tools), **options)


def _crew(*agents: Agent, **options: Any) -> Crew:
    """Each agent has a task; all but the last work in threads."""
    work = [
        Task(
            description="Where is {order}?",
            expected_output="A place.",
            agent=agent,
            async_execution=agent is not agents[-1],
        )
        for agent in agents
    ]
    return Crew(name="desk", agents=list(agents), tasks=work, verbose=False, **options)


def _kickoff(crew: Crew, way: str) -> Any:
    inputs = {"order": "A-1"}
    if way == "kickoff":
        return crew.kickoff(inputs=inputs)

    async def go() -> Any:
        return await getattr(crew, way)(inputs=inputs)

    return asyncio.run(go())


@pytest.mark.parametrize("way", ["kickoff", "kickoff_async", "akickoff"])
def test_a_crew_is_one_tree(otel: Telemetry, provider: Provider, way: str) -> None:
    otel.instrument(capture="full")
    provider.reply(whole(_chat(name="order_status", arguments={"order": "A-1"})))
    provider.reply(whole(_chat("It is on its way.")))
    assert _kickoff(_crew(_agent(_over_openai(provider), order_status)), way).raw == "It is on its way."
    (crew,), (agent,), (tool_run,), chats = (
        _named(otel, "invoke_workflow desk"),
        _named(otel, "invoke_agent Helper"),
        _named(otel, "execute_tool order_status"),
        _named(otel, "chat"),
    )
    (below,) = _named(otel, "execute_tool look_up")
    assert len(otel.spans) == 6
    assert _parent(crew) is None
    assert _parent(agent) == _id(crew)
    assert {_parent(one) for one in (*chats, tool_run)} == {_id(agent)}
    assert _parent(below) == _id(tool_run)
    assert [_told(one)[semconv.USAGE_INPUT] for one in chats] == [20, 20]
    assert all(semconv.COST in _told(one) for one in chats)
    assert _told(crew)[semconv.TOTAL_INPUT] == _told(agent)[semconv.TOTAL_INPUT] == 40
    assert _told(tool_run)[semconv.TOOL_CALL_ID] == "call_1"
    assert json.loads(_told(tool_run)[semconv.TOOL_CALL_ARGUMENTS]) == {"order": "A-1"}
    assert json.loads(_told(tool_run)[semconv.TOOL_CALL_RESULT]) == "A-1 is on its way"
    assert "A-1" in _told(crew)[semconv.INPUT_MESSAGES]
    assert "on its way" in _told(crew)[semconv.OUTPUT_MESSAGES]
    assert all(_told(one)[semconv.AGENT_NAME] == "Helper" for one in (agent, tool_run))


def test_without_content_none_is_kept(otel: Telemetry, provider: Provider) -> None:
    provider.reply(whole(_chat(name="order_status", arguments={"order": "A-1"})))
    provider.reply(whole(_chat("It is on its way.")))
    _kickoff(_crew(_agent(_over_openai(provider), order_status)), "kickoff")
    assert "A-1" not in otel.everything()
    assert "on its way" not in otel.everything()


def test_tasks_in_threads_stay_below_their_crew(otel: Telemetry) -> None:
    _kickoff(_crew(*(_agent(Local(model="mine")) for _ in range(3))), "kickoff")
    (crew,), agents, chats = _named(otel, "invoke_workflow"), _named(otel, "invoke_agent"), _named(otel, "chat mine")
    assert len(agents) == len(chats) == 3
    assert {_parent(one) for one in agents} == {_id(crew)}
    assert {_parent(one) for one in chats} == {_id(one) for one in agents}
    assert crew.end_time is not None
    assert all((one.end_time or 0) <= crew.end_time for one in agents)


def test_a_streamed_crew_is_one_workflow_when_its_reader_reads(otel: Telemetry) -> None:
    stream = _crew(_agent(Local(model="mine")), stream=True).kickoff(inputs={"order": "A-1"})
    assert otel.spans == []
    list(stream)
    assert [span.name for span in otel.spans] == ["chat mine", "invoke_agent Helper", "invoke_workflow desk"]


def test_a_local_model_has_a_span_made_late(otel: Telemetry) -> None:
    otel.instrument(capture="full")
    assert Local(model="mine", temperature=0.5).call("What of it?") == "I am local."
    told = otel.attributes
    assert otel.span.name == "chat mine"
    assert told[semconv.PROVIDER] == "local"
    assert told[semconv.REQUEST_TEMPERATURE] == 0.5
    assert (told[semconv.USAGE_INPUT], told[semconv.USAGE_OUTPUT], told[semconv.USAGE_CACHE_READ]) == (7, 3, 2)
    assert told[semconv.RESPONSE_ID] == "local-1"
    assert list(told[semconv.RESPONSE_FINISH_REASONS]) == ["stop"]
    assert otel.messages(semconv.INPUT_MESSAGES) == [
        {"role": "user", "parts": [{"type": "text", "content": "What of it?"}]}
    ]
    assert otel.messages(semconv.OUTPUT_MESSAGES)[0]["parts"] == [{"type": "text", "content": "I am local."}]


def test_usage_that_only_the_base_class_hears_of(otel: Telemetry) -> None:
    class Counting(Local):
        def call(self, messages: Any, *args: Any, **kwargs: Any) -> Any:
            self._track_token_usage_internal({"input_tokens": 11, "output_tokens": 4})
            return "Yes."

    Counting(model="mine").call("Hm?")
    assert (otel.attributes[semconv.USAGE_INPUT], otel.attributes[semconv.USAGE_OUTPUT]) == (11, 4)
    otel.clear()

    class Silent(Local):
        def call(self, messages: Any, *args: Any, **kwargs: Any) -> Any:
            return "Yes."

    Silent(model="mine").call("Hm?")
    assert semconv.USAGE_INPUT not in otel.attributes, "unknown is left out"


def test_a_local_model_that_streams_tells_its_chunks(otel: Telemetry) -> None:
    Local(model="mine", stream=True).call("What of it?")
    assert otel.attributes[semconv.STREAM_CHUNKS] == 3
    assert semconv.TTFT in otel.attributes


def test_a_class_made_later_and_its_way_to_its_base_are_one_call(otel: Telemetry) -> None:
    assert Louder(model="mine").call("Hm?") == "I AM LOCAL."
    assert otel.span.name == "chat mine"
    otel.clear()

    class Later(Local):
        async def acall(self, messages: Any, *args: Any, **kwargs: Any) -> Any:
            return await super().acall(messages)

    assert asyncio.run(Later(model="later").acall("Hm?")) == "I am local."
    assert otel.span.name == "chat later"


def test_over_an_sdk_its_span_is_the_only_one(otel: Telemetry, provider: Provider) -> None:
    provider.reply(whole(files.body("openai/chat.json")))
    assert _over_openai(provider).call("Hello")
    assert otel.span.name == "chat gpt-4o-mini"
    assert semconv.COST in otel.attributes
    otel.clear()
    provider.reply(sse(files.events("openai/chat_stream.sse")))
    assert _over_openai(provider, stream=True).call("Hello")
    assert otel.attributes[semconv.STREAM_END] == "complete"
    otel.clear()
    provider.reply(whole(files.body("openai/chat.json")))
    assert asyncio.run(_over_openai(provider).acall("Hello"))
    assert otel.span.name == "chat gpt-4o-mini"


def test_flows(otel: Telemetry) -> None:
    class Desk(Flow):  # type: ignore[misc, type-arg]
        _skip_auto_memory = True  # a vector store's import, which takes seconds

        @start()  # type: ignore[misc]
        def ask(self) -> Any:
            return Local(model="mine").call("Hm?")

        @listen(ask)  # type: ignore[misc]
        async def answer(self, said: Any) -> Any:
            return (await _agent(Local(model="other")).kickoff_async("Hm?")).raw

    assert Desk().kickoff() == "I am local."
    (flow,), (agent,), (mine,), (other,) = (
        _named(otel, "invoke_workflow Desk"), _named(otel, "invoke_agent"), _named(otel, "chat mine"),
        _named(otel, "chat other"),
    )  # fmt: skip
    assert len(otel.spans) == 4
    assert _parent(flow) is None
    assert {_parent(one) for one in (mine, agent)} == {_id(flow)}
    assert _parent(other) == _id(agent)


def test_an_agent_alone(otel: Telemetry) -> None:
    agent = _agent(Local(model="mine"))
    assert agent.kickoff("Hm?").raw == "I am local."
    assert [span.name for span in otel.spans] == ["chat mine", "invoke_agent Helper"]
    otel.clear()

    async def go() -> Any:
        return await agent.kickoff("Hm?")  # in a loop it gives a coroutine

    assert asyncio.run(go()).raw == "I am local."
    assert [span.name for span in otel.spans] == ["chat mine", "invoke_agent Helper"]


def test_a_tool_that_fails_ends_its_span(otel: Telemetry, provider: Provider) -> None:
    provider.reply(whole(_chat(name="broken", arguments={"order": "A-1"})))
    provider.reply(whole(_chat("It broke.")))
    assert _kickoff(_crew(_agent(_over_openai(provider), Broken())), "kickoff").raw == "It broke."
    (broken,) = _named(otel, "execute_tool broken")
    assert broken.status.status_code is StatusCode.ERROR
    assert _told(broken)[semconv.ERROR_TYPE] == "LookupError"


def test_tools_side_by_side_have_their_own_calls(otel: Telemetry, provider: Provider) -> None:
    otel.instrument(capture="full")
    asked = _chat(name="order_status", arguments={"order": "A-1"})
    calls = asked["choices"][0]["message"]["tool_calls"]
    calls.append({**calls[0], "id": "call_2", "function": {"name": "order_status", "arguments": '{"order": "B-2"}'}})
    provider.reply(whole(asked))
    provider.reply(whole(_chat("On their way.")))
    _kickoff(_crew(_agent(_over_openai(provider), order_status)), "kickoff")
    (agent,), tools = _named(otel, "invoke_agent"), _named(otel, "execute_tool order_status")
    assert {_parent(one) for one in tools} == {_id(agent)}
    assert {
        (_told(one)[semconv.TOOL_CALL_ID], json.loads(_told(one)[semconv.TOOL_CALL_ARGUMENTS])["order"])
        for one in tools
    } == {("call_1", "A-1"), ("call_2", "B-2")}
    assert {_parent(one) for one in _named(otel, "execute_tool look_up")} == {_id(one) for one in tools}


def test_a_tool_in_a_thread_has_its_context(otel: Telemetry) -> None:
    structured = order_status.to_structured_tool()
    before = structured.current_usage_count
    assert asyncio.run(structured.ainvoke({"order": "A-1"})) == "A-1 is on its way"
    below, status = otel.spans
    assert (below.name, status.name) == ("execute_tool look_up", "execute_tool order_status")
    assert _parent(below) == _id(status)
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
    assert _parent(chat) == _id(flow)


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
    assert _kickoff(_crew(_agent(Reacting(model="mine"), order_status)), way).raw == "On its way."
    (agent,), (status,), (below,), chats = (
        _named(otel, "invoke_agent"), _named(otel, "execute_tool order_status"), _named(otel, "execute_tool look_up"),
        _named(otel, "chat"),
    )  # fmt: skip
    assert {_parent(one) for one in (status, *chats)} == {_id(agent)}
    assert _parent(below) == _id(status)
    assert json.loads(_told(status)[semconv.TOOL_CALL_ARGUMENTS]) == {"order": "A-1"}
    assert len(chats) == 2


def test_a_local_model_that_asks_for_a_tool(otel: Telemetry) -> None:
    otel.instrument(capture="full")
    wanted = [{"id": "c1", "type": "function", "function": {"name": "order_status", "arguments": '{"order": "A-1"}'}}]
    Local(model="mine", answer=wanted).call([{"role": "system", "content": "Be kind."}])
    assert otel.messages(semconv.OUTPUT_MESSAGES)[0]["parts"] == [
        {"type": "tool_call", "id": "c1", "name": "order_status", "arguments": {"order": "A-1"}}
    ]


def test_a_call_inside_a_tool_inside_a_call_is_its_own(otel: Telemetry) -> None:
    inner = Local(model="mine")

    @tool("ask")  # type: ignore[misc]
    def ask(question: str) -> str:
        """Asks the same model."""
        return str(inner.call(question))

    class Asking(Local):
        def call(self, messages: Any, *args: Any, **kwargs: Any) -> Any:
            return self.answer.run(question=messages)

    assert Asking(model="outer", answer=ask).call("Hm?") == "I am local."
    (chat,), (ran,), (outer,) = _named(otel, "chat mine"), _named(otel, "execute_tool ask"), _named(otel, "chat outer")
    assert _parent(chat) == _id(ran)
    assert _parent(outer) is None


def test_what_a_hook_refuses_is_no_model_call(otel: Telemetry, provider: Provider) -> None:
    def refuse(_: Any) -> bool:
        return False

    register_before_llm_call_hook(refuse)
    try:
        with pytest.raises(ValueError, match="blocked"):
            _over_openai(provider).call("Hm?")
    finally:
        unregister_before_llm_call_hook(refuse)
    assert otel.spans == []


def test_errors_are_the_apps_and_end_their_spans(otel: Telemetry) -> None:
    error = RuntimeError("no")
    with pytest.raises(RuntimeError) as raised:
        Local(model="mine", answer=error).call("Hm?")
    assert raised.value is error
    assert otel.span.status.status_code is StatusCode.ERROR
    otel.clear()
    agent = _agent(Local(model="mine", answer=error), max_retry_limit=1)
    with pytest.raises(RuntimeError):
        _kickoff(_crew(agent), "kickoff")
    (crew,), (only,), chats = _named(otel, "invoke_workflow"), _named(otel, "invoke_agent"), _named(otel, "chat")
    assert len(chats) == 2, "an agent that tries again is the same run"
    assert {_parent(one) for one in chats} == {_id(only)}
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
    _kickoff(_crew(_agent(Local(model="mine"))), "kickoff")
    assert otel.spans == []
