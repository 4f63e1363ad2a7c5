"""The file that a host's processes count in: where it is, how it is opened, and what a reboot makes of it."""

from __future__ import annotations

import hashlib
import os
import re
import sqlite3
import stat
import tempfile
import threading
import time
from importlib.resources import files
from os import getpid
from pathlib import Path

__all__ = ["BUSY", "Door", "NotReady", "place_for"]

BUSY = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED})

OPENS_WITHIN_S = 2.0
"""Several processes may start at once, and one of them makes the tables."""


class NotReady(Exception):  # noqa: N818  never leaves the store
    """The file has to be made first, by who may wait."""


# A child must neither use a connection of its parent nor close it, which collecting it would do.
_inherited: list[sqlite3.Connection] = []


def place_for(service: str, folder: Path) -> Path:
    """The file of a service, in the user's own `folder`; in one of the temporary folder where that can't be written."""
    name = re.sub(r"[^A-Za-z0-9._-]", "_", service)[:60] or "app"
    if name != service:
        name += "-" + hashlib.sha256(service.encode()).hexdigest()[:8]
    try:
        _private(folder)
    except OSError:
        folder = Path(tempfile.gettempdir()) / f"otelllm-{os.getuid() if hasattr(os, 'getuid') else 'user'}"
        _private(folder)
    return folder / f"{name}.sqlite"


def _private(folder: Path) -> None:
    """Make `folder` for this user only; one that belongs to somebody else is refused."""
    if not folder.is_absolute():
        raise OSError(f"{folder} is no full path")
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not hasattr(os, "getuid"):
        return
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid():
        raise PermissionError(f"{folder} belongs to another user")
    if stat.S_IMODE(found.st_mode) & 0o077:
        folder.chmod(0o700)
    if not os.access(folder, os.W_OK | os.X_OK):
        raise PermissionError(f"{folder} can't be written")


def _boot() -> str:
    """What changes when the monotonic clock starts again: its name, or elsewhere than on Linux its moment."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return f"{time.time() - time.monotonic():.0f}"


def _is_this(boot: str) -> bool:
    now = _boot()
    return boot == now or (boot.isdigit() and now.isdigit() and abs(int(boot) - int(now)) < 60)


class Door:
    """One connection and its lock, of this process; a forked child gets its own at its first use."""

    def __init__(self, path: Path, *, waits: bool = False) -> None:
        """One that `waits` may make the file, wait for others who do, and write it back."""
        self._path, self._waits = path, waits
        self._begin()

    def _begin(self) -> None:
        self._pid = getpid()
        self.lock = threading.Lock()
        self._connection: sqlite3.Connection | None = None

    def renew(self) -> None:
        """Begin anew in a forked child; nothing in any other process."""
        if self._pid != getpid():
            if self._connection is not None:
                _inherited.append(self._connection)
            self._begin()

    def open(self) -> sqlite3.Connection:
        """The connection; the caller holds the lock."""
        connection = self._connection
        if connection is None:
            connection = self._connection = self._connect()
        return connection

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(
            self._path,
            timeout=OPENS_WITHIN_S if self._waits else 0,
            isolation_level=None,
            check_same_thread=False,
            cached_statements=64,
        )
        try:
            if not self._is_ready(connection):
                if not self._waits:
                    raise NotReady
                _make(connection)
        except BaseException:
            connection.close()
            raise
        connection.execute("pragma synchronous = normal")
        connection.execute("pragma journal_size_limit = 8000000")
        connection.execute("pragma busy_timeout = 0")
        if not self._waits:
            # A checkpoint syncs to the disk: it is for the thread beside, not for a call.
            connection.execute("pragma wal_autocheckpoint = 0")
        return connection

    def _is_ready(self, connection: sqlite3.Connection) -> bool:
        """Whether the file is made, and of this boot."""
        try:
            row = connection.execute("select value from facts where name = 'boot'").fetchone()
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode == sqlite3.SQLITE_ERROR:  # no such table
                return False
            raise
        return row is not None and _is_this(row[0])

    def close(self) -> None:
        """Close the connection; the caller holds the lock, or is the only one left."""
        connection, self._connection = self._connection, None
        if connection is not None and self._pid == getpid():
            connection.close()


def _make(connection: sqlite3.Connection) -> None:
    """Make the tables; after a reboot, forget what only that boot's clock can tell, and who held what."""
    # A page holds some forty buckets; a write is as large as the pages that it changes.
    connection.execute("pragma page_size = 1024")
    connection.execute("pragma journal_mode = wal")
    connection.execute("begin immediate")
    for statement in (files(__package__) / "sqlite.sql").read_text(encoding="utf-8").split(";\n\n"):
        connection.execute(statement)
    row = connection.execute("select value from facts where name = 'boot'").fetchone()
    if row is not None and not _is_this(row[0]):
        connection.execute("update holds set expires = -1")
        connection.execute("delete from buckets where kind = 'rate'")
    connection.execute("insert or replace into facts values ('boot', ?)", (_boot(),))
    connection.execute("commit")
