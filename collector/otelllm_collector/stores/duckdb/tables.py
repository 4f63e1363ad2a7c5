"""The tables as the writer's connection sees them: rows go in, what is changed is changed in a second file, too."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import duckdb
import nanoarrow as na  # type: ignore[import-untyped]  # nanoarrow publishes no types

from ...sql import sql
from .changed_hours import KEPT
from .mirror import Mirror
from .registered import Named, Registered, insertion, read_columns

__all__ = ["TABLES", "Tables"]

NAME_MESSAGES = frozenset({"messages", "spans", "contents"})

TABLES = ("resources", "scopes", "messages", "spans", "traces", "contents", "scores", "logs", "metrics")
MADE_BEHIND = ("text_sketches", *KEPT)


class Tables:
    """Inserts and changes through one connection, which nobody else uses."""

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self.connection = connection
        self.columns = read_columns(connection, (*TABLES, *MADE_BEHIND))
        self.mirror: Mirror | None = None
        """Where a second file is being made of this one: what is changed here has to be changed there."""

    def insert(self, name: str, rows: Sequence[object], message_ids: Mapping[bytes, int]) -> None:
        """Add rows; messages that they name by hash have these ids."""
        if rows:
            named = Named("batch_rows", self.columns[name], rows, message_ids if name in NAME_MESSAGES else None)
            with Registered.of_rows(self.connection, named):
                self.connection.execute(insertion(name))
            if self.mirror is not None:
                self.mirror.insert(name, named)

    def insert_table(self, made: na.Array, query: str) -> None:
        """Add what a query, in which it is `batch_rows`, makes of a table of Arrow's; a mirror is not told."""
        with Registered(self.connection, "batch_rows", made):
            self.connection.execute(query)

    def change(self, name: str, named: Named, starts: Sequence[int]) -> None:
        """Delete or update what `named` names; `starts` are when that began."""
        bounds = {"start": min(starts), "end": max(starts)}
        with Registered.of_rows(self.connection, named):
            self.connection.execute(sql(name), bounds)
        if self.mirror is not None:
            self.mirror.change(name, named, bounds)

    def registered(self, name: str, columns: dict[str, str], rows: Sequence[object]) -> Registered:
        """Rows that SQL sees under a name inside the block."""
        return Registered.of_rows(self.connection, Named(name, columns, rows))

    def fetch(self, query: str, arguments: Mapping[str, object] | None = None) -> list[tuple[Any, ...]]:
        """All rows of an answer."""
        return self.connection.execute(query, arguments).fetchall()
