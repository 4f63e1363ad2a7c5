"""Circuit breakers: a target that fails again and again is left out for a while, then tried by one call alone."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from . import values
from .values import Keys

__all__ = ["BREAKS", "Breaker", "BreakerRules", "Breakers", "read"]

BREAKS = frozenset({"429", "5xx", "timeout", "connection"})
"""What says that a target is in trouble. What a request itself is to blame for says nothing."""


@dataclass(frozen=True, slots=True)
class BreakerRules:
    """`breaker` of a fallback."""

    errors: int = 5
    within_s: float = 30.0
    open_s: float = 20.0


def read(value: object, path: Keys) -> BreakerRules:
    """`breaker = { errors = 5, within = "30s", open = "20s" }`."""
    table: Mapping[str, object] = values.table(value, path, ("errors", "within", "open"))
    rules = BreakerRules()
    return BreakerRules(
        values.whole(table.get("errors", rules.errors), (*path, "errors")),
        values.duration_s(table.get("within", rules.within_s), (*path, "within")),
        values.duration_s(table.get("open", rules.open_s), (*path, "open")),
    )


class Breaker:
    """Closed: calls pass, errors are counted. Open: none passes. Half-open: one trial call decides.

    Without a lock: what must happen once is a `pop`, which is atomic, of the list that belongs to one opening.
    """

    __slots__ = ("_clock", "_errors", "_opened")

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._errors: deque[float] = deque(maxlen=1024)
        self._opened: tuple[float, list[bool]] | None = None
        """When it opened, and the ticket of the one trial; None while closed."""

    def passes(self, rules: BreakerRules) -> bool:
        """Whether a call may go to the target; while half-open, the first that asks, and no other."""
        opened, now = self._opened, self._clock()
        if opened is None:
            return True
        if now < opened[0] + rules.open_s:
            return False
        try:
            opened[1].pop()
        except IndexError:
            return False
        self._open(now)  # a trial whose end is never told must not keep the target out for ever
        return True

    @property
    def is_open(self) -> bool:
        """Whether the target is left out, but for a trial."""
        return self._opened is not None

    def failed(self, rules: BreakerRules) -> bool:
        """One error; whether the breaker is open by now."""
        now = self._clock()
        self._errors.append(now)
        is_one_too_many = sum(1 for at in list(self._errors) if at > now - rules.within_s) >= rules.errors
        if self._opened is not None or is_one_too_many:
            self._open(now)
        return self._opened is not None

    def succeeded(self) -> None:
        """An answer came: whatever was, the target works."""
        if self._opened is not None:
            self._opened = None
            self._errors.clear()

    def _open(self, now: float) -> None:
        self._opened = (now, [True])


class Breakers:
    """A breaker for each target; they outlive a change of the policy."""

    __slots__ = ("_breakers", "_clock")

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._breakers: dict[tuple[str, str, str], Breaker] = {}

    def of(self, provider: str, endpoint: str, model: str) -> Breaker:
        """The breaker of one target."""
        place = (provider, endpoint, model)
        found = self._breakers.get(place)
        return found if found is not None else self._breakers.setdefault(place, Breaker(self._clock))
