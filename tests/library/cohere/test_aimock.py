"""Chats, streams, tools, embeddings and rerank in Cohere's format against a server that we did not write."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import cohere
import pytest
from aimock import aimock

from otelllm import semconv

from .app import MODEL, AsyncApp, SyncApp

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
        {"match": {"userMessage": "Broken"}, "response": {"error": {"message": "no", "type": "x"}, "status": 503}},
    ]
}
TOOLS = [
    {"type": "function", "function": {"name": name, "parameters": {"type": "object", "properties": {}}}}
    for name in ("get_weather", "get_time")
]


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


def _asked(content: str) -> dict[str, Any]:
    return {"model": MODEL, "messages": [{"role": "user", "content": content}]}


def _answered(app: App, is_streamed: bool, **asked: Any) -> list[Any]:
    result = app.call(app.client.chat_stream if is_streamed else app.client.chat, **asked)
    return app.read(result) if is_streamed else [result]


@pytest.mark.parametrize("is_streamed", [False, True], ids=["whole", "stream"])
def test_a_chat(otel: Telemetry, app: App, is_streamed: bool) -> None:
    """Text, usage, finish reason and id."""
    otel.instrument(capture="full")
    _answered(app, is_streamed, **_asked("Hello"))
    (message,) = otel.messages(semconv.OUTPUT_MESSAGES)
    assert message["parts"] == [{"type": "text", "content": ANSWER}]
    found = otel.attributes
    assert found[semconv.RESPONSE_FINISH_REASONS] == ("stop",)
    assert (found[semconv.USAGE_INPUT], found[semconv.USAGE_OUTPUT]) == (30, 12)
    assert found.get(semconv.STREAM_END) == ("complete" if is_streamed else None)
    assert found[semconv.RESPONSE_ID]


@pytest.mark.parametrize("is_streamed", [False, True], ids=["whole", "stream"])
def test_tools(otel: Telemetry, app: App, is_streamed: bool) -> None:
    """Calls put together from their fragments; their results in the next request."""
    otel.instrument(capture="full")
    asked = _asked("How is it in Skagen?")
    _answered(app, is_streamed, **asked, tools=TOOLS)
    (message,) = otel.messages(semconv.OUTPUT_MESSAGES)
    calls = [part for part in message["parts"] if part["type"] == "tool_call"]
    assert [(one["name"], one["arguments"]) for one in calls] == [
        (one["name"], json.loads(one["arguments"])) for one in CALLS
    ]
    assert otel.attributes[semconv.RESPONSE_FINISH_REASONS] == ("tool_call",)
    sent = [
        {"id": one["id"], "type": "function", "function": {**given}} for one, given in zip(calls, CALLS, strict=True)
    ]
    asked["messages"].append({"role": "assistant", "tool_calls": sent})
    asked["messages"] += [{"role": "tool", "tool_call_id": one["id"], "content": "windy"} for one in calls]
    otel.clear()
    _answered(app, is_streamed, **asked, tools=TOOLS)
    results = [part for one in otel.messages(semconv.INPUT_MESSAGES) if one["role"] == "tool" for part in one["parts"]]
    assert [(one["id"], one["response"]) for one in results] == [(one["id"], "windy") for one in calls]


def test_embeddings_and_rerank(otel: Telemetry, app: App) -> None:
    """As far as the server goes."""
    asked = {"model": "embed-v4.0", "input_type": "search_query", "embedding_types": ["float"]}
    answer = app.call(app.client.embed, texts=["Hello"], **asked)
    assert otel.attributes[semconv.EMBEDDINGS_DIMENSIONS] == len(answer.embeddings.float_[0])
    otel.clear()
    app.call(app.client.rerank, model="rerank-v3.5", query="Hello", documents=["a", "b"])
    assert otel.attributes[semconv.RERANK_IN] == 2
    assert otel.span.name == "rerank rerank-v3.5"


def test_an_error(otel: Telemetry, app: App) -> None:
    """By its status, whole and streamed."""
    asked = {**_asked("Broken"), "request_options": {"max_retries": 0}}
    for is_streamed in (False, True):
        with pytest.raises(cohere.core.ApiError):
            _answered(app, is_streamed, **asked)
    assert [it.attributes[semconv.ERROR_TYPE] for it in otel.spans if it.attributes] == ["503", "503"]
