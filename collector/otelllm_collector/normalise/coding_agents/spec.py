"""What a coding agent is here: the events that report a call or a tool's run."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from ..values import flag, text

__all__ = ["Agent", "Event", "SyntheticSpan", "never", "shown", "unsuccessful"]

Attributes = Mapping[str, Any]

_REDACTED = frozenset({"[REDACTED]", "<REDACTED>"})


@dataclass(slots=True)
class SyntheticSpan:
    """A span that nobody sent."""

    vocabulary: str
    name: str
    start_ns: int
    end_ns: int
    trace_id: bytes
    span_id: int
    attributes: dict[str, Any]
    """The conventions' own."""
    is_error: bool
    error: str | None
    """What went wrong, in the agent's words."""


class Event(NamedTuple):
    """One kind of record that makes a span."""

    read: Callable[[Attributes], dict[str, Any] | None]
    """The conventions' attributes, the operation among them; None where this record reports no call."""
    ids: tuple[str, ...]
    """Attributes that together name the call within its session."""
    failed: Callable[[Attributes], bool]


class Agent(NamedTuple):
    """One coding agent."""

    name: str
    """As people filter by it."""
    prefix: str
    """Of its events' names."""
    common: Callable[[Attributes], dict[str, Any]]
    """What every event of it says: session, user."""
    events: Mapping[str, Event]
    """By name, without the prefix."""
    has_spans: bool
    """Whether it sends spans of its own for the same calls, if it is told to."""


def shown(value: Any) -> str | None:
    """A text that says something and was not hidden."""
    said = text(value)
    return None if said in _REDACTED else said


def never(attributes: Attributes) -> bool:
    """Of events that report only what went well."""
    return False


def unsuccessful(attributes: Attributes) -> bool:
    """Of events that say how it went."""
    return flag(attributes.get("success")) is False
