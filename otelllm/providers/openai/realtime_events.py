"""Realtime events, as their JSON reads: answers and transcriptions folded from them, items as messages.

The names are those of the API and, before the stroke, of its beta: `response.text.delta`, `response.output_text.delta`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ... import semconv
from ...call import Message, Part, Reading, Request
from ...fields import field, fields, plain
from ...openai_format.items import input_messages, output_parts
from ...openai_format.messages import content_parts
from ...openai_format.transcriptions import TRANSCRIPTIONS
from ...openai_format.usage import merge_usage, read_usage
from ...parts import as_list, text
from ...spec import Delta
from ...whole import Whole

__all__ = ["ANSWERS", "HEARD", "SESSIONS", "SOUND", "item_message", "read_config"]

SOUND = {"response.audio.delta", "response.output_audio.delta"}
_TEXT = {"response.text.delta", "response.output_text.delta",
         "response.audio_transcript.delta", "response.output_audio_transcript.delta"}  # fmt: skip
_ARGUMENTS = {"response.function_call_arguments.delta", "response.mcp_call_arguments.delta"}
_INCOMPLETE = {"max_output_tokens": "length"}
_HEARING = "conversation.item.input_audio_transcription."


class _Sessions(Whole):
    """The session itself: what was used stands on the answers in it."""

    operation = semconv.REALTIME

    def read_request(self, kwargs: Mapping[str, Any]) -> Request:
        return Request(model=plain(kwargs.get("model")), stream=True)

    def read_input(self, request: Request, kwargs: Mapping[str, Any]) -> None:
        """Nothing was said yet."""

    def read_response(self, reading: Reading, body: Any, captures: bool) -> None:
        """There is no whole answer."""


class _Answers(_Sessions):
    """One response, from `response.created` to `response.done`; a chunk is an event as a dict."""

    operation = semconv.CHAT

    def fold_chunk(self, reading: Reading, chunk: Any, captures: bool) -> Delta:
        kind = chunk.get("type")
        if kind in SOUND:
            return 2
        if kind in _TEXT:
            if captures and isinstance(piece := chunk.get("delta"), str):
                _partial(reading).setdefault(_place(chunk), []).append(piece)
            return 2
        if kind in _ARGUMENTS:
            return 1
        if kind == "response.output_item.done" and captures:
            _partial(reading)[_place(chunk)] = item_parts(chunk.get("item"))
        elif kind == "response.created":
            _read(reading, chunk.get("response"))
        elif kind == "response.done":
            _read_done(reading, chunk.get("response"), captures)
        return 0

    def finish(self, reading: Reading, captures: bool) -> None:
        # Only where the connection ended before the answer did: its last event has everything.
        places: dict[Any, Any] = reading.partial or {}
        reading.partial = None
        if reading.messages or not places:
            return
        parts: list[Part] = []
        for place in sorted(places):
            value = places[place]
            parts += value if value and isinstance(value[0], dict) else [text("".join(value))] if value else []
        reading.messages = [{"role": "assistant", "parts": parts}]


class _Heard(_Sessions):
    """What another model made of the user's speech: billed by that model's prices."""

    operation = semconv.TRANSCRIPTION

    def fold_chunk(self, reading: Reading, chunk: Any, captures: bool) -> Delta:
        kind = chunk.get("type")
        if kind == _HEARING + "delta":
            return 2 if chunk.get("delta") else 0
        if kind == _HEARING + "completed":
            body = fields({"text": chunk.get("transcript"), "usage": chunk.get("usage")})
            TRANSCRIPTIONS.read_response(reading, body, captures)
        elif kind == _HEARING + "failed":
            _read_error(reading, chunk.get("error"))
        return 0


def read_config(config: Any, response: Any) -> Request:
    """What an answer was asked with: the session's settings under the response's own."""
    request = Request(stream=True)
    found = request.attributes
    modalities = as_list(field(response, "output_modalities") or field(response, "modalities"))
    if modalities:
        found[semconv.OUTPUT_TYPE] = "speech" if "audio" in modalities else "text"
    temperature = _first(response, config, "temperature")
    if isinstance(temperature, int | float):
        found[semconv.REQUEST_TEMPERATURE] = float(temperature)
    limit = _first(response, config, "max_output_tokens", "max_response_output_tokens")
    if isinstance(limit, int):  # else "inf"
        found[semconv.REQUEST_MAX_TOKENS] = limit
    return request


def item_message(item: Any) -> Message:
    """An item of the conversation as a message."""
    if field(item, "type") == "message":
        role = str(field(item, "role") or "user")
        return {"role": "system" if role == "developer" else role, "parts": item_parts(item)}
    return input_messages([item])[0]


def item_parts(item: Any) -> list[Part]:
    """The parts of an item; speech by its transcript, where there is one."""
    if field(item, "type") == "message":
        return [part for piece in as_list(field(item, "content")) for part in _content(piece)]
    return output_parts(item)


def _content(piece: Any) -> list[Part]:
    if field(piece, "type") not in {"audio", "output_audio", "input_audio"}:
        return content_parts([piece])
    if transcript := plain(field(piece, "transcript")):
        return [text(transcript)]
    return [{"type": "blob", "mime_type": "audio/*", "modality": "audio"}]


def _first(response: Any, config: Any, *names: str) -> Any:
    values = (field(thing, name) for thing in (response, config) for name in names)
    return next((value for value in values if value is not None), None)


def _partial(reading: Reading) -> dict[Any, Any]:
    if reading.partial is None:
        reading.partial = {}
    partial: dict[Any, Any] = reading.partial
    return partial


def _place(chunk: Mapping[str, Any]) -> int:
    place = chunk.get("output_index")
    return place if isinstance(place, int) else 0


def _read(reading: Reading, response: Any) -> None:
    reading.id = plain(field(response, "id")) or reading.id
    reading.conversation = plain(field(response, "conversation_id")) or reading.conversation


def _read_done(reading: Reading, response: Any, captures: bool) -> None:
    _read(reading, response)
    merge_usage(reading, read_usage(fields(field(response, "usage"))))
    items = as_list(field(response, "output"))
    status, details = field(response, "status"), field(response, "status_details")
    if (finish := _finish(status, details, items)) is not None:
        reading.finish_reasons = [finish]
        reading.own_finish_reasons = [plain(field(details, "reason")) or finish]
    if status == "failed":
        _read_error(reading, field(details, "error"))
    if captures and items:
        reading.messages = [{"role": "assistant", "parts": [part for item in items for part in item_parts(item)]}]
        reading.partial = None


def _finish(status: Any, details: Any, items: Any) -> str | None:
    if status == "completed":
        called = any(field(item, "type") == "function_call" for item in items)
        return "tool_call" if called else "stop"
    if status == "incomplete":
        reason = plain(field(details, "reason")) or "length"
        return _INCOMPLETE.get(reason, reason)
    return {"failed": "error", "cancelled": "cancelled"}.get(str(status))


def _read_error(reading: Reading, error: Any) -> None:
    reading.error_type = str(field(error, "code") or field(error, "type") or "error")
    reading.error_message = plain(field(error, "message"))


SESSIONS = _Sessions()
ANSWERS = _Answers()
HEARD = _Heard()
