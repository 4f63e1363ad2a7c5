"""The real LlamaIndex, over models of its own and over the real openai SDK: one tree, one span a call."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import pytest
from llama_index.core import Document, MockEmbedding, VectorStoreIndex
from llama_index.core.agent.workflow import FunctionAgent
from llama_index.core.llms import ChatMessage, MockLLM
from llama_index.core.tools import FunctionTool
from llama_index.llms.openai import OpenAI
from opentelemetry import context
from opentelemetry.trace import StatusCode
from wire import files
from wire.server import sse, whole

import otelllm
from otelllm import semconv

if TYPE_CHECKING:
    from collections.abc import Mapping

    from opentelemetry.sdk.trace import ReadableSpan
    from telemetry import Telemetry
    from wire.server import Provider

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")
QUESTION = [ChatMessage(role="user", content="What of my secret?")]


def _told(span: ReadableSpan) -> Mapping[str, Any]:
    return span.attributes or {}


def _parent(span: ReadableSpan) -> int | None:
    return span.parent.span_id if span.parent else None


def _named(otel: Telemetry, start: str) -> list[ReadableSpan]:
    return [span for span in otel.spans if span.name.startswith(start)]


def _over_openai(provider: Provider) -> OpenAI:
    return OpenAI(model="gpt-4o-mini", api_key="sk-test", api_base=provider.url, max_retries=0)


@pytest.fixture(autouse=True)
def nothing_stays_current() -> Any:
    before = context.get_current()
    yield
    assert context.get_current() is before


def test_one_call_of_a_model_is_one_span_however_many_methods_it_takes(otel: Telemetry) -> None:
    otel.instrument(capture="full")
    answer = MockLLM(max_tokens=3).chat(QUESTION)
    assert answer.message.content
    assert otel.span.name.startswith("chat")
    assert "secret" in otel.attributes[semconv.INPUT_MESSAGES]
    assert otel.messages(semconv.OUTPUT_MESSAGES)[0]["role"] == "assistant"


def test_without_content_none_is_kept(otel: Telemetry) -> None:
    MockLLM(max_tokens=3).chat(QUESTION)
    assert "secret" not in otel.everything()


def test_a_stream_ends_with_its_reader(otel: Telemetry) -> None:
    stream = MockLLM(max_tokens=4).stream_chat(QUESTION)
    assert otel.spans == []
    chunks = list(stream)
    assert otel.attributes[semconv.STREAM_CHUNKS] == len(chunks)
    assert otel.attributes[semconv.STREAM_END] == "complete"
    otel.clear()
    stream = MockLLM(max_tokens=4).stream_chat(QUESTION)
    next(stream)
    stream.close()
    assert otel.attributes[semconv.STREAM_END] == "closed"


def test_over_an_sdk_its_span_is_the_only_one(otel: Telemetry, provider: Provider) -> None:
    provider.reply(whole(files.body("openai/chat.json")))
    _over_openai(provider).chat(QUESTION)
    assert otel.span.name == "chat gpt-4o-mini"
    assert semconv.COST in otel.attributes
    otel.clear()
    provider.reply(sse(files.events("openai/chat_stream.sse")))
    assert list(_over_openai(provider).stream_chat(QUESTION))
    assert otel.attributes[semconv.STREAM_END] == "complete"
    otel.clear()

    async def go() -> Any:
        provider.reply(whole(files.body("openai/chat.json")))
        return await _over_openai(provider).achat(QUESTION)

    asyncio.run(go())
    assert otel.span.name == "chat gpt-4o-mini"


def test_a_query_is_a_workflow_with_its_retrieval(otel: Telemetry, provider: Provider) -> None:
    otel.instrument(capture="full")
    index = VectorStoreIndex.from_documents(
        [Document(text="Parcels take two days.", id_="a"), Document(text="Returns are free.", id_="b")],
        embed_model=MockEmbedding(embed_dim=4),
    )
    otel.clear()
    provider.reply(whole(files.body("openai/chat.json")))
    engine = index.as_query_engine(llm=_over_openai(provider), similarity_top_k=2)
    engine.query("How long?")
    (workflow,), (retrieval,), (chat,) = (
        _named(otel, "invoke_workflow"), _named(otel, "retrieval"), _named(otel, "chat"),
    )  # fmt: skip
    assert _parent(workflow) is None
    assert _parent(retrieval) == workflow.context.span_id
    assert _parent(chat) == workflow.context.span_id
    assert _told(retrieval)[semconv.RETRIEVAL_COUNT] == 2
    assert _told(retrieval)[semconv.RETRIEVAL_TOP_K] == 2
    assert _told(retrieval)[semconv.RETRIEVAL_QUERY] == "How long?"
    found = json.loads(_told(retrieval)[semconv.RETRIEVAL_DOCUMENTS])
    assert {one["content"] for one in found} == {"Parcels take two days.", "Returns are free."}
    (embedding,) = _named(otel, "embeddings")
    assert _parent(embedding) == retrieval.context.span_id
    assert _told(workflow)[semconv.TOTAL_INPUT] == _told(chat)[semconv.USAGE_INPUT]


@otelllm.tool
def inner(order: str) -> str:
    return f"{order} is on its way"


def order_status(order: str) -> str:
    """Where an order is."""
    return inner(order)


def test_tools(otel: Telemetry) -> None:
    otel.instrument(capture="full")
    FunctionTool.from_defaults(order_status).call(order="A-1")
    below, tool = otel.spans
    assert tool.name == "execute_tool order_status"
    assert _parent(below) == tool.context.span_id
    assert json.loads(_told(tool)[semconv.TOOL_CALL_ARGUMENTS]) == {"order": "A-1"}
    assert "on its way" in _told(tool)[semconv.TOOL_CALL_RESULT]


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


def test_an_agent_is_one_tree(otel: Telemetry, provider: Provider) -> None:
    provider.reply(whole(_chat(name="order_status", arguments={"order": "A-1"})))
    provider.reply(whole(_chat("It is on its way.")))

    async def go() -> Any:
        agent = FunctionAgent(
            name="helper", tools=[order_status], llm=_over_openai(provider), streaming=False, system_prompt="Be kind."
        )
        return await agent.run("Where is A-1?")

    assert "on its way" in str(asyncio.run(go()))
    (agent,), (status,), chats = (
        _named(otel, "invoke_agent helper"), _named(otel, "execute_tool order_status"), _named(otel, "chat"),
    )  # fmt: skip
    assert len(chats) == 2
    assert {_parent(one) for one in (*chats, status)} == {agent.context.span_id}
    assert _told(agent)[semconv.TOTAL_INPUT] == 40


def test_errors_are_the_apps_and_end_their_spans(otel: Telemetry, provider: Provider) -> None:
    provider.reply(whole({"error": {"message": "no", "code": "rate_limit_exceeded"}}, status=429))
    with pytest.raises(Exception, match="429"):
        _over_openai(provider).chat(QUESTION)
    assert otel.span.status.status_code is StatusCode.ERROR


def test_switched_off_it_is_silent(otel: Telemetry) -> None:
    otelllm.uninstrument()
    MockLLM(max_tokens=3).chat(QUESTION)
    assert otel.spans == []
