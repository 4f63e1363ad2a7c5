"""Sums of whole hours, and of longer stretches out of these, kept: made behind the writer where nothing comes any more,
used for questions that have no filter but the time (sums.py). A stretch whose spans change is taken out in the
transaction that changes them.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import CancelledError, Executor, Future
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, NamedTuple

from ...questions import Busy, SpanFilter
from ...sql import sql
from ..spec import Record
from . import text_index
from .stretches import HOUR_NS, Stretch
from .sums import EVERYTHING, sum_spans, sum_users
from .text_index import Moment

if TYPE_CHECKING:
    import duckdb

    from .writing import Writing

__all__ = ["HourSums"]

QUIET_S = 60.0
"""An hour into which nothing came for so long is summed; whatever comes later takes it out again."""
LONGER_QUIET_S = 600.0
"""The same of longer stretches."""
LOOK_S = 0.05

Cursor = Callable[[], AbstractContextManager[Any]]


class _Row:
    """A row to be inserted, its columns as attributes."""

    def __init__(self, record: Record, **more: object) -> None:
        self.__dict__.update(record, **more)


class _Made(NamedTuple):
    """Rows of one stretch, by table."""

    summed: list[Stretch]
    """Itself, where there are spans in it."""
    hour_sums: list[_Row]
    user_sums: list[_Row]
    named_blocks: list[_Row]


class HourSums:
    """Which hours are still to be summed, and the next step. Only the writer's thread comes here."""

    def __init__(self, writing: Writing) -> None:
        self._writing = writing
        self._found: Future[set[int]] | None = None
        self._is_looked_for = False
        self._at_work: tuple[Stretch, float | None, Future[_Made]] | None = None

    @property
    def to_sum(self) -> int:
        """Hours that are not summed, and longer stretches that could be; before hours are looked for at least one."""
        return len(self._writing.hours.changed) + len(self._quiet()) + (not self._is_looked_for)

    def step(self, cursor: Cursor, executor: Executor, moment: Moment) -> float | None:
        """Begin with a stretch, or store one that is summed; seconds until the next step, None where there is none."""
        try:
            if self._at_work is not None:
                return self._store_summed(*self._at_work)
            if not self._is_looked_for:
                return self._look(cursor, executor, moment)
        except (Busy, CancelledError):  # the collector stops
            return None
        due = None if moment is Moment.TAKEN else self._due()
        if due is None:
            return None
        self._at_work = due, self._version(due), executor.submit(_made, cursor, due)
        return LOOK_S

    def _due(self) -> Stretch | None:
        """The shortest and oldest of which nothing changes any more."""
        hours, now = self._writing.hours, time.monotonic()
        hour = min((hour for hour, at in hours.changed.items() if at < now - QUIET_S), default=None)
        if hour is not None:
            return Stretch(hour, 1)
        return min(self._quiet(), key=lambda one: (one.hours, one.start_ns), default=None)

    def _quiet(self) -> list[Stretch]:
        """Longer stretches of which nothing changes any more."""
        hours, before = self._writing.hours, time.monotonic() - LONGER_QUIET_S
        return [one for one in hours.unmade if hours.touched(one) < before and hours.is_complete(one)]

    def _version(self, stretch: Stretch) -> float | None:
        hours = self._writing.hours
        if stretch.hours == 1:
            return hours.changed.get(stretch.start_ns)
        return hours.touched(stretch) if hours.is_complete(stretch) else None

    def _look(self, cursor: Cursor, executor: Executor, moment: Moment) -> float | None:
        """For hours of before the start that are not summed."""
        if self._found is None:
            if moment is not Moment.IDLE:
                return None
            self._found = executor.submit(_stored_hours, cursor)
        if not self._found.done():
            return LOOK_S
        for hour in self._found.result() - self._writing.hours.summed:
            self._writing.hours.changed.setdefault(hour, 0.0)
        self._is_looked_for = True
        return 0.0

    def _store_summed(self, stretch: Stretch, version: float | None, made: Future[_Made]) -> float:
        if not made.done():
            return LOOK_S
        self._at_work = None
        if self._version(stretch) == version:  # else its spans have changed meanwhile
            self._store(stretch, made.result())
        return 0.0

    def _store(self, stretch: Stretch, made: _Made) -> None:
        hours = self._writing.hours
        with self._writing.transaction():
            hours.take_out({stretch})
            for table, rows in made._asdict().items():
                self._writing.insert(table, rows)
        if stretch.hours == 1:
            hours.is_summed(stretch.start_ns, has_spans=bool(made.summed))
        else:
            hours.is_made(stretch)


def _stored_hours(cursor: Cursor) -> set[int]:
    with cursor() as own:
        query = "select distinct start_ns // $hour * $hour from raw.spans order by 1"
        return {hour for (hour,) in own.execute(query, {"hour": HOUR_NS}).fetchall()}


def _made(cursor: Cursor, stretch: Stretch) -> _Made:
    with cursor() as own:
        return _of_hour(own, stretch) if stretch.hours == 1 else _of_shorter(own, stretch)


def _of_hour(own: duckdb.DuckDBPyConnection, hour: Stretch) -> _Made:
    spans = SpanFilter(start=hour.start_ns, end=hour.end_ns)
    bounds = {"start": hour.start_ns, "end": hour.end_ns}
    rows = [
        _Row(record, hour_ns=hour.start_ns, dimension=dimension)
        for dimension in ("none", "model")
        for record in sum_spans(own, dimension, "none", spans, EVERYTHING, percentiles=True)
    ]
    users = sum_spans(own, "user", "none", spans, EVERYTHING, percentiles=False) if rows else []
    found = own.execute(sql("read/blocks_of_hour"), {**bounds, "size": text_index.BLOCK}).fetchall()
    some = "select 1 from raw.spans where start_ns >= $start and start_ns < $end limit 1"
    has_spans = bool(rows or found or own.execute(some, bounds).fetchall())
    return _Made(
        [hour] if has_spans else [],
        rows,
        [_Row(record, start_ns=hour.start_ns, hours=1) for record in users],
        [_Row({}, hour_ns=hour.start_ns, block=block) for (block,) in found],
    )


def _of_shorter(own: duckdb.DuckDBPyConnection, longer: Stretch) -> _Made:
    is_there, users = sum_users(own, longer)
    rows = [_Row(record, start_ns=longer.start_ns, hours=longer.hours) for record in users]
    return _Made([longer] if is_there else [], [], rows, [])
