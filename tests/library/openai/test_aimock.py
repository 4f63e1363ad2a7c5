"""Pictures, sound and a realtime session against a server that we did not write."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any

import pytest
from aimock import aimock

from otelllm import semconv

from .app import AsyncApp, SyncApp

pytest.importorskip("websockets", reason="the Realtime API needs websockets")

if TYPE_CHECKING:
    from collections.abc import Iterator

    from telemetry import Telemetry

    from .app import App

pytestmark = [
    pytest.mark.slow,
    # The SDK's way of connecting, which websockets 17.1 would like otherwise.
    pytest.mark.filterwarnings("ignore:connect.. must be used as a context manager:DeprecationWarning"),
]

SOUND = b"ID3\x04 the sound of a voice"
FIXTURES = {
    "fixtures": [
        {"match": {"endpoint": "image"}, "response": {"images": [{"b64Json": base64.b64encode(b"\x89PNG").decode()},
                                                                 {"url": "https://example.com/2.png"}]}},
        {"match": {"endpoint": "speech"}, "response": {"audio": base64.b64encode(SOUND).decode(), "format": "mp3"}},
        {"match": {"endpoint": "transcription"},
         "response": {"transcription": {"text": "Skagen", "language": "danish", "duration": 2.5,
                                        "usage": {"type": "duration", "seconds": 3}}}},
        {"match": {"userMessage": "lamp"},
         "response": {"toolCalls": [{"name": "lamp", "arguments": '{"on": true}'},
                                    {"name": "bell", "arguments": "{}"}]}},
        {"match": {"userMessage": "Skagen"}, "response": {"content": "It was lit in 1858, and it stands."}},
    ]
}  # fmt: skip


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The server's base URL."""
    with aimock(tmp_path_factory.mktemp("aimock"), FIXTURES) as base:
        yield f"{base}/v1"


@pytest.fixture(params=[SyncApp, AsyncApp], ids=["sync", "async"])
def app(request: pytest.FixtureRequest, address: str) -> Iterator[App]:
    """The app in both its ways."""
    it = request.param(address, websocket_base_url=address.replace("http", "ws"))
    yield it
    it.stop()


def test_pictures(otel: Telemetry, app: App) -> None:
    """Two pictures, one by its bytes and one by its address."""
    otel.instrument(capture="full")
    answer = app.call(app.client.images.generate, model="gpt-image-1", prompt="A lighthouse", n=2)
    assert len(answer.data) == 2
    assert otel.attributes[semconv.USAGE_OTHER + "images"] == 2
    kinds = [message["parts"][0]["type"] for message in otel.messages(semconv.OUTPUT_MESSAGES)]
    assert kinds == ["blob", "uri"]


def test_speech(otel: Telemetry, app: App) -> None:
    """Whole, and streamed into the app."""
    asked = {"model": "tts-1", "voice": "alloy", "input": "Skagen"}
    assert app.call(app.client.audio.speech.create, **asked).content == SOUND
    manager = app.client.audio.speech.with_streaming_response.create(**asked)
    assert app.within(manager, lambda response: response.read()) == SOUND
    first, second = otel.spans
    for span in (first, second):
        assert (span.name, (span.attributes or {})[semconv.USAGE_OTHER + "characters"]) == ("speech tts-1", 6)
    assert (second.attributes or {})[semconv.STREAM_END] == "complete"


def test_a_transcription(otel: Telemetry, app: App) -> None:
    """Billed by its length."""
    answer = app.call(app.client.audio.transcriptions.create, model="whisper-1", file=("a.mp3", SOUND))
    assert answer.text == "Skagen"
    assert otel.attributes[semconv.USAGE_OTHER + "audio_seconds"] in {2.5, 3}


def test_a_moderation(otel: Telemetry, app: App) -> None:
    """Nothing is flagged there unless it is told to."""
    answer = app.call(app.client.moderations.create, model="omni-moderation-latest", input="Hello")
    assert answer.results[0].flagged is False
    assert otel.attributes[semconv.RESPONSE_ID] == answer.id


def _converse(app: App, *questions: str) -> None:
    """Ask one question after another, and read each answer to its end."""
    realtime = app.client.realtime

    def _item(question: str) -> Any:
        return {"type": "message", "role": "user", "content": [{"type": "input_text", "text": question}]}

    if app.kind == "sync":
        with realtime.connect(model="gpt-realtime") as connection:
            for question in questions:
                connection.conversation.item.create(item=_item(question))
                connection.response.create()
                for event in connection:
                    if event.type == "response.done":
                        break
        return

    async def go() -> None:
        async with realtime.connect(model="gpt-realtime") as connection:
            for question in questions:
                await connection.conversation.item.create(item=_item(question))
                await connection.response.create()
                async for event in connection:
                    if event.type == "response.done":
                        break

    app.runner.run(go())  # type: ignore[union-attr]


def test_a_realtime_session(otel: Telemetry, app: App) -> None:
    """Two answers, a text and two calls, each a span below the session's, with what was asked before it."""
    if not hasattr(app.client, "realtime"):
        pytest.skip("this version speaks the beta, which the server refuses as OpenAI does")
    otel.instrument(capture="full")
    _converse(app, "When was Skagen lit?", "Light the lamp!")
    *chats, session = otel.spans
    assert session.name == "realtime gpt-realtime"
    assert [chat.name for chat in chats] == ["chat gpt-realtime"] * 2
    found = [dict(chat.attributes or {}) for chat in chats]
    assert [one[semconv.RESPONSE_FINISH_REASONS] for one in found] == [("stop",), ("tool_call",)]
    inputs = [json.loads(str(one[semconv.INPUT_MESSAGES])) for one in found]
    assert [message[0]["parts"][0]["content"] for message in inputs] == ["When was Skagen lit?", "Light the lamp!"]
    first, second = [json.loads(str(one[semconv.OUTPUT_MESSAGES]))[0]["parts"] for one in found]
    assert first == [{"type": "text", "content": "It was lit in 1858, and it stands."}]
    assert [(part["name"], part["arguments"]) for part in second] == [("lamp", {"on": True}), ("bell", {})]
    for one in found:
        assert one[semconv.TTFT] > 0
        assert semconv.USAGE_INPUT in one
