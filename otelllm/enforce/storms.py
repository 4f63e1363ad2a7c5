"""The storm breaker: when many calls fail at once, retries would multiply the load that the provider can't bear."""

from __future__ import annotations

from collections.abc import Callable

__all__ = ["FREE", "Place", "Storms"]

WINDOW_S = 60
FREE = 10
"""Retries a minute that are let through whatever the ratio: an app of few calls may still retry one."""

Place = tuple[str, str]
"""Provider, and endpoint or host."""


class Storms:
    """Requests and retries of the last minute, for each provider and endpoint, in this process.

    Counts in seconds' slots, without a lock: a count lost between two threads does no harm.
    """

    __slots__ = ("_clock", "_requests", "_retries")

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._requests: dict[Place, dict[int, int]] = {}
        self._retries: dict[Place, dict[int, int]] = {}

    def request(self, place: Place) -> None:
        """A call goes to `place` for the first time."""
        self._count(self._requests, place)

    def may_retry(self, place: Place, ratio: float) -> bool:
        """Whether one more retry is within `ratio` of the minute's requests; if so, it is counted."""
        retries = self._of_minute(self._retries, place)
        if retries >= FREE and retries + 1 > ratio * self._of_minute(self._requests, place):
            return False
        self._count(self._retries, place)
        return True

    def _count(self, counts: dict[Place, dict[int, int]], place: Place) -> None:
        second = int(self._clock())
        slots = counts.get(place)
        if slots is None:
            slots = counts.setdefault(place, {})
        if second in slots:
            slots[second] += 1
            return
        slots[second] = 1
        if len(slots) > 2 * WINDOW_S:
            for old in [one for one in list(slots) if one <= second - WINDOW_S]:
                slots.pop(old, None)

    def _of_minute(self, counts: dict[Place, dict[int, int]], place: Place) -> int:
        since = int(self._clock()) - WINDOW_S
        return sum(count for second, count in list(counts.get(place, {}).items()) if second > since)
