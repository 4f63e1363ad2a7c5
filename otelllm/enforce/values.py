"""Values of a policy, read key by key: what each may be, and an error that says which key is wrong and the way out."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from difflib import get_close_matches
from typing import Any, Literal, NoReturn, TypeVar, get_args

from .match import Match, WrongWhen, compile_when

__all__ = [
    "Keys",
    "RuleMode",
    "Wrong",
    "dotted",
    "duration_s",
    "flag",
    "mode",
    "name",
    "number",
    "one_of",
    "rules",
    "share",
    "size",
    "table",
    "text",
    "texts",
    "unknown",
    "when",
    "whole",
]

T = TypeVar("T")

Keys = tuple[str | int, ...]
"""The way to a value: ("budgets", 0, "usd")."""

RuleMode = Literal["off", "shadow", "enforce"]
"""Not asked at all; only recorded what would have happened; enforced."""

SIZES = {"": 1, "B": 1, "KB": 1 << 10, "KIB": 1 << 10, "MB": 1 << 20, "MIB": 1 << 20, "GB": 1 << 30, "GIB": 1 << 30}
SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0, "d": 86_400.0}


class Wrong(Exception):  # noqa: N818  never leaves the reading of a policy: it becomes a BadConfig with its line
    """A value that can't be used, and the keys that lead to it."""

    def __init__(self, keys: Keys, message: str) -> None:
        super().__init__(message)
        self.keys = keys


def dotted(path: Keys) -> str:
    """How an error text names a key: "budgets.usd"."""
    return ".".join(part for part in path if isinstance(part, str))


def unknown(path: Keys, name: str, known: tuple[str, ...], kind: str = "key") -> NoReturn:
    """Refuse a name that is none of `known`, with the nearest one."""
    near = get_close_matches(name, known, 1)
    way_out = f"did you mean {near[0]!r}?" if near else f"use one of {', '.join(known)}"
    raise Wrong(path, f"{dotted(path)} is not a {kind}; {way_out}")


def table(value: object, path: Keys, known: tuple[str, ...]) -> Mapping[str, Any]:
    """A table that has no other keys than `known`."""
    if not isinstance(value, Mapping):
        raise Wrong(path, f"{dotted(path)} = {value!r} is not a table; its keys are {', '.join(known)}")
    for key in value:
        if key not in known:
            unknown((*path, key), str(key), known)
    return value


def rules(value: object, section: str, read: Callable[[object, Keys, int], T]) -> tuple[T, ...]:
    """Each rule of a section that is a list of them: [[limits]]; `read` is given its number from 0, too."""
    if not isinstance(value, list | tuple):
        raise Wrong((section,), f"{section} is a list of rules; begin each with [[{section}]]")
    return tuple(read(rule, (section, number), number) for number, rule in enumerate(value))


def one_of(value: object, path: Keys, known: tuple[str, ...]) -> Any:
    """One of the words `known`."""
    if value not in known:
        raise Wrong(path, f"{dotted(path)} = {value!r} is none of {', '.join(map(repr, known))}")
    return value


def mode(rule: Mapping[str, Any], path: Keys) -> RuleMode:
    """A rule's mode; enforced where it says none."""
    found: RuleMode = one_of(rule.get("mode", "enforce"), (*path, "mode"), get_args(RuleMode))
    return found


def name(rule: Mapping[str, Any], path: Keys, number: int) -> str:
    """A rule's own name, else its section and number: "limits 2"."""
    return text(rule["name"], (*path, "name")) if "name" in rule else f"{path[0]} {number + 1}"


def when(rule: Mapping[str, Any], path: Keys, salt: str = "") -> Match:
    """A rule's conditions; every call where it has none. `salt` tells its share from those of other rules."""
    conditions = rule.get("when", {})
    section = dotted(path)
    if not isinstance(conditions, Mapping):
        raise Wrong((*path, "when"), f'{section}.when = {conditions!r} is not a table; try {{ feature = "support" }}')
    try:
        return compile_when(conditions, salt)
    except WrongWhen as error:
        raise Wrong((*path, "when", error.key), f"{section}.when.{error}") from error


def text(value: object, path: Keys) -> str:
    """A text with something in it."""
    if not isinstance(value, str) or not value.strip():
        raise Wrong(path, f"{dotted(path)} = {value!r} is no text; write one in quotes or leave the key out")
    return value


def texts(value: object, path: Keys) -> tuple[str, ...]:
    """One text, or a list of them."""
    many = value if isinstance(value, list | tuple) else [value]
    if not many:
        raise Wrong(path, f"{dotted(path)} = [] holds nothing; write a text or a list of them, or leave the key out")
    return tuple(text(one, path) for one in many)


def flag(value: object, path: Keys) -> bool:
    """true or false."""
    if not isinstance(value, bool):
        raise Wrong(path, f"{dotted(path)} = {value!r} is neither true nor false")
    return value


def number(value: object, path: Keys, *, above: float = 0) -> float:
    """A number greater than `above`."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not above < value < float("inf"):
        raise Wrong(path, f"{dotted(path)} = {value!r} is not a number above {above:g}; write 2.5 or leave the key out")
    return float(value)


def whole(value: object, path: Keys, *, least: int = 1) -> int:
    """A whole number, at least `least`."""
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise Wrong(
            path, f"{dotted(path)} = {value!r} is not a whole number from {least} on; leave the key out for none"
        )
    return value


def share(value: object, path: Keys) -> float:
    """A part of a whole: 0.05, or "5%"."""
    found = value
    if isinstance(value, str) and (parsed := re.fullmatch(r"(\d+(?:\.\d+)?) ?%", value)) is not None:
        found = float(parsed[1]) / 100
    if isinstance(found, bool) or not isinstance(found, int | float) or not 0 <= found <= 1:
        raise Wrong(path, f'{dotted(path)} = {value!r} is not a share; write 0.05 or "5%"')
    return float(found)


def size(value: object, path: Keys) -> int:
    """A size in bytes: 65536 or "64KB" (of 1,024 bytes)."""
    if isinstance(value, int) and not isinstance(value, bool) and value > 0:
        return value
    parsed = re.fullmatch(r"(\d+(?:\.\d+)?) ?([A-Za-z]*)", value) if isinstance(value, str) else None
    if parsed is None or parsed[2].upper() not in SIZES or float(parsed[1]) <= 0:
        raise Wrong(path, f'{dotted(path)} = {value!r} is not a size; try "64KB", "1MB" or 65536')
    return int(float(parsed[1]) * SIZES[parsed[2].upper()])


def duration_s(value: object, path: Keys) -> float:
    """A time in seconds: "20s", "500ms", "1m30s", or a plain number of seconds."""
    if isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < float("inf"):
        return float(value)
    if isinstance(value, str) and re.fullmatch(r"(?:\d+(?:\.\d+)? ?(?:ms|min|s|m|h|d) ?)+", value):
        parts = re.findall(r"(\d+(?:\.\d+)?) ?(ms|min|s|m|h|d)", value)
        if total := sum(float(many) * SECONDS[unit] for many, unit in parts):
            return total
    raise Wrong(path, f'{dotted(path)} = {value!r} is not a time; try "500ms", "20s" or "1h"')
