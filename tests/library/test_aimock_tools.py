"""Tool calls in OpenAI's format against a server that we did not write: @copilotkit/aimock, from npm."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from aimock import aimock

import otelllm
from otelllm import semconv

from .openai.app import App, AsyncApp, SyncApp

if TYPE_CHECKING:
    from collections.abc import Iterator

    from telemetry import Telemetry

CALLS = [("get_weather", {"city": "Skagen"}), ("get_time", {"zone": "Europe/Copenhagen"})]
USAGE = {"prompt_tokens": 30, "completion_tokens": 12, "total_tokens": 42}
ANSWER = "Windy, and ten past three."
FIXTURES = {
    "fixtures": [
        {"match": {"userMessage": "Skagen", "hasToolResult": True}, "response": {"content": ANSWER, "usage": USAGE}},
        {
            "match": {"userMessage": "Skagen"},
            "response": {
                "toolCalls": [{"name": name, "arguments": json.dumps(arguments)} for name, arguments in CALLS],
                "usage": USAGE,
            },
        },
    ]
}
MESSAGES = [{"role": "user", "content": "How is it in Skagen?"}]
TOOLS: list[dict[str, Any]] = [
    {
        "type": "function",
        "function": {"name": name, "description": f"{name} of a place", "parameters": {"type": "object"}},
    }
    for name, _ in CALLS
]


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The server's base URL."""
    with aimock(tmp_path_factory.mktemp("aimock"), FIXTURES) as base:
        yield base + "/v1"


@pytest.fixture(params=[SyncApp, AsyncApp], ids=["sync", "async"])
def app(request: pytest.FixtureRequest, address: str) -> Iterator[App]:
    """The app in both its ways."""
    it = request.param(address)
    yield it
    it.stop()


def _expected(parts: list[dict[str, Any]]) -> None:
    assert [(part["type"], part["name"], part["arguments"]) for part in parts] == [
        ("tool_call", name, arguments) for name, arguments in CALLS
    ]
    assert len({part["id"] for part in parts}) == len(CALLS)


@pytest.mark.parametrize("is_streamed", [False, True], ids=["whole", "stream"])
def test_chat_tool_calls(otel: Telemetry, app: App, is_streamed: bool) -> None:
    """Two parallel calls: on the span as the app sees them, with finish reason and usage."""
    otel.instrument(capture="full")
    asked: dict[str, Any] = {"model": "gpt-4o-mini", "messages": MESSAGES, "tools": TOOLS}
    if is_streamed:
        asked |= {"stream": True, "stream_options": {"include_usage": True}}
        app.read(app.call(app.client.chat.completions.create, **asked))
    else:
        answer = app.call(app.client.chat.completions.create, **asked)
        assert [call.function.name for call in answer.choices[0].message.tool_calls] == [name for name, _ in CALLS]
    (message,) = otel.messages(semconv.OUTPUT_MESSAGES)
    _expected(message["parts"])
    found = otel.attributes
    assert found[semconv.RESPONSE_FINISH_REASONS] == ("tool_call",)
    assert (found[semconv.USAGE_INPUT], found[semconv.USAGE_OUTPUT]) == (30, 12)
    assert [tool["name"] for tool in otel.messages(semconv.TOOL_DEFINITIONS)] == [name for name, _ in CALLS]


@pytest.mark.parametrize("is_streamed", [False, True], ids=["whole", "stream"])
def test_responses_tool_calls(otel: Telemetry, app: App, is_streamed: bool) -> None:
    """The same through the Responses API."""
    otel.instrument(capture="full")
    asked: dict[str, Any] = {"model": "gpt-4o-mini", "input": MESSAGES[0]["content"]}
    asked["tools"] = [{"type": "function", "strict": False, **tool["function"]} for tool in TOOLS]
    result = app.call(app.client.responses.create, **asked, stream=is_streamed)
    if is_streamed:
        app.read(result)
    (message,) = otel.messages(semconv.OUTPUT_MESSAGES)
    _expected(message["parts"])
    assert otel.attributes[semconv.RESPONSE_FINISH_REASONS] == ("tool_call",)
    assert otel.attributes[semconv.USAGE_OUTPUT] == 12


def test_the_loop_of_an_agent(otel: Telemetry, app: App) -> None:
    """Ask, run both tools, give their results back, answer: two calls and two tools below one agent."""
    otel.instrument(capture="full")
    create = app.client.chat.completions.create

    @otelllm.tool
    def get_weather(city: str) -> str:
        return f"windy in {city}"

    @otelllm.tool
    def get_time(zone: str) -> str:
        return f"15:10 in {zone}"

    tools = {"get_weather": get_weather, "get_time": get_time}

    @otelllm.agent
    def guide() -> str:
        messages: list[Any] = list(MESSAGES)
        asked = app.call(create, model="gpt-4o-mini", messages=messages, tools=TOOLS).choices[0].message
        messages.append(asked)
        for call in asked.tool_calls:
            result = tools[call.function.name](**json.loads(call.function.arguments))
            messages.append({"role": "tool", "tool_call_id": call.id, "content": result})
        return str(app.call(create, model="gpt-4o-mini", messages=messages, tools=TOOLS).choices[0].message.content)

    assert guide() == ANSWER
    tools_run = ["execute_tool get_weather", "execute_tool get_time"]
    names = [span.name for span in otel.spans]
    assert names == ["chat gpt-4o-mini", *tools_run, "chat gpt-4o-mini", "invoke_agent guide"]
    *children, agent = otel.spans
    assert {span.parent.span_id for span in children if span.parent} == {agent.context.span_id}
    sent = json.loads(str((children[-1].attributes or {})[semconv.INPUT_MESSAGES]))
    assert [message["role"] for message in sent] == ["user", "assistant", "tool", "tool"]
    assert [message["parts"][0]["response"] for message in sent[2:]] == [
        "windy in Skagen",
        "15:10 in Europe/Copenhagen",
    ]
    ids = [part["id"] for part in sent[1]["parts"]]
    assert [message["parts"][0]["id"] for message in sent[2:]] == ids
