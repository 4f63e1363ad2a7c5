"""An answer as it can be given again: the provider's bytes, and what is needed to make the SDK's object of them."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Literal, NamedTuple

import orjson

__all__ = ["NO_HEADERS", "Recorded", "Revived", "packed", "unpacked"]

FORM = b"otelllm2"
"""How a record begins. Bump it when an older reader would misread a newer one: what it can't read is no hit."""


NO_HEADERS: Mapping[str, str] = MappingProxyType({})


class Recorded(NamedTuple):
    """Immutable, so that nothing which the app does to one answer reaches the next."""

    kind: Literal["whole", "stream"]
    body: bytes
    """The provider's JSON, or its stream of events."""
    type: str = ""
    """`module:Class` of a whole answer that its own class reads back exactly; empty where only the SDK's way of reading
    a response gives it again.
    """
    cuts: tuple[int, ...] = ()
    """Where the pieces of a stream ended, as they came."""
    headers: Mapping[str, str] = NO_HEADERS
    usd: float | None = None
    """What it cost; None where that is not known."""
    seconds: float = 0.0
    """How long the provider took."""
    at: float = 0.0
    """When it came, in seconds since the epoch."""
    span: str = ""
    """The id of the span of the call that it answered."""

    def pieces(self) -> list[bytes]:
        """The stream as it came, piece by piece."""
        ends = (*self.cuts, len(self.body))
        return [self.body[start:end] for start, end in zip((0, *self.cuts), ends, strict=True) if end > start]


class Revived(NamedTuple):
    """A recorded answer in the SDK's own terms."""

    result: Any = None
    """What the SDK's method would have returned; None where the method must be called to make it."""
    instance: Any = None
    """A resource whose methods give the answer, offline."""


def packed(recorded: Recorded) -> bytes:
    """Its bytes: a line of JSON, and the body. Never a pickle: others may write to where it is kept."""
    it = recorded
    head = [it.kind, it.type, it.cuts, dict(it.headers), it.usd, it.seconds, it.at, it.span]
    return b"%b%b\n%b" % (FORM, orjson.dumps(head), it.body)


def unpacked(record: bytes) -> Recorded | None:
    """What was packed; None for anything else."""
    head, newline, body = record.partition(b"\n")
    if not newline or not head.startswith(FORM):
        return None
    try:
        kind, type_, cuts, headers, usd, seconds, at, span = orjson.loads(head[len(FORM) :])
        return Recorded(kind, body, type_, tuple(cuts), headers, usd, seconds, at, span)
    except (ValueError, TypeError):
        return None
