"""SDKs that speak OpenAI's format, against a server that we did not write: chats, streams, tools, embeddings."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

import pytest
from aimock import aimock

from otelllm import semconv

if TYPE_CHECKING:
    from collections.abc import Iterator

    from telemetry import Telemetry

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
        {"match": {"inputText": "Skagen"}, "response": {"embedding": [0.1, 0.2, 0.3]}},
    ]
}
QUESTION = {"role": "user", "content": "The weather in Skagen?"}


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The server's base URL."""
    with aimock(tmp_path_factory.mktemp("aimock"), FIXTURES) as base:
        yield base


@pytest.fixture(params=["SyncApp", "AsyncApp"])
def app(request: pytest.FixtureRequest, address: str, sdk: str) -> Iterator[Any]:
    """The app in both its ways."""
    pytest.importorskip(sdk)
    it = getattr(import_module(f"library.{sdk}.app"), request.param)(f"{address}/v1")
    yield it
    it.stop()


def _ask(app: Any, *messages: Any, streamed: bool) -> None:
    got = app.call(app.client.chat.completions.create, model="m", messages=[*messages], stream=streamed)
    if streamed:
        app.read(got)


@pytest.mark.parametrize("sdk", ["groq", "together"])
@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
def test_a_chat(otel: Telemetry, app: Any, streamed: bool) -> None:
    """Text and counts as the server has them."""
    otel.instrument(capture="full")
    _ask(app, {"role": "user", "content": "Hello"}, streamed=streamed)
    found = otel.attributes
    assert [one["parts"] for one in otel.messages(semconv.OUTPUT_MESSAGES)] == [[{"type": "text", "content": ANSWER}]]
    assert found[semconv.RESPONSE_FINISH_REASONS] == ("stop",)
    if not streamed:  # this server's streams say nothing of usage unless asked in OpenAI's way
        assert (found[semconv.USAGE_INPUT], found[semconv.USAGE_OUTPUT]) == (30, 12)


@pytest.mark.parametrize("sdk", ["groq", "together"])
@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
def test_tools_both_ways(otel: Telemetry, app: Any, streamed: bool) -> None:
    """Two calls, whole or in fragments; their answers sent back, and what the model says then."""
    otel.instrument(capture="full")
    _ask(app, QUESTION, streamed=streamed)
    calls = otel.messages(semconv.OUTPUT_MESSAGES)[0]["parts"]
    assert [(one["name"], one["arguments"]) for one in calls] == [
        ("get_weather", {"city": "Skagen"}),
        ("get_time", {"zone": "CET"}),
    ]
    assert otel.attributes[semconv.RESPONSE_FINISH_REASONS] == ("tool_call",)
    otel.clear()
    made = [
        {"id": one["id"], "type": "function", "function": {"name": one["name"], "arguments": "{}"}} for one in calls
    ]
    results = [{"role": "tool", "tool_call_id": one["id"], "content": "windy"} for one in calls]
    _ask(app, QUESTION, {"role": "assistant", "content": None, "tool_calls": made}, *results, streamed=streamed)
    roles = [one["role"] for one in otel.messages(semconv.INPUT_MESSAGES)]
    assert roles == ["user", "assistant", "tool", "tool"]
    assert otel.messages(semconv.OUTPUT_MESSAGES)[0]["parts"] == [{"type": "text", "content": ANSWER}]


@pytest.mark.parametrize("sdk", ["groq", "together"])
def test_embeddings(otel: Telemetry, app: Any) -> None:
    """Vectors of the server's own making."""
    app.call(app.client.embeddings.create, model="m", input="Skagen")
    assert otel.attributes[semconv.EMBEDDINGS_DIMENSIONS] == 3
