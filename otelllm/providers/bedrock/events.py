"""A streamed message folded from Converse's events: blocks by their index, usage as it was said last."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ...call import Message, Part, Reading
from ...capture import blob
from ...estimate import size_of
from ...fields import members
from ...parts import arguments_of, as_list, text, tool_call
from ...spec import Delta
from .blocks import citation, result_of, server_call, server_result
from .parameters import tier_of
from .usage import read_usage

__all__ = ["finish_stream", "fold_event", "read_finish", "read_metadata"]

_FINISH = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "tool_use": "tool_call",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "guardrail_intervened": "content_filter",
    "content_filtered": "content_filter",
    "malformed_model_output": "error",
    "malformed_tool_use": "error",
}


def read_finish(reading: Reading, own: Any) -> None:
    """Why the model stopped, in the conventions' word beside its own."""
    if isinstance(own, str) and own:
        reading.own_finish_reasons, reading.finish_reasons = [own], [_FINISH.get(own, own)]


def read_metadata(reading: Reading, said: Mapping[str, Any]) -> None:
    """Usage, tier and the model that a router chose: of a whole answer, or of a stream's last event."""
    if (usage := read_usage(said.get("usage"))) is not None:
        reading.usage = usage
    tier = tier_of(_inner(said, "serviceTier", "type"), _inner(said, "performanceConfig", "latency"))
    reading.tier = tier or reading.tier
    if isinstance(model := _inner(said, "trace", "promptRouter", "invokedModelId"), str) and model:
        reading.model = model


def _inner(said: Any, *names: str) -> Any:
    for name in names:
        said = said.get(name) if isinstance(said, Mapping) else None
    return said


@dataclass(slots=True)
class _Block:
    kind: str
    id: str | None = None
    name: str = ""
    own: str | None = None
    """The type of a tool at the provider's or of its result; an image's format; "redacted" for sealed reasoning."""
    pieces: list[str] = field(default_factory=list)
    data: list[bytes] = field(default_factory=list)
    results: list[Part] = field(default_factory=list)
    citations: list[Part] = field(default_factory=list)


_Blocks = dict[tuple[Any, str], _Block]
"""By index and kind, in the order in which they began: a text has no start of its own."""


def fold_event(reading: Reading, event: Any, captures: bool) -> Delta:
    """Add one event to what `reading` holds; events and deltas that we don't know are skipped."""
    if reading.partial is None:
        reading.partial = {}
    blocks: _Blocks = reading.partial
    found: Delta = 0
    for kind, said in members(event).items():
        if not isinstance(said, Mapping):
            continue
        if kind == "contentBlockDelta":
            found = _fold_delta(reading, blocks, said.get("contentBlockIndex"), said.get("delta"), captures)
        elif kind == "contentBlockStart":
            found = _begin(blocks, said.get("contentBlockIndex"), said.get("start"))
        elif kind == "messageStart":
            reading.unfinished = True
        elif kind == "messageStop":
            reading.unfinished = False
            read_finish(reading, said.get("stopReason"))
        elif kind == "metadata":
            read_metadata(reading, said)
    return found


def _begin(blocks: _Blocks, index: Any, start: Any) -> Delta:
    if not isinstance(start, Mapping):
        return 0
    for kind, said in start.items():
        if not isinstance(said, Mapping):
            continue
        block = blocks[index, kind] = _Block(kind)
        if kind == "image":
            block.own = said.get("format")
            return 0
        block.id, block.name, block.own = said.get("toolUseId"), said.get("name") or "", said.get("type")
        return 1
    return 0


def _fold_delta(reading: Reading, blocks: _Blocks, index: Any, delta: Any, captures: bool) -> Delta:
    found: Delta = 0
    for kind, said in delta.items() if isinstance(delta, Mapping) else ():
        if said is None:
            continue
        own = "text" if kind == "citation" else kind
        block = blocks.get((index, own))
        if block is None:
            block = blocks[index, own] = _Block(own)
        if kind == "citation":
            block.citations.append(citation(said))
        elif kind == "text":
            _keep(reading, block, said, captures)
            found = 2 if said else found
        elif kind == "toolUse":
            _keep(reading, block, said.get("input"), captures)
            found = max(found, 1)
        elif kind == "reasoningContent":
            block.own = "redacted" if "redactedContent" in said else block.own
            _keep(reading, block, said.get("text"), captures)
            found = max(found, 1 if said.get("text") else 0)
        elif kind == "image":
            found = 2
            if captures and isinstance(data := (said.get("source") or {}).get("bytes"), bytes):
                block.data.append(data)
        elif kind == "toolResult" and captures:
            for one in as_list(said):
                _add_result(block.results, one)
    return found


def _add_result(results: list[Part], piece: Any) -> None:
    """Texts come in fragments, structures whole."""
    if isinstance(more := piece.get("text"), str) and results and "text" in results[-1]:
        results[-1]["text"] += more
    else:
        results.append(dict(piece))


def _keep(reading: Reading, block: _Block, piece: Any, captures: bool) -> None:
    if not isinstance(piece, str) or not piece:
        return
    reading.output_chars += size_of(piece)
    if captures:
        block.pieces.append(piece)


def finish_stream(reading: Reading, captures: bool) -> None:
    """A message of the blocks that came; nothing the second time."""
    blocks: _Blocks = reading.partial or {}
    reading.partial = None
    if not captures:
        return
    if parts := [part for block in blocks.values() for part in _parts(block)]:
        message: Message = {"role": "assistant", "parts": parts}
        reading.messages = [message]


def _parts(block: _Block) -> list[Part]:
    content = "".join(block.pieces)
    if block.kind == "text":
        part = text(content)
        return [{**part, "citations": block.citations} if block.citations else part] if content else []
    if block.kind == "reasoningContent":
        is_sealed = block.own == "redacted" and not content
        return [{"type": "redacted_reasoning"} if is_sealed else {"type": "reasoning", "content": content}]
    if block.kind == "toolUse":
        given = arguments_of(content) if content else {}
        make = server_call if block.own == "server_tool_use" else tool_call
        return [make(block.id, block.name, given)]
    if block.kind == "image":
        return [blob(f"image/{block.own or '*'}", "image", b"".join(block.data))] if block.data else []
    if block.kind == "toolResult":
        return [server_result(block.id, block.own or "tool_result", result_of(block.results))]
    return []
