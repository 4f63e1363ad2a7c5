"""Answers in an SQLite file, which the processes of a host share and which outlives them."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from threading import Lock
from time import time

from .store import Away, Found

__all__ = ["SqliteFile"]

WAIT_S = 0.1
"""How long another process's write is waited for."""
SWEEP_EVERY = 64

# Without rowid: the key is the place, one page read a look-up.
_SCHEMA = """
create table if not exists answers (
    key blob primary key, record blob not null, marks blob not null, put_at real not null, until real not null,
    size integer not null, span text not null
) without rowid;
create index if not exists answers_by_age on answers (put_at, size);
create index if not exists answers_by_end on answers (until);
create index if not exists answers_by_span on answers (span);
create table if not exists tags (tag text primary key, mark blob not null, marked_at real not null) without rowid;
"""
_MARK = (
    "insert into tags values (?, ?, ?)"
    " on conflict (tag) do update set mark = excluded.mark, marked_at = excluded.marked_at"
)
TAGS = 100_000


class SqliteFile:
    """At most `max_bytes` of records; the oldest go first. (Who used it last is not noted: a read stays a read.)"""

    blocks = True

    def __init__(self, path: Path, max_bytes: int, clock: Callable[[], float] = time) -> None:
        self.path = path
        self.max_bytes = max_bytes
        self._clock = clock
        self._lock = Lock()
        self._connection: sqlite3.Connection | None = None
        self._puts = 0
        self._inherited: list[sqlite3.Connection] = []

    def renew(self) -> None:
        """The parent's connection is kept, unused: closing it here would tidy up files that the parent works on."""
        if self._connection is not None:
            self._inherited.append(self._connection)
        self._connection = None
        self._lock = Lock()

    @contextlib.contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        try:
            with self._lock:
                yield self._connected()
        except (sqlite3.Error, OSError) as error:
            raise Away(f"the cache's file {str(self.path)!r} can't be used ({error})") from error

    def _connected(self) -> sqlite3.Connection:
        if self._connection is None:
            self._connection = self._connect()
        return self._connection

    def _connect(self) -> sqlite3.Connection:
        self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        # Answers are content: for this user only. SQLite gives the files beside it the same rights.
        os.close(os.open(self.path, os.O_CREAT | os.O_RDWR, 0o600))
        connection = sqlite3.connect(self.path, timeout=WAIT_S, isolation_level=None, check_same_thread=False)
        connection.execute("pragma journal_mode = wal")
        connection.execute("pragma synchronous = off")  # what a power cut takes is asked for again
        connection.execute("pragma auto_vacuum = incremental")
        connection.executescript(_SCHEMA)
        return connection

    def look_up(self, key: bytes, tags: Sequence[str]) -> Found:
        """Reads wait for nobody; only a tag that is new here is written."""
        with self._open() as connection:
            marks = tuple(self._mark(connection, tag) for tag in tags)
            row = connection.execute("select record, marks, until from answers where key = ?", (key,)).fetchone()
            if row is None or row[1] != b"".join(marks) or row[2] <= self._clock():
                return Found(None, marks)
            return Found(row[0], marks)

    def _mark(self, connection: sqlite3.Connection, tag: str) -> bytes:
        asked = "select mark from tags where tag = ?"
        row = connection.execute(asked, (tag,)).fetchone()
        if row is None:
            new = (tag, os.urandom(8), self._clock())
            connection.execute("insert into tags values (?, ?, ?) on conflict (tag) do nothing", new)
            row = connection.execute(asked, (tag,)).fetchone()
        mark: bytes = row[0]
        return mark

    def put(self, key: bytes, record: bytes, found: Found, tags: Sequence[str], *, ttl_s: float, span: str) -> None:
        """Sweeps now and then: what is over its time, and the oldest where there is too much."""
        if len(record) > self.max_bytes // 8:
            return
        now = self._clock()
        row = (key, record, b"".join(found.marks), now, now + ttl_s, len(record), span)
        with self._open() as connection:
            connection.execute("insert or replace into answers values (?, ?, ?, ?, ?, ?, ?)", row)
            self._puts += 1
            if self._puts % SWEEP_EVERY == 1 or len(record) > self.max_bytes // SWEEP_EVERY:
                self._sweep(connection)

    def _sweep(self, connection: sqlite3.Connection) -> None:
        connection.execute("delete from answers where until <= ?", (self._clock(),))
        connection.execute(
            "delete from answers where put_at <= (select max(put_at) from"
            " (select put_at, sum(size) over (order by put_at desc, key) as newer from answers) where newer > ?)",
            (self.max_bytes,),
        )
        # A tag that is forgotten gets a new mark: what depended on it is asked for again.
        connection.execute(
            "delete from tags where marked_at < (select marked_at from tags order by marked_at desc limit 1 offset ?)",
            (TAGS,),
        )
        connection.execute("pragma incremental_vacuum(256)")

    def invalidate(self, tag: str) -> None:
        """One row, seen by the next look-up of every process."""
        with self._open() as connection:
            connection.execute(_MARK, (tag, os.urandom(8), self._clock()))

    def expel(self, span: str) -> bool:
        """By an index of its own."""
        with self._open() as connection:
            return connection.execute("delete from answers where span = ?", (span,)).rowcount > 0

    def close(self) -> None:
        """A later call opens it anew."""
        with self._lock:
            if self._connection is not None:
                self._connection.close()
            self._connection = None
