"""A query's answer as records, or as the spans that sums are made of."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from ...span_row import Light
from ..spec import Record

if TYPE_CHECKING:
    import duckdb

__all__ = ["light_spans", "records"]


def records(own: duckdb.DuckDBPyConnection, query: str, values: dict[str, object]) -> list[Record]:
    """A query's rows by the names of their columns."""
    result = own.execute(query, values)
    names = [column[0] for column in result.description]
    return [dict(zip(names, row, strict=True)) for row in result.fetchall()]


def light_spans(
    own: duckdb.DuckDBPyConnection, query: str, values: Mapping[str, object], *, place: int = 0
) -> list[Light]:
    """A query's rows, of which each is a span, as far as sums need it."""
    result = own.execute(query, values)
    names = [column[0] for column in result.description]
    found = [dict(zip(names, row, strict=True)) for row in result.fetchall()]
    return [Light(**{**one, "trace_id": one["trace_id"].bytes, "place": place}) for one in found]
