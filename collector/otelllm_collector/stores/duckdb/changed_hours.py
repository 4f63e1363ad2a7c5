"""Which stretches of time are summed (hours.py), and which not any more: whoever changes spans says so here, before."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence

from .registered import Named
from .stretches import HOUR_NS, LENGTHS, Stretch

__all__ = ["KEPT", "ChangedHours"]

KEPT = ("summed", "hour_sums", "user_sums", "named_blocks")
"""The tables with what is kept of a stretch."""


class ChangedHours:
    """Hours by their first nanosecond. The writer's thread says what changes, in the transaction that changes it."""

    def __init__(self, kept: Iterable[Stretch], change: Callable[[str, Named, Sequence[int]], None]) -> None:
        """`kept` are the stretches that are summed; `change` is the writer's."""
        self._change = change
        self.changed: dict[int, float] = {}
        """Hours that are not summed -> when spans of theirs changed last; 0 of those of before the start."""
        self.longer = set(kept)
        """Longer stretches that are summed."""
        self.summed = {one.start_ns for one in self.longer if one.hours == 1}
        self.longer -= {Stretch(hour, 1) for hour in self.summed}
        self.unmade = {one for hour in self.summed for one in _around(hour)} - self.longer
        """Longer stretches with hours that are summed, which are not summed themselves."""
        self._touched: dict[Stretch, float] = {}
        self._newest = max(self.summed, default=0)

    def note(self, starts_ns: Iterable[int]) -> None:
        """Spans that began then come, change or go."""
        hours, now = {start // HOUR_NS * HOUR_NS for start in starts_ns}, time.monotonic()
        if not hours:
            return
        self.changed |= dict.fromkeys(hours, now)
        self._newest = max(self._newest, *hours)
        around = {one for hour in hours for one in _around(hour)}
        self._touched |= dict.fromkeys(around, now)
        longer, outdated = around & self.longer, hours & self.summed
        if longer or outdated:
            self.take_out(longer | {Stretch(hour, 1) for hour in outdated})
            # Where this is rolled back they are in the tables still, and right; and are summed anew.
            self.summed -= outdated
            self.longer -= longer
            self.unmade |= longer

    def note_between(self, start_ns: int, end_ns: int) -> None:
        """The same of any of the spans that began in this time."""
        known = self.summed | self.changed.keys()
        self.note(hour for hour in known if start_ns - HOUR_NS < hour < end_ns)

    def take_out(self, stretches: set[Stretch]) -> None:
        """Delete what is kept of these."""
        columns = {"start_ns": "BIGINT", "hours": "INTEGER"}
        for table in KEPT:
            named = Named("changed_stretches", columns, list(stretches))
            self._change(f"write/unsum_{table}", named, [one.start_ns for one in stretches])

    def is_summed(self, hour: int, *, has_spans: bool) -> None:
        """Nothing of the hour is to be summed any more."""
        del self.changed[hour]
        if has_spans:
            self.summed.add(hour)
            self.unmade |= set(_around(hour)) - self.longer

    def is_made(self, longer: Stretch) -> None:
        """A longer stretch is summed."""
        self.unmade.discard(longer)
        self.longer.add(longer)

    def touched(self, longer: Stretch) -> float:
        """When spans of it changed last; 0 where they have not since the start."""
        return self._touched.get(longer, 0.0)

    def is_complete(self, longer: Stretch) -> bool:
        """Whether it has ended, and all its hours are summed."""
        return longer.end_ns <= self._newest and not any(
            longer.start_ns <= hour < longer.end_ns for hour in self.changed
        )


def _around(hour: int) -> list[Stretch]:
    return [Stretch(hour // (hours * HOUR_NS) * (hours * HOUR_NS), hours) for hours in LENGTHS]
