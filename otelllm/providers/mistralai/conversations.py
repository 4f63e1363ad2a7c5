"""Conversations, of models and of agents: begun, gone on with, begun again from an entry; whole and as events."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from ... import semconv
from ...call import Reading, Request
from ...estimate import size_of
from ...fields import plain
from ...openai_format.messages import content_parts, text_size, tool_definitions
from ...parts import as_list, text
from ...speakeasy import as_sent, given
from ...spec import Delta
from .chat import CHAT, CHAT_STREAM, STATIC_ID
from .entries import input_messages, joined, output_parts
from .usage import read_counts

__all__ = ["CONVERSATION", "CONVERSATION_STREAM"]


_PIECES = {"message.output.delta", "function.call.delta", "tool.execution.started", "tool.execution.delta",
           "tool.execution.done", "agent.handoff.started", "agent.handoff.done"}  # fmt: skip


class _Conversations:
    # An agent's conversation too: it is here that its tokens are counted, once.
    operation = semconv.CHAT
    leaves_state = True

    def __init__(self, *, streamed: bool) -> None:
        self.streamed = streamed

    def read_request(self, kwargs: Mapping[str, Any]) -> Request:
        said = {name: value for name, value in kwargs.items() if given(value)}
        settings = as_sent(said.get("completion_args")) or {}
        chat = CHAT_STREAM if self.streamed else CHAT
        request = chat.read_request({**settings, "model": said.get("model"), "agent_id": said.get("agent_id")})
        request.input_chars = None
        if conversation := plain(said.get("conversation_id")):
            request.attributes[semconv.CONVERSATION_ID] = conversation
        elif self.streamed:  # of what is said in a conversation that goes on, only the provider knows the size
            request.input_chars = text_size(as_sent(said.get("inputs"))) + text_size(said.get("instructions"))
        return request

    def read_input(self, request: Request, kwargs: Mapping[str, Any]) -> None:
        request.messages = input_messages(kwargs.get("inputs"))
        if instructions := plain(kwargs.get("instructions")):
            request.system = [text(instructions)]
        if tools := as_list(kwargs.get("tools")):
            request.tools = tool_definitions(as_sent(tools))

    def read_response(self, reading: Reading, body: Any, captures: bool) -> None:
        said = as_sent(body)
        outputs = as_list(said.get("outputs"))
        for entry in outputs:
            _read_entry(reading, entry)
        _finish(reading, [entry.get("type") for entry in outputs])
        if said.get("conversation_id") != STATIC_ID:
            reading.conversation = plain(said.get("conversation_id")) or reading.conversation
            read_counts(reading, said.get("usage"))
        if captures and outputs:
            parts = [part for entry in outputs for part in output_parts(entry)]
            reading.messages = [{"role": "assistant", "parts": parts}]

    def fold_chunk(self, reading: Reading, chunk: Any, captures: bool) -> Delta:
        said = as_sent(chunk.data)
        kind = str(said.get("type") or "")
        if kind == "conversation.response.started":
            reading.unfinished = True
            if (conversation := plain(said.get("conversation_id"))) != STATIC_ID:
                reading.conversation = conversation or reading.conversation
        elif kind == "conversation.response.done":
            reading.unfinished = False
            _finish(reading, [entry["type"] for entry in _entries(reading).values()])
            read_counts(reading, said.get("usage"))
        elif kind == "conversation.response.error":
            code, message = said.get("code"), said.get("message")
            reading.error_type = str(code) if code is not None else "error"
            reading.error_message = plain(message)
        elif kind in _PIECES:
            _read_entry(reading, said)
            return _fold(reading, said, kind.rpartition(".")[0], captures)
        return 0

    def finish(self, reading: Reading, captures: bool) -> None:
        entries = _entries(reading)
        reading.partial = None
        if captures and entries:
            parts = [part for entry in entries.values() for part in _parts(entry)]
            reading.messages = [{"role": "assistant", "parts": parts}]

    def answer(self, request: Request, text: str) -> bytes | None:
        if request.attributes.get(semconv.OUTPUT_TYPE) == "json":
            return None  # the app would parse it
        asked = request.attributes.get(semconv.CONVERSATION_ID)
        conversation = asked if isinstance(asked, str) else STATIC_ID
        entry = {"type": "message.output", "role": "assistant", "content": text, "id": STATIC_ID}
        if not request.stream:
            head = {"object": "conversation.response", "conversation_id": conversation}
            return orjson.dumps({**head, "outputs": [{"object": "entry", **entry}], "usage": {}})
        events: list[dict[str, Any]] = [
            {"type": "conversation.response.started", "conversation_id": conversation},
            {**entry, "type": "message.output.delta", "output_index": 0, "content_index": 0},
            {"type": "conversation.response.done", "usage": {}},
        ]
        return b"".join(b"event: " + one["type"].encode() + b"\ndata: " + orjson.dumps(one) + b"\n\n" for one in events)


def _read_entry(reading: Reading, entry: Mapping[str, Any]) -> None:
    """Which model and which agent spoke last, and its message's id: the answer as a whole has none."""
    named = plain(entry.get("id"))
    if named != STATIC_ID and str(entry.get("type")).startswith(("message.output", "function.call")):
        reading.id = named or reading.id
    reading.model = plain(entry.get("model")) or reading.model
    if agent := plain(entry.get("agent_id")):
        reading.attributes[semconv.AGENT_ID] = agent


def _finish(reading: Reading, kinds: list[Any]) -> None:
    """There is no finish reason in this API: derived from what was said last."""
    if kinds:
        finish = "tool_call" if kinds[-1] == "function.call" else "stop"
        reading.finish_reasons, reading.own_finish_reasons = [finish], [finish]


def _entries(reading: Reading) -> dict[Any, dict[str, Any]]:
    """What came so far, in the order in which it began."""
    if reading.partial is None:
        reading.partial = {}
    found: dict[Any, dict[str, Any]] = reading.partial
    return found


def _fold(reading: Reading, said: Mapping[str, Any], kind: str, captures: bool) -> Delta:
    key = (said.get("output_index"), said.get("tool_call_id") or said.get("id"))
    entry = _entries(reading).setdefault(key, {"type": kind, "pieces": [], "said": []})
    if kind == "message.output":
        content = said.get("content")
        parts = content_parts([content] if isinstance(content, Mapping) else content)
        for part in parts:
            reading.output_chars += size_of(str(part.get("content") or ""))
        if captures:
            entry["said"] += parts
        kinds = {part["type"] for part in parts}
        return 2 if "text" in kinds else 1 if kinds else 0
    if isinstance(piece := said.get("arguments"), str):
        reading.output_chars += size_of(piece) if kind == "function.call" else 0
        if captures:
            entry["pieces"].append(piece)
    if captures:
        entry.update({name: value for name, value in said.items() if name not in {"type", "arguments"}})
    return 0 if kind == "agent.handoff" else 1


def _parts(entry: dict[str, Any]) -> list[Any]:
    if entry["type"] == "message.output":
        return joined(entry["said"])
    return output_parts({**entry, "arguments": "".join(entry["pieces"])})


CONVERSATION, CONVERSATION_STREAM = _Conversations(streamed=False), _Conversations(streamed=True)
