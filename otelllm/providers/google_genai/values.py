"""Values as this SDK takes them: objects of its own, or dicts in snake or camel case, or what the wire has."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

from ...call import Reading
from ...fields import fields

__all__ = ["as_list", "camel", "item", "plain", "read_request_id", "wire_body", "word"]

_REQUEST_IDS = ("x-goog-request-id", "x-request-id", "request-id")


@lru_cache(maxsize=256)
def camel(name: str) -> str:
    """`inline_data` -> `inlineData`."""
    head, *rest = name.split("_")
    return head + "".join(part.capitalize() for part in rest)


def item(thing: Any, name: str) -> Any:
    """`name` of an object, or of a dict in either case; None where it is missing."""
    if isinstance(thing, Mapping):
        value = thing.get(name)
        return thing.get(camel(name)) if value is None else value
    return getattr(thing, name, None)


def as_list(value: Any) -> Sequence[Any]:
    """`value` where reading it leaves it whole: an iterator that the app gave is the SDK's to consume, not ours."""
    return value if isinstance(value, Sequence) and not isinstance(value, str | bytes | bytearray) else ()


def word(value: Any) -> str | None:
    """An enum's value, or a text, with something in it."""
    value = getattr(value, "value", value)
    return value if isinstance(value, str) and value else None


def plain(value: Any) -> Any:
    """An SDK's object as plain data; everything else as it is."""
    dump = getattr(value, "model_dump", None)
    if not callable(dump) or isinstance(value, type):
        return value
    return dump(mode="json", exclude_none=True)


def read_request_id(reading: Reading, headers: Mapping[str, str] | None) -> None:
    """What the answer's headers call the request; Google's own servers seldom say it, gateways do."""
    said = {name.lower(): value for name, value in (headers or {}).items()}
    reading.request_id = next((found for name in _REQUEST_IDS if (found := said.get(name))), reading.request_id)


_THE_APPS = {"args", "response", "parameters", "metadata"}
"""Below these names the keys are the app's own."""


def wire_body(value: Any) -> Any:
    """Decoded JSON of the wire, readable as the SDK's objects are."""
    return fields(_snake(value))


def _snake(value: Any) -> Any:
    if isinstance(value, list):
        return [_snake(one) for one in value]
    if not isinstance(value, dict):
        return value
    return {_snake_name(name): inner if name in _THE_APPS else _snake(inner) for name, inner in value.items()}


@lru_cache(maxsize=256)
def _snake_name(name: str) -> str:
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name)
