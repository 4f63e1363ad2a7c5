"""Summaries of traces are written anew with every batch: of an agent that sends turn by turn a file would hold thirty.
DuckDB itself drops what was deleted only where a whole row group can go.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import duckdb

from ...sql import sql

if TYPE_CHECKING:
    from .writing import Writing

__all__ = ["compact_traces"]

ROWS_AT_MOST = 16_384
"""A row group; of two and more DuckDB makes one where their rows fit."""
LEAST_DELETED = 512
"""Fewer do not fill a block of the file."""


def compact_traces(own: duckdb.DuckDBPyConnection, writing: Writing) -> None:
    """Put the summaries into a new table where the old one is mostly deleted ones. By the writer, and before
    a checkpoint, so that those are never written into the file.
    """
    if writing.mirror is not None:  # the new file that is being made has none of the deleted ones
        return
    [(stored, live)] = own.execute(sql("keep/stored_traces")).fetchall()
    if live > ROWS_AT_MOST or stored - live < max(LEAST_DELETED, live):
        return
    # Deleting all and inserting them again would append to the same row group.
    [(as_it_is,)] = own.execute(sql("keep/table_of_traces")).fetchall()
    own.execute("begin")
    try:
        own.execute("create or replace temp table live_traces as select * from raw.traces order by start_ns, trace_id")
        own.execute("drop table raw.traces")
        own.execute(as_it_is)
        own.execute("insert into raw.traces select * from live_traces order by start_ns, trace_id")
        own.execute("drop table live_traces")
        own.execute("commit")
    except BaseException:
        with contextlib.suppress(duckdb.TransactionException):  # a commit that failed has rolled back already
            own.execute("rollback")
        raise
