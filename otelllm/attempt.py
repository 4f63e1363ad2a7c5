"""One try of a call: where it goes, and how it went. A call has one for each request that we let go to a provider."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

__all__ = ["AS_ASKED", "Attempt", "Failure", "FailureKind", "Key", "Target"]

FailureKind = Literal["429", "5xx", "timeout", "connection", "context_length", "content_policy", "spend_cap", "other"]
"""Why the provider gave no answer; `spend_cap` is a 429 that no waiting helps (quota, billing)."""


@dataclass(frozen=True, slots=True)
class Key:
    """An API key out of a pool. Never shown: not by `repr`, not on a span."""

    name: str
    """What the policy calls it: "env:OPENAI_KEY_1"."""
    secret: str = field(repr=False)
    hash: str
    """What spans and buckets know it by."""


@dataclass(frozen=True, slots=True)
class Target:
    """Where an attempt goes: what routes, fallbacks and key pools change of what the app asked for."""

    model: str | None = None
    """None where it is the app's own; likewise all below."""
    endpoint: str = ""
    """The name of one of the policy's `[[endpoints]]`."""
    base_url: str | None = None
    key: Key | None = None
    max_tokens: int | None = None
    """The output limit that is sent."""


AS_ASKED = Target()
"""Just what the app asked for."""


class Failure(NamedTuple):
    """How a provider refused or failed, as retries and fallbacks need to know it."""

    kind: FailureKind
    status: int | None = None
    retry_after_s: float | None = None
    """How long the provider asked us to wait."""
    may_retry: bool | None = None
    """What the provider itself said of trying again; None where it said nothing."""


@dataclass(slots=True)
class Attempt:
    """One request: begun, ended, and what was reserved for it."""

    number: int
    """From 1."""
    target: Target
    began: int
    """On the monotonic clock, ns."""
    model: str | None = None
    """What it asks for, whether that is the app's own or the target's."""
    ended: int | None = None
    """On the same clock."""
    waited_s: float = 0.0
    """Before it was sent: in a queue, or for a retry."""
    error_type: str | None = None
    failure: Failure | None = None
    request_id: str | None = None
    reserved: Any = None
    """What admission holds for it; nobody else looks at it. None once it is settled."""
