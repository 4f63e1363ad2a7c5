"""The Responses API: items in, items out, and events that name what they carry."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from .. import semconv
from ..call import Message, Part, Reading, Request
from ..estimate import size_of
from ..fields import field, plain
from ..parts import as_list, text, tool_call
from ..spec import Delta
from ..stainless import merged, read_error_body
from .chat import output_type, read_attributes
from .items import input_messages, output_parts
from .messages import content_parts, text_size, tool_definitions
from .parameters import LEFT_OUT, read_common
from .usage import merge_usage, read_usage

__all__ = ["RESPONSES", "TERMINAL"]

TERMINAL = {"response.completed", "response.incomplete", "response.failed", "response.cancelled"}
_OPENING = {"response.created", "response.in_progress", "response.queued"}
_SOUND = {"response.output_audio.delta", "response.audio.delta"}
_CONTENT = {"response.output_text.delta", *_SOUND, "response.output_audio_transcript.delta",
            "response.audio.transcript.delta"}  # fmt: skip
_KEPT = {
    "response.output_text.delta": "text",
    "response.refusal.delta": "text",
    "response.reasoning_text.delta": "reasoning",
    "response.reasoning_summary_text.delta": "reasoning",
    "response.function_call_arguments.delta": "tool_call",
    "response.custom_tool_call_input.delta": "tool_call",
}
"""Pieces of items, and of which kind of part."""
_INCOMPLETE = {"max_output_tokens": "length", "content_filter": "content_filter"}


class Responses:
    operation = semconv.CHAT
    left_out = LEFT_OUT

    def __init__(self, *, api_type: str | None = "responses") -> None:
        self.api_type = api_type

    def read_request(self, kwargs: Mapping[str, Any]) -> Request:
        kwargs = merged(kwargs)
        request = read_common(kwargs)
        found = request.attributes
        if self.api_type is not None:
            found[semconv.OPENAI_API_TYPE] = self.api_type
        if previous := plain(kwargs.get("previous_response_id")):
            found[semconv.REQUEST_PREVIOUS_RESPONSE_ID] = previous
        if effort := plain(field(kwargs.get("reasoning"), "effort")):
            found[semconv.REQUEST_REASONING_LEVEL] = effort
        asked = kwargs.get("text_format") or field(kwargs.get("text"), "format")
        if kind := output_type(asked):
            found[semconv.OUTPUT_TYPE] = kind
        conversation = kwargs.get("conversation")
        if named := plain(conversation) or plain(field(conversation, "id")):
            found[semconv.CONVERSATION_ID] = named
        if request.stream:
            request.input_chars = text_size(kwargs.get("input")) + text_size(kwargs.get("instructions"))
        return request

    def limit_output(self, kwargs: Mapping[str, Any], tokens: int) -> Mapping[str, Any]:
        return {"max_output_tokens": tokens}

    def read_input(self, request: Request, kwargs: Mapping[str, Any]) -> None:
        kwargs = merged(kwargs)
        request.messages = input_messages(kwargs.get("input"))
        if instructions := kwargs.get("instructions"):
            request.system = content_parts(instructions)
        if tools := as_list(kwargs.get("tools")):
            request.tools = tool_definitions(tools)

    def read_response(self, reading: Reading, body: Any, captures: bool) -> None:
        read_attributes(reading, body)
        if named := plain(field(getattr(body, "conversation", None), "id")):
            reading.conversation = named
        merge_usage(reading, read_usage(getattr(body, "usage", None)))
        items = as_list(getattr(body, "output", None))
        _count_server_tools(reading, items)
        read_error_body(reading, body)
        if finish := _finish(body, items):
            reading.finish_reasons = [finish]
            reading.own_finish_reasons = [finish]
            if finish == "error" and reading.error_type is None:
                reading.error_type = "error"
        if captures and items:
            reading.messages = [_message(items)]
            reading.partial = None

    def fold_chunk(self, reading: Reading, chunk: Any, captures: bool) -> Delta:
        kind = getattr(chunk, "type", None)
        if not isinstance(kind, str):
            # Before 2.0 the SDK wraps events of other names than it knows.
            if getattr(chunk, "event", None) == "error":
                _read_error_event(reading, getattr(chunk, "data", None))
            return 0
        if kind.endswith(".delta"):
            piece = getattr(chunk, "delta", None)
            if isinstance(piece, str) and kind not in _SOUND:
                reading.output_chars += size_of(piece)
                if captures and kind in _KEPT:
                    _open(reading, chunk, kind).pieces.append(piece)
            return 2 if kind in _CONTENT else 1
        if kind in {"response.output_item.added", "response.output_item.done"}:
            if captures and (item := getattr(chunk, "item", None)) is not None:
                is_done = kind == "response.output_item.done"
                _items(reading)[_place(chunk)] = output_parts(item) if is_done else _Open(item)
        elif kind in TERMINAL:
            reading.unfinished = False
            self.read_response(reading, chunk.response, captures)
        elif kind in _OPENING:
            reading.unfinished = True
            response = getattr(chunk, "response", None)
            reading.id = plain(getattr(response, "id", None)) or reading.id
            reading.model = plain(getattr(response, "model", None)) or reading.model
        elif kind == "error":
            _read_error_event(reading, chunk)
        return 0

    def finish(self, reading: Reading, captures: bool) -> None:
        # Only where the stream ended before its last event: that one had everything.
        items: dict[int, _Open | list[Part]] = reading.partial or {}
        reading.partial = None
        if reading.messages:
            return
        values = [value for _, value in sorted(items.items())]
        parts = [part for value in values for part in (value.parts() if isinstance(value, _Open) else value)]
        if parts:
            reading.messages = [{"role": "assistant", "parts": parts}]

    def answer(self, request: Request, text: str) -> bytes | None:
        return None if request.attributes.get(semconv.OUTPUT_TYPE) == "json" else _answer(request, text)


class _Open:
    """An item that is not finished yet: what it began as, and the pieces of it so far."""

    __slots__ = ("_id", "_name", "kind", "pieces")

    def __init__(self, item: Any = None) -> None:
        self._id, self._name = field(item, "call_id"), field(item, "name")
        self.kind = ""
        self.pieces: list[str] = []

    def parts(self) -> list[Part]:
        joined = "".join(self.pieces)
        if self.kind == "tool_call":
            return [tool_call(self._id, self._name, joined)]
        if not joined:
            return []
        return [{"type": "reasoning", "content": joined}] if self.kind == "reasoning" else [text(joined)]


def _items(reading: Reading) -> dict[int, Any]:
    """What came so far, by output index: the parts of a finished item, or one that is still open."""
    if reading.partial is None:
        reading.partial = {}
    partial: dict[int, Any] = reading.partial
    return partial


def _place(chunk: Any) -> int:
    place = getattr(chunk, "output_index", None)
    return place if isinstance(place, int) else 0


def _open(reading: Reading, chunk: Any, kind: str) -> _Open:
    items, place = _items(reading), _place(chunk)
    found = items.get(place)
    if not isinstance(found, _Open):
        found = items[place] = _Open()
    found.kind = _KEPT[kind]
    return found


def _read_error_event(reading: Reading, event: Any) -> None:
    reading.error_type = str(field(event, "code") or "error")
    reading.error_message = plain(field(event, "message"))


def _message(items: Any) -> Message:
    parts: list[Part] = []
    for item in items:
        parts += output_parts(item)
    return {"role": "assistant", "parts": parts}


def _finish(body: Any, items: Any) -> str | None:
    """There is no finish reason in this API: derived from the status and the items."""
    status = getattr(body, "status", None)
    if status == "incomplete":
        reason = getattr(getattr(body, "incomplete_details", None), "reason", None)
        return _INCOMPLETE.get(str(reason), str(reason) if reason else "length")
    if status == "failed":
        return "error"
    if status not in {"completed", None} or not items:
        return None
    called = any(getattr(item, "type", None) in {"function_call", "custom_tool_call"} for item in items)
    return "tool_call" if called else "stop"


def _count_server_tools(reading: Reading, items: Any) -> None:
    """Searches and the like that the provider ran, and charges for, by item."""
    counts: dict[str, float] = {}
    for item in items:
        kind = getattr(item, "type", None)
        if isinstance(kind, str) and kind.endswith("_call") and kind not in {"function_call", "custom_tool_call"}:
            name = f"server_tool.{kind.removesuffix('_call')}"
            counts[name] = counts.get(name, 0) + 1
    if counts and reading.usage is not None:
        reading.usage.other = counts


def _answer(request: Request, content: str) -> bytes:
    piece = {"type": "output_text", "text": content, "annotations": []}
    item = {"id": "msg_otelllm", "type": "message", "role": "assistant", "status": "completed", "content": [piece]}
    response = {
        "id": "resp_otelllm", "object": "response", "created_at": 0, "status": "completed",
        "model": request.model or "",
        "output": [item], "parallel_tool_calls": False, "tool_choice": "auto", "tools": [],
    }  # fmt: skip
    if not request.stream:
        return orjson.dumps(response)
    place = {"item_id": item["id"], "output_index": 0, "content_index": 0}
    begun = {**response, "status": "in_progress", "output": []}
    events: list[dict[str, Any]] = [
        {"type": "response.created", "response": begun},
        {"type": "response.output_item.added", "output_index": 0, "item": {**item, "content": []}},
        {"type": "response.content_part.added", **place, "part": {**piece, "text": ""}},
        {"type": "response.output_text.delta", **place, "delta": content, "logprobs": []},
        {"type": "response.output_text.done", **place, "text": content, "logprobs": []},
        {"type": "response.content_part.done", **place, "part": piece},
        {"type": "response.output_item.done", "output_index": 0, "item": item},
        {"type": "response.completed", "response": response},
    ]
    return b"".join(
        b"event: " + str(event["type"]).encode() + b"\ndata: " + orjson.dumps({**event, "sequence_number": number})
        + b"\n\n" for number, event in enumerate(events)
    )  # fmt: skip


RESPONSES = Responses()
