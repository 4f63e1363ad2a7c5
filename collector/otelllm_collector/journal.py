"""What was acknowledged and waits for the store and the exporters: the bodies of export requests as they came, durable,
in order, bounded.

An LMDB file: crash-safe, its freed pages used again, so that it stays within its size however long it lives (1.2 MB are
committed in 1.2 ms). The store and every exporter have a position of their own in it, as durable as the bodies. One
thread writes: what waits is committed together.
"""

from __future__ import annotations

import logging
import os
import secrets
import struct
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import NamedTuple

import lmdb

from .clocks import SteadyClock

__all__ = ["Entry", "Journal", "JournalFailed", "Lag"]

log = logging.getLogger(__name__)

STORE = "\0store"
"""The place of the store, which skips nothing; no exporter can be called so."""

_IDENTITY = b"\0identity"
_KEY = struct.Struct("=Q")
"""Native order: LMDB compares integer keys as the machine's own numbers."""
_HEAD = struct.Struct("<BQI")
"""Signal, when it came (ns), records in it."""
_SIGNALS = ("traces", "metrics", "logs")
_NAMED = 16
"""Added to the signal where a project's name follows: its length, two bytes, then the name."""
_SPARE = 256 * 1024 * 1024
"""Beyond the size that may wait: freed pages can be used again two transactions later, and one body may have 64 MB."""
_AT_ONCE = 32 * 1024 * 1024
"""Bytes of one transaction, a single body apart."""


class JournalFailed(Exception):  # noqa: N818  says what happened, as the library's own do
    """A body can't be kept: the disk is full or gone."""


class Entry(NamedTuple):
    """One request's body."""

    number: int
    signal: str
    """traces, metrics or logs."""
    received_ns: int
    records: int
    body: bytes
    """Protobuf, uncompressed: an Export…ServiceRequest."""
    project: str | None = None
    """Of the key that it came with."""


class Lag(NamedTuple):
    """How far an exporter is behind, and what it never got."""

    records: int
    size: int
    """Bytes."""
    age_s: float
    """Of the oldest body that waits; 0 where none does."""
    skipped: int
    """Records that were dropped because they waited beyond the journal's bounds, since the exporter is known."""


class _Waiting(NamedTuple):
    signal: str
    received_ns: int
    records: int
    body: bytes
    project: str | None
    deliver: Callable[[int], None] | None
    done: Future[None]

    def head(self) -> bytes:
        signal = _SIGNALS.index(self.signal)
        if self.project is None:
            return _HEAD.pack(signal, self.received_ns, self.records)
        name = self.project.encode()[:0xFFFF]
        return _HEAD.pack(signal | _NAMED, self.received_ns, self.records) + len(name).to_bytes(2, "little") + name


def _entry(number: int, value: bytes) -> Entry:
    signal, received_ns, records = _HEAD.unpack_from(value)
    begin, project = _HEAD.size, None
    if signal & _NAMED:
        begin += 2
        end = begin + int.from_bytes(value[begin - 2 : begin], "little")
        begin, project = end, value[begin:end].decode(errors="replace")
    return Entry(number, _SIGNALS[signal & ~_NAMED], received_ns, records, value[begin:], project)


class Journal:
    """Bodies in order, and how far the store and each exporter have come."""

    def __init__(
        self,
        folder: Path,
        readers: Sequence[str],
        *,
        size: int,
        age_s: float,
        now_ns: Callable[[], int] | None = None,
    ) -> None:
        """`readers` are the exporters' names, and `STORE` where the store is one of them; `size` in bytes and `age_s`
        bound what is kept for an exporter that is behind. `now_ns` MUST NOT leap: what waits would be too old all at
        once, or not yet there.
        """
        self._now_ns = now_ns or SteadyClock()
        self._began_ns = self._now_ns()
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._size, self._age_s = size, age_s
        self._environment = lmdb.open(str(folder), map_size=size + _SPARE, max_dbs=3, mode=0o600)
        self._entries = self._environment.open_db(b"entries", integerkey=True)
        self._places = self._environment.open_db(b"places")
        self._sums = self._environment.open_db(b"sums", integerkey=True)
        """Number -> records and bytes of all bodies up to it: lag is a difference."""
        self._waiting: list[_Waiting] = []
        self._changed = threading.Condition()
        self._closing = False
        self._readers = frozenset(readers)
        self._stored = 0
        with self._environment.begin(write=True) as write:
            self._last, self._records, self._bytes = self._end(write)
            self._welcome(write)
            self.identity = self._identity(write)
            """Tells this journal's numbers from those of another one in the same folder, before it or after."""
        self._inherited = self._last
        descriptor = os.open(folder, os.O_RDONLY)
        os.fsync(descriptor)
        os.close(descriptor)
        self._thread = threading.Thread(target=self._run, name="otelllm-journal")
        self._thread.start()

    def _end(self, read: lmdb.Transaction) -> tuple[int, int, int]:
        with read.cursor(self._sums) as cursor:
            if not cursor.last():
                return 0, 0, 0
            records, size = struct.unpack("<QQ", cursor.value())
            return _KEY.unpack(cursor.key())[0], records, size

    def _welcome(self, write: lmdb.Transaction) -> None:
        """Whoever is new begins with what comes from now on; an exporter that is gone holds nothing back."""
        known = {name.decode() for name in self._all_places(write)}
        for name in known - self._readers:
            write.delete(name.encode(), db=self._places)
        for name in self._readers - known:
            write.put(name.encode(), struct.pack("<QQ", self._last, 0), db=self._places)

    def _identity(self, write: lmdb.Transaction) -> str:
        found = write.get(_IDENTITY, db=self._places)
        if found is None:
            found = secrets.token_hex(8).encode()
            write.put(_IDENTITY, found, db=self._places)
        return bytes(found).decode()

    def _all_places(self, read: lmdb.Transaction) -> dict[bytes, tuple[int, int]]:
        """Name -> number, and records skipped so far."""
        with read.cursor(self._places) as cursor:
            return {bytes(key): struct.unpack("<QQ", value) for key, value in cursor if bytes(key) != _IDENTITY}

    def append(
        self, signal: str, body: bytes, records: int, received_ns: int, *,
        project: str | None = None, deliver: Callable[[int], None] | None = None,
    ) -> Future[None]:  # fmt: skip
        """Done once the body is durable; `JournalFailed` where it can't be. `received_ns` MUST be of a clock that does
        not leap, as `now_ns` is.

        `deliver` is told its number before that, in the order of the numbers. It MUST NOT wait, nor raise.
        """
        done: Future[None] = Future()
        done.set_running_or_notify_cancel()
        with self._changed:
            if self._closing:
                raise JournalFailed("the collector is stopping")
            self._waiting.append(_Waiting(signal, received_ns, records, body, project, deliver, done))
            self._changed.notify_all()
        return done

    def close(self) -> None:
        """Commit what waits, and end."""
        with self._changed:
            if self._closing:
                return
            self._closing = True
            self._changed.notify_all()
        self._thread.join()
        self._environment.close()

    def read(self, after: int, size: int, waited_s: float | None = None) -> list[Entry]:
        """Bodies behind number `after`, in order: at least one where there is one, then up to `size` bytes; only those
        that have been here for `waited_s`.
        """
        found: list[Entry] = []
        latest_ns = None if waited_s is None else self._now_ns() - int(waited_s * 1e9)
        with self._environment.begin() as read, read.cursor(self._entries) as cursor:
            more = cursor.set_range(_KEY.pack(after + 1))
            while more and (not found or size > 0):
                entry = _entry(_KEY.unpack(cursor.key())[0], cursor.value())
                if latest_ns is not None and self._here_since_ns(entry.number, entry.received_ns) > latest_ns:
                    break
                found.append(entry)
                size -= len(entry.body)
                more = cursor.next()
        return found

    def wait(self, after: int, timeout_s: float, is_over: Callable[[], bool]) -> bool:
        """Whether there is a body behind number `after`, at once or within that time; `nudge` makes it look at
        `is_over`, which ends the wait.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._last > after or self._closing or is_over(), timeout=timeout_s)
            return self._last > after and not is_over()

    def nudge(self) -> None:
        """Wake those who wait."""
        with self._changed:
            self._changed.notify_all()

    def place(self, exporter: str) -> int:
        """The number that the exporter has come to."""
        with self._environment.begin() as read:
            return self._place(read, exporter)[0]

    def _place(self, read: lmdb.Transaction, exporter: str) -> tuple[int, int]:
        """Number, and records skipped so far."""
        found = read.get(exporter.encode(), db=self._places)
        return struct.unpack("<QQ", found) if found else (self._last, 0)

    def advance(self, exporter: str, number: int) -> None:
        """The exporter needs nothing up to this number any more."""
        with self._environment.begin(write=True) as write:
            place, skipped = self._place(write, exporter)
            if number > place:
                write.put(exporter.encode(), struct.pack("<QQ", number, skipped), db=self._places)
                self._trim(write)

    def stored(self, number: int) -> None:
        """The store has everything up to this number. Noted with the next bodies, or soon: the store knows better."""
        with self._changed:
            self._stored = max(self._stored, number)
            self._changed.notify_all()

    def lag(self, exporter: str) -> Lag:
        """How far behind it is."""
        with self._environment.begin() as read:
            place, skipped = self._place(read, exporter)
            records, size = self._sum(read, place)
            last_records, last_size = self._sum(read, self._last)
            with read.cursor(self._entries) as cursor:
                age_s = 0.0
                if cursor.set_range(_KEY.pack(place + 1)):
                    age_s = max(0.0, (self._now_ns() - _HEAD.unpack_from(cursor.value())[1]) / 1e9)
        return Lag(last_records - records, last_size - size, age_s, skipped)

    def _sum(self, read: lmdb.Transaction, number: int) -> tuple[int, int]:
        found = read.get(_KEY.pack(number), db=self._sums)
        return struct.unpack("<QQ", found) if found else (0, 0)

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or self._stored or self._closing)
                taken = self._take()
                is_over = self._closing and not (taken or self._stored)
            if is_over:
                return
            self._commit(taken)

    def _take(self) -> list[_Waiting]:
        taken: list[_Waiting] = []
        size = 0
        while self._waiting and (not taken or size + len(self._waiting[0].body) <= _AT_ONCE):
            size += len(self._waiting[0].body)
            taken.append(self._waiting.pop(0))
        return taken

    def _commit(self, taken: list[_Waiting]) -> None:
        try:
            stored, self._stored = self._stored, 0
            last, records, size = self._last, self._records, self._bytes
            with self._environment.begin(write=True) as write:
                if stored:
                    write.put(STORE.encode(), struct.pack("<QQ", stored, 0), db=self._places)
                for waiting in taken:
                    last, records, size = last + 1, records + waiting.records, size + len(waiting.body)
                    write.put(_KEY.pack(last), waiting.head() + waiting.body, db=self._entries, append=True)
                    write.put(_KEY.pack(last), struct.pack("<QQ", records, size), db=self._sums, append=True)
                self._keep_within(write, last, size)
        except lmdb.MapFullError:
            self._environment.set_mapsize(self._environment.info()["map_size"] + _SPARE)
            self._commit(taken)
            return
        except lmdb.Error as error:
            log.warning("the journal can't be written, %d bodies are not taken: %s", len(taken), error)
            for waiting in taken:
                waiting.done.set_exception(JournalFailed(f"the journal can't be written ({error})"))
            return
        first = self._last + 1
        with self._changed:
            self._last, self._records, self._bytes = last, records, size
            self._changed.notify_all()
        for number, waiting in enumerate(taken, first):
            if waiting.deliver is not None:
                waiting.deliver(number)
            waiting.done.set_result(None)

    def _keep_within(self, write: lmdb.Transaction, last: int, size: int) -> None:
        """An exporter that is too far behind skips what is beyond the bounds, counted: intake never stops for one."""
        oldest = self._bound(write, last, size) if self._readers - {STORE} else 0
        for name, (place, skipped) in self._all_places(write).items():
            if place < oldest and name != STORE.encode():
                lost = self._sum(write, oldest)[0] - self._sum(write, place)[0]
                log.warning("the exporter %s is too far behind: it skips %d records", name.decode(), lost)
                write.put(name, struct.pack("<QQ", oldest, skipped + lost), db=self._places)
        self._trim(write)

    def _bound(self, write: lmdb.Transaction, last: int, size: int) -> int:
        """The last number that is beyond the bounds."""
        least_ns = self._now_ns() - int(self._age_s * 1e9)
        oldest = 0
        with write.cursor(self._entries) as cursor:
            more = cursor.first()
            while more:
                number = _KEY.unpack(cursor.key())[0]
                is_old = self._here_since_ns(number, _HEAD.unpack_from(cursor.value())[1]) < least_ns
                if number >= last or not (is_old or size - self._sum(write, number - 1)[1] > self._size):
                    break
                oldest, more = number, cursor.next()
        return oldest

    def _here_since_ns(self, number: int, received_ns: int) -> int:
        """What was here at the start has waited since then: how long before, only two clocks could tell together."""
        return received_ns if number > self._inherited else self._began_ns

    def _trim(self, write: lmdb.Transaction) -> None:
        """Drop what nobody needs any more. The sums that places and the end are told by stay."""
        least = min((place for place, _ in self._all_places(write).values()), default=self._last)
        for table, stays in ((self._entries, least), (self._sums, least - 1)):
            with write.cursor(table) as cursor:
                while cursor.first() and _KEY.unpack(cursor.key())[0] <= stays:
                    cursor.delete()
