"""Give free blocks back to the disk: DuckDB reuses them, but a file that has grown stays as large as it was.

The data is copied into a new file, in steps between commits, and at the end the new file takes the old one's place.
"""

from __future__ import annotations

import logging
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb

from .database import attach_copy, copies, cursor
from .mirror import Mirror
from .slices import FOREVER, TIMES, Which, slices

if TYPE_CHECKING:
    from .upkeep import Job
    from .writing import Writing

__all__ = ["Rewriting", "free_share"]

log = logging.getLogger(__name__)

ROWS_A_STEP = 8192
ROWS_A_CHECKPOINT = 16_384
"""A row group: compressed once, and not held in memory."""
LEAST_BYTES = 8 * 1024 * 1024
"""A smaller file is left as it is."""
AGAIN_S = 2.0
"""After this time the swap is tried again, where questions were being answered that did not end."""


class Rewriting:
    """One rewriting of the file; a new one for each."""

    def __init__(self, own: duckdb.DuckDBPyConnection, writing: Writing, folder: Path) -> None:
        """`own` is the writer's connection."""
        self._own, self._writing, self._folder = own, writing, folder

    def run(self, swap: Callable[[Callable[[], None]], bool]) -> Job:
        """Make the new file, then `swap` it in: that calls back when nobody else is at work, to have the new file
        finished and closed, and says whether it has come to that.
        """
        before = (self._folder / "otelllm.duckdb").stat().st_size
        if shutil.disk_usage(self._folder).free < before:
            log.warning("the database has free blocks, but the disk has no room for %d bytes to rewrite it", before)
            return {"skipped": "no room on the disk"}
        attach_copy(self._own, self._folder, "rewritten")
        connection = cursor(self._own)
        connection.execute("use rewritten.main")
        mirror = self._writing.mirror = Mirror(connection)
        is_swapped = False
        try:
            self._begin(mirror)
            while not is_swapped:
                for table in TIMES:
                    for _ in self._copied(mirror, table):
                        yield 0.0
                if mirror.is_broken:
                    return {"skipped": "the new file can't be written"}
                connection.execute("checkpoint rewritten")
                self._own.execute("checkpoint otelllm")  # what is still to be done while questions wait gets small
                yield 0.0
                is_swapped = swap(lambda: self._finish(mirror))
                if not is_swapped:
                    yield AGAIN_S
        finally:
            self._writing.mirror = None
            if not is_swapped:
                self._give_up(connection)
        after = (self._folder / "otelllm.duckdb").stat().st_size
        return {"bytes_before": before, "bytes_after": after}

    def _begin(self, mirror: Mirror) -> None:
        mirror.connection.execute("copy from database otelllm to rewritten (schema)")
        for table in ("resources", "scopes", "version"):
            mirror.connection.execute(f"insert into raw.{table} select * from otelllm.raw.{table}")  # noqa: S608  our own tables

    def _copied(self, mirror: Mirror, table: str) -> Iterator[None]:
        """Copy what there is behind the place that the table's copy has come to; a step a slice."""
        time, rows = TIMES[table], 0
        copying = (
            f"insert into raw.{table} select * from otelllm.raw.{table} "  # noqa: S608  our own tables
            f"where {time} >= $from and {time} < $to order by {time}"
        )
        for _, end in slices(self._own, Which(table, FOREVER), ROWS_A_STEP, mirror.copied[table]):
            # From where the last slice ended: rows may have come in between the two.
            bounds = {"from": mirror.copied[table], "to": end}
            [(copied,)] = mirror.connection.execute(copying, bounds).fetchall()
            rows += copied
            mirror.copied[table] = end
            yield
            if rows >= ROWS_A_CHECKPOINT:
                rows = 0
                mirror.connection.execute("checkpoint rewritten")
                yield

    def _finish(self, mirror: Mirror) -> None:
        for table in TIMES:
            for _ in self._copied(mirror, table):
                pass
        mirror.connection.execute("insert into raw.place select * from otelllm.raw.place")
        mirror.connection.execute("checkpoint rewritten")
        mirror.connection.close()
        self._own.execute("detach rewritten")
        path = copies(self._folder) / "rewritten.duckdb"
        if path.with_name(f"{path.name}.wal").exists():
            raise OSError(f"{str(path)!r} is not whole: it still has a write-ahead log")
        with path.open("rb") as file:
            os.fsync(file.fileno())

    def _give_up(self, connection: duckdb.DuckDBPyConnection) -> None:
        try:
            connection.close()
            self._own.execute("detach database if exists rewritten")
        except duckdb.Error:
            log.warning("the smaller database that was being made can't be closed", exc_info=True)
        for left in copies(self._folder).glob("rewritten.duckdb*"):
            left.unlink(missing_ok=True)


def free_share(own: duckdb.DuckDBPyConnection) -> float:
    """Which share of the file is free; 0 of a small one, which is not worth the work."""
    query = "select total_blocks, free_blocks, block_size from pragma_database_size() where database_name = 'otelllm'"
    [(total, free, size)] = own.execute(query).fetchall()
    return float(free / total) if total * size >= LEAST_BYTES else 0.0
