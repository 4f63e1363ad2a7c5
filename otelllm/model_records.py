"""Whole answers that are pydantic models: to JSON, and back to a new object of the same class."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any, NamedTuple

from .recorded import Recorded

__all__ = ["Readers", "dumped", "is_model", "loaded", "reader_of"]

REMEMBERED = 4096


def is_model(body: Any) -> bool:
    """Whether it is one, of pydantic 2."""
    return hasattr(type(body), "model_validate_json")


def dumped(body: Any) -> bytes:
    """Its JSON, just as it came: what was not sent is not in it, and names are the provider's."""
    text: str = body.model_dump_json(exclude_unset=True, by_alias=True, warnings=False)
    return text.encode()


def reader_of(body: Any, content: bytes, package: str) -> str:
    """`module:Class`, where the class itself makes an equal object of `content`; else empty.

    The SDKs build their objects leniently and slowly (80 µs); validating takes 5 µs, and is the same where the provider
    sent what the SDK's types say. Whether it is, is found out here, each time.
    """
    kind = type(body)
    name = f"{kind.__module__}:{kind.__qualname__}"
    if _class(name, package) is not kind:
        return ""
    try:
        again = kind.model_validate_json(content)
        is_same = again == body and ((shown := dumped(again)) == content or shown == dumped(body))
    except Exception:
        return ""
    return name if is_same else ""


class _Reader(NamedTuple):
    type: str
    said: Mapping[str, str | None]
    """What the SDK sets on an answer beside its fields: ids out of the headers."""


class Readers:
    """Of answers that an SDK has read once in its own way: the class that reads each one exactly alike, and sooner."""

    def __init__(self) -> None:
        self._known: dict[tuple[float, int], _Reader] = {}

    def learn(self, recorded: Recorded, body: Any, package: str) -> None:
        """`body` is what the SDK has just made of the record."""
        if len(self._known) >= REMEMBERED:
            del self._known[next(iter(self._known))]
        known = _Reader("", {})
        if is_model(body):
            said = {
                name: value for name, value in vars(body).items() if name[0] == "_" and isinstance(value, str | None)
            }
            known = _Reader(reader_of(body, recorded.body, package), said)
        self._known[_place(recorded)] = known

    def knows(self, recorded: Recorded) -> bool:
        """Whether it was learned, be it that there is no such class."""
        return _place(recorded) in self._known

    def made(self, recorded: Recorded, package: str) -> Any | None:
        """A new object; None where the SDK has to make it."""
        known = self._known.get(_place(recorded))
        if known is None or not known.type or (made := loaded(known.type, recorded.body, package)) is None:
            return None
        vars(made).update(known.said)
        return made


def _place(recorded: Recorded) -> tuple[float, int]:
    """Of one stored answer; the same bytes stored for another request are another one."""
    return recorded.at, hash(recorded.body)


def loaded(name: str, content: bytes, package: str) -> Any | None:
    """What `reader_of` has seen made; None where this version of the SDK has no such class, or another one."""
    kind = _class(name, package)
    if kind is None:
        return None
    try:
        return kind.model_validate_json(content)
    except Exception:
        return None


_classes: dict[str, Any] = {}


def _class(name: str, package: str) -> Any | None:
    """By its name, among the loaded modules of the SDK alone: the name may come from a file that others write to."""
    found = _classes.get(name)
    if found is None:
        module, _, path = name.partition(":")
        if not f"{module}.".startswith(f"{package}.") or module not in sys.modules:
            return None
        found = getattr(sys.modules[module], path, None)
        if not isinstance(found, type) or not hasattr(found, "model_validate_json"):
            return None
        _classes[name] = found
    return found
