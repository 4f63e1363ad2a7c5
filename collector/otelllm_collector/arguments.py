"""Arguments of the query API to questions. Pure; a wrong one raises `BadQuestion` that names its value."""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Sequence
from typing import Any

from starlette.datastructures import QueryParams

from .questions import BadQuestion, Key, Page, SpanFilter

__all__ = [
    "MAX_NS",
    "chosen",
    "integer",
    "key_text",
    "number",
    "only",
    "page",
    "span_filter",
    "span_id",
    "text",
    "trace_id",
]

MAX_NS = 2**63 - 1
LISTS = ("service", "provider", "model", "operation", "user", "session", "feature", "name")

_CURSOR = re.compile(r"([0-9a-f]{1,16})-([0-9a-f]{1,48})")


def span_filter(arguments: QueryParams) -> SpanFilter:
    """The filters that all lists and sums share."""
    lists: dict[str, Any] = {
        name: tuple(_clean(name, value) for value in arguments.getlist(name) if value) for name in LISTS
    }
    return SpanFilter(
        start=integer(arguments, "start", None),
        end=integer(arguments, "end", None),
        error=_boolean(arguments, "error"),
        min_ms=_number(arguments, "min_ms"),
        max_ms=_number(arguments, "max_ms"),
        q=text(arguments, "q") or None,
        trace_id=tuple(trace_id(value) for value in arguments.getlist("trace_id")),
        **lists,
    )


def page(arguments: QueryParams, *, default: int, most: int, id_digits: int | None) -> Page:
    """How many and after which record."""
    limit = integer(arguments, "limit", default, least=1, most=most)
    assert limit is not None
    text = arguments.get("cursor")
    if not text:
        return Page(limit)
    match = _CURSOR.fullmatch(text)
    if match is None or (id_digits and len(match[2]) != id_digits) or int(match[1], 16) > MAX_NS:
        raise BadQuestion(f"cursor {text!r} is none of ours; take it from `next` of the answer before")
    if id_digits is None and int(match[2], 16) > MAX_NS:
        raise BadQuestion(f"cursor {text!r} is none of ours; take it from `next` of the answer before")
    return Page(limit, Key(int(match[1], 16), match[2]))


def key_text(time_ns: object, last: str) -> str:
    """A page's end as the cursor of the next."""
    return f"{int(str(time_ns)):x}-{last}"


def only(arguments: QueryParams, known: Collection[str]) -> None:
    """Refuse arguments that a route does not have: a misspelt filter must not look like an answer."""
    for name in arguments:
        if name not in known:
            raise BadQuestion(f"there is no argument {name!r}; known are {', '.join(sorted(known)) or 'none'}")


def chosen(arguments: QueryParams, name: str, choices: Sequence[str], default: str | None) -> str:
    """One of a closed set."""
    value = arguments.get(name) or default
    if value is None or value not in choices:
        raise BadQuestion(f"{name} {value!r} is not one of {', '.join(choices)}")
    return value


def integer(
    arguments: QueryParams, name: str, default: int | None, *, least: int = 0, most: int = MAX_NS
) -> int | None:
    """A whole number in its bounds."""
    text = arguments.get(name)
    if not text:
        return default
    if not (text.isascii() and text.isdigit()) or len(text) > 19 or not least <= int(text) <= most:
        raise BadQuestion(f"{name} {text!r} is not a whole number from {least} to {most}")
    return int(text)


def number(text: str, name: str, *, most: int = 2**31 - 1) -> int:
    """A whole number from 1 that is part of a path."""
    if not (text.isascii() and text.isdigit()) or len(text) > 10 or not 1 <= int(text) <= most:
        raise BadQuestion(f"{name} {text!r} is not a whole number from 1 to {most}")
    return int(text)


def trace_id(text: str) -> str:
    """A trace id as the store has it."""
    return _identifier(text, "trace_id", 32)


def span_id(text: str) -> str:
    """A span id as the store has it."""
    return _identifier(text, "span_id", 16)


def _identifier(text: str, name: str, digits: int) -> str:
    lower = text.lower()
    if not re.fullmatch(rf"[0-9a-f]{{{digits}}}", lower):
        raise BadQuestion(f"{name} {text!r} is not {digits} hexadecimal digits")
    return lower


def _boolean(arguments: QueryParams, name: str) -> bool | None:
    text = arguments.get(name)
    if not text:
        return None
    if text not in ("true", "false"):
        raise BadQuestion(f"{name} {text!r} is not true or false")
    return text == "true"


def _number(arguments: QueryParams, name: str) -> float | None:
    text = arguments.get(name)
    if not text:
        return None
    try:
        number = float(text)
    except ValueError as error:
        raise BadQuestion(f"{name} {text!r} is not a number") from error
    if not math.isfinite(number):
        raise BadQuestion(f"{name} {text!r} is not a finite number")
    return number


def text(arguments: QueryParams, name: str) -> str:
    """A text, empty where not given."""
    return _clean(name, arguments.get(name, ""))


def _clean(name: str, value: str) -> str:
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise BadQuestion(f"{name} {value!r} is not valid UTF-8") from error
    return value
