"""The SDK's objects as the JSON that they came from: what was not sent is not there.

The SDK fills what the provider left out with defaults that look like facts: 0 tokens, the tool call's id "null", its
index 0, and `Unset()` where a null would do.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["as_sent", "given"]

_KINDS = ("type", "role")
_PLAIN = frozenset({str, int, float, bool, bytes, type(None)})


def as_sent(thing: Any) -> Any:
    """`thing`, of the SDK's types, dicts and lists of them, as plain data without what the SDK made up."""
    kind = type(thing)
    if kind in _PLAIN:
        return thing
    if kind is list or kind is tuple:
        return [as_sent(one) for one in thing]
    if hasattr(kind, "__pydantic_fields_set__"):
        return _object(thing)
    if isinstance(thing, str):
        return str.__str__(thing)  # a word that the SDK didn't know is of a type of its own, and no attribute
    if isinstance(thing, Mapping):
        return {name: as_sent(value) for name, value in thing.items() if given(value)}
    return [as_sent(one) for one in thing] if isinstance(thing, list | tuple) else thing


def _object(thing: Any) -> Any:
    """One of the SDK's objects; a variant that it doesn't know is what it kept of it."""
    there = thing.__dict__
    if "is_unknown" in there:
        return there.get("raw")
    found = {}
    for name in thing.__pydantic_fields_set__:
        if name in there:  # or among the extra ones
            value = there[name]
            found[name] = value if type(value) in _PLAIN else as_sent(value)
    for name in _KINDS:  # constants of the class, which are sent, too: an app's own objects have them from there alone
        if name in there and name not in found and isinstance(kind := there[name], str):
            found[name] = kind
    if extra := thing.__pydantic_extra__:
        found.update(extra)
    return found


def given(value: Any) -> bool:
    """Whether the app, or the provider, said anything: the SDK's sentinel is no word."""
    return type(value).__name__ != "Unset"
