"""Costs computed anew by today's prices, in short steps of the writer's thread."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, NamedTuple

import duckdb

from ...prices import is_ours, price, with_cost
from ...questions import MODEL_CALLS
from ...span_row import SpanRow
from ...sql import sql
from .exporting import as_span
from .slices import FOREVER, Which, slices, statement

if TYPE_CHECKING:
    from .upkeep import Job
    from .writing import Writing

__all__ = ["reprice"]

SPANS_A_STEP = 1024

COLUMNS = {
    "trace_id": "UUID", "span_id": "UBIGINT", "cost_usd": "DOUBLE", "cost_status": "VARCHAR", "attributes": "VARCHAR",
    "made": "VARCHAR",
}  # fmt: skip


class _Repriced(NamedTuple):
    trace_id: bytes
    span_id: int
    cost_usd: float | None
    cost_status: str
    attributes: str
    made: str


def reprice(own: duckdb.DuckDBPyConnection, writing: Writing, since_ns: int) -> Job:
    """Price the calls that began at `since_ns` or later, but those whose cost somebody reported; sums of traces follow.

    Returns how many calls were looked at, and how many have another cost now.
    """
    which = Which("spans", FOREVER, "x.operation in ($a, $b, $c, $d, $e)", dict(zip("abcde", MODEL_CALLS, strict=True)))
    looked_at = changed = 0
    for start, end in slices(own, which, SPANS_A_STEP, since_ns):
        bounds = {"from": start, "to": end}
        result = own.execute(statement("keep/priceable_spans", which), {**which.values, **bounds})
        names = [column[0] for column in result.description]
        rows = [as_span(dict(zip(names, row, strict=True)), {}) for row in result.fetchall()]
        repriced = list(_repriced(rows))
        looked_at, changed = looked_at + len(rows), changed + len(repriced)
        if repriced:
            own.execute("begin")
            try:
                writing.hours.note_between(start, end)
                with writing.registered("repriced_spans", COLUMNS, repriced):
                    own.execute(sql("keep/reprice"), bounds)
                writing.recount({row.trace_id for row in repriced}, start, end)
                own.execute("commit")
            except BaseException:
                own.execute("rollback")
                raise
        yield 0.0
    return {"calls": looked_at, "repriced": changed}


def _repriced(rows: Iterable[SpanRow]) -> Iterable[_Repriced]:
    for row in rows:
        if (
            not is_ours(row)
            or (cost := price(row)) is None
            or (cost.usd, cost.status) == (row.cost_usd, row.cost_status)
        ):
            continue
        if cost.usd is None and row.cost_usd is not None:
            continue  # a table that knows less takes nothing away
        yield _Repriced(row.trace_id, row.span_id, *with_cost(row, cost))
