"""Rows that SQL sees under a name, for as long as a block lasts."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import duckdb
import nanoarrow as na  # type: ignore[import-untyped]  # nanoarrow publishes no types

from ...columns import table

__all__ = ["Named", "Registered", "insertion", "read_columns"]


class Named(NamedTuple):
    """Rows as a table of this name with these columns, name -> DuckDB's type."""

    name: str
    columns: dict[str, str]
    rows: Sequence[object]
    message_ids: Mapping[bytes, int] | None = None
    """Of rows that name messages: hash -> the id that the table has in its place."""


class Registered:
    """An Arrow table that DuckDB sees under its name inside the block."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, name: str, made: na.Array) -> None:
        self._connection, self._name = connection, name
        connection.register(name, made)

    @classmethod
    def of_rows(cls, connection: duckdb.DuckDBPyConnection, named: Named) -> Registered:
        """The rows as such a table."""
        return cls(connection, named.name, table(named.columns, named.rows, named.message_ids))

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        # A transaction that an error has aborted refuses this too, and the error must be told, not the refusal; the
        # next rows of this name take its place.
        with contextlib.suppress(*((duckdb.TransactionException,) if kind else ())):
            self._connection.unregister(self._name)


def insertion(table_name: str) -> str:
    """Insert the rows that are registered as `batch_rows`."""
    return f"insert into raw.{table_name} by name select * from batch_rows"  # noqa: S608  our own table's name


def read_columns(connection: duckdb.DuckDBPyConnection, tables: Sequence[str]) -> dict[str, dict[str, str]]:
    """The tables' own columns and types: the schema says them, nobody repeats them."""
    columns = {}
    for name in tables:
        described = connection.execute(f"describe raw.{name}").fetchall()
        columns[name] = {row[0]: row[1] for row in described}
    return columns
