"""Chats and tools in Bedrock's formats against a server that we did not write.

Its streams of texts and of InvokeModel's chunks are not here: botocore can't parse them.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from aimock import aimock

from otelllm import semconv

from .app import MODEL, App, AsyncApp, SyncApp

if TYPE_CHECKING:
    from collections.abc import Iterator

    from telemetry import Telemetry

pytestmark = pytest.mark.slow

ANSWER = "Windy, and ten past three."
USAGE = {"prompt_tokens": 30, "completion_tokens": 12, "total_tokens": 42}
CALL = {"name": "get_weather", "arguments": '{"city": "Skagen"}'}
FIXTURES = {
    "fixtures": [
        {"match": {"userMessage": "Skagen"}, "response": {"toolCalls": [CALL], "usage": USAGE}},
        {"match": {"userMessage": "Hello"}, "response": {"content": ANSWER, "usage": USAGE}},
    ]
}
TEXT = [{"type": "text", "content": ANSWER}]


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


def _asked(text: str) -> dict[str, Any]:
    return {"modelId": MODEL, "messages": [{"role": "user", "content": [{"text": text}]}]}


def test_a_chat(otel: Telemetry, app: App) -> None:
    """Text, usage and finish reason as the app gets them."""
    otel.instrument(capture="full")
    app.call(app.client.converse, **_asked("Hello"))
    (message,) = otel.messages(semconv.OUTPUT_MESSAGES)
    assert message["parts"] == TEXT
    found = otel.attributes
    assert found[semconv.RESPONSE_FINISH_REASONS] == ("stop",)
    assert (found[semconv.USAGE_INPUT], found[semconv.USAGE_OUTPUT]) == (30, 12)


@pytest.mark.parametrize("is_streamed", [False, True], ids=["whole", "stream"])
def test_a_tool(otel: Telemetry, app: App, is_streamed: bool) -> None:
    otel.instrument(capture="full")
    if is_streamed:
        app.read(app.call(app.client.converse_stream, **_asked("How is it in Skagen?"))["stream"])
    else:
        app.call(app.client.converse, **_asked("How is it in Skagen?"))
    (message,) = otel.messages(semconv.OUTPUT_MESSAGES)
    (part,) = message["parts"]
    assert (part["type"], part["name"], part["arguments"]) == ("tool_call", "get_weather", {"city": "Skagen"})
    assert otel.attributes[semconv.RESPONSE_FINISH_REASONS] == ("tool_call",)


def test_a_claude_invoked(otel: Telemetry, app: App) -> None:
    otel.instrument(capture="full")
    messages = [{"role": "user", "content": "Hello"}]
    said = {"anthropic_version": "bedrock-2023-05-31", "max_tokens": 9, "messages": messages}
    app.call(app.reading(app.client.invoke_model), modelId=MODEL, body=json.dumps(said))
    (message,) = otel.messages(semconv.OUTPUT_MESSAGES)
    assert message["parts"] == TEXT
    assert (otel.attributes[semconv.USAGE_INPUT], otel.attributes[semconv.USAGE_OUTPUT]) == (30, 12)
