"""Agents of the real pydantic-ai, over the real openai SDK and over models of its own: one tree, one span a call."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import openai
import pytest
from opentelemetry import context
from opentelemetry.trace import StatusCode
from pydantic_ai import Agent
from pydantic_ai.exceptions import ModelHTTPError
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.models.test import TestModel
from pydantic_ai.providers.openai import OpenAIProvider
from wire import files
from wire.server import sse, whole

import otelllm
from otelllm import semconv

if TYPE_CHECKING:
    from collections.abc import Mapping

    from opentelemetry.sdk.trace import ReadableSpan
    from telemetry import Telemetry
    from wire.server import Provider

pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")


def _named(otel: Telemetry, start: str) -> list[ReadableSpan]:
    return [span for span in otel.spans if span.name.startswith(start)]


def _told(span: ReadableSpan) -> Mapping[str, Any]:
    return span.attributes or {}


def _parent(span: ReadableSpan) -> int | None:
    return span.parent.span_id if span.parent else None


def _agent(model: Any) -> Agent[Any, str]:
    agent = Agent(model, name="helper", instructions="Be kind.")

    @agent.tool_plain
    def order_status(order: str) -> str:
        """Where an order is."""
        return inner(order)

    return agent


@otelllm.tool
def inner(order: str) -> str:
    return f"{order} is on its way"


def _over_openai(client: openai.AsyncOpenAI) -> OpenAIChatModel:
    return OpenAIChatModel("gpt-4o-mini", provider=OpenAIProvider(openai_client=client))


def _client(provider: Provider) -> openai.AsyncOpenAI:
    return openai.AsyncOpenAI(api_key="sk-test", base_url=provider.url, max_retries=0)


@pytest.mark.parametrize("capture", ["off", "full"])
def test_a_model_without_an_sdk(otel: Telemetry, capture: str) -> None:
    otel.instrument(capture=capture)
    before = context.get_current()
    result = _agent(TestModel(custom_output_text="Done.")).run_sync("What of my secret?")
    assert context.get_current() is before
    assert result.output == "Done."
    (agent,), chats, tools = (
        _named(otel, "invoke_agent helper"),
        _named(otel, "chat test"),
        _named(otel, "execute_tool"),
    )
    assert len(chats) == 2
    assert {span.name for span in tools} == {"execute_tool order_status", "execute_tool inner"}
    assert {_parent(one) for one in chats} == {agent.context.span_id}
    assert (
        _parent(next(one for one in tools if one.name.endswith("inner")))
        == next(one for one in tools if one.name.endswith("status")).context.span_id
    )
    assert all(_told(one)[semconv.USAGE_INPUT] > 0 for one in chats)
    assert _told(agent)[semconv.TOTAL_INPUT] == sum(_told(one)[semconv.USAGE_INPUT] for one in chats)
    assert not [name for name in _told(agent) if name.startswith(("gen_ai.usage", "gen_ai.aggregated", "logfire"))]
    assert all(_told(one)[semconv.AGENT_NAME] == "helper" for one in chats)
    if capture == "off":
        assert "secret" not in otel.everything()
        assert "on its way" not in otel.everything()
    else:
        assert "secret" in _told(chats[0])[semconv.INPUT_MESSAGES]
        assert json.loads(_told(chats[1])[semconv.OUTPUT_MESSAGES])[0]["parts"][0]["content"] == "Done."
        status = next(one for one in tools if one.name.endswith("status"))
        assert "on its way" in str(_told(status)[semconv.TOOL_CALL_RESULT])


def test_over_an_sdk_its_span_is_the_only_one(otel: Telemetry, provider: Provider) -> None:
    provider.reply(whole(files.body("openai/chat.json")))

    async def go() -> Any:
        async with _client(provider) as client:
            return await _agent(_over_openai(client)).run("hi")

    assert asyncio.run(go()).output
    (chat,) = _named(otel, "chat ")
    (agent,) = _named(otel, "invoke_agent helper")
    assert _parent(chat) == agent.context.span_id
    assert semconv.COST in _told(chat)
    assert sum(point.count for point in otel.metrics()[semconv.METRIC_TOKENS]) == 2


def test_a_stream_that_is_read_and_one_that_is_left(otel: Telemetry, provider: Provider) -> None:
    async def go(*, leaves: bool) -> None:
        before = context.get_current()
        provider.reply(sse(files.events("openai/chat_stream.sse")))
        async with _client(provider) as client, _agent(_over_openai(client)).run_stream("hi") as result:
            async for _ in result.stream_text(debounce_by=None):
                if leaves:
                    break
        assert context.get_current() is before

    for leaves in (False, True):
        otel.clear()
        asyncio.run(go(leaves=leaves))
        assert len(_named(otel, "chat ")) == 1
        assert len(_named(otel, "invoke_agent helper")) == 1


def test_errors(otel: Telemetry, provider: Provider) -> None:
    provider.reply(whole({"error": {"message": "no", "code": "rate_limit_exceeded"}}, status=429))

    async def go() -> Any:
        async with _client(provider) as client:
            return await _agent(_over_openai(client)).run("hi")

    with pytest.raises(ModelHTTPError):
        asyncio.run(go())
    assert _named(otel, "chat ")[0].status.status_code is StatusCode.ERROR
    assert _named(otel, "invoke_agent")[0].status.status_code is StatusCode.ERROR
    assert "no" not in json.dumps(dict(_told(_named(otel, "invoke_agent")[0])))


def test_an_app_that_switched_its_own_instrumentation_on_keeps_it(otel: Telemetry) -> None:
    otelllm.uninstrument()
    Agent.instrument_all(True)
    try:
        otel.instrument()
        assert Agent._instrument_default is True
    finally:
        otelllm.uninstrument()
        Agent.instrument_all(False)


def test_switched_off_nothing_is_left(otel: Telemetry) -> None:
    otelllm.uninstrument()
    assert Agent._instrument_default is False
    _agent(TestModel()).run_sync("hi")
    assert otel.spans == []
