"""A streamed message folded from its events: blocks by their index, usage as it was said last."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ...call import Message, Part, Reading
from ...estimate import size_of
from ...fields import members, plain
from ...parts import arguments_of
from ...spec import Delta
from .blocks import block_parts
from .usage import Counts, merge, read_apart, read_counts, tier_of, usage_of

__all__ = ["STATIC_ID", "finish_reason", "finish_stream", "fold_event"]

STATIC_ID = "msg_otelllm"
"""Of a static answer: its types want counts, but nothing was used."""

_FINISH = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_call",
    "refusal": "content_filter",
}
# Kind of a delta -> the field that grows, and what it is to a reader.
_DELTAS: dict[str, tuple[str, Delta]] = {
    "text_delta": ("text", 2),
    "input_json_delta": ("partial_json", 1),
    "thinking_delta": ("thinking", 1),
    "compaction_delta": ("content", 1),
}


def finish_reason(own: str) -> str:
    """The conventions' word for a stop reason."""
    return _FINISH.get(own, own)


@dataclass(slots=True)
class _Block:
    kind: str = "text"
    id: str | None = None
    name: str = ""
    more: dict[str, Any] = field(default_factory=dict)
    pieces: list[str] = field(default_factory=list)
    whole: list[Part] | None = None
    """Of a block that comes at once: a server tool's result."""


@dataclass(slots=True)
class _Stream:
    counts: Counts = field(default_factory=dict)
    blocks: dict[Any, _Block] = field(default_factory=dict)
    is_counted: bool = False
    """The output was counted at its end; what the first event says of it is the count of its first token."""


def fold_event(reading: Reading, event: Any, captures: bool) -> Delta:
    """Add one event to what `reading` holds; events and deltas that we don't know are skipped."""
    said = members(event)
    kind = said.get("type")
    if reading.partial is None:
        reading.partial = _Stream()
    stream: _Stream = reading.partial
    if kind == "content_block_delta":
        return _fold_delta(reading, stream, said.get("index"), members(said.get("delta")), captures)
    if kind == "content_block_start":
        return _begin(reading, stream, said.get("index"), said.get("content_block"), captures)
    if kind == "message_start":
        message = said.get("message")
        found = members(message)
        reading.unfinished = True
        reading.id = plain(found.get("id")) or reading.id
        reading.model = plain(found.get("model")) or reading.model
        _count(reading, stream, found.get("usage"))
    elif kind == "message_delta":
        if own := plain(members(said.get("delta")).get("stop_reason")):
            reading.own_finish_reasons, reading.finish_reasons = [own], [finish_reason(own)]
            reading.unfinished = False
        stream.is_counted = said.get("usage") is not None or stream.is_counted
        _count(reading, stream, said.get("usage"))
    elif kind == "message_stop":
        reading.unfinished = False
    elif kind == "error":  # a raw decoder's: the SDK raises it
        error = members(said.get("error"))
        reading.error_type = str(error.get("type") or "error")
        reading.error_message = plain(error.get("message"))
    return 0


def _count(reading: Reading, stream: _Stream, usage: Any) -> None:
    if usage is None or reading.id == STATIC_ID:
        return
    merge(stream.counts, read_counts(usage))
    reading.usage = usage_of(stream.counts)
    reading.tier = tier_of(usage) or reading.tier
    read_apart(reading, usage)


def _begin(reading: Reading, stream: _Stream, index: Any, started: Any, captures: bool) -> Delta:
    block = stream.blocks[index] = _Block()
    said = members(started)
    block.kind = str(said.get("type") or "unknown")
    if block.kind in {"text", "thinking"}:
        # Empty at Anthropic; others' servers begin with the first word.
        begun = said.get("text" if block.kind == "text" else "thinking")
        if not isinstance(begun, str) or not begun:
            return 0
        _keep(reading, block, begun, captures)
        return 2 if block.kind == "text" else 1
    if block.kind in {"tool_use", "server_tool_use", "mcp_tool_use"}:
        block.id, block.name = said.get("id"), str(said.get("name") or "")
        block.more = {name: said[name] for name in ("input", "server_name") if said.get(name)}
        return 1
    if captures and block.kind != "compaction":
        block.whole = block_parts(started)
    return 0


def _fold_delta(reading: Reading, stream: _Stream, index: Any, delta: Mapping[str, Any], captures: bool) -> Delta:
    known = _DELTAS.get(str(delta.get("type")))
    if known is None:
        return 0  # signatures, citations, what comes next year
    piece = delta.get(known[0])
    if not isinstance(piece, str) or not piece:
        return 0
    block = stream.blocks.get(index)
    if block is None:
        block = stream.blocks[index] = _Block("thinking" if known[0] == "thinking" else "text")
    _keep(reading, block, piece, captures)
    return known[1]


def _keep(reading: Reading, block: _Block, piece: str, captures: bool) -> None:
    reading.output_chars += size_of(piece)
    if captures:
        block.pieces.append(piece)


def finish_stream(reading: Reading, captures: bool) -> None:
    """A message of the blocks that came; nothing the second time."""
    stream: _Stream | None = reading.partial
    reading.partial = None
    if stream is None:
        return
    if not stream.is_counted and reading.usage is not None:
        reading.usage.output = None  # counted before the answer was written: to be estimated from what came
    if not captures:
        return
    parts: list[Part] = []
    for block in stream.blocks.values():
        parts += _parts(block)
    if parts:
        message: Message = {"role": "assistant", "parts": parts}
        reading.messages = [message]


def _parts(block: _Block) -> list[Part]:
    if block.whole is not None:
        return block.whole
    content = "".join(block.pieces)
    if block.kind in {"tool_use", "server_tool_use", "mcp_tool_use"}:
        given = arguments_of(content) if content else block.more.get("input") or {}
        return block_parts({**block.more, "type": block.kind, "id": block.id, "name": block.name, "input": given})
    if not content:
        return []
    return block_parts({"type": block.kind, "text": content, "thinking": content, "content": content})
