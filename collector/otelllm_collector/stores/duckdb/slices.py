"""Slices of a table by time that hold a bounded number of rows: what one step of a long job works on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import duckdb

from ...sql import sql

__all__ = ["FOREVER", "TIMES", "Which", "slices", "statement"]

TIMES = {
    "spans": "start_ns",
    "traces": "start_ns",
    "messages": "first_seen_ns",
    "contents": "time_ns",
    "logs": "time_ns",
    "metrics": "time_ns",
    "scores": "time_ns",
    "summed": "start_ns",
    "hour_sums": "hour_ns",
    "user_sums": "start_ns",
    "named_blocks": "hour_ns",
    "text_sketches": "run",  # a run of messages is newer than the one before
}
"""Tables and the column of their time."""

FOREVER = 2**63
"""After the last time that there is."""

Run = Callable[[str, dict[str, Any]], tuple[Any, ...]]


class Which(NamedTuple):
    """Rows of a table, called `x`: up to a time, and what else is to be true of them."""

    table: str
    before_ns: int
    condition: str = "true"
    values: dict[str, object] = {}  # noqa: RUF012  never changed


def statement(name: str, which: Which) -> str:
    """A file of SQL with the table, its time and the condition in their places."""
    text = sql(name).replace("/*table*/", which.table).replace("/*time*/ null", TIMES[which.table])
    return text.replace("/*condition*/ true", which.condition)


def slices(own: duckdb.DuckDBPyConnection, which: Which, most: int, begin: int = 0) -> Iterator[tuple[int, int]]:
    """From and to, in order of time, of slices of at most so many rows, those of one instant apart."""
    query = statement("keep/slice", which)

    def within(start: int, end: int) -> Iterator[tuple[int, int]]:
        [(rows, first, last)] = own.execute(query, {**which.values, "from": start, "to": end}).fetchall()
        if not rows:
            return
        if rows <= most or first == last:
            yield first, last + 1
            return
        middle = (first + last) // 2 + 1
        yield from within(first, middle)
        yield from within(middle, last + 1)

    return within(begin, which.before_ns)
