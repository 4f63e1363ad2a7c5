"""Chats of version 2: what is asked, the whole answer, and the answer folded from its events."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from ... import semconv
from ...call import Message, Part, Reading, Request
from ...estimate import size_of
from ...fields import members, plain
from ...openai_format.chunks import keep
from ...openai_format.messages import text_size
from ...parts import as_list, text, tool_call
from ...spec import Delta
from .messages import cite, documents_message, input_message, message_parts, tool_definitions
from .parameters import asked, finish_reason, read_common
from .usage import read_usage

__all__ = ["CHAT", "CHAT_STREAM", "read_finish"]


def read_finish(reading: Reading, own: Any, error: Any = None) -> None:
    """The finish reason, and the error that it may be."""
    if own := plain(own):
        reading.own_finish_reasons, reading.finish_reasons = [own], [finish_reason(own)]
    if (message := plain(error)) or own in {"ERROR", "TIMEOUT"}:
        reading.error_type = "timeout" if own == "TIMEOUT" else "error"
        reading.error_message = message


@dataclass(slots=True)
class _Block:
    kind: str = "text"
    pieces: list[str] = field(default_factory=list)


@dataclass(slots=True)
class _Tool:
    id: str | None = None
    name: str = ""
    arguments: list[str] = field(default_factory=list)


@dataclass(slots=True)
class _Stream:
    blocks: dict[Any, _Block] = field(default_factory=dict)
    tools: dict[Any, _Tool] = field(default_factory=dict)
    plan: list[str] = field(default_factory=list)
    citations: list[Any] = field(default_factory=list)


class _Chat:
    operation = semconv.CHAT

    def __init__(self, *, stream: bool) -> None:
        self._stream = stream

    def read_request(self, kwargs: Mapping[str, Any]) -> Request:
        given = asked(kwargs)
        request = read_common(given, stream=self._stream)
        if self._stream:
            request.input_chars = sum(_size(one) for one in as_list(given.get("messages")))
        return request

    def read_input(self, request: Request, kwargs: Mapping[str, Any]) -> None:
        given = asked(kwargs)
        request.messages = [input_message(one) for one in as_list(given.get("messages"))]
        if documents := documents_message(given.get("documents")):
            request.messages.append(documents)
        if tools := as_list(given.get("tools")):
            request.tools = tool_definitions(tools)

    def read_response(self, reading: Reading, body: Any, captures: bool) -> None:
        said = members(body)
        reading.id = plain(said.get("id"))
        read_usage(reading, said.get("meta"))  # Bedrock's
        read_usage(reading, said.get("usage"))
        read_finish(reading, said.get("finish_reason"))
        if captures and (parts := message_parts(said.get("message"))):
            reading.messages.append({"role": "assistant", "parts": parts})

    def fold_chunk(self, reading: Reading, chunk: Any, captures: bool) -> Delta:
        said = members(chunk)
        if reading.partial is None:
            reading.partial = _Stream()
        stream: _Stream = reading.partial
        delta = members(said.get("delta"))
        message = members(delta.get("message"))
        kind, index = said.get("type"), said.get("index")
        if kind in {"content-delta", "content-start"}:
            return _fold_content(reading, stream, index, members(message.get("content")), captures)
        if kind == "tool-plan-delta":
            return keep(reading, stream.plan, message.get("tool_plan"), captures)
        if kind in {"tool-call-start", "tool-call-delta"}:
            return _fold_tool(reading, stream, index, message.get("tool_calls"), captures)
        if kind == "citation-start":
            if captures:
                found = message.get("citations")
                stream.citations += found if isinstance(found, list) else [found]
        elif kind == "message-start":
            reading.unfinished = True
            reading.id = plain(said.get("id")) or reading.id
        elif kind == "message-end":
            reading.unfinished = False
            reading.id = plain(said.get("id")) or reading.id
            read_usage(reading, delta.get("usage"))
            read_finish(reading, delta.get("finish_reason"), delta.get("error"))
        return 0

    def finish(self, reading: Reading, captures: bool) -> None:
        stream: _Stream | None = reading.partial
        reading.partial = None
        if stream is None or not captures:
            return
        places = sorted(stream.blocks, key=lambda index: index if isinstance(index, int) else 0)
        said = [_block_part(stream.blocks[index]) for index in places]
        plan: Part | None = {"type": "reasoning", "content": "".join(stream.plan)} if stream.plan else None
        cite(said, (one for one in stream.citations if one is not None), plan)
        calls = [tool_call(one.id, one.name, "".join(one.arguments)) for one in stream.tools.values()]
        parts = [*([plan] if plan else []), *(part for part in said if part["content"]), *calls]
        if parts:
            made: Message = {"role": "assistant", "parts": parts}
            reading.messages.append(made)

    def answer(self, request: Request, text: str) -> bytes | None:
        if request.attributes.get(semconv.OUTPUT_TYPE) == "json":
            return None  # the app would parse it, and get an error of its schema in place of our refusal
        if not self._stream:
            message = {"role": "assistant", "content": [{"type": "text", "text": text}]}
            return orjson.dumps({"id": "otelllm", "finish_reason": "COMPLETE", "message": message})
        begun = {"message": {"content": {"type": "text", "text": ""}}}
        events: list[dict[str, Any]] = [
            {"type": "message-start", "id": "otelllm", "delta": {"message": {"role": "assistant"}}},
            {"type": "content-start", "index": 0, "delta": begun},
            {"type": "content-delta", "index": 0, "delta": {"message": {"content": {"text": text}}}},
            {"type": "content-end", "index": 0},
            {"type": "message-end", "id": "otelllm", "delta": {"finish_reason": "COMPLETE"}},
        ]
        return b"".join(
            b"event: " + event["type"].encode() + b"\ndata: " + orjson.dumps(event) + b"\n\n" for event in events
        )


def _size(message: Any) -> int:
    said = members(message)
    content = said.get("content")
    if isinstance(content, str):
        return size_of(content)
    return sum(text_size(members(block).get("text")) for block in as_list(content))


def _fold_content(reading: Reading, stream: _Stream, index: Any, content: Mapping[str, Any], captures: bool) -> Delta:
    block = stream.blocks.get(index)
    if block is None:
        block = stream.blocks[index] = _Block()
    if (thought := content.get("thinking")) or content.get("type") == "thinking":
        block.kind = "reasoning"
        return keep(reading, block.pieces, thought, captures)
    return 2 if keep(reading, block.pieces, content.get("text"), captures) else 0


def _block_part(block: _Block) -> Part:
    said = "".join(block.pieces)
    return text(said) if block.kind == "text" else {"type": block.kind, "content": said}


def _fold_tool(reading: Reading, stream: _Stream, index: Any, given: Any, captures: bool) -> Delta:
    """One call an event, begun once and then added to by its index."""
    call = members(given[0] if isinstance(given, list) and given else given)
    tool = stream.tools.get(index)
    if tool is None:
        tool = stream.tools[index] = _Tool()
    function = members(call.get("function"))
    tool.id = plain(call.get("id")) or tool.id
    tool.name = plain(function.get("name")) or tool.name
    keep(reading, tool.arguments, function.get("arguments"), captures)
    return 1


CHAT = _Chat(stream=False)
CHAT_STREAM = _Chat(stream=True)
