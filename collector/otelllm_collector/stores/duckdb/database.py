"""Open the database file: its place and its settings. Only this folder imports duckdb."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import logging
import os
import re
import shutil
from typing import TYPE_CHECKING

import duckdb

from ...config import BadSetting
from ...questions import Busy
from .migrations import MIGRATIONS, bring_up_to_date, stored_version

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["FILE_NAME", "attach_copy", "copies", "cursor", "open_database", "own_folder", "swap_in", "swap_to_the_end"]

log = logging.getLogger(__name__)

FILE_NAME = "otelllm.duckdb"

SETTINGS = (
    # Of a new file. Of the default of 256 kB the last, part-filled block of each column's text is a tenth of a file of
    # 30,000 spans, and a third of one of 3,000; below 64 kB columns no longer compress.
    "set global default_block_size = '65536'",
    "set global zstd_min_string_length = 64",
    # Nothing is fetched or loaded on its own: the collector works without a network, and a query must not reach one.
    "set autoinstall_known_extensions = false",
    "set autoload_known_extensions = false",
    # Or `select * from name` would look for Python variables of the collector's.
    "set python_enable_replacements = false",
    "set global TimeZone = 'UTC'",
    # Of a page (1,000 at most) what it is sorted by is read first, and all columns only of rows that are in it: 6 ms
    # of CPU for the latest 50 of a million traces, and not 10. DuckDB itself does so for up to 50 rows.
    "set global late_materialization_max_rows = 1001",
    # At the default of 16 MB the open row group is compressed again at each checkpoint: stalls of seconds.
    "set global wal_autocheckpoint = '256MB'",
    # A user's sort may spill, but not fill the disk that spans are to be written to.
    "set global max_temp_directory_size = '4GB'",
)

# A row group of 16,384 rows, the size of a full transaction, is compressed once and written straight into the file; the
# default of 122,880 takes six times the CPU. An attached database keeps it only if it is said again.
OPTIONS = "(row_group_size 16384, storage_version 'latest')"

MARKER = "otelllm.swap"
"""There while a rewritten database takes the place of the old one; holds the new one's name."""

HEADERS = 3 * 4096
"""Bytes of an empty database; what is shorter holds nothing."""

NO_ROOM = tuple(os.strerror(number) for number in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG))
"""What the system calls a full disk."""

LOCKS = ("set enable_external_access = false", "set lock_configuration = true")


def open_database(folder: Path, memory_limit: str) -> duckdb.DuckDBPyConnection:
    """The connection that owns the file in this folder; everyone else takes a `cursor` of it. `Busy` where the disk is
    full: it opens once there is room.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = folder / FILE_NAME
    connection = duckdb.connect(":memory:")
    for setting in SETTINGS:
        connection.execute(setting)
    connection.execute(f"set global memory_limit = '{memory_limit}'")
    connection.execute(f"set global temp_directory = '{_quoted(folder / 'spill')}'")
    # Locked or not, backups and smaller files can be attached there, and nowhere else.
    connection.execute(f"set allowed_directories = ['{_quoted(copies(folder))}/']")
    _remove_beginning(path)
    try:
        _attach(connection, path)
        _migrate(connection, path)
        for lock in LOCKS:
            connection.execute(lock)
    except BaseException as error:
        connection.close()  # or the file stays ours until a garbage collection
        if isinstance(error, duckdb.Error) and (full := _no_room(error, path)) is not None:
            raise full from error
        raise
    return connection


def cursor(connection: duckdb.DuckDBPyConnection) -> duckdb.DuckDBPyConnection:
    """A connection of its own to the same database, for one question or one thread."""
    own = connection.cursor()
    own.execute("use otelllm.main")
    return own


def own_folder(folder: Path) -> int | None:
    """Lock the folder; the descriptor that holds the lock until it is closed, None where another process has it.

    The database's own lock is let go for a moment while a smaller file takes its place.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        return None
    return descriptor


def copies(folder: Path) -> Path:
    """Where files are made that are no database yet, or go elsewhere: what is found there at a start is thrown away."""
    return folder.absolute() / "copies"


def attach_copy(own: duckdb.DuckDBPyConnection, folder: Path, name: str) -> Path:
    """A new, empty database among the copies, attached under this name; its path."""
    copies(folder).mkdir(mode=0o700, exist_ok=True)
    path = copies(folder) / f"{name}.duckdb"
    for stale in (path, path.with_name(f"{path.name}.wal")):
        stale.unlink(missing_ok=True)
    own.execute(f"attach '{_quoted(path)}' as {name} {OPTIONS}")
    return path


def swap_in(folder: Path, path: Path) -> None:
    """Let a copy, which MUST be whole and closed, take the place of the database, which MUST be closed.

    Whenever the process ends in between, the next start finds the old database or the new one, whole.
    """
    marker = folder / MARKER
    with marker.open("wb") as file:  # from here on the old database is given up
        file.write(path.name.encode())
        file.flush()
        os.fsync(file.fileno())
    _sync(folder)
    swap_to_the_end(folder)


def swap_to_the_end(folder: Path) -> None:
    """Finish a swap that was begun; throw away copies that were not. Only for the folder's owner."""
    marker = folder / MARKER
    if marker.exists():
        path = copies(folder) / marker.read_bytes().decode()
        if path.suffix == ".duckdb" and path.exists():
            # The old one's log first: replayed onto the new one it would be wrong.
            (folder / f"{FILE_NAME}.wal").unlink(missing_ok=True)
            _sync(folder)
            path.replace(folder / FILE_NAME)
            _sync(folder)
        marker.unlink()
        _sync(folder)
    shutil.rmtree(copies(folder), ignore_errors=True)


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _remove_beginning(path: Path) -> None:
    """A file whose first start broke off before it was one: DuckDB would not open it, nor make it anew."""
    if path.exists() and path.stat().st_size < HEADERS and not path.with_name(f"{path.name}.wal").exists():
        beginning = path.read_bytes()
        if beginning[8:12] == b"DUCK" or not any(beginning):
            path.unlink()


def _attach(connection: duckdb.DuckDBPyConnection, path: Path) -> None:
    try:
        connection.execute(f"attach '{_quoted(path)}' as otelllm {OPTIONS}")
    except duckdb.Error as error:
        raise _no_room(error, path) or BadSetting(_explained(str(error), path)) from error
    connection.execute("use otelllm.main")


def _no_room(error: duckdb.Error, path: Path) -> Busy | None:
    return Busy(f"{str(path)!r} can't be written: {error}") if any(one in str(error) for one in NO_ROOM) else None


def _explained(message: str, path: Path) -> str:
    if "lock" in message:
        process = re.search(r"PID \d+", message)
        holder = process[0] if process else "another process"
        return (
            f"{str(path)!r} is in use by {holder}: only one collector can own a database; "
            "stop that one, or choose another folder by --data"
        )
    return f"{str(path)!r} can't be opened as our database: {message}; choose another folder by --data"


def _migrate(connection: duckdb.DuckDBPyConnection, path: Path) -> None:
    version = stored_version(connection, path)
    try:
        bring_up_to_date(connection, version)
    except duckdb.Error as error:
        full = _no_room(error, path)
        if full is None or version < len(MIGRATIONS):
            raise
        # The views are those of the last start: good enough to be asked while somebody makes room.
        with contextlib.suppress(duckdb.TransactionException):  # a commit that failed has rolled back already
            connection.execute("rollback")
        log.error("%s; it can be asked, and senders are asked to come again", full)


def _quoted(path: Path) -> str:
    return str(path).replace("'", "''")
