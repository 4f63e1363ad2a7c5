"""Answers in this process's memory: the least recently used go when the bytes run out."""

from __future__ import annotations

import os
from collections import OrderedDict
from collections.abc import Callable, Sequence
from threading import RLock
from time import monotonic
from typing import NamedTuple

from .store import Found

__all__ = ["Memory"]

OVERHEAD = 400
"""What an entry takes beside its record: key, marks, span id, its places in the dict."""
TAGS = 10_000


class _Entry(NamedTuple):
    record: bytes
    marks: tuple[bytes, ...]
    until: float
    span: str


class Memory:
    """At most `max_bytes`; a record that is larger than an eighth of that is not kept, it would drive out the rest."""

    blocks = False

    def __init__(self, max_bytes: int, clock: Callable[[], float] = monotonic) -> None:
        self.max_bytes = max_bytes
        self._clock = clock
        self._entries: OrderedDict[bytes, _Entry] = OrderedDict()
        self._marks: OrderedDict[str, bytes] = OrderedDict()
        self._size = 0
        self._lock = RLock()  # a collected stream may put its answer, wherever the collector runs

    def renew(self) -> None:
        """What a thread of the parent was changing at the fork can't be trusted; anything else is still good."""
        if not self._lock.acquire(blocking=False):  # another thread's: ours would get in
            self._entries, self._size = OrderedDict(), 0
            self._marks = OrderedDict()
        self._lock = RLock()

    def look_up(self, key: bytes, tags: Sequence[str]) -> Found:
        """A hit makes it the most recently used."""
        with self._lock:
            marks = tuple(map(self._mark, tags)) if tags else ()
            entry = self._entries.get(key)
            if entry is None:
                return Found(None, marks)
            if entry.marks != marks or entry.until <= self._clock():
                self._drop(key)
                return Found(None, marks)
            if key in self._entries:
                self._entries.move_to_end(key)
            return Found(entry.record, marks)

    def _mark(self, tag: str) -> bytes:
        mark = self._marks.get(tag)
        if mark is None:
            return self._renewed(tag)
        self._marks.move_to_end(tag)
        return mark

    def _renewed(self, tag: str) -> bytes:
        mark = self._marks[tag] = os.urandom(8)
        self._marks.move_to_end(tag)
        if len(self._marks) > TAGS:
            self._marks.popitem(last=False)
        return mark

    def put(self, key: bytes, record: bytes, found: Found, tags: Sequence[str], *, ttl_s: float, span: str) -> None:
        """Makes room by dropping what was used longest ago."""
        size = len(record) + OVERHEAD
        if size > self.max_bytes // 8:
            return
        with self._lock:
            if key in self._entries:
                self._drop(key)
            self._entries[key] = _Entry(record, found.marks, self._clock() + ttl_s, span)
            self._size += size
            while self._size > self.max_bytes:
                self._drop(next(iter(self._entries)))

    def _drop(self, key: bytes) -> None:
        entry = self._entries.pop(key, None)
        if entry is not None:
            self._size -= len(entry.record) + OVERHEAD

    def invalidate(self, tag: str) -> None:
        """The entries themselves go when they are next asked for, or when room is needed."""
        with self._lock:
            self._renewed(tag)

    def expel(self, span: str) -> bool:
        """Looks through all of them: it is rare."""
        with self._lock:
            found = [key for key, entry in self._entries.items() if entry.span == span]
            for key in found:
                self._drop(key)
            return bool(found)

    def close(self) -> None:
        """Nothing is open."""
