"""Candidates folded from chunks: their parts, their ends, and function calls that come in pieces."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from ...call import Message, Part, Reading
from ...estimate import size_of
from ...spec import Delta
from .contents import part_of
from .values import as_list, word

__all__ = ["fold_candidates", "made_messages", "read_finish"]

_FINISHES = {
    "STOP": "stop",
    "FUNCTION_CALL": "tool_call",
    "MAX_TOKENS": "length",
    "CONTINUATION": "length",
    **dict.fromkeys(
        ("SAFETY", "RECITATION", "LANGUAGE", "BLOCKLIST", "PROHIBITED_CONTENT", "SPII", "IMAGE_SAFETY",
         "IMAGE_PROHIBITED_CONTENT", "IMAGE_RECITATION", "MODEL_ARMOR", "ESCALATION"),
        "content_filter",
    ),
    **dict.fromkeys(
        ("OTHER", "MALFORMED_FUNCTION_CALL", "UNEXPECTED_TOOL_CALL", "TOO_MANY_TOOL_CALLS", "NO_IMAGE", "IMAGE_OTHER",
         "MISSING_THOUGHT_SIGNATURE", "MALFORMED_RESPONSE", "PUP_LIMITED_DISABLED"),
        "error",
    ),
}  # fmt: skip


@dataclass(slots=True)
class _Candidate:
    parts: list[Part] = field(default_factory=list)
    """With texts as lists of pieces until the end."""
    finish: str | None = None
    has_called: bool = False


@dataclass(slots=True)
class _Folded:
    candidates: dict[int, _Candidate] = field(default_factory=dict)
    blocked: str | None = None


def fold_candidates(reading: Reading, chunk: Any, captures: bool) -> Delta:
    """Add the candidates of `chunk`; what a reader got with them."""
    if reading.partial is None:
        reading.partial = _Folded()
    folded: _Folded = reading.partial
    if (feedback := getattr(chunk, "prompt_feedback", None)) is not None:
        folded.blocked = word(getattr(feedback, "block_reason", None)) or folded.blocked
    delta: Delta = 0
    for place, candidate in enumerate(as_list(getattr(chunk, "candidates", None))):
        index = getattr(candidate, "index", None)
        state = folded.candidates.setdefault(index if isinstance(index, int) else place, _Candidate())
        if finish := word(getattr(candidate, "finish_reason", None)):
            state.finish = finish
        for part in as_list(getattr(getattr(candidate, "content", None), "parts", None)):
            delta = max(delta, _fold_part(reading, state, part, captures))
    reading.unfinished = not folded.blocked and not any(one.finish for one in folded.candidates.values())
    return delta


def _fold_part(reading: Reading, state: _Candidate, part: Any, captures: bool) -> Delta:
    said = getattr(part, "text", None)
    if isinstance(said, str):
        return _fold_text(reading, state, said, getattr(part, "thought", None) is True, captures)
    call = getattr(part, "function_call", None)
    if call is not None:
        state.has_called = True
        pieces = as_list(getattr(call, "partial_args", None))
        if captures and not getattr(call, "name", None) and state.parts and state.parts[-1]["type"] == "tool_call":
            _fold_arguments(state.parts[-1], pieces)
            return 1
    if captures and (made := part_of(part)) is not None:
        state.parts.append(made)
        if call is not None and pieces:
            _fold_arguments(made, pieces)
    if call is not None:
        return 1
    return 2 if getattr(part, "inline_data", None) is not None else 1


def _fold_text(reading: Reading, state: _Candidate, said: str, is_thought: bool, captures: bool) -> Delta:
    if not said:
        return 0
    if not is_thought:
        reading.output_chars += size_of(said)
    if captures:
        kind = "reasoning" if is_thought else "text"
        if not state.parts or state.parts[-1]["type"] != kind:
            state.parts.append({"type": kind, "content": []})
        state.parts[-1]["content"].append(said)
    return 1 if is_thought else 2


def _fold_arguments(part: Part, pieces: Any) -> None:
    """Arguments that stream: each piece has the JSON path of its value, and texts go on where they stopped."""
    for piece in pieces:
        path = getattr(piece, "json_path", None)
        if not isinstance(path, str):
            continue
        keys = [
            key if key else int(place)
            for key, place in re.findall(r"([^.\[\]$'\"]*[^.\[\]$'\"0-9][^.\[\]$'\"]*)|(\d+)", path)
        ]
        value = next(
            (
                found
                for name in ("string_value", "number_value", "bool_value")
                if (found := getattr(piece, name, None)) is not None
            ),
            None,
        )
        part["arguments"] = _put(part.get("arguments"), keys, value)


def _put(into: Any, keys: list[str | int], value: Any) -> Any:
    if not keys:
        return into + value if isinstance(into, str) and isinstance(value, str) else value
    key, *rest = keys
    if isinstance(key, int):
        into = into if isinstance(into, list) else []
        into.extend([None] * (key + 1 - len(into)))
        into[key] = _put(into[key], rest, value)
        return into
    into = into if isinstance(into, dict) else {}
    into[key] = _put(into.get(key), rest, value)
    return into


def read_finish(reading: Reading) -> None:
    """Finish reasons, one a candidate; a refused prompt has no candidate, and its reason in their place."""
    folded: _Folded = reading.partial
    for _, one in sorted(folded.candidates.items()):
        if one.finish is None or one.finish == "FINISH_REASON_UNSPECIFIED":
            continue
        finish = _FINISHES.get(one.finish, one.finish.lower())
        finish = "tool_call" if finish == "stop" and one.has_called else finish
        reading.finish_reasons.append(finish)
        # Their STOP is the conventions' stop: no word of their own.
        reading.own_finish_reasons.append(finish if finish == one.finish.lower() else one.finish)
    if not reading.finish_reasons and folded.blocked:
        reading.finish_reasons, reading.own_finish_reasons = ["content_filter"], [folded.blocked]


def made_messages(reading: Reading) -> list[Message]:
    """A message for each candidate that said anything."""
    folded: _Folded = reading.partial
    messages: list[Message] = []
    for _, one in sorted(folded.candidates.items()):
        parts = [
            {**part, "content": "".join(part["content"])} if part["type"] in {"text", "reasoning"} else part
            for part in one.parts
        ]
        if parts:
            messages.append({"role": "assistant", "parts": parts})
    return messages
