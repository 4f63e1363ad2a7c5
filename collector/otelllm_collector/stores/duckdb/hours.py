"""Sums of whole hours, kept: made behind the writer of hours into which nothing comes any more, used for questions that
have no filter but the time. An hour whose spans change is taken out in the transaction that changes them.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError, Executor, Future
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ...questions import Busy, SpanFilter
from ...sql import sql
from ..spec import Record
from .changed_hours import HOUR_NS
from .conditions import BUCKETS, KEYS, span_condition, with_condition
from .records import records
from .text_index import Moment
from .text_search import search_everything

if TYPE_CHECKING:
    import duckdb

    from .writing import Writing

__all__ = ["HourSums", "list_sums"]

QUIET_S = 60.0
"""An hour into which nothing came for so long is summed; whatever comes later takes it out again."""
LOOK_S = 0.05
GAPS = 200
"""Stretches of time between the hours that are summed: with more of them all spans are asked."""
EVERYTHING = 1_000_000_000

Cursor = Callable[[], AbstractContextManager[Any]]


class HourSums:
    """Which hours are still to be summed, and the next step. Only the writer's thread comes here."""

    def __init__(self, writing: Writing) -> None:
        self._writing = writing
        self._found: Future[set[int]] | None = None
        self._is_looked_for = False
        self._at_work: tuple[int, float, Future[list[Any]]] | None = None

    @property
    def to_sum(self) -> int:
        """Hours that are not summed; before they are looked for at least one."""
        return len(self._writing.hours.changed) + (not self._is_looked_for)

    def step(self, cursor: Cursor, executor: Executor, moment: Moment) -> float | None:
        """Begin with an hour, or store one that is summed; seconds until the next step, None where there is none."""
        try:
            if self._at_work is not None:
                return self._store_summed(*self._at_work)
            if not self._is_looked_for:
                return self._look(cursor, executor, moment)
        except (Busy, CancelledError):  # the collector stops
            return None
        quiet = time.monotonic() - QUIET_S
        due = min((hour for hour, at in self._writing.hours.changed.items() if at < quiet), default=None)
        if moment is Moment.TAKEN or due is None:
            return None
        version = self._writing.hours.changed[due]
        self._at_work = due, version, executor.submit(_summed, cursor, due)
        return LOOK_S

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

    def _store_summed(self, hour: int, version: float, summed: Future[list[_Row]]) -> float:
        if not summed.done():
            return LOOK_S
        self._at_work = None
        if self._writing.hours.changed.get(hour) == version:  # else its spans have changed meanwhile
            self._store(hour, summed.result())
        return 0.0

    def _store(self, hour: int, rows: list[_Row]) -> None:
        with self._writing.transaction():
            self._writing.hours.take_out({hour})
            self._writing.insert("hour_sums", rows)
        self._writing.hours.is_summed(hour, has_spans=bool(rows))


class _Row:
    """A row to be inserted, its columns as attributes."""

    def __init__(self, hour: int, dimension: str, record: Record) -> None:
        self.__dict__.update(record, hour_ns=hour, dimension=dimension)


def _stored_hours(cursor: Cursor) -> set[int]:
    with cursor() as own:
        query = "select distinct start_ns // $hour * $hour from raw.spans order by 1"
        return {hour for (hour,) in own.execute(query, {"hour": HOUR_NS}).fetchall()}


def _summed(cursor: Cursor, hour: int) -> list[_Row]:
    spans = SpanFilter(start=hour, end=hour + HOUR_NS)
    rows = []
    with cursor() as own:
        for dimension in ("none", "model", "user"):
            found = _directly(own, dimension, "none", spans, EVERYTHING, percentiles=dimension != "user")
            rows += [_Row(hour, dimension, record) for record in found]
        if (
            not rows
            and own.execute(
                "select 1 from raw.spans where start_ns >= $start and start_ns < $end limit 1",
                {"start": hour, "end": hour + HOUR_NS},
            ).fetchone()
        ):
            nothing = dict.fromkeys(
                ("calls", "errors", "input_tokens", "output_tokens", "cache_read_tokens", "reasoning_tokens",
                 "unpriced_calls"), 0,
            )  # fmt: skip
            none = (
                "key",
                "cost_usd",
                *(f"ttft_p{p}_ms" for p in (50, 95)),
                *(f"duration_p{p}_ms" for p in (50, 95, 99)),
            )
            rows = [_Row(hour, "none", {**nothing, **dict.fromkeys(none)})]
    return rows


def list_sums(
    own: duckdb.DuckDBPyConnection, by: str, bucket: str, spans: SpanFilter, limit: int, *, percentiles: bool
) -> list[Record]:
    """Sums, and percentiles, of model calls: out of whole hours where nothing but the time is asked for."""
    is_kept = by in ("none", "model", "user") and (
        bucket == "hour" and by != "user" if percentiles else bucket != "minute"
    )
    if not is_kept or replace(spans, start=None, end=None) != SpanFilter():
        search_everything(own, spans)
        return _directly(own, by, bucket, spans, limit, percentiles=percentiles)
    own.execute("begin transaction read only")  # hours and spans have to be of one moment
    try:
        first = -(-(spans.start or 0) // HOUR_NS) * HOUR_NS
        last = (2**62 if spans.end is None else spans.end) // HOUR_NS * HOUR_NS
        found = own.execute(sql("read/summed_hours"), {"first": first, "last": last})
        hours = [hour for (hour,) in found.fetchall()]
        gaps = list(_gaps(hours, spans.start or 0, spans.end))
        if not hours or len(gaps) > GAPS:
            return _directly(own, by, bucket, spans, limit, percentiles=percentiles)
        return _with_hours(own, by, bucket, (first, last), gaps, limit, percentiles=percentiles)
    finally:
        own.execute("rollback")


def _gaps(hours: list[int], start: int, end: int | None) -> Iterator[tuple[int, int | None]]:
    for hour in hours:
        if start < hour:
            yield start, hour
        start = hour + HOUR_NS
    if end is None or start < end:
        yield start, end


def _directly(
    own: duckdb.DuckDBPyConnection, by: str, bucket: str, spans: SpanFilter, limit: int, *, percentiles: bool
) -> list[Record]:
    condition = span_condition(spans)
    query = with_condition("read/aggregates" if percentiles else "read/sums", condition)
    query = query.replace("/*key*/ null", KEYS[by]).replace("/*bucket*/ null", BUCKETS[bucket])
    return records(own, query, condition.values | {"limit": limit})


def _with_hours(
    own: duckdb.DuckDBPyConnection, by: str, bucket: str, bounds: tuple[int, int], gaps: list[tuple[int, int | None]],
    limit: int, *, percentiles: bool,
) -> list[Record]:  # fmt: skip
    # Numbers of ours, as text: a bound that is a parameter prunes no row groups where there are several.
    within = " or ".join(
        f"s.start_ns >= {start:d}" + ("" if end is None else f" and s.start_ns < {end:d}") for start, end in gaps
    )
    others = sql("read/aggregates" if percentiles else "read/sums").replace(
        "/*condition*/ true", f"({within or 'false'})"
    )
    others = others.replace("/*key*/ null", KEYS[by]).replace("/*bucket*/ null", BUCKETS[bucket])
    others = others[: others.rindex("order by")]
    buckets = BUCKETS[bucket].replace("s.start_ns", "h.hour_ns")
    query = (
        sql("read/sums_of_hours" if percentiles else "read/sums_over_hours")
        .replace("/*others*/", others)
        .replace("/*bucket*/ null", buckets)
    )
    return records(own, query, {"dimension": by, "first": bounds[0], "last": bounds[1], "limit": limit})
