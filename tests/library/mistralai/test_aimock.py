"""Chats, streams and tools through the SDK against a server that we did not write."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from aimock import aimock

from otelllm import semconv

from .app import AsyncApp, SyncApp, method
from .surfaces import MODEL

if TYPE_CHECKING:
    from collections.abc import Iterator

    from telemetry import Telemetry

    from .app import App

pytestmark = pytest.mark.slow

ANSWER = "Windy, and ten past three."
USAGE = {"prompt_tokens": 30, "completion_tokens": 12, "total_tokens": 42}
CALLS = [
    {"name": "get_weather", "arguments": '{"city": "Skagen"}'},
    {"name": "get_time", "arguments": '{"zone": "CET"}'},
]
FIXTURES = {
    "fixtures": [
        {"match": {"userMessage": "Skagen", "hasToolResult": True}, "response": {"content": ANSWER, "usage": USAGE}},
        {"match": {"userMessage": "Skagen"}, "response": {"toolCalls": CALLS, "usage": USAGE}},
        {"match": {"userMessage": "Hello"}, "response": {"content": ANSWER, "usage": USAGE}},
    ]
}


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The server's base URL."""
    with aimock(tmp_path_factory.mktemp("aimock"), FIXTURES) as base:
        yield base


@pytest.fixture(params=[SyncApp, AsyncApp], ids=["sync", "async"])
def app(request: pytest.FixtureRequest, address: str) -> Iterator[App]:
    """The app in both its ways."""
    it = request.param(address)
    yield it
    it.stop()


def _ask(app: App, messages: list[Any], *, streamed: bool, **more: Any) -> Any:
    """The answer's message; of a stream, its text and its calls as the app puts them together."""
    called = method(app.client, app.client.chat, "stream" if streamed else "complete")
    got = app.call(called, model=MODEL, messages=messages, **more)
    if not streamed:
        return got.choices[0].message.content, got.choices[0].message.tool_calls or []
    deltas = [one.data.choices[0].delta for one in app.read(got) if one.data.choices]
    text = "".join(one.content for one in deltas if isinstance(one.content, str))
    return text, [call for one in deltas for call in one.tool_calls or []]


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
def test_a_chat(otel: Telemetry, app: App, streamed: bool) -> None:
    """Text and counts as the server has them."""
    otel.instrument(capture="full")
    text, _ = _ask(app, [{"role": "user", "content": "Hello"}], streamed=streamed)
    assert text == ANSWER
    found = otel.attributes
    (message,) = otel.messages(semconv.OUTPUT_MESSAGES)
    assert message["parts"] == [{"type": "text", "content": ANSWER}]
    assert found[semconv.RESPONSE_FINISH_REASONS] == ("stop",)
    if not streamed:  # this server's streams say nothing of usage unless asked in OpenAI's way
        assert (found[semconv.USAGE_INPUT], found[semconv.USAGE_OUTPUT]) == (30, 12)


def test_tools_both_ways(otel: Telemetry, app: App) -> None:
    """Two calls, their answers sent back, and what the model says then. (Its streamed calls the SDK's types refuse.)"""
    otel.instrument(capture="full")
    messages: list[Any] = [{"role": "user", "content": "How is Skagen?"}]
    tools = [{"type": "function", "function": {"name": one["name"], "parameters": {}}} for one in CALLS]
    _ask(app, messages, streamed=False, tools=tools)
    (message,) = otel.messages(semconv.OUTPUT_MESSAGES)
    calls = message["parts"]
    assert [(call["name"], call["arguments"]) for call in calls] == [
        ("get_weather", {"city": "Skagen"}), ("get_time", {"zone": "CET"})]  # fmt: skip
    assert otel.attributes[semconv.RESPONSE_FINISH_REASONS] == ("tool_call",)
    otel.clear()
    sent = [{"id": call["id"], "function": {"name": call["name"], "arguments": call["arguments"]}} for call in calls]
    answers = [{"role": "tool", "tool_call_id": call["id"], "content": "ok"} for call in calls]
    text, _ = _ask(app, [*messages, {"role": "assistant", "content": "", "tool_calls": sent}, *answers],
                   streamed=False, tools=tools)  # fmt: skip
    assert text == ANSWER
    assert [one["role"] for one in otel.messages(semconv.INPUT_MESSAGES)] == ["user", "assistant", "tool", "tool"]
