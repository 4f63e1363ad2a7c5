"""The thread beside a store: it does what must not make a call wait, and renews the leases of living calls."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from os import getpid
from queue import Empty, SimpleQueue
from weakref import WeakValueDictionary

from ..safely import safely
from .spec import Lease

__all__ = ["Keeper"]

RENEWALS = 3
"""In a lease's time: two may fail, as in a short outage."""
SLOWEST_S = 60.0


class Keeper:
    """Starts with the first that it has to do; a forked child has none of its parent's."""

    def __init__(self, renew: Callable[[Sequence[Lease]], None], tidy: Callable[[], None]) -> None:
        self._renew, self._tidy = renew, tidy
        self._begin()

    def _begin(self) -> None:
        self._pid = getpid()
        self._lock = threading.Lock()
        self._jobs: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._open: WeakValueDictionary[int, Lease] = WeakValueDictionary()
        self._every_s = SLOWEST_S
        self._thread: threading.Thread | None = None

    def later(self, job: Callable[[], None]) -> None:
        """Have `job` done by the thread. Harmless in a finaliser: `SimpleQueue.put` may be entered again."""
        if self._pid != getpid():
            self._begin()
        self._jobs.put(job)
        if self._thread is None:
            self._start()

    def hold(self, lease: Lease) -> None:
        """Renew `lease` until it is settled, or nobody has it any more."""
        if self._pid != getpid():
            self._begin()
        self._open[lease.id] = lease
        if self._thread is None or lease.ttl_s / RENEWALS < self._every_s:
            self._every_s = min(self._every_s, lease.ttl_s / RENEWALS)
            self.later(lambda: None)  # wakes it: it may sleep for longer than that

    def let_go(self, lease: Lease) -> None:
        """`lease` is settled."""
        self._open.pop(lease.id, None)

    def flush(self, timeout_s: float) -> bool:
        """Whether all that was to be done is done within `timeout_s`."""
        if self._thread is None or self._pid != getpid():
            return True
        done = threading.Event()
        self.later(done.set)
        return done.wait(timeout_s)

    def close(self) -> None:
        """Do what is left, and end."""
        thread, self._thread = self._thread, None
        if thread is not None and self._pid == getpid():
            self._jobs.put(None)
            thread.join(1.0)

    def _start(self) -> None:
        # Not blocking: a finaliser may have come into this very function, and whoever holds the lock starts it.
        if self._lock.acquire(blocking=False):
            try:
                if self._thread is None:
                    self._thread = threading.Thread(target=self._run, name="otelllm-state", daemon=True)
                    self._thread.start()
            finally:
                self._lock.release()

    def _run(self) -> None:
        jobs = self._jobs
        renewed = time.monotonic()
        tidied = renewed
        while True:
            try:
                job = jobs.get(timeout=max(renewed + self._every_s - time.monotonic(), 0.001))
            except Empty:
                job = _nothing
            if job is None:
                return
            with safely("settling a limit"):
                job()
            now = time.monotonic()
            if now - renewed >= self._every_s:
                renewed = now
                with safely("renewing leases"):
                    if leases := list(self._open.values()):
                        self._renew(leases)
            if now - tidied >= SLOWEST_S:
                tidied = now
                with safely("tidying counters"):
                    self._tidy()


def _nothing() -> None:
    pass
