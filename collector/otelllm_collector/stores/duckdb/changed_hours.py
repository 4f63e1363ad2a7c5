"""Which hours are summed (hours.py), and which are not any more: whoever changes spans says so here, before."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from .registered import Named

__all__ = ["HOUR_NS", "ChangedHours"]

HOUR_NS = 3_600_000_000_000


class _Hour(NamedTuple):
    hour_ns: int


class ChangedHours:
    """Hours by their first nanosecond. The writer's thread says what changes, in the transaction that changes it."""

    def __init__(self, summed: set[int], change: Callable[[str, Named, Sequence[int]], None]) -> None:
        """`change` is the writer's."""
        self.summed, self._change = summed, change
        self.changed: dict[int, float] = {}
        """Hours that are not summed -> when spans of theirs changed last; 0 of those of before the start."""

    def note(self, starts_ns: Iterable[int]) -> None:
        """Spans that began then come, change or go."""
        hours = {start // HOUR_NS * HOUR_NS for start in starts_ns}
        self.changed |= dict.fromkeys(hours, time.monotonic())
        if outdated := hours & self.summed:
            self.take_out(outdated)
            # Where this is rolled back they are in the table still, and right; and are summed anew.
            self.summed -= outdated

    def note_between(self, start_ns: int, end_ns: int) -> None:
        """The same of any of the spans that began in this time."""
        known = self.summed | self.changed.keys()
        self.note(hour for hour in known if start_ns - HOUR_NS < hour < end_ns)

    def take_out(self, hours: set[int]) -> None:
        """Delete the sums of these hours."""
        named = Named("changed_hours", {"hour_ns": "BIGINT"}, [_Hour(hour) for hour in hours])
        self._change("write/unsum_hours", named, list(hours))

    def is_summed(self, hour: int, *, has_spans: bool) -> None:
        """Nothing of the hour is to be summed any more."""
        del self.changed[hour]
        if has_spans:
            self.summed.add(hour)
