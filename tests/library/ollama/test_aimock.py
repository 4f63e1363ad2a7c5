"""Chats, completions, tools and embeddings in Ollama's format against a server that we did not write."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import ollama
import pytest
from aimock import aimock

from otelllm import semconv

from .app import AsyncApp, SyncApp

if TYPE_CHECKING:
    from collections.abc import Iterator

    from telemetry import Telemetry

    from .app import App

pytestmark = pytest.mark.slow

MODEL = "llama3"
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
        {"match": {"userMessage": "Broken"}, "response": {"error": {"message": "no", "type": "x"}, "status": 503}},
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


def get_weather(city: str) -> str:
    """How the weather is."""
    return f"windy in {city}"


def get_time(zone: str) -> str:
    """What time it is."""
    return f"15:10 in {zone}"


@pytest.mark.parametrize("is_streamed", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("kind", ["chat", "generate"])
def test_an_answer(otel: Telemetry, app: App, kind: str, is_streamed: bool) -> None:
    """The text as the app gets it, finish reason and model."""
    otel.instrument(capture="full")
    asked = {"messages": [{"role": "user", "content": "Hello"}]} if kind == "chat" else {"prompt": "Hello"}
    result = app.call(getattr(app.client, kind), model=MODEL, stream=is_streamed, **asked)
    chunks = app.read(result) if is_streamed else [result]
    assert "".join(one.message.content if kind == "chat" else one.response for one in chunks) == ANSWER
    (message,) = otel.messages(semconv.OUTPUT_MESSAGES)
    assert message["parts"] == [{"type": "text", "content": ANSWER}]
    found = otel.attributes
    assert found[semconv.RESPONSE_FINISH_REASONS] == ("stop",)
    assert found[semconv.RESPONSE_MODEL] == MODEL
    last = chunks[-1]
    assert (found.get(semconv.USAGE_INPUT), found.get(semconv.USAGE_OUTPUT)) == (
        last.prompt_eval_count,
        last.eval_count,
    )
    assert found.get(semconv.STREAM_END) == ("complete" if is_streamed else None)


@pytest.mark.parametrize("is_streamed", [False, True], ids=["whole", "stream"])
def test_tools(otel: Telemetry, app: App, is_streamed: bool) -> None:
    """Calls, then their results in the next request's messages."""
    otel.instrument(capture="full")
    messages: list[Any] = [{"role": "user", "content": "How is it in Skagen?"}]
    asked = {"model": MODEL, "tools": [get_weather, get_time], "stream": is_streamed}
    result = app.call(app.client.chat, messages=messages, **asked)
    chunks = app.read(result) if is_streamed else [result]
    calls = [call.function for one in chunks for call in one.message.tool_calls or ()]
    (message,) = otel.messages(semconv.OUTPUT_MESSAGES)
    assert [(part["name"], part["arguments"]) for part in message["parts"]] == [
        (call.name, dict(call.arguments)) for call in calls
    ]
    assert [call.name for call in calls] == ["get_weather", "get_time"]
    otel.clear()
    messages += [one.message for one in chunks if one.message.tool_calls]
    messages += [{"role": "tool", "content": "windy", "tool_name": call.name} for call in calls]
    result = app.call(app.client.chat, messages=messages, **asked)
    if is_streamed:
        app.read(result)
    sent = otel.messages(semconv.INPUT_MESSAGES)
    assert [part["response"] for one in sent if one["role"] == "tool" for part in one["parts"]] == ["windy", "windy"]


def test_embeddings(otel: Telemetry, app: App) -> None:
    """Vectors' size."""
    answer = app.call(app.client.embeddings, model=MODEL, prompt="Hello")
    assert otel.attributes[semconv.EMBEDDINGS_DIMENSIONS] == len(answer.embedding)


def test_an_error(otel: Telemetry, app: App) -> None:
    """By its status, whole and streamed."""
    asked: dict[str, Any] = {"model": MODEL, "messages": [{"role": "user", "content": "Broken"}]}
    with pytest.raises(ollama.ResponseError):
        app.call(app.client.chat, **asked)
    with pytest.raises(ollama.ResponseError):
        app.read(app.call(app.client.chat, **asked, stream=True))
    assert [it.attributes[semconv.ERROR_TYPE] for it in otel.spans if it.attributes] == ["503", "503"]
