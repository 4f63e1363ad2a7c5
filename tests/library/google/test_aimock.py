"""Chats, streams and tools in Gemini's format against a server that we did not write."""

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
FIXTURES = {
    "fixtures": [
        {"match": {"userMessage": "Skagen", "hasToolResult": True}, "response": {"content": ANSWER, "usage": USAGE}},
        {
            "match": {"userMessage": "Skagen"},
            "response": {
                "toolCalls": [
                    {"name": "get_weather", "arguments": '{"city": "Skagen"}'},
                    {"name": "get_time", "arguments": '{"zone": "CET"}'},
                ],
                "usage": USAGE,
            },
        },
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
    it = request.param(address, http_options={"api_version": "v1beta"})
    yield it
    it.stop()


def get_weather(city: str) -> str:
    """How the weather is."""
    return f"windy in {city}"


def get_time(zone: str) -> str:
    """What time it is."""
    return f"15:10 in {zone}"


# Older SDKs look at the annotations as they stand, and this file's are texts.
get_weather.__annotations__ = {"city": str, "return": str}
get_time.__annotations__ = {"zone": str, "return": str}


@pytest.mark.parametrize("is_streamed", [False, True], ids=["whole", "stream"])
def test_a_chat(otel: Telemetry, app: App, is_streamed: bool) -> None:
    """Text, usage and finish reason as the app gets them."""
    otel.instrument(capture="full")
    chat = app.client.chats.create(model=MODEL)
    result = app.call(chat.send_message_stream if is_streamed else chat.send_message, message="Hello")
    text = "".join(chunk.text or "" for chunk in app.read(result)) if is_streamed else result.text
    assert text == ANSWER
    (message,) = otel.messages(semconv.OUTPUT_MESSAGES)
    assert message["parts"] == [{"type": "text", "content": ANSWER}]
    found = otel.attributes
    assert found[semconv.RESPONSE_FINISH_REASONS] == ("stop",)
    assert (found[semconv.USAGE_INPUT], found[semconv.USAGE_OUTPUT]) == (30, 12)
    assert found.get(semconv.STREAM_END) == ("complete" if is_streamed else None)


# The server's own word, which neither Google nor the SDK has.
@pytest.mark.filterwarnings("ignore:FUNCTION_CALL is not a valid FinishReason")
@pytest.mark.parametrize("is_streamed", [False, True], ids=["whole", "stream"])
def test_a_chat_whose_functions_the_sdk_calls(otel: Telemetry, app: App, is_streamed: bool) -> None:
    """Two requests, two spans: the calls on the first, the results in the second's input."""
    otel.instrument(capture="full")
    chat = app.client.chats.create(model=MODEL, config={"tools": [get_weather, get_time]})
    result = app.call(chat.send_message_stream if is_streamed else chat.send_message, message="How is it in Skagen?")
    if is_streamed:
        app.read(result)
    first, second = (span.attributes or {} for span in otel.spans)
    (message,) = json.loads(str(first[semconv.OUTPUT_MESSAGES]))
    calls: list[Any] = [(part["type"], part["name"], part["arguments"]) for part in message["parts"]]
    assert calls == [("tool_call", "get_weather", {"city": "Skagen"}), ("tool_call", "get_time", {"zone": "CET"})]
    assert first[semconv.RESPONSE_FINISH_REASONS] == ("tool_call",)
    sent = json.loads(str(second[semconv.INPUT_MESSAGES]))
    results = [part["response"]["result"] for part in sent[-1]["parts"]]
    assert (sent[-1]["role"], results) == ("tool", ["windy in Skagen", "15:10 in CET"])
    assert second[semconv.RESPONSE_FINISH_REASONS] == ("stop",)
    assert [it[semconv.USAGE_INPUT] for it in (first, second)] == [30, 30]
