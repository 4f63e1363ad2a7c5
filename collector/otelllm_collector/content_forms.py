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
    if (spacing == "spaced" and _is_spaced(value, _compact(bodies, is_list=is_list))) or _WRITERS[form](
        content
    ) == value:
        return f"{one} {form}".strip()
    return KEPT


def _is_spaced(value: str, compact: str) -> bool:
    """Whether Python's writer, told to leave spaces, surely writes `value` of what `compact` says: a third of the time
    that it takes to write it. False where it would have to be tried.

    Quotes part a JSON text into what is between texts and the texts themselves. These are the same in both; between
    them all that differs are spaces. Escapes that only one of two writers uses, and numbers that they may spell in two
    ways, are left to the writer itself.
    """
    if "\\" in value:
        if "\\u" in value:
            return False
        value, compact = _without_escapes(value), _without_escapes(compact)
    theirs, ours = value.split('"'), compact.split('"')
    if theirs[1::2] != ours[1::2] or "\x7f" in value:
        return False
    between = '"'.join(ours[::2])
    if "." in between or "e" in between.replace("true", "").replace("false", ""):
        return False
    return between.replace(",", ", ").replace(":", ": ") == '"'.join(theirs[::2])


def _without_escapes(text: str) -> str:
    """With signs that JSON has none of in the place of escaped quotes and backslashes."""
    return text.replace("\\\\", "\0\0").replace('\\"', "\0\1")


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
