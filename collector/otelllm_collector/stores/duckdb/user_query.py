"""A user's own query, once it is known to be harmless (sandbox.py): bounded in time and in size."""

from __future__ import annotations

import contextlib
import threading
from typing import TYPE_CHECKING

import duckdb

from ...questions import BadQuestion
from .arrow import Broken
from .sandbox import check

if TYPE_CHECKING:
    from types import TracebackType

__all__ = ["ANSWER_LIMIT", "read_rows", "reading_only"]

ANSWER_LIMIT = 64 * 1024 * 1024
"""Bytes of text that the answer to a user's query may hold: ten thousand rows of long prompts are gigabytes."""

STEP = 100


def read_rows(result: duckdb.DuckDBPyConnection, limit: int) -> tuple[list[tuple[object, ...]], bool]:
    """Rows up to the limit of their number or of their text's size, and whether there are more."""
    rows: list[tuple[object, ...]] = []
    size = 0
    while len(rows) <= limit:
        if size >= ANSWER_LIMIT:
            return rows, bool(result.fetchmany(1))
        step = result.fetchmany(min(STEP, limit + 1 - len(rows)))
        if not step:
            return rows, False
        rows += step
        size += sum(len(value) for row in step for value in row if isinstance(value, (str, bytes)))
    return rows[:limit], True


class reading_only:  # noqa: N801  reads as a word: `with reading_only(cursor, …):`
    """A checked query's transaction: read-only, ended after `timeout_s`, the user's own errors told as such."""

    def __init__(self, own: duckdb.DuckDBPyConnection, query: str, timeout_s: float) -> None:
        self._own, self._query, self._timeout_s = own, query, timeout_s
        self._is_late = False
        self._timer = threading.Timer(timeout_s, self._interrupt)

    def _interrupt(self) -> None:
        self._is_late = True
        self._own.interrupt()

    def __enter__(self) -> None:
        check(self._own, self._query)
        self._own.execute("begin transaction read only")
        self._timer.daemon = True
        self._timer.start()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self._timer.cancel()
        with contextlib.suppress(duckdb.Error):
            self._own.execute("rollback")
        if isinstance(error, (duckdb.Error, Broken)) and self._is_late:
            raise BadQuestion(
                f"the query took longer than {self._timeout_s:g} s; narrow it by start_time, or ask for fewer columns"
            ) from error
        if isinstance(error, (duckdb.Error, Broken)) and not isinstance(error, duckdb.InterruptException):
            raise BadQuestion(str(error)) from error
