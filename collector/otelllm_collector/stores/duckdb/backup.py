"""A copy of the database while it is written to: one snapshot of all tables, in a file of its own."""

from __future__ import annotations

import contextlib
import shutil
import threading
from pathlib import Path
from typing import BinaryIO

import duckdb

from ...questions import Busy
from .database import attach_copy, copies

__all__ = ["write_backup"]

TABLES = (
    "version", "resources", "scopes", "messages", "spans", "traces", "contents", "scores", "logs", "metrics", "place",
    "text_sketches", "summed", "hour_sums", "user_sums", "named_blocks",
)  # fmt: skip

_one_at_a_time = threading.Lock()


def write_backup(own: duckdb.DuckDBPyConnection, folder: Path) -> BinaryIO:
    """The file, open for reading and already without a name: it is gone when it is closed, however that comes."""
    size = sum(file.stat().st_size for file in folder.glob("*.duckdb*"))
    if (free := shutil.disk_usage(folder).free) < size:
        raise Busy(f"a backup is made beside the database and needs {size:,} bytes; its disk has {free:,} free")
    if not _one_at_a_time.acquire(blocking=False):
        raise Busy("another backup is being made")
    try:
        path = attach_copy(own, folder, "backup")
        try:
            own.execute("copy from database otelllm to backup (schema)")
            own.execute("begin")  # one snapshot; the writer goes on, only its checkpoints may have to wait
            for table in TABLES:
                own.execute(f"insert into backup.raw.{table} select * from otelllm.raw.{table}")  # noqa: S608  our own tables
            own.execute("commit")
            own.execute("checkpoint backup")
        finally:
            own.execute("detach database if exists backup")
        file = path.open("rb")
        path.unlink()
        return file
    finally:
        for left in copies(folder).glob("backup.duckdb*"):
            left.unlink()
        with contextlib.suppress(OSError):  # another copy is being made there
            copies(folder).rmdir()
        _one_at_a_time.release()
