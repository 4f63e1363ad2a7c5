"""What makes two requests the same: SHA-256 of everything that could change the answer, or whose answer it is.

An argument counts unless it is known to change nothing (by allow-out): one that we have never heard of makes another
key. What can't be told apart without reading it up (a generator, an open file, a function) makes no key at all.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from hashlib import sha256
from math import isfinite
from os import PathLike
from typing import Any
from weakref import WeakKeyDictionary

import orjson

__all__ = ["Uncacheable", "request_key"]


class Uncacheable(Exception):  # noqa: N818  no fault of anybody: this request can't be told from others
    """Why a request has no key: says the kind of value, never the value."""


# Bump it when the same request would get another key for a reason that is not in the request.
_FORM = 1

# Who is asked to answer when, never what: a call that lacks them gets the same answer.
_WAITING = frozenset({"timeout", "max_retries", "request_options"})
_HEADERS = frozenset(
    {
        "traceparent", "tracestate", "baggage", "x-request-id", "x-client-request-id", "idempotency-key", "user-agent",
        "x-stainless-helper-method", "x-stainless-helper", "x-stainless-retry-count", "x-stainless-timeout",
        "x-stainless-read-timeout",
    }
)  # fmt: skip
# Of these the order of an object's members says nothing. Elsewhere it may: a model fills in a schema's properties in
# the order in which they stand.
_UNORDERED = ("messages", "input", "contents", "system", "documents", "texts", "prompt")

_PLAIN = orjson.OPT_PASSTHROUGH_DATETIME
_SORTED = _PLAIN | orjson.OPT_SORT_KEYS


def request_key(
    kwargs: Mapping[str, Any],
    head: Sequence[object],
    *,
    left_out: AbstractSet[str] = frozenset(),
) -> bytes:
    """32 bytes for these arguments of an SDK's method and what else makes the answer another one (`head`).

    `left_out` names the arguments of this API that change nothing. Raises Uncacheable where no key can be made.
    """
    ordered: dict[str, Any] = {}
    unordered: dict[str, Any] = {}
    for name in sorted(kwargs):
        value = kwargs[name]
        if name in _WAITING or name in left_out or type(value).__name__ in _NOT_GIVEN:
            continue
        if name == "extra_headers":
            value = _headers(value or {})
            if not value:
                continue
        (unordered if name in _UNORDERED else ordered)[name] = value
    parts = (orjson.dumps([_FORM, *head]), _json(ordered, _PLAIN), _json(unordered, _SORTED))
    return sha256(b"\n".join(parts)).digest()  # a line feed is in no JSON text of orjson's


_NOT_GIVEN = frozenset({"Omit", "NotGiven"})


def _json(value: Any, options: int) -> bytes:
    try:
        try:
            made = orjson.dumps(value, _default, options)
        except TypeError as error:
            if isinstance(error.__cause__, Uncacheable) or "str" not in str(error):
                raise
            made = orjson.dumps(value, _default, options | orjson.OPT_NON_STR_KEYS)  # twice the time: only where asked
    except TypeError as error:
        cause = error.__cause__
        raise cause if isinstance(cause, Uncacheable) else Uncacheable(f"arguments are no JSON ({error})") from error
    except RecursionError as error:
        raise Uncacheable("arguments are nested too deep") from error
    # orjson writes NaN and the infinities as null: they would be the same request as one with None.
    if b"null" in made and not _is_finite(value):
        raise Uncacheable("a number among the arguments is not finite")
    return made


def _headers(headers: Any) -> dict[str, Any]:
    if not isinstance(headers, Mapping):
        raise Uncacheable(f"extra_headers of type {type(headers).__name__}")
    lowered = sorted((str(name).lower(), value) for name, value in headers.items())
    return {name: value for name, value in lowered if name not in _HEADERS and type(value).__name__ not in _NOT_GIVEN}


def _default(value: Any) -> Any:
    """What orjson has no form for. Fragments that are no JSON: no argument that is JSON can look the same."""
    kind = type(value)
    if kind.__name__ in _NOT_GIVEN:
        return orjson.Fragment(b"<absent>")
    if isinstance(value, bytes | bytearray | memoryview):
        return orjson.Fragment(b"<bytes %s>" % sha256(value).hexdigest().encode())
    if isinstance(value, type):
        return orjson.Fragment(b"<class %s>" % _class(value))
    if hasattr(kind, "model_dump"):
        return value.model_dump(exclude_unset=True, by_alias=True, warnings=False)  # as the SDKs send it
    if isinstance(value, Iterator | PathLike) or callable(value) or hasattr(value, "read"):
        raise Uncacheable(f"an argument of type {kind.__name__} can't be looked at without using it up")
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, Collection) and not isinstance(value, AbstractSet):
        return list(value)
    if kind.__name__ in {"datetime", "date", "time"}:
        return orjson.Fragment(b"<%s %s>" % (kind.__name__.encode(), value.isoformat().encode()))
    raise Uncacheable(f"an argument of type {kind.__name__} has no known form")


_classes: WeakKeyDictionary[type, bytes] = WeakKeyDictionary()


def _class(kind: type) -> bytes:
    """A class that an answer is to be read into, by its schema: what the model is told of it."""
    found = _classes.get(kind)
    if found is None:
        found = _classes[kind] = sha256(orjson.dumps([kind.__module__, kind.__qualname__, _schema(kind)])).digest()
    return found.hex().encode()


def _schema(kind: type) -> Any:
    try:
        described: Callable[[], Any] | None = getattr(kind, "model_json_schema", None)
        if described is None:
            from pydantic import TypeAdapter  # noqa: PLC0415  the SDKs that take classes bring it

            described = TypeAdapter(kind).json_schema
        return described()
    except Exception as error:
        raise Uncacheable(f"the class {kind.__name__} has no schema") from error


def _is_finite(value: Any) -> bool:
    if isinstance(value, float):
        return isfinite(value)
    if isinstance(value, Mapping):
        return all(map(_is_finite, value.values()))
    if isinstance(value, list | tuple):
        return all(map(_is_finite, value))
    dump = getattr(value, "model_dump", None)
    return dump is None or isinstance(value, type) or _is_finite(dump())
