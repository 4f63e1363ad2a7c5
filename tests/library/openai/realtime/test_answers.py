"""The Realtime API over a real websocket: a span for the session, below it one for each answer and transcription."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry.trace import SpanKind, StatusCode
from wire.socket import Until

from otelllm import semconv

from .sessions import (
    ANSWER,
    ASK,
    ASKED,
    CALLED,
    CREATED,
    MODEL,
    OLD_WAY,
    QUESTION,
    SESSION,
    SNAPSHOT,
    USAGE,
    USD,
    USED,
    answer,
    ask,
    begin,
    check,
    delta,
    done,
    messages,
    response,
    spans,
    spoken,
    until,
)

if TYPE_CHECKING:
    from telemetry import Telemetry
    from wire.socket import SocketProvider

    from .sessions import Talker

pytestmark = OLD_WAY


def test_an_answer_in_a_session(otel: Telemetry, talker: Talker, sockets: SocketProvider) -> None:
    """A session's span with what it was; below it the answer's, with usage by modality, price, timing, ids."""
    sockets.script(ASKED, ANSWER)
    talker.talk(talker.connect(), ask, answer, until("response.done"))
    session, (chat,) = spans(otel)
    assert (session.name, session.kind) == (f"realtime {MODEL}", SpanKind.CLIENT)
    check(session, {
        semconv.OPERATION: "realtime", semconv.PROVIDER: "openai", semconv.REQUEST_MODEL: MODEL,
        semconv.RESPONSE_MODEL: SNAPSHOT, semconv.RESPONSE_ID: "sess_1", semconv.SERVER_ADDRESS: "127.0.0.1",
        semconv.SERVER_PORT: sockets.port, semconv.STREAM_END: "closed", semconv.STREAM_CHUNKS: 7,
        semconv.PROVIDER_REQUEST_ID: "req_wire", semconv.USAGE_INPUT: None, semconv.COST_STATUS: None,
        semconv.ERROR_TYPE: None,
    })  # fmt: skip
    assert (chat.name, chat.kind) == (f"chat {MODEL}", SpanKind.CLIENT)
    check(chat, {
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
    done = response("resp_1", "completed", output=[item], usage=USAGE, **plain)
    otel.instrument(capture="full")
    sockets.script(
        {"type": "session.created", "event_id": "ev", "session": session}, Until("conversation.item.create"), created,
        Until("response.create"), {"type": "response.created", "response": response(**plain)},
        delta("text", "In "), delta("text", "1858."), {"type": "response.done", "response": done},
    )  # fmt: skip
    beta_ask = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "When?"}]}
    talker.talk(
        talker.connect(beta=True), lambda it: it.conversation.item.create(item=beta_ask), answer,
        until("response.done"),
    )  # fmt: skip
    _, (chat,) = spans(otel)
    check(chat, {
        **USED, semconv.OUTPUT_TYPE: "text", semconv.REQUEST_TEMPERATURE: 0.8, semconv.REQUEST_MAX_TOKENS: 99,
        semconv.RESPONSE_FINISH_REASONS: ("stop",),
    })  # fmt: skip
    assert messages(chat, semconv.OUTPUT_MESSAGES)[0]["parts"] == [{"type": "text", "content": "In 1858."}]
    assert messages(chat, semconv.INPUT_MESSAGES)[0]["parts"][0]["content"] == "When was Skagen lit?"


def test_what_was_said(otel: Telemetry, talker: Talker, sockets: SocketProvider) -> None:
    """Instructions, tools, what was said since the last answer, and the answer by its transcript; no sound at all."""
    otel.instrument(capture="full")
    lit = {"id": "item_o", "type": "function_call_output", "call_id": "call_1", "output": "lit"}
    sockets.script(
        ASKED, begin(), {"type": "conversation.item.added", "item": {**CALLED, "arguments": ""}},
        delta("function_call_arguments", '{"on"'), delta("function_call_arguments", ": true}"),
        {"type": "conversation.item.done", "item": CALLED}, done(output=[CALLED]),
        Until("conversation.item.create"), {"type": "conversation.item.added", "item": lit},
        Until("response.create"), begin("resp_2"), delta("output_audio", "A" * 5000, "resp_2"), done("resp_2"),
    )  # fmt: skip
    talker.talk(
        talker.connect(), ask, answer, until("response.done"),
        lambda it: it.conversation.item.create(item={"type": "function_call_output", "call_id": "call_1",
                                                     "output": "lit"}),
        answer, until("response.done"),
    )  # fmt: skip
    _, (first, second) = spans(otel)
    asked = [{"role": "user", "parts": [{"type": "text", "content": "When was Skagen lit?"}]}]
    assert messages(first, semconv.INPUT_MESSAGES) == asked
    for chat in (first, second):
        assert messages(chat, semconv.SYSTEM_INSTRUCTIONS) == [{"type": "text", "content": "Be a guide."}]
        assert messages(chat, semconv.TOOL_DEFINITIONS)[0]["name"] == "lamp"
    call = {"type": "tool_call", "id": "call_1", "name": "lamp", "arguments": {"on": True}}
    assert messages(first, semconv.OUTPUT_MESSAGES) == [{"role": "assistant", "parts": [call]}]
    check(first, {semconv.RESPONSE_FINISH_REASONS: ("tool_call",)})
    result = {"type": "tool_call_response", "id": "call_1", "response": "lit"}
    assert messages(second, semconv.INPUT_MESSAGES) == [{"role": "tool", "parts": [result]}]
    spoken = [{"role": "assistant", "parts": [{"type": "text", "content": "In 1858."}]}]
    assert messages(second, semconv.OUTPUT_MESSAGES) == spoken
    assert "A" * 100 not in otel.everything()


@pytest.mark.slow
def test_an_answer_asked_for_with_settings_of_its_own(otel: Telemetry, talker: Talker, sockets: SocketProvider) -> None:
    """Out of the conversation, with its own instructions and input: those, not the session's."""
    otel.instrument(capture="full")
    sockets.script(CREATED, Until("response.create"), ANSWER)
    own = {"conversation": "none", "instructions": "Sum up.", "input": [ASK], "output_modalities": ["text"]}
    talker.talk(talker.connect(), lambda it: it.response.create(response=own), until("response.done"))
    _, (chat,) = spans(otel)
    assert messages(chat, semconv.SYSTEM_INSTRUCTIONS) == [{"type": "text", "content": "Sum up."}]
    assert messages(chat, semconv.INPUT_MESSAGES)[0]["parts"][0]["content"] == "When was Skagen lit?"


SPEECH = {"id": "item_s", "type": "message", "role": "user", "status": "completed",
          "content": [{"type": "input_audio", "transcript": None}]}  # fmt: skip
HEARD = "conversation.item.input_audio_transcription"


def hearing(kind: str, **more: Any) -> dict[str, Any]:
    return {"type": f"{HEARD}.{kind}", "event_id": "ev", "item_id": "item_s", "content_index": 0, **more}


HEARD_USAGE = {"type": "tokens", "total_tokens": 26, "input_tokens": 20, "output_tokens": 6,
               "input_token_details": {"text_tokens": 0, "audio_tokens": 20}}  # fmt: skip
COMMITTED = {"type": "input_audio_buffer.committed", "event_id": "ev", "item_id": "item_s"}


def test_speech_that_the_server_answers_by_itself(otel: Telemetry, talker: Talker, sockets: SocketProvider) -> None:
    """Voice detection: nobody asks for the answer. What was said is transcribed by another model, on its own span."""
    otel.instrument(capture="full")
    sockets.script(
        CREATED, Until("input_audio_buffer.append"), COMMITTED, {"type": "conversation.item.added", "item": SPEECH},
        ANSWER[:3], hearing("delta", delta="When "),
        hearing("completed", transcript="When was Skagen lit?", usage=HEARD_USAGE), ANSWER[3:],
    )  # fmt: skip
    talker.talk(talker.connect(), lambda it: it.input_audio_buffer.append(audio="AAAA"), until("response.done"))
    _, (heard, chat) = spans(otel)
    assert heard.name == "transcription gpt-4o-transcribe"
    check(heard, {
        semconv.USAGE_INPUT: 20, semconv.USAGE_AUDIO_INPUT: 20, semconv.USAGE_OUTPUT: 6,
        semconv.COST: (20 * 6 + 6 * 10) / 1e6, semconv.STREAM_END: "complete",
    })  # fmt: skip
    question = {"type": "text", "content": "When was Skagen lit?"}
    assert messages(heard, semconv.OUTPUT_MESSAGES) == [{"role": "assistant", "parts": [question]}]
    assert messages(heard, semconv.INPUT_MESSAGES)[0]["parts"][0]["modality"] == "audio"
    check(chat, USED)
    assert messages(chat, semconv.INPUT_MESSAGES) == [{"role": "user", "parts": [question]}]
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
        hearing("completed", transcript="Hm.", usage={"type": "duration", "seconds": 3}), COMMITTED,
        hearing("failed", error=error),
    )  # fmt: skip
    talker.talk(talker.connect(), until(f"{HEARD}.failed"))
    session, (heard, failed) = spans(otel)
    check(heard, {semconv.USAGE_OTHER + "audio_seconds": 3, semconv.COST: 3 * 0.36 / 3600})
    check(failed, {semconv.ERROR_TYPE: "audio_unintelligible", semconv.COST: None})
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
    sockets.script(CREATED, Until("response.create"), ANSWER[:3], done(status=status, status_details=details))
    talker.talk(talker.connect(), answer, until("response.done"))
    session, (chat,) = spans(otel)
    check(chat, {
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
        CREATED, Until("response.create"), Until("response.create"), begin("resp_1"), begin("resp_2"),
        delta("output_text", "one", "resp_1"), delta("output_text", "two", "resp_2"),
        done("resp_2", output=[spoken("two")], usage=other), done("resp_1", output=[spoken("one")]),
    )  # fmt: skip
    talker.talk(talker.connect(), answer, answer, until("response.done", 2))
    _, chats = spans(otel)
    by_id = {(chat.attributes or {})[semconv.RESPONSE_ID]: chat for chat in chats}
    for key, text, tokens in (("resp_1", "one", 300), ("resp_2", "two", 30)):
        check(by_id[key], {semconv.USAGE_INPUT: tokens})
        assert messages(by_id[key], semconv.OUTPUT_MESSAGES)[0]["parts"][0]["content"] == text


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
    session, (refused, chat) = spans(otel)
    check(refused, {semconv.ERROR_TYPE: "conversation_already_has_active_response", semconv.USAGE_INPUT: None})
    check(chat, {semconv.USAGE_INPUT: 300, semconv.ERROR_TYPE: None})
    assert session.status.status_code is StatusCode.UNSET


@pytest.mark.slow
def test_an_error_about_something_else(otel: Telemetry, talker: Talker, sockets: SocketProvider) -> None:
    """A bad session update refuses no answer."""
    error = {"type": "invalid_request_error", "code": "unknown_parameter", "param": "session.x", "message": "no"}
    sockets.script(CREATED, Until("response.create"), {"type": "error", "error": error}, ANSWER)
    talker.talk(talker.connect(), answer, until("response.done"))
    _, (chat,) = spans(otel)
    check(chat, {semconv.ERROR_TYPE: None, semconv.USAGE_INPUT: 300})
