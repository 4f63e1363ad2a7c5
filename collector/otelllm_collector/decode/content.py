"""Prompts, answers, instructions and tool definitions: kept once, by the hash of their JSON text.

An agent that sends its whole conversation again each turn costs the store one message a turn.
"""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256
from typing import Any, Protocol

import orjson

from ..content_forms import KEPT, STRUCTURE, form_of
from ..normalise.genai import CONTENT, TEXT_CONTENT
from ..rows import Batch, MessageRow
from ..span_row import SpanRow

_NOTHING: Mapping[str, Any] = {}

__all__ = ["HasContent", "keep_content", "move_content", "move_text_content", "note_form"]


class HasContent(Protocol):
    """A row that names content by hash."""

    input_hashes: list[bytes] | None
    output_hashes: list[bytes] | None
    system_hash: bytes | None
    tools_hash: bytes | None


def move_content(
    batch: Batch, row: HasContent, attributes: dict[str, Any], now_ns: int, read: Mapping[str, Any] = _NOTHING
) -> bool:
    """Move content out of the attributes into the batch's messages; whether there was any. `read`: structures that
    somebody has read already.
    """
    found = False
    for attribute in CONTENT.keys() & attributes.keys():
        if (value := attributes[attribute]) is not None:
            structure = read[attribute] if attribute in read else _structure(value)
            try:
                keep_content(batch, row, attribute, structure, now_ns)
            except orjson.JSONEncodeError:  # orjson reads deeper nesting than it writes: such content stays text
                structure = value
                keep_content(batch, row, attribute, value, now_ns)
            found = True
            if not isinstance(row, SpanRow) or _note_form(batch, row, attribute, value, structure) != KEPT:
                del attributes[attribute]
    return found


def _note_form(batch: Batch, row: SpanRow, attribute: str, value: Any, structure: Any) -> str | None:
    """How the content was written, noted in the row where it is not the commonest form."""
    column = CONTENT[attribute]
    kept = getattr(row, column)
    is_single = isinstance(kept, bytes)
    bodies = [batch.messages[key].body for key in ((kept,) if is_single else kept)]
    form = form_of(value, structure, bodies, is_single=is_single)
    if form is not None:
        note_form(row, column, form)
    return form


def note_form(row: SpanRow, column: str, form: str) -> None:
    """Note one form in the row."""
    row.content_forms = orjson.dumps({**orjson.loads(row.content_forms or "{}"), column: form}).decode()


def keep_content(batch: Batch, row: HasContent, attribute: str, content: Any, now_ns: int) -> None:
    """Put a content's structure into the batch's messages, and its hashes into the row."""
    column = CONTENT[attribute]
    if column in ("input_hashes", "output_hashes"):
        messages = content if isinstance(content, list) else [content]
        setattr(row, column, [_note(batch, "message", message, now_ns) for message in messages])
    else:
        setattr(row, column, _note(batch, column.removesuffix("_hash"), content, now_ns))


def move_text_content(row: SpanRow, attributes: dict[str, Any]) -> None:
    """Move a tool's or a search's content into its columns."""
    for attribute, column in TEXT_CONTENT.items():
        if (value := attributes.get(attribute)) is not None:
            del attributes[attribute]
            if isinstance(value, str):
                setattr(row, column, value)
            else:
                setattr(row, column, orjson.dumps(value).decode())
                note_form(row, column, STRUCTURE)


def _structure(value: Any) -> Any:
    """What a content attribute says: JSON text as the conventions have it, a structure, or some other text as it is."""
    if not isinstance(value, str):
        return value
    try:
        return orjson.loads(value)
    except orjson.JSONDecodeError:
        return value


def _note(batch: Batch, kind: str, content: Any, now_ns: int) -> bytes:
    body = orjson.dumps(content)
    digest = sha256(body).digest()[:16]
    if digest not in batch.messages:
        role = content.get("role") if isinstance(content, dict) else None
        batch.messages[digest] = MessageRow(
            digest, kind, role if isinstance(role, str) else None, body.decode(), now_ns
        )
    return digest
