"""The Realtime API over a real websocket: a span for the session, below it one for each answer and transcription."""

from __future__ import annotations

import asyncio
import gc
import json
import threading
from collections.abc import Callable, Iterator
from importlib import import_module
from typing import TYPE_CHECKING, Any

import openai
import pytest
from driving import tls
from opentelemetry.trace import SpanKind, StatusCode

import otelllm
from otelllm import safely, semconv

pytest.importorskip("websockets.sync.server", reason="the Realtime API needs websockets")

from wire.socket import Close, SocketProvider, Until

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import ReadableSpan
    from telemetry import Telemetry

# The SDK's way of connecting, which websockets 17.1 would like otherwise.
pytestmark = pytest.mark.filterwarnings("ignore:connect.. must be used as a context manager:DeprecationWarning")

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


def _response(key: str = "resp_1", status: str = "in_progress", **more: Any) -> dict[str, Any]:
    return {
        "object": "realtime.response", "id": key, "status": status, "status_details": None, "output": [],
        "conversation_id": "conv_1", "output_modalities": ["audio"], "max_output_tokens": 1200, "usage": None, **more,
    }  # fmt: skip


def _spoken(transcript: str, key: str = "item_a") -> dict[str, Any]:
    return {"id": key, "object": "realtime.item", "type": "message", "status": "completed", "role": "assistant",
            "content": [{"type": "output_audio", "transcript": transcript}]}  # fmt: skip


CALLED = {"id": "item_f", "object": "realtime.item", "type": "function_call", "status": "completed",
          "call_id": "call_1", "name": "lamp", "arguments": '{"on": true}'}  # fmt: skip


def _begin(key: str = "resp_1") -> dict[str, Any]:
    return {"type": "response.created", "event_id": "ev", "response": _response(key)}


def _delta(kind: str, delta: str, key: str = "resp_1") -> dict[str, Any]:
    return {"type": f"response.{kind}.delta", "event_id": "ev", "response_id": key, "item_id": "item_a",
            "output_index": 0, "content_index": 0, "delta": delta}  # fmt: skip


def _done(key: str = "resp_1", status: str = "completed", **more: Any) -> dict[str, Any]:
    given = {"output": [_spoken("In 1858.")], "usage": USAGE, **more}
    return {"type": "response.done", "event_id": "ev", "response": _response(key, status, **given)}


ANSWER = [
    _begin(), _delta("output_audio", "AAAA"), _delta("output_audio_transcript", "In "),
    _delta("output_audio_transcript", "1858."), _done(),
]  # fmt: skip
ITEM = {"type": "conversation.item.added", "event_id": "ev", "previous_item_id": None, "item": QUESTION}
ASKED = [CREATED, Until("conversation.item.create"), ITEM, Until("response.create")]


@pytest.fixture
def sockets() -> Iterator[SocketProvider]:
    """A provider that speaks over websockets."""
    it = SocketProvider()
    yield it
    it.close()


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


@pytest.fixture(params=["sync", "async"])
def talker(request: pytest.FixtureRequest, sockets: SocketProvider) -> Iterator[Talker]:
    """An app of each kind."""
    it = Talker(request.param, sockets.url)
    yield it
    it.stop()


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


def _spans(otel: Telemetry) -> tuple[ReadableSpan, list[ReadableSpan]]:
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


def _messages(span: ReadableSpan, name: str) -> Any:
    return json.loads(str((span.attributes or {})[name]))


def _found(span: ReadableSpan, expected: dict[str, Any]) -> None:
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


def test_an_answer_in_a_session(otel: Telemetry, talker: Talker, sockets: SocketProvider) -> None:
    """A session's span with what it was; below it the answer's, with usage by modality, price, timing, ids."""
    sockets.script(ASKED, ANSWER)
    talker.talk(talker.connect(), ask, answer, until("response.done"))
    session, (chat,) = _spans(otel)
    assert (session.name, session.kind) == (f"realtime {MODEL}", SpanKind.CLIENT)
    _found(session, {
        semconv.OPERATION: "realtime", semconv.PROVIDER: "openai", semconv.REQUEST_MODEL: MODEL,
        semconv.RESPONSE_MODEL: SNAPSHOT, semconv.RESPONSE_ID: "sess_1", semconv.SERVER_ADDRESS: "127.0.0.1",
        semconv.SERVER_PORT: sockets.port, semconv.STREAM_END: "closed", semconv.STREAM_CHUNKS: 7,
        semconv.PROVIDER_REQUEST_ID: "req_wire", semconv.USAGE_INPUT: None, semconv.COST_STATUS: None,
        semconv.ERROR_TYPE: None,
    })  # fmt: skip
    assert (chat.name, chat.kind) == (f"chat {MODEL}", SpanKind.CLIENT)
    _found(chat, {
        **USED, semconv.RESPONSE_ID: "resp_1", semconv.CONVERSATION_ID: "conv_1", semconv.RESPONSE_MODEL: SNAPSHOT,
        semconv.RESPONSE_FINISH_REASONS: ("stop",), semconv.STREAM_END: "complete", semconv.REQUEST_STREAM: True,
        semconv.OUTPUT_TYPE: "speech", semconv.REQUEST_MAX_TOKENS: 1200, semconv.STREAM_CHUNKS: 5,
        semconv.USAGE_ESTIMATED: None, semconv.ERROR_TYPE: None,
    })  # fmt: skip
    attributes = chat.attributes or {}
    assert 0 < float(str(attributes[semconv.TTFT])) < 10
    assert "Skagen" not in otel.everything()
    durations = {point.attributes[semconv.OPERATION]: point for point in otel.metrics()[semconv.METRIC_DURATION]}
    assert set(durations) == {"realtime", "chat"}
    tokens = {point.attributes[semconv.TOKEN_TYPE]: point.sum for point in otel.metrics()[semconv.METRIC_TOKENS]}
    assert tokens == {"input": 300, "output": 200}


def test_the_events_of_the_beta(otel: Telemetry, talker: Talker, sockets: SocketProvider) -> None:
    """`client.beta.realtime`, with that API's older names of events and settings."""
    if not hasattr(talker.client.beta, "realtime"):
        pytest.skip("this version has no beta of it")
    session = {"id": "sess_1", "object": "realtime.session", "model": SNAPSHOT, "modalities": ["text"],
               "instructions": "Be a guide.", "temperature": 0.8, "max_response_output_tokens": 99}  # fmt: skip
    item = {"id": "item_a", "type": "message", "role": "assistant", "content": [{"type": "text", "text": "In 1858."}]}
    created = {"type": "conversation.item.created", "event_id": "ev", "item": QUESTION}
    plain = {"modalities": ["text"], "output_modalities": None, "max_output_tokens": None}
    done = _response("resp_1", "completed", output=[item], usage=USAGE, **plain)
    otel.instrument(capture="full")
    sockets.script(
        {"type": "session.created", "event_id": "ev", "session": session}, Until("conversation.item.create"), created,
        Until("response.create"), {"type": "response.created", "response": _response(**plain)},
        _delta("text", "In "), _delta("text", "1858."), {"type": "response.done", "response": done},
    )  # fmt: skip
    beta_ask = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "When?"}]}
    talker.talk(
        talker.connect(beta=True), lambda it: it.conversation.item.create(item=beta_ask), answer,
        until("response.done"),
    )  # fmt: skip
    _, (chat,) = _spans(otel)
    _found(chat, {
        **USED, semconv.OUTPUT_TYPE: "text", semconv.REQUEST_TEMPERATURE: 0.8, semconv.REQUEST_MAX_TOKENS: 99,
        semconv.RESPONSE_FINISH_REASONS: ("stop",),
    })  # fmt: skip
    assert _messages(chat, semconv.OUTPUT_MESSAGES)[0]["parts"] == [{"type": "text", "content": "In 1858."}]
    assert _messages(chat, semconv.INPUT_MESSAGES)[0]["parts"][0]["content"] == "When was Skagen lit?"


def test_what_was_said(otel: Telemetry, talker: Talker, sockets: SocketProvider) -> None:
    """Instructions, tools, what was said since the last answer, and the answer by its transcript; no sound at all."""
    otel.instrument(capture="full")
    lit = {"id": "item_o", "type": "function_call_output", "call_id": "call_1", "output": "lit"}
    sockets.script(
        ASKED, _begin(), {"type": "conversation.item.added", "item": {**CALLED, "arguments": ""}},
        _delta("function_call_arguments", '{"on"'), _delta("function_call_arguments", ": true}"),
        {"type": "conversation.item.done", "item": CALLED}, _done(output=[CALLED]),
        Until("conversation.item.create"), {"type": "conversation.item.added", "item": lit},
        Until("response.create"), _begin("resp_2"), _delta("output_audio", "A" * 5000, "resp_2"), _done("resp_2"),
    )  # fmt: skip
    talker.talk(
        talker.connect(), ask, answer, until("response.done"),
        lambda it: it.conversation.item.create(item={"type": "function_call_output", "call_id": "call_1",
                                                     "output": "lit"}),
        answer, until("response.done"),
    )  # fmt: skip
    _, (first, second) = _spans(otel)
    asked = [{"role": "user", "parts": [{"type": "text", "content": "When was Skagen lit?"}]}]
    assert _messages(first, semconv.INPUT_MESSAGES) == asked
    for chat in (first, second):
        assert _messages(chat, semconv.SYSTEM_INSTRUCTIONS) == [{"type": "text", "content": "Be a guide."}]
        assert _messages(chat, semconv.TOOL_DEFINITIONS)[0]["name"] == "lamp"
    call = {"type": "tool_call", "id": "call_1", "name": "lamp", "arguments": {"on": True}}
    assert _messages(first, semconv.OUTPUT_MESSAGES) == [{"role": "assistant", "parts": [call]}]
    _found(first, {semconv.RESPONSE_FINISH_REASONS: ("tool_call",)})
    result = {"type": "tool_call_response", "id": "call_1", "response": "lit"}
    assert _messages(second, semconv.INPUT_MESSAGES) == [{"role": "tool", "parts": [result]}]
    spoken = [{"role": "assistant", "parts": [{"type": "text", "content": "In 1858."}]}]
    assert _messages(second, semconv.OUTPUT_MESSAGES) == spoken
    assert "A" * 100 not in otel.everything()


@pytest.mark.slow
def test_an_answer_asked_for_with_settings_of_its_own(otel: Telemetry, talker: Talker, sockets: SocketProvider) -> None:
    """Out of the conversation, with its own instructions and input: those, not the session's."""
    otel.instrument(capture="full")
    sockets.script(CREATED, Until("response.create"), ANSWER)
    own = {"conversation": "none", "instructions": "Sum up.", "input": [ASK], "output_modalities": ["text"]}
    talker.talk(talker.connect(), lambda it: it.response.create(response=own), until("response.done"))
    _, (chat,) = _spans(otel)
    assert _messages(chat, semconv.SYSTEM_INSTRUCTIONS) == [{"type": "text", "content": "Sum up."}]
    assert _messages(chat, semconv.INPUT_MESSAGES)[0]["parts"][0]["content"] == "When was Skagen lit?"


SPEECH = {"id": "item_s", "type": "message", "role": "user", "status": "completed",
          "content": [{"type": "input_audio", "transcript": None}]}  # fmt: skip
HEARD = "conversation.item.input_audio_transcription"


def _heard(kind: str, **more: Any) -> dict[str, Any]:
    return {"type": f"{HEARD}.{kind}", "event_id": "ev", "item_id": "item_s", "content_index": 0, **more}


HEARD_USAGE = {"type": "tokens", "total_tokens": 26, "input_tokens": 20, "output_tokens": 6,
               "input_token_details": {"text_tokens": 0, "audio_tokens": 20}}  # fmt: skip
COMMITTED = {"type": "input_audio_buffer.committed", "event_id": "ev", "item_id": "item_s"}


def test_speech_that_the_server_answers_by_itself(otel: Telemetry, talker: Talker, sockets: SocketProvider) -> None:
    """Voice detection: nobody asks for the answer. What was said is transcribed by another model, on its own span."""
    otel.instrument(capture="full")
    sockets.script(
        CREATED, Until("input_audio_buffer.append"), COMMITTED, {"type": "conversation.item.added", "item": SPEECH},
        ANSWER[:3], _heard("delta", delta="When "),
        _heard("completed", transcript="When was Skagen lit?", usage=HEARD_USAGE), ANSWER[3:],
    )  # fmt: skip
    talker.talk(talker.connect(), lambda it: it.input_audio_buffer.append(audio="AAAA"), until("response.done"))
    _, (heard, chat) = _spans(otel)
    assert heard.name == "transcription gpt-4o-transcribe"
    _found(heard, {
        semconv.USAGE_INPUT: 20, semconv.USAGE_AUDIO_INPUT: 20, semconv.USAGE_OUTPUT: 6,
        semconv.COST: (20 * 6 + 6 * 10) / 1e6, semconv.STREAM_END: "complete",
    })  # fmt: skip
    question = {"type": "text", "content": "When was Skagen lit?"}
    assert _messages(heard, semconv.OUTPUT_MESSAGES) == [{"role": "assistant", "parts": [question]}]
    assert _messages(heard, semconv.INPUT_MESSAGES)[0]["parts"][0]["modality"] == "audio"
    _found(chat, USED)
    assert _messages(chat, semconv.INPUT_MESSAGES) == [{"role": "user", "parts": [question]}]
    assert float(str((chat.attributes or {})[semconv.TTFT])) > 0


@pytest.mark.slow
def test_speech_billed_by_seconds_and_speech_that_was_not_understood(
    otel: Telemetry, talker: Talker, sockets: SocketProvider
) -> None:
    """Whisper's bill is by length; a failure is an error on its span only."""
    whisper = {**SESSION, "audio": {"input": {"transcription": {"model": "whisper-1"}}}}
    error = {"type": "transcription_error", "code": "audio_unintelligible", "message": "mumbling"}
    sockets.script(
        {"type": "session.updated", "session": whisper}, COMMITTED,
        _heard("completed", transcript="Hm.", usage={"type": "duration", "seconds": 3}), COMMITTED,
        _heard("failed", error=error),
    )  # fmt: skip
    talker.talk(talker.connect(), until(f"{HEARD}.failed"))
    session, (heard, failed) = _spans(otel)
    _found(heard, {semconv.USAGE_OTHER + "audio_seconds": 3, semconv.COST: 3 * 0.36 / 3600})
    _found(failed, {semconv.ERROR_TYPE: "audio_unintelligible", semconv.COST: None})
    assert failed.status.status_code is StatusCode.ERROR
    assert session.status.status_code is StatusCode.UNSET
    assert "mumbling" not in otel.everything()


ENDS = [
    ("incomplete", {"reason": "max_output_tokens"}, ("length",), "complete", None),
    ("incomplete", {"reason": "content_filter"}, ("content_filter",), "complete", None),
    ("cancelled", {"reason": "turn_detected"}, ("cancelled",), "closed", None),
    ("cancelled", {"reason": "client_cancelled"}, ("cancelled",), "closed", None),
    ("failed", {"error": {"type": "server_error", "code": "rate_limit_exceeded", "message": "slow down"}},
     ("error",), "broken", "rate_limit_exceeded"),
]  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize(("status", "details", "finish", "end", "error"), ENDS, ids=["length", "filter", "turn",
                         "cancel", "failed"])  # fmt: skip
def test_how_an_answer_ends(
    otel: Telemetry, talker: Talker, sockets: SocketProvider, status: str, details: dict[str, Any],
    finish: tuple[str, ...], end: str, error: str | None,
) -> None:  # fmt: skip
    """Cut, filtered, interrupted, failed: by the conventions' words; what it used is counted all the same."""
    sockets.script(CREATED, Until("response.create"), ANSWER[:3], _done(status=status, status_details=details))
    talker.talk(talker.connect(), answer, until("response.done"))
    session, (chat,) = _spans(otel)
    _found(chat, {
        semconv.RESPONSE_FINISH_REASONS: finish, semconv.STREAM_END: end, semconv.ERROR_TYPE: error,
        semconv.USAGE_INPUT: 300, semconv.COST: USD,
    })  # fmt: skip
    assert semconv.ERROR_TYPE not in (session.attributes or {})
    assert "slow down" not in otel.everything()


@pytest.mark.slow
def test_two_answers_at_once(otel: Telemetry, talker: Talker, sockets: SocketProvider) -> None:
    """Their events interleave; each has its own text, timing and usage."""
    otel.instrument(capture="full")
    other = {**USAGE, "input_tokens": 30, "output_tokens": 20}
    sockets.script(
        CREATED, Until("response.create"), Until("response.create"), _begin("resp_1"), _begin("resp_2"),
        _delta("output_text", "one", "resp_1"), _delta("output_text", "two", "resp_2"),
        _done("resp_2", output=[_spoken("two")], usage=other), _done("resp_1", output=[_spoken("one")]),
    )  # fmt: skip
    talker.talk(talker.connect(), answer, answer, until("response.done", 2))
    _, chats = _spans(otel)
    by_id = {(chat.attributes or {})[semconv.RESPONSE_ID]: chat for chat in chats}
    for key, text, tokens in (("resp_1", "one", 300), ("resp_2", "two", 30)):
        _found(by_id[key], {semconv.USAGE_INPUT: tokens})
        assert _messages(by_id[key], semconv.OUTPUT_MESSAGES)[0]["parts"][0]["content"] == text


@pytest.mark.slow
@pytest.mark.parametrize("event_id", ["ask_1", None])
def test_a_refused_answer(otel: Telemetry, talker: Talker, sockets: SocketProvider, event_id: str | None) -> None:
    """The server's error event is one the answer that was asked for; the next one is not confused by it."""
    error = {"type": "invalid_request_error", "code": "conversation_already_has_active_response",
             "message": "already", "param": None, "event_id": event_id}  # fmt: skip
    sockets.script(
        CREATED, Until("response.create"), {"type": "error", "event_id": "ev", "error": error},
        Until("response.create"), ANSWER,
    )  # fmt: skip
    given = {"event_id": event_id} if event_id else {}
    talker.talk(
        talker.connect(), lambda it: it.response.create(**given), until("error"), answer, until("response.done")
    )
    session, (refused, chat) = _spans(otel)
    _found(refused, {semconv.ERROR_TYPE: "conversation_already_has_active_response", semconv.USAGE_INPUT: None})
    _found(chat, {semconv.USAGE_INPUT: 300, semconv.ERROR_TYPE: None})
    assert session.status.status_code is StatusCode.UNSET


@pytest.mark.slow
def test_an_error_about_something_else(otel: Telemetry, talker: Talker, sockets: SocketProvider) -> None:
    """A bad session update refuses no answer."""
    error = {"type": "invalid_request_error", "code": "unknown_parameter", "param": "session.x", "message": "no"}
    sockets.script(CREATED, Until("response.create"), {"type": "error", "error": error}, ANSWER)
    talker.talk(talker.connect(), answer, until("response.done"))
    _, (chat,) = _spans(otel)
    _found(chat, {semconv.ERROR_TYPE: None, semconv.USAGE_INPUT: 300})


# How a session ends.


def test_left_in_the_middle_of_an_answer(otel: Telemetry, talker: Talker, sockets: SocketProvider) -> None:
    """Both spans end once, with what had come."""
    otel.instrument(capture="full")
    sockets.script(CREATED, Until("response.create"), ANSWER[:4])
    talker.talk(talker.connect(), answer, until("response.output_audio_transcript.delta", 2))
    assert sockets.last.left.wait(10)
    session, (chat,) = _spans(otel)
    _found(session, {semconv.STREAM_END: "closed", semconv.ERROR_TYPE: None})
    _found(chat, {
        semconv.STREAM_END: "closed", semconv.USAGE_OUTPUT: None, semconv.USAGE_ESTIMATED: None,
        semconv.RESPONSE_ID: "resp_1",
    })  # fmt: skip
    assert _messages(chat, semconv.OUTPUT_MESSAGES)[0]["parts"] == [{"type": "text", "content": "In 1858."}]


def test_closed_by_hand(otel: Telemetry, talker: Talker, sockets: SocketProvider) -> None:
    """`connect().enter()` and `close()`, twice."""
    sockets.script(CREATED)
    manager = talker.connect()
    if talker.runner is None:
        connection = manager.enter()
        assert connection.recv().type == "session.created"
        connection.close()
        connection.close()
    else:

        async def go() -> None:
            connection = await manager.enter()
            assert (await connection.recv()).type == "session.created"
            await connection.close()
            await connection.close()

        talker.runner.run(go())
    session, below = _spans(otel)
    _found(session, {semconv.STREAM_END: "closed", semconv.RESPONSE_ID: "sess_1"})
    assert below == []


@pytest.mark.parametrize(
    ("step", "end", "error"),
    [(Close(1000), "complete", None), (Close(1011, "keepalive"), "broken", "1011"), (Close(None), "broken", None)],
    ids=["done", "failed", "gone"],
)
def test_the_server_ends_it(
    otel: Telemetry, talker: Talker, sockets: SocketProvider, step: Close, end: str, error: str | None
) -> None:
    """With a close of its own, with an error's code, or as a network does; the app gets the library's exception."""
    sockets.script(CREATED, Until("response.create"), ANSWER[:2], step)
    if end == "complete":
        assert talker.talk(talker.connect(), answer, until("response.done"))[-1].type == "response.output_audio.delta"
    else:
        with pytest.raises(Exception, match=r"1011|no close frame|closed") as caught:
            talker.talk(talker.connect(), answer, until("response.done"))
        assert type(caught.value).__name__ == "ConnectionClosedError"
    session, (chat,) = _spans(otel)
    expected = error or ("websockets.exceptions.ConnectionClosedError" if end == "broken" else None)
    _found(session, {semconv.STREAM_END: end, semconv.ERROR_TYPE: expected})
    _found(chat, {semconv.STREAM_END: end})


def test_cancelled(otel: Telemetry, sockets: SocketProvider) -> None:
    """The app's task is cancelled while it waits for the next event."""
    sockets.script(CREATED, Until("response.create"), ANSWER[:2])
    talker = Talker("async", sockets.url)
    assert talker.runner is not None

    async def listen(seen: asyncio.Event) -> None:
        async with talker.connect() as connection:
            await connection.response.create()
            async for event in connection:
                if event.type == "response.output_audio.delta":
                    seen.set()

    async def go() -> None:
        seen = asyncio.Event()
        task = asyncio.create_task(listen(seen))
        await seen.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    talker.runner.run(go())
    session, (chat,) = _spans(otel)
    for span in (session, chat):
        _found(span, {semconv.STREAM_END: "cancelled", semconv.ERROR_TYPE: "cancelled"})
    talker.stop()


def test_a_read_that_timed_out_is_no_end(otel: Telemetry, sockets: SocketProvider) -> None:
    """`asyncio.wait_for(connection.recv(), …)`: the SDK promises that nothing is lost, and the session goes on."""
    sockets.script(CREATED, Until("response.create"), ANSWER)
    talker = Talker("async", sockets.url)
    assert talker.runner is not None

    async def go() -> None:
        async with talker.connect() as connection:
            await connection.recv()
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(connection.recv(), 0.02)
            await connection.response.create()
            while (await connection.recv()).type != "response.done":
                pass

    talker.runner.run(go())
    session, (chat,) = _spans(otel)
    _found(session, {semconv.STREAM_END: "closed", semconv.ERROR_TYPE: None})
    _found(chat, USED)
    talker.stop()


@pytest.mark.slow
def test_an_error_of_the_apps_own(otel: Telemetry, talker: Talker, sockets: SocketProvider) -> None:
    """Raised inside the block: the app's, and no failure of the session."""
    sockets.script(CREATED)

    def fail(connection: Any) -> Any:
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        talker.talk(talker.connect(), until("session.created"), fail)
    session, _ = _spans(otel)
    _found(session, {semconv.STREAM_END: "closed", semconv.ERROR_TYPE: None})


@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_nobody_holds_it_any_more(otel: Telemetry, sockets: SocketProvider) -> None:
    """Dropped without a close: ended by the garbage collector."""
    sockets.script(CREATED)
    talker = Talker("sync", sockets.url)
    manager = talker.connect()
    connection = manager.enter()
    connection.recv()
    del connection, manager
    gc.collect()
    session, _ = _spans(otel)
    _found(session, {semconv.STREAM_END: "abandoned"})
    talker.stop()


@pytest.mark.slow
def test_switched_off_meanwhile(otel: Telemetry, talker: Talker, sockets: SocketProvider) -> None:
    """`uninstrument()` ends what is open; the app's connection goes on."""
    sockets.script(CREATED, Until("response.create"), ANSWER)
    talker.talk(
        talker.connect(), until("session.created"), lambda _: otelllm.uninstrument(), answer, until("response.done")
    )
    session, below = _spans(otel)
    _found(session, {semconv.STREAM_END: "abandoned"})
    assert below == []


@pytest.mark.slow
def test_a_refused_handshake(otel: Telemetry, talker: Talker, sockets: SocketProvider) -> None:
    """401: the websocket library's error for the app, its status on the span, no key anywhere."""
    sockets.refusal = (401, b'{"error": {"message": "Incorrect API key provided: k-realtime"}}')
    with pytest.raises(Exception, match="401"):
        talker.talk(talker.connect(), until("session.created"))
    session, _ = _spans(otel)
    _found(session, {semconv.ERROR_TYPE: "401", semconv.PROVIDER_REQUEST_ID: "req_wire"})
    assert session.status.status_code is StatusCode.ERROR
    assert "k-realtime" not in otel.everything()


def test_refused_by_the_kill_switch(
    otel: Telemetry, talker: Talker, sockets: SocketProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No session is begun."""
    monkeypatch.setenv("OTELLLM_KILL", "model:gpt-realtime*")
    otel.instrument()
    with pytest.raises(otelllm.KillSwitchOn):
        talker.talk(talker.connect(), until("session.created"))
    assert sockets.connections == []
    session, _ = _spans(otel)
    _found(session, {semconv.VERDICT: "block"})


@pytest.mark.parametrize("comes_back", [True, False])
def test_the_sdk_connects_anew(otel: Telemetry, talker: Talker, sockets: SocketProvider, comes_back: bool) -> None:
    """`on_reconnecting`: one session over two connections; broken where there is no second one."""
    attempts: list[int] = []

    def reconnecting(event: Any) -> Any:
        attempts.append(event.attempt)
        return None if comes_back else {"abort": True}

    sockets.script(CREATED, Close(1012))
    sockets.script(CREATED, ANSWER)
    options = {"on_reconnecting": reconnecting, "initial_delay": 0.01}
    if not hasattr(talker.client, "realtime"):
        pytest.skip("this version does not connect anew")
    if comes_back:
        talker.talk(talker.connect(**options), until("response.done"))
    else:
        with pytest.raises(Exception, match="1012"):
            talker.talk(talker.connect(**options), until("response.done"))
    assert attempts == [1]
    session, below = _spans(otel)
    _found(session, {
        semconv.STREAM_END: "closed" if comes_back else "broken",
        semconv.ERROR_TYPE: None if comes_back else "1012",
    })  # fmt: skip
    assert len(below) == comes_back


BROKEN = [
    "realtime:watch", "realtime:_Session.hear", "realtime:_Session.say", "realtime:_Session._begin",
    "realtime:_Session.left", "realtime:_Session.leave", "realtime_events:_Answers.fold_chunk",
    "realtime:item_message", "realtime:read_config", "realtime:select",
]  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("target", BROKEN)
def test_a_broken_part_of_ours_never_reaches_the_app(
    otel: Telemetry, talker: Talker, sockets: SocketProvider, monkeypatch: pytest.MonkeyPatch, target: str
) -> None:
    """The app's session is what it would have been, and no span stays open."""
    otel.instrument(capture="full")
    module, _, path = target.partition(":")
    owner: Any = import_module(f"otelllm.providers.openai.{module}")
    *parents, name = path.split(".")
    for parent in parents:
        owner = getattr(owner, parent)
    called: list[str] = []

    def broken(*_: Any, **__: Any) -> Any:
        called.append(target)
        raise RuntimeError(target)

    before = safely.strict(False)
    try:
        if target == "realtime:watch":
            monkeypatch.setattr("otelllm.providers.openai.watch", broken)
        elif target == "realtime:select":  # in the table of methods by now
            monkeypatch.setattr("otelllm.providers.openai.realtime._hidden", broken)
        else:
            monkeypatch.setattr(owner, name, broken)
        sockets.script(ASKED, ANSWER)
        events = talker.talk(talker.connect(), ask, answer, until("response.done"))
        assert events[-1].response.id == "resp_1"
        gc.collect()
        assert called, "the test proves nothing"
        assert len([span for span in otel.spans if span.name.startswith("realtime")]) == (target != "realtime:select")
    finally:
        safely.strict(before)
        safely.failures.clear()


# What the app sees.


@pytest.mark.parametrize("kind", ["sync", "async"])
def test_the_app_sees_what_it_would_see_without_us(otel: Telemetry, sockets: SocketProvider, kind: str) -> None:
    """The same types, events and requests, read by iterating, by `recv`, by `recv_bytes` and by `parse_event`."""
    seen: list[Any] = []

    def raw(connection: Any) -> Any:
        seen.append(type(connection))
        if kind == "sync":
            return seen.append(connection.parse_event(connection.recv_bytes()))

        async def araw() -> None:
            seen.append(connection.parse_event(await connection.recv_bytes()))

        return araw()

    halves: list[Any] = []
    for instrumented in (False, True):
        otelllm.uninstrument()
        if instrumented:
            otel.instrument(capture="full")
        talker = Talker(kind, sockets.url)
        sockets.script(ASKED, ANSWER)
        events = talker.talk(talker.connect(), raw, ask, answer, until("response.done"))
        talker.stop()
        assert sockets.last.left.wait(10)
        headers = {name: it for name, it in sockets.last.headers.items() if name not in {"host", "sec-websocket-key"}}
        shown = [(type(event), event.model_dump()) for event in events]
        halves.append((seen[:], shown, sockets.last.events, headers, sockets.last.path))
        seen.clear()
    assert halves[0] == halves[1]


@pytest.mark.slow
def test_handlers(otel: Telemetry, talker: Talker, sockets: SocketProvider) -> None:
    """`on` and `dispatch_events`: pushed events are seen as well."""
    manager = talker.connect()
    if not hasattr(manager, "on"):
        pytest.skip("this version has no handlers")
    sockets.script(CREATED, Until("response.create"), ANSWER, Close(1000))
    got: list[str] = []
    manager.on("response.done", lambda event: got.append(event.response.id))
    talker.talk(manager, answer, lambda it: it.dispatch_events())
    assert got == ["resp_1"]
    _, (chat,) = _spans(otel)
    _found(chat, USED)


@pytest.mark.slow
def test_events_sent_as_text(otel: Telemetry, talker: Talker, sockets: SocketProvider) -> None:
    """`send` with a dict and `send_raw` with JSON ask for answers, too."""
    sockets.script(CREATED, Until("response.create"), ANSWER, Until("response.create"), _begin("resp_2"),
                   _done("resp_2"))  # fmt: skip

    def by_text(connection: Any) -> Any:
        send = getattr(connection, "send_raw", None)
        return send('{"type": "response.create"}') if send else connection.send({"type": "response.create"})

    talker.talk(talker.connect(), lambda it: it.send({"type": "response.create"}), until("response.done"), by_text,
                until("response.done"))  # fmt: skip
    _, chats = _spans(otel)
    assert len(chats) == 2
    _found(chats[1], {semconv.RESPONSE_ID: "resp_2", semconv.USAGE_INPUT: 300})


def test_a_message_that_nobody_knows(otel: Telemetry, talker: Talker, sockets: SocketProvider) -> None:
    """New events, events without what they should have: the app's own; the rest is recorded."""
    odd: list[dict[str, Any]] = [
        {"type": "response.brand_new.delta", "response_id": "resp_1", "delta": {"x": 1}}, {"no": "type"},
        {"type": "response.created"}, {"type": "conversation.item.added", "item": None},
        {"type": "session.updated", "session": None}, {"type": "error"}, {"type": f"{HEARD}.completed"},
    ]  # fmt: skip
    sockets.script(CREATED, Until("response.create"), odd, ANSWER)
    talker.talk(talker.connect(), answer, until("response.done"))
    _, below = _spans(otel)
    chat = next(span for span in below if (span.attributes or {}).get(semconv.RESPONSE_ID) == "resp_1")
    _found(chat, {semconv.USAGE_INPUT: 300})


@pytest.mark.slow
def test_context(otel: Telemetry, talker: Talker, sockets: SocketProvider) -> None:
    """User and feature are those around the session, also for answers read elsewhere; nothing stays attached."""
    sockets.script(CREATED, Until("response.create"), ANSWER)
    with otelllm.context(user="u-17", feature="tours"):
        manager = talker.connect()
        connection = manager.enter() if talker.runner is None else talker.runner.run(manager.enter())
    if talker.runner is None:
        connection.response.create()
        thread = threading.Thread(target=lambda: until("response.done")(connection))
        thread.start()
        thread.join()
        connection.close()
    else:

        async def go() -> None:
            await connection.response.create()
            await until("response.done")(connection)
            await connection.close()

        talker.runner.run(go())
    session, (chat,) = _spans(otel)
    for span in (session, chat):
        _found(span, {semconv.USER_ID: "u-17", semconv.FEATURE: "tours"})


def test_azure(otel: Telemetry, sockets: SocketProvider) -> None:
    """Azure's client: its own URL, a deployment, and its provider's name."""
    sockets.script(CREATED, Until("response.create"), ANSWER)
    endpoint = sockets.url.removesuffix("/v1")
    client = openai.AzureOpenAI(
        api_key="azure-key", api_version="2025-04-01", azure_endpoint=endpoint,
        websocket_base_url=endpoint.replace("http", "ws") + "/openai",
    )  # fmt: skip
    realtime = client.realtime if hasattr(client, "realtime") else client.beta.realtime
    with realtime.connect(model="voice") as connection:
        connection.response.create()
        until("response.done")(connection)
    client.close()
    session, (chat,) = _spans(otel)
    assert session.name == "realtime voice"
    _found(session, {semconv.PROVIDER: "azure.ai.openai"})
    _found(chat, {semconv.PROVIDER: "azure.ai.openai", semconv.REQUEST_MODEL: "voice", semconv.COST: USD})
