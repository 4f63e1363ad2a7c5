"""How content was written on the wire, in a word or two, so that an export writes it just so again. Pure.

Content is kept by message, as compact JSON. That is how most libraries write it too (no form at all); others leave
spaces, spell letters as \\u escapes, or send OTLP's own structures.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import orjson

__all__ = ["DROPPED", "KEPT", "NOT_SENT", "STRUCTURE", "form_of", "written"]

STRUCTURE = "structure"
"""OTLP's own lists and maps, no JSON text."""
TEXT = "text"
"""Text that is no JSON."""
ONE = "one"
"""Before another word or alone: a message by itself, where others send a list."""
KEPT = "kept"
"""Written in a way of its own: the text stays among the span's attributes."""
NOT_SENT = '{"span":"made"}'
"""All forms of a span that nobody sent: a log record tells of it."""
DROPPED = '{"content":"dropped"}'
"""Put over the forms of a span whose content retention has dropped."""

# Python's own writer in its four ways; made once, for that costs as much as a short message.
_WRITERS = {
    f"{letters} {spacing}": json.JSONEncoder(ensure_ascii=letters == "ascii", separators=separators).encode
    for letters in ("ascii", "letters")
    for spacing, separators in (("spaced", (", ", ": ")), ("tight", (",", ":")))
}


def form_of(value: Any, content: Any, bodies: Sequence[str], *, is_single: bool) -> str | None:
    """The form of an attribute's value that says `content` and is kept as these JSON texts; None for the commonest,
    compact JSON text.

    `is_single`: whether it is kept whole, list or not, as instructions and tools are; else a list is kept by item.
    """
    is_list = not is_single and isinstance(content, list)
    one = "" if is_list or is_single else ONE
    if not isinstance(value, str):
        return f"{one} {STRUCTURE}".strip()
    if value == _compact(bodies, is_list=is_list):
        return one or None
    if content == value:
        return TEXT
    # Python's own writer: one letter and one colon tell which of its ways it may be.
    start = value.find('":')
    spacing = "spaced" if value[start + 2 : start + 3] == " " else "tight"
    letters = "ascii" if value.isascii() else "letters"
    form = f"{letters} {spacing}"
    return f"{one} {form}".strip() if _WRITERS[form](content) == value else KEPT


def written(form: str | None, bodies: Sequence[str], *, is_single: bool = False) -> Any:
    """The attribute's value again; `bodies` are the JSON texts that are kept of it."""
    words = form.split() if form else []
    is_list = ONE not in words and TEXT not in words and not is_single
    words = [word for word in words if word != ONE]
    if not words:
        return _compact(bodies, is_list=is_list)
    content = _content(bodies, is_list=is_list)
    if words[0] in (STRUCTURE, TEXT):
        return content
    return _WRITERS[" ".join(words)](content)


def _compact(bodies: Sequence[str], *, is_list: bool) -> str:
    return f"[{','.join(bodies)}]" if is_list else bodies[0]


def _content(bodies: Sequence[str], *, is_list: bool) -> Any:
    items = [orjson.loads(body) for body in bodies]
    return items if is_list else items[0]
