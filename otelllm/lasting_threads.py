"""Threads of ours that go on in forked children: gunicorn and Celery fork after `instrument()`."""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Callable

from .safely import safely

__all__ = ["LastingThread"]


class LastingThread:
    """Runs `work` until it is stopped; `work` is given the event that says so, and MUST look at it often."""

    def __init__(self, name: str, work: Callable[[threading.Event], None]) -> None:
        self._name, self._work = name, work
        self._stopped = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Run from now on; MUST be called once at most."""
        _running.add(self)
        self._start()

    def stop(self, patience_s: float = 2.0) -> None:
        """Ask it to end, and wait so long for it; not where it is the thread itself that asks."""
        _running.discard(self)
        self._stopped.set()
        thread = self._thread
        if thread is not None and thread is not threading.current_thread():
            thread.join(timeout=patience_s)

    def _start(self) -> None:
        self._stopped = threading.Event()  # a lock copied by a fork may be held for ever
        self._thread = threading.Thread(target=self._work, args=(self._stopped,), name=self._name, daemon=True)
        self._thread.start()


_running: weakref.WeakSet[LastingThread] = weakref.WeakSet()


def _renew() -> None:
    for lasting in list(_running):
        with safely("renewing a thread after a fork"):
            lasting._start()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew)
