"""A second file that is being made of the first while writing goes on: what is changed here, is changed there too.

Rows are copied in order of their time. What comes in behind the place that the copy has come to would be missed, so it
is written into both; what comes before it is copied in its turn.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable
from operator import attrgetter

import duckdb

from ...sql import sql
from .registered import Named, Registered, insertion
from .slices import FOREVER, TIMES

__all__ = ["Mirror"]

log = logging.getLogger(__name__)


class Mirror:
    """The second file, through a connection of its own. Changes are made there once they are durable here."""

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self.connection = connection
        self.copied = dict.fromkeys(TIMES, 0)
        """Table -> time before which all its rows are there; those without a time are there from the beginning."""
        self.is_broken = False
        self._pending: list[Callable[[], None]] = []

    def insert(self, table: str, named: Named) -> None:
        """Note rows that are inserted here."""
        end = self.copied.get(table, FOREVER)
        time = attrgetter(TIMES[table]) if table in TIMES else lambda _: 0
        late = [row for row in named.rows if time(row) < end]
        if late:
            self._pending.append(lambda: self._run(insertion(table), named._replace(rows=late)))

    def change(self, name: str, named: Named, bounds: dict[str, int]) -> None:
        """Note rows that are deleted or updated here; those that are not there yet are not found there."""
        self._pending.append(lambda: self._run(sql(name), named, bounds))

    def forget(self) -> None:
        """What was noted has not happened."""
        self._pending.clear()

    def commit(self) -> None:
        """What was noted has happened. Never raises: a second file that can't be written is given up."""
        pending, self._pending = self._pending, []
        if not pending or self.is_broken:
            return
        try:
            self.connection.execute("begin")
            for change in pending:
                change()
            self.connection.execute("commit")
        except duckdb.Error:
            self.is_broken = True
            log.warning("the smaller database that was being made can't be written", exc_info=True)
            with contextlib.suppress(duckdb.Error):
                self.connection.execute("rollback")

    def _run(self, query: str, named: Named, bounds: dict[str, int] | None = None) -> None:
        with Registered.of_rows(self.connection, named):
            self.connection.execute(query, bounds)
