"""What had come of a call that failed: kept beside the exception that the app gets, and gone with it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

if TYPE_CHECKING:
    from .attempt import Attempt, Failure
    from .call import Call, Usage

__all__ = ["Interruption", "Tried", "interruption", "note"]

_kept: WeakKeyDictionary[BaseException, Interruption] = WeakKeyDictionary()
_ATTRIBUTE = "_otelllm_interruption"
"""Where it is kept of Python's own exceptions: they take no weak references."""


@dataclass(frozen=True, slots=True)
class Tried:
    """One request that was let go to a provider."""

    number: int
    model: str | None
    endpoint: str
    """Of the policy's `[[endpoints]]`; empty where the app's client sends."""
    key: str | None
    """The hash of its API key."""
    status: int | None
    error_type: str | None
    request_id: str | None
    waited_s: float


@dataclass(frozen=True, slots=True)
class Interruption:
    """What is known of a call whose exception the app holds."""

    text: str | None
    """What the app had got of the answer by then; None where no content is captured and no [retries] ask for it."""
    usage: Usage | None
    """What was used, as far as it is known; `usage.estimated` where the provider never counted."""
    attempts: tuple[Tried, ...]
    """Empty where no policy steers the call."""
    released: bool
    """The app has got some of the answer: asked again, it comes a second time."""
    may_retry: bool
    """Trying again repeats nothing, and the failure is one that passes by itself."""


def note(call: Call, failure: Failure | None) -> None:
    """Keep what had come of `call` beside its exception. The messages of its reading are there, where they are kept."""
    error, reading = call.error, call.reading
    if not isinstance(error, Exception):
        return
    text = None
    if call.captures or call.keeps_text:
        parts = (part for message in reading.messages for part in message.get("parts", ()))
        text = "".join(str(part.get("content", "")) for part in parts if part.get("type") == "text")
    released = call.timing.chunks > 0
    told = Interruption(
        text,
        None if reading.usage is None else replace(reading.usage),
        tuple(_tried(one, call) for one in call.attempts),
        released,
        not released and failure is not None and failure.may_retry is not False and failure.kind in _PASSING,
    )
    try:
        _kept[error] = told
    except TypeError:
        error.__dict__[_ATTRIBUTE] = told


_PASSING = frozenset({"429", "5xx", "timeout", "connection"})


def interruption(error: BaseException) -> Interruption | None:
    """What had come of the call that failed with `error`: partial text, usage so far, attempts, is trying again safe.

    For whole calls and for streams; `error` is the exception as the app got it: the provider SDK's own, or `Blocked`.
    None where it is of no call that we have seen.
    """
    kept: Interruption | None = getattr(error, "__dict__", {}).get(_ATTRIBUTE)
    try:
        return _kept.get(error, kept)
    except TypeError:
        return kept


def _tried(attempt: Attempt, call: Call) -> Tried:
    target = attempt.target
    return Tried(
        attempt.number,
        attempt.model,
        target.endpoint,
        target.key.hash if target.key is not None else call.key,
        attempt.failure.status if attempt.failure is not None else None,
        attempt.error_type,
        attempt.request_id,
        attempt.waited_s,
    )
