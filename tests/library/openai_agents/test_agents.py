"""Runs of the real Agents SDK over the real openai SDK: one tree, one span a call, nothing left behind."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

import agents
import openai
import pytest
from agents.items import ModelResponse
from agents.usage import Usage
from openai.types.responses import ResponseOutputMessage, ResponseOutputText
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


@otelllm.tool
def looked_up(order: str) -> str:
    return f"{order} is on its way"


@agents.function_tool
def order_status(order: str) -> str:
    """Where an order is."""
    return looked_up(order)


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


def _agent(client: Any, **more: Any) -> agents.Agent[Any]:
    model = agents.OpenAIChatCompletionsModel(model="gpt-4o-mini", openai_client=client)
    return agents.Agent(
        **{"name": "helper", "instructions": "Be kind.", "model": model, "tools": [order_status], **more}
    )


def _by_name(otel: Telemetry) -> dict[str, list[ReadableSpan]]:
    found: dict[str, list[ReadableSpan]] = {}
    for span in otel.spans:
        found.setdefault(span.name, []).append(span)
    return found


def _told(span: ReadableSpan) -> Mapping[str, Any]:
    return span.attributes or {}


def _parent(span: ReadableSpan) -> int | None:
    return span.parent.span_id if span.parent else None


def _run(client: Any, agent: agents.Agent[Any], question: str = "Where is A-1?", **more: Any) -> Any:
    async def go() -> Any:
        before = context.get_current()
        async with client:
            result = await agents.Runner.run(agent, question, **more)
        assert context.get_current() is before, "the caller's context is as it was"
        return result

    return asyncio.run(go())


def test_a_run_is_one_tree(otel: Telemetry, client: Any, provider: Provider) -> None:
    otel.instrument(capture="full")
    provider.reply(whole(_chat(name="order_status", arguments={"order": "A-1"})))
    provider.reply(whole(_chat("It is on its way.")))
    result = _run(client, _agent(client), run_config=agents.RunConfig(workflow_name="support", group_id="thread-7"))
    assert result.final_output == "It is on its way."
    spans = _by_name(otel)
    names = ("invoke_workflow support", "invoke_agent helper", "execute_tool order_status")
    workflow, agent, tool = (spans[name][0] for name in names)
    chats = spans["chat gpt-4o-mini"]
    assert len(chats) == 2
    assert _parent(workflow) is None
    assert _parent(agent) == workflow.context.span_id
    assert {_parent(one) for one in (*chats, tool)} == {agent.context.span_id}
    assert _parent(spans["execute_tool looked_up"][0]) == tool.context.span_id, "the app's own span, in a thread"
    assert _told(workflow)[semconv.CONVERSATION_ID] == "thread-7"
    assert _told(tool)[semconv.TOOL_CALL_ID] == "call_1"
    assert json.loads(_told(tool)[semconv.TOOL_CALL_ARGUMENTS]) == {"order": "A-1"}
    assert _told(agent)[semconv.TOTAL_INPUT] == 40
    assert all(_told(one)[semconv.AGENT_NAME] == "helper" for one in chats)
    assert sum(point.count for point in otel.metrics()[semconv.METRIC_TOKENS]) == 4


def test_a_streamed_run(otel: Telemetry, client: Any, provider: Provider) -> None:
    provider.reply(sse(files.events("openai/chat_stream.sse")))

    async def go() -> int:
        before = context.get_current()
        async with client:
            result = agents.Runner.run_streamed(_agent(client, tools=[]), "hi")
            assert context.get_current() is before
            seen = 0
            async for _ in result.stream_events():
                seen += 1
        assert context.get_current() is before
        return seen

    assert asyncio.run(go()) > 2
    (chat,) = _by_name(otel)["chat gpt-4o-mini"]
    assert _parent(chat) == _by_name(otel)["invoke_agent helper"][0].context.span_id
    assert semconv.TTFT in _told(chat)
    assert len([span for span in otel.spans if span.name.startswith("chat")]) == 1


class Parrot(agents.Model):
    """A model of the app's own: no SDK is below it."""

    model = "parrot-1"

    def _answer(self) -> ModelResponse:
        text = ResponseOutputText(type="output_text", text="Polly.", annotations=[])
        message = ResponseOutputMessage(id="m1", type="message", role="assistant", status="completed", content=[text])
        usage = Usage(requests=1, input_tokens=7, output_tokens=3, total_tokens=10)
        return ModelResponse(output=[message], usage=usage, response_id="resp-1")

    async def get_response(self, *_: Any, **__: Any) -> ModelResponse:
        return self._answer()

    async def stream_response(self, *_: Any, **__: Any) -> AsyncIterator[Any]:
        answer = self._answer()
        body = {
            "id": "resp-1", "created_at": 1, "model": "parrot-1", "object": "response", "output": answer.output,
            "parallel_tool_calls": False, "tool_choice": "auto", "tools": [], "status": "completed",
            "usage": {"input_tokens": 7, "output_tokens": 3, "total_tokens": 10,
                      "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
                      "output_tokens_details": {"reasoning_tokens": 0}},
        }  # fmt: skip
        response = openai.types.responses.Response.model_validate(body)
        yield openai.types.responses.ResponseTextDeltaEvent(
            content_index=0, delta="Polly.", item_id="m1", logprobs=[], output_index=0, sequence_number=0,
            type="response.output_text.delta",
        )  # fmt: skip
        yield openai.types.responses.ResponseCompletedEvent(
            response=response, sequence_number=1, type="response.completed"
        )


@pytest.mark.parametrize("streamed", [False, True])
def test_a_model_without_an_sdk_has_its_span(otel: Telemetry, streamed: bool) -> None:
    otel.instrument(capture="full")
    agent = agents.Agent(name="bird", model=Parrot())

    async def go() -> Any:
        if not streamed:
            return await agents.Runner.run(agent, "who?")
        result = agents.Runner.run_streamed(agent, "who?")
        async for _ in result.stream_events():
            pass
        return result

    assert asyncio.run(go()).final_output == "Polly."
    (chat,) = _by_name(otel)["chat parrot-1"]
    assert _told(chat)[semconv.USAGE_INPUT] == 7
    assert _told(chat)[semconv.USAGE_OUTPUT] == 3
    assert _told(chat)[semconv.RESPONSE_ID] == "resp-1"
    assert json.loads(_told(chat)[semconv.OUTPUT_MESSAGES])[0]["parts"] == [{"type": "text", "content": "Polly."}]
    assert "who?" in _told(chat)[semconv.INPUT_MESSAGES]
    assert (semconv.TTFT in _told(chat)) is streamed
    assert _parent(chat) == _by_name(otel)["invoke_agent bird"][0].context.span_id


def test_errors_are_the_sdks_own_and_every_span_ends(otel: Telemetry, client: Any, provider: Provider) -> None:
    provider.reply(whole({"error": {"message": "no", "code": "rate_limit_exceeded"}}, status=429))
    with pytest.raises(openai.RateLimitError):
        _run(client, _agent(client))
    spans = _by_name(otel)
    assert spans["chat gpt-4o-mini"][0].status.status_code is StatusCode.ERROR
    assert spans["invoke_agent helper"]
    assert spans["invoke_workflow Agent workflow"]


def test_a_handoff_and_a_guardrail(otel: Telemetry, client: Any, provider: Provider) -> None:
    async def allows(*_: Any) -> agents.GuardrailFunctionOutput:
        return agents.GuardrailFunctionOutput(output_info=None, tripwire_triggered=False)

    guard = agents.InputGuardrail(guardrail_function=allows, name="polite")
    expert = _agent(client, name="expert", tools=[])
    first = _agent(client, name="desk", tools=[], handoffs=[expert], input_guardrails=[guard])
    provider.reply(whole(_chat(name="transfer_to_expert", arguments={})))
    provider.reply(whole(_chat("Here.")))
    assert _run(client, first).last_agent.name == "expert"
    spans = _by_name(otel)
    assert _told(spans["handoff expert"][0])[semconv.AGENT_NAME] == "expert"
    assert len(spans["chat gpt-4o-mini"]) == 2
    events = [event for span in otel.spans for event in span.events if event.name == semconv.EVENT_GUARDRAIL]
    assert [(event.attributes or {})[semconv.GUARDRAIL_RESULT] for event in events] == ["allow"]


def test_switched_off_it_is_silent(otel: Telemetry, client: Any, provider: Provider) -> None:
    otelllm.uninstrument()
    provider.reply(whole(_chat("Yes.")))
    assert _run(client, _agent(client)).final_output == "Yes."
    assert otel.spans == []


def test_without_content_none_is_kept(otel: Telemetry, client: Any, provider: Provider) -> None:
    provider.reply(whole(_chat(name="order_status", arguments={"order": "A-1"})))
    provider.reply(whole(_chat("It is on its way.")))
    _run(client, _agent(client), "What of my secret A-1?")
    assert "secret" not in otel.everything()
    assert "A-1" not in otel.everything()
