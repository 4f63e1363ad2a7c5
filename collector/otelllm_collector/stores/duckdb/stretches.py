"""Stretches of time of which sums are kept: hours, and longer ones made of them, from one day to sixty-four."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, NamedTuple

from ...sql import sql

if TYPE_CHECKING:
    import duckdb

__all__ = ["HOUR_NS", "LENGTHS", "Stretch", "between", "whole_stretches"]

HOUR_NS = 3_600_000_000_000
LENGTHS = (24, 48, 96, 192, 384, 768, 1536)
"""Hours of the longer stretches; each MUST be a multiple of the one before."""


class Stretch(NamedTuple):
    """So many hours, from a time that is a multiple of them."""

    start_ns: int
    hours: int

    @property
    def end_ns(self) -> int:
        """The first nanosecond after it."""
        return self.start_ns + self.hours * HOUR_NS


def between(whole: Iterable[Stretch], start: int, end: int | None) -> Iterator[tuple[int, int | None]]:
    """What of a time is in none of these stretches, which follow each other."""
    for one in whole:
        if start < one.start_ns:
            yield start, one.start_ns
        start = one.end_ns
    if end is None or start < end:
        yield start, end


def whole_stretches(own: duckdb.DuckDBPyConnection, start: int, end: int | None, longest: int) -> list[Stretch]:
    """Stretches that are summed, in order, none inside another: few long ones and no more short ones than needed."""
    values = {"start": start, "end": 2**63 - 1 if end is None else end, "longest": longest, "hour": HOUR_NS}
    found: list[Stretch] = []
    for one in map(Stretch._make, own.execute(sql("read/summed"), values).fetchall()):
        if not found or one.start_ns >= found[-1].end_ns:
            found.append(one)
    return found
