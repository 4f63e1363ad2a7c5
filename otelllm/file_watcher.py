"""Notice that a file changed, within a second, in this process and in its forked children."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path

from .lasting_threads import LastingThread
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
        self._thread = LastingThread("otelllm-policy", self._watch)

    def start(self) -> None:
        """Watch from now on; MUST be called once at most."""
        self._thread.start()

    def stop(self) -> None:
        """No call of `on_change` begins after this returns, unless it is made from `on_change` itself."""
        self._thread.stop()

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
