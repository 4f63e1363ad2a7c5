"""A query's answer as records."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..spec import Record

if TYPE_CHECKING:
    import duckdb

__all__ = ["records"]


def records(own: duckdb.DuckDBPyConnection, query: str, values: dict[str, object]) -> list[Record]:
    """A query's rows by the names of their columns."""
    result = own.execute(query, values)
    names = [column[0] for column in result.description]
    return [dict(zip(names, row, strict=True)) for row in result.fetchall()]
