"""Sums, and percentiles, of model calls: of stretches that are summed whole (hours.py), and of all other spans."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import groupby
from operator import attrgetter
from typing import TYPE_CHECKING

from ...questions import SpanFilter
from ...sql import sql
from ..spec import Record
from .conditions import BUCKETS, KEYS, either_time, span_condition, with_condition
from .records import records
from .stretches import LENGTHS, Stretch, between, whole_stretches
from .text_search import search_everything

if TYPE_CHECKING:
    import duckdb

__all__ = ["EVERYTHING", "list_sums", "sum_spans", "sum_users"]

GAPS = 200
"""Stretches of time between those that are summed: with more of them all spans are asked."""
EVERYTHING = 1_000_000_000
LONGEST = {"none": LENGTHS[-1], "day": 24, "hour": 1}
"""Bucket -> hours of the longest stretches whose sums are of use."""


def list_sums(
    own: duckdb.DuckDBPyConnection, by: str, bucket: str, spans: SpanFilter, limit: int, *, percentiles: bool
) -> list[Record]:
    """A row a group, out of whole stretches where nothing but the time is asked for."""
    is_kept = by in ("none", "model", "user") and (
        bucket == "hour" and by != "user" if percentiles else bucket != "minute"
    )
    if not is_kept or replace(spans, start=None, end=None) != SpanFilter():
        return sum_spans(own, by, bucket, search_everything(own, spans), limit, percentiles=percentiles)
    own.execute("begin transaction read only")  # what is summed and spans have to be of one moment
    try:
        whole = whole_stretches(own, spans.start or 0, spans.end, LONGEST[bucket] if by == "user" else 1)
        gaps = list(between(whole, spans.start or 0, spans.end))
        if not whole or len(gaps) > GAPS:
            return sum_spans(own, by, bucket, spans, limit, percentiles=percentiles)
        return _with_whole(own, by, bucket, whole, gaps, limit, percentiles=percentiles)
    finally:
        own.execute("rollback")


def sum_spans(
    own: duckdb.DuckDBPyConnection, by: str, bucket: str, spans: SpanFilter, limit: int, *, percentiles: bool
) -> list[Record]:
    """The same out of spans alone."""
    condition = span_condition(spans)
    query = with_condition("read/aggregates" if percentiles else "read/sums", condition)
    query = query.replace("/*key*/ null", KEYS[by]).replace("/*bucket*/ null", BUCKETS[bucket])
    return records(own, query, condition.values | {"limit": limit})


def sum_users(own: duckdb.DuckDBPyConnection, longer: Stretch) -> tuple[bool, list[Record]]:
    """Whether there are shorter stretches in a longer one, and the sums of users over these."""
    own.execute("begin transaction read only")
    try:
        whole = whole_stretches(own, longer.start_ns, longer.end_ns, longer.hours - 1)
        return bool(whole), _with_whole(own, "user", "none", whole, [], EVERYTHING, percentiles=False) if whole else []
    finally:
        own.execute("rollback")


def _with_whole(
    own: duckdb.DuckDBPyConnection, by: str, bucket: str, whole: Sequence[Stretch],
    gaps: Sequence[tuple[int, int | None]], limit: int, *, percentiles: bool,
) -> list[Record]:  # fmt: skip
    others = sql("read/aggregates" if percentiles else "read/sums").replace(
        "/*condition*/ true", either_time("s.start_ns", gaps)
    )
    others = others.replace("/*key*/ null", KEYS[by]).replace("/*bucket*/ null", BUCKETS[bucket])
    others = others[: others.rindex("order by")]
    query = (
        sql("read/sums_of_hours" if percentiles else "read/sums_over_hours")
        .replace("/*others*/", others)
        .replace("/*kept*/ raw.hour_sums", _kept(by, whole))
        .replace("/*bucket*/ null", BUCKETS[bucket].replace("s.start_ns", "h.hour_ns"))
    )
    return records(own, query, {"limit": limit})


def _kept(by: str, whole: Sequence[Stretch]) -> str:
    """The rows of these stretches. Those of one length that follow each other are one part, of which row groups are
    pruned: whatever is between two of them and as long is one of them.
    """
    runs = [(hours, list(run)) for hours, run in groupby(whole, attrgetter("hours"))]
    bounds = [(hours, run[0].start_ns, run[-1].start_ns) for hours, run in runs]
    if by != "user":
        [(_, first, last)] = bounds
        return f"(select * from raw.hour_sums where dimension = '{by}' and hour_ns between {first:d} and {last:d})"  # noqa: S608  one of our words
    parts = (
        "select *, start_ns as hour_ns from raw.user_sums "  # noqa: S608  numbers of ours
        f"where hours = {hours:d} and start_ns between {first:d} and {last:d}"
        for hours, first, last in bounds
    )
    return f"({' union all '.join(parts)})"
