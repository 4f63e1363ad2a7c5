"""What happens in the sessions of these tests, an app that holds one, and what to ask of its spans."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import openai
import pytest
from driving import tls
from wire.socket import Until

from otelllm import semconv

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import ReadableSpan
    from telemetry import Telemetry

# The SDK's way of connecting, which websockets 17.1 would like otherwise.
OLD_WAY = pytest.mark.filterwarnings("ignore:connect.. must be used as a context manager:DeprecationWarning")

MODEL = "gpt-realtime"
SNAPSHOT = "gpt-realtime-2025-08-28"
USAGE = {
    "total_tokens": 500, "input_tokens": 300, "output_tokens": 200,
    "input_token_details": {
        "text_tokens": 100, "audio_tokens": 200, "image_tokens": 0, "cached_tokens": 64,
        "cached_tokens_details": {"text_tokens": 64, "audio_tokens": 0, "image_tokens": 0},
    },
    "output_token_details": {"text_tokens": 50, "audio_tokens": 150},
}  # fmt: skip
# gpt-realtime: 4 for a million text tokens in, 32 audio in, 0.4 cached, 16 text out, 64 audio out.
USD = ((100 - 64) * 4 + 200 * 32 + 64 * 0.4 + 50 * 16 + 150 * 64) / 1e6
TOOL = {"type": "function", "name": "lamp", "description": "Lights it.", "parameters": {"type": "object"}}
SESSION = {
    "type": "realtime", "object": "realtime.session", "id": "sess_1", "model": SNAPSHOT, "instructions": "Be a guide.",
    "tools": [TOOL], "max_output_tokens": "inf", "output_modalities": ["audio"],
    "audio": {"input": {"transcription": {"model": "gpt-4o-transcribe"}, "turn_detection": {"type": "server_vad"}}},
}  # fmt: skip
CREATED = {"type": "session.created", "event_id": "ev_1", "session": SESSION}
QUESTION = {
    "id": "item_q", "object": "realtime.item", "type": "message", "status": "completed", "role": "user",
    "content": [{"type": "input_text", "text": "When was Skagen lit?"}],
}  # fmt: skip
ASK = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "When was Skagen lit?"}]}


def response(key: str = "resp_1", status: str = "in_progress", **more: Any) -> dict[str, Any]:
    return {
        "object": "realtime.response", "id": key, "status": status, "status_details": None, "output": [],
        "conversation_id": "conv_1", "output_modalities": ["audio"], "max_output_tokens": 1200, "usage": None, **more,
    }  # fmt: skip


def spoken(transcript: str, key: str = "item_a") -> dict[str, Any]:
    return {"id": key, "object": "realtime.item", "type": "message", "status": "completed", "role": "assistant",
            "content": [{"type": "output_audio", "transcript": transcript}]}  # fmt: skip


CALLED = {"id": "item_f", "object": "realtime.item", "type": "function_call", "status": "completed",
          "call_id": "call_1", "name": "lamp", "arguments": '{"on": true}'}  # fmt: skip


def begin(key: str = "resp_1") -> dict[str, Any]:
    return {"type": "response.created", "event_id": "ev", "response": response(key)}


def delta(kind: str, delta: str, key: str = "resp_1") -> dict[str, Any]:
    return {"type": f"response.{kind}.delta", "event_id": "ev", "response_id": key, "item_id": "item_a",
            "output_index": 0, "content_index": 0, "delta": delta}  # fmt: skip


def done(key: str = "resp_1", status: str = "completed", **more: Any) -> dict[str, Any]:
    given = {"output": [spoken("In 1858.")], "usage": USAGE, **more}
    return {"type": "response.done", "event_id": "ev", "response": response(key, status, **given)}


ANSWER = [
    begin(), delta("output_audio", "AAAA"), delta("output_audio_transcript", "In "),
    delta("output_audio_transcript", "1858."), done(),
]  # fmt: skip
ITEM = {"type": "conversation.item.added", "event_id": "ev", "previous_item_id": None, "item": QUESTION}
ASKED = [CREATED, Until("conversation.item.create"), ITEM, Until("response.create")]


class Talker:
    """An app in a realtime session, the same in its sync and its async way."""

    def __init__(self, kind: str, url: str) -> None:
        self.kind = kind
        # The beta's client speaks TLS, whatever the base URL says, unless it is told where its sockets are.
        sockets = url.replace("http", "ws")
        http = (openai.DefaultHttpxClient if kind == "sync" else openai.DefaultAsyncHttpxClient)(verify=tls())
        given: Any = {"api_key": "k-realtime", "base_url": url, "websocket_base_url": sockets, "http_client": http}
        self.client: Any = openai.OpenAI(**given) if kind == "sync" else openai.AsyncOpenAI(**given)
        self.runner = asyncio.Runner() if kind == "async" else None

    def connect(self, *, beta: bool = False, **more: Any) -> Any:
        """The manager of a session."""
        has_beta_only = not hasattr(self.client, "realtime")
        realtime = self.client.beta.realtime if beta or has_beta_only else self.client.realtime
        return realtime.connect(model=MODEL, **more)

    def talk(self, manager: Any, *acts: Callable[[Any], Any]) -> Any:
        """Enter, do these things with the connection one after another, leave; the last one's result."""
        if self.runner is None:
            with manager as connection:
                return [act(connection) for act in acts][-1]

        async def go() -> Any:
            async with manager as connection:
                result = None
                for act in acts:
                    result = act(connection)
                    if hasattr(result, "__await__"):
                        result = await result
                return result

        return self.runner.run(go())

    def stop(self) -> None:
        """Close the client."""
        if self.runner is None:
            self.client.close()
        else:
            self.runner.run(self.client.close())
            self.runner.close()


def ask(connection: Any) -> Any:
    """Say something, as the documentation does."""
    return connection.conversation.item.create(item=ASK)


def answer(connection: Any) -> Any:
    """Ask for an answer."""
    return connection.response.create()


def until(kind: str, times: int = 1) -> Callable[[Any], Any]:
    """Read events up to the n-th of this kind, by iterating."""

    def read(connection: Any) -> Any:
        found: list[Any] = []
        for event in connection:
            found.append(event)
            if [one.type for one in found].count(kind) == times:
                break
        return found

    async def aread(connection: Any) -> Any:
        found: list[Any] = []
        async for event in connection:
            found.append(event)
            if [one.type for one in found].count(kind) == times:
                break
        return found

    def either(connection: Any) -> Any:
        return aread(connection) if hasattr(connection, "__aiter__") else read(connection)

    return either


def spans(otel: Telemetry) -> tuple[ReadableSpan, list[ReadableSpan]]:
    """The session's span, and those below it."""
    sessions = [span for span in otel.spans if span.name.startswith("realtime")]
    assert len(sessions) == 1, [span.name for span in otel.spans]
    below = [span for span in otel.spans if span is not sessions[0]]
    for span in below:
        assert span.parent is not None
        assert span.parent.span_id == sessions[0].context.span_id
        assert sessions[0].start_time is not None
        assert span.start_time is not None
        assert span.start_time >= sessions[0].start_time
    return sessions[0], below


def messages(span: ReadableSpan, name: str) -> Any:
    return json.loads(str((span.attributes or {})[name]))


def check(span: ReadableSpan, expected: dict[str, Any]) -> None:
    found = dict(span.attributes or {})
    got = {name: found.get(name) for name in expected}
    assert got == {name: pytest.approx(it) if isinstance(it, float) else it for name, it in expected.items()}


USED = {
    semconv.USAGE_INPUT: 300, semconv.USAGE_OUTPUT: 200, semconv.USAGE_CACHE_READ: 64,
    semconv.USAGE_TEXT_INPUT: 100, semconv.USAGE_AUDIO_INPUT: 200, semconv.USAGE_IMAGE_INPUT: 0,
    semconv.USAGE_TEXT_CACHE_READ: 64, semconv.USAGE_AUDIO_CACHE_READ: 0, semconv.USAGE_IMAGE_CACHE_READ: 0,
    semconv.USAGE_TEXT_OUTPUT: 50, semconv.USAGE_AUDIO_OUTPUT: 150,
    semconv.COST: USD, semconv.COST_STATUS: "exact",
}  # fmt: skip
