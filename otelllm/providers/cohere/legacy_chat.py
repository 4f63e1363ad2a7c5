"""Chats of version 1: a message and its history in, a text out; streams are JSON objects, one a line."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from ... import semconv
from ...call import Message, Part, Reading, Request
from ...estimate import size_of
from ...fields import field, members, plain
from ...parts import as_list, text, tool_call
from ...spec import Delta
from .chat import read_finish
from .messages import cite, documents_message, tool_definitions
from .parameters import asked, read_common
from .usage import read_usage

__all__ = ["LEGACY_CHAT", "LEGACY_CHAT_STREAM", "read_invocation"]

_ROLES = {"CHATBOT": "assistant", "USER": "user", "SYSTEM": "system", "TOOL": "tool"}


class _LegacyChat:
    operation = semconv.CHAT

    def __init__(self, *, stream: bool) -> None:
        self._stream = stream

    def read_request(self, kwargs: Mapping[str, Any]) -> Request:
        given = asked(kwargs)
        request = read_common(given, stream=self._stream)
        if conversation := plain(given.get("conversation_id")):
            request.attributes[semconv.CONVERSATION_ID] = conversation
        if self._stream:
            told = [given.get("message"), given.get("preamble")]
            told += [field(one, "message") for one in as_list(given.get("chat_history"))]
            request.input_chars = sum(size_of(one) for one in told if isinstance(one, str))
        return request

    def read_input(self, request: Request, kwargs: Mapping[str, Any]) -> None:
        given = asked(kwargs)
        if preamble := plain(given.get("preamble")):
            request.system = [text(preamble)]
        messages = [_message(one) for one in as_list(given.get("chat_history"))]
        if asking := plain(given.get("message")):
            messages.append({"role": "user", "parts": [text(asking)]})
        if results := [_tool_result(one) for one in as_list(given.get("tool_results"))]:
            messages.append({"role": "tool", "parts": results})
        if documents := documents_message(given.get("documents")):
            messages.append(documents)
        request.messages = messages
        if tools := as_list(given.get("tools")):
            request.tools = tool_definitions(tools)

    def read_response(self, reading: Reading, body: Any, captures: bool) -> None:
        said = members(body)
        reading.id = plain(said.get("generation_id")) or plain(said.get("response_id")) or reading.id
        read_usage(reading, said.get("meta"))
        if own := said.get("finish_reason"):
            read_finish(reading, own)
        if captures and (parts := _answer_parts(said)):
            reading.messages = [{"role": "assistant", "parts": parts}]

    def fold_chunk(self, reading: Reading, chunk: Any, captures: bool) -> Delta:
        said = members(chunk)
        if reading.partial is None:
            reading.partial = {"text": [], "tool_calls": [], "citations": []}
        kind = said.get("event_type")
        if kind == "text-generation":
            piece = plain(said.get("text"))
            if piece is None:
                return 0
            reading.output_chars += size_of(piece)
            if captures:
                reading.partial["text"].append(piece)
            return 2
        if kind == "tool-calls-chunk":
            return 1
        if kind == "tool-calls-generation":
            if captures:
                reading.partial["tool_calls"] = list(as_list(said.get("tool_calls")))
            return 1
        if kind == "citation-generation" and captures:
            reading.partial["citations"] += as_list(said.get("citations"))
        elif kind == "stream-start":
            reading.unfinished = True
            reading.id = plain(said.get("generation_id")) or reading.id
        elif kind == "stream-end":
            reading.unfinished = False
            read_invocation(reading, said)
            if (response := said.get("response")) is not None:
                self.read_response(reading, response, captures)
            read_finish(reading, said.get("finish_reason"))
        return 0

    def finish(self, reading: Reading, captures: bool) -> None:
        state, reading.partial = reading.partial, None
        if not captures or state is None or reading.messages:  # the last event has the whole answer
            return
        if parts := _answer_parts({**state, "text": "".join(state["text"])}):
            reading.messages.append({"role": "assistant", "parts": parts})

    def answer(self, request: Request, text: str) -> bytes | None:
        if request.attributes.get(semconv.OUTPUT_TYPE) == "json":
            return None  # the app would parse it, and get an error of its schema in place of our refusal
        whole = {"text": text, "generation_id": "otelllm", "finish_reason": "COMPLETE"}
        if not self._stream:
            return orjson.dumps(whole)
        events: list[dict[str, Any]] = [
            {"event_type": "stream-start", "generation_id": "otelllm", "is_finished": False},
            {"event_type": "text-generation", "text": text, "is_finished": False},
            {"event_type": "stream-end", "finish_reason": "COMPLETE", "response": whole, "is_finished": True},
        ]
        return b"".join(orjson.dumps(event) + b"\n" for event in events)


def read_invocation(reading: Reading, said: Mapping[str, Any]) -> None:
    """What Bedrock says of a stream, at its end."""
    counts = said.get("amazon-bedrock-invocationMetrics")
    if isinstance(counts, Mapping):
        tokens = {"input_tokens": counts.get("inputTokenCount"), "output_tokens": counts.get("outputTokenCount")}
        read_usage(reading, {"tokens": tokens})


def _answer_parts(said: Mapping[str, Any]) -> list[Part]:
    parts: list[Part] = []
    if answer := plain(said.get("text")):
        parts.append(text(answer))
        cite(parts, as_list(said.get("citations")))
    return [*parts, *map(_call, as_list(said.get("tool_calls")))]


def _call(call: Any) -> Part:
    return tool_call(None, field(call, "name"), field(call, "parameters"))


def _tool_result(result: Any) -> Part:
    outputs = [dict(one) if isinstance(one, Mapping) else one for one in as_list(field(result, "outputs"))]
    part: Part = {"type": "tool_call_response", "response": outputs}
    if name := plain(field(field(result, "call"), "name")):
        part["id"] = name
    return part


def _message(message: Any) -> Message:
    role = str(field(message, "role") or "user")
    if role == "TOOL":
        return {"role": "tool", "parts": [_tool_result(one) for one in as_list(field(message, "tool_results"))]}
    said = plain(field(message, "message"))
    calls = [_call(one) for one in as_list(field(message, "tool_calls"))]
    return {"role": _ROLES.get(role, role.lower()), "parts": [*([text(said)] if said else []), *calls]}


LEGACY_CHAT = _LegacyChat(stream=False)
LEGACY_CHAT_STREAM = _LegacyChat(stream=True)
