"""Notice that a file changed, within a second, in this process and in its forked children."""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Callable
from pathlib import Path

from .safely import safely

__all__ = ["FileWatcher"]

POLL_S = 0.2
"""A change is told at the second look that finds it the same: a file that is still being written is no policy."""

Mark = tuple[int, int, int, int] | None


class FileWatcher:
    """Calls `on_change` from a thread of its own when the file's content may have changed, or when it came or went."""

    def __init__(self, path: Path, on_change: Callable[[], None]) -> None:
        self._path = path
        self._on_change = on_change
        self._told = self._seen = self._mark()
        self._stopped = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Watch from now on; MUST be called once at most."""
        _watching.add(self)
        self._start()

    def stop(self) -> None:
        """No call of `on_change` begins after this returns, unless it is made from `on_change` itself."""
        _watching.discard(self)
        self._stopped.set()
        thread = self._thread
        if thread is not None and thread is not threading.current_thread():
            thread.join(timeout=2.0)

    def _start(self) -> None:
        self._stopped = threading.Event()  # a lock copied by a fork may be held for ever
        self._thread = threading.Thread(target=self._watch, args=(self._stopped,), name="otelllm-policy", daemon=True)
        self._thread.start()

    def _watch(self, stopped: threading.Event) -> None:
        while not stopped.wait(POLL_S):
            with safely("watching a file"):
                self._look()

    def _look(self) -> None:
        before, self._seen = self._seen, self._mark()
        if self._seen == before and self._seen != self._told:
            self._told = self._seen
            self._on_change()

    def _mark(self) -> Mark:
        try:
            stat = os.stat(self._path)
        except OSError:
            return None
        return stat.st_mtime_ns, stat.st_ctime_ns, stat.st_size, stat.st_ino


_watching: weakref.WeakSet[FileWatcher] = weakref.WeakSet()


def _renew() -> None:
    """Threads do not survive a fork."""
    for watcher in list(_watching):
        with safely("watching a file after a fork"):
            watcher._start()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew)
