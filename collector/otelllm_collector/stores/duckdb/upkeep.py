"""Work of the writer's thread between two commits: jobs in short steps, one job at a time."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Generator
from concurrent.futures import Future
from typing import NamedTuple, TypeAlias

from ..spec import Record

__all__ = ["Job", "Upkeep"]

log = logging.getLogger(__name__)

Job: TypeAlias = Generator[float, None, Record]
"""Yields between two steps how many seconds it has time (0: a commit may come between); returns what it did."""


class _Waiting(NamedTuple):
    name: str
    job: Job
    done: Future[Record]


class Upkeep:
    """Jobs that wait for their turn. Any thread may add one; only the writer's takes steps."""

    def __init__(self) -> None:
        self._jobs: deque[_Waiting] = deque()
        self._lock = threading.Lock()
        self.longest_s = 0.0
        """For how long the longest step held up writing."""
        self.last: dict[str, Record] = {}
        """Name of a job -> what it did when it ran last."""

    def add(self, name: str, job: Job) -> Future[Record]:
        """Queue a job; the future has what it did."""
        done: Future[Record] = Future()
        done.set_running_or_notify_cancel()
        with self._lock:
            self._jobs.append(_Waiting(name, job, done))
        return done

    def has(self, name: str) -> bool:
        """Whether such a job waits or is at work."""
        with self._lock:
            return any(waiting.name == name for waiting in self._jobs)

    @property
    def is_at_work(self) -> bool:
        """Whether there is any job."""
        with self._lock:
            return bool(self._jobs)

    def step(self) -> float | None:
        """One step of the first job; seconds until the next, None where there is none. Never raises."""
        with self._lock:
            if not self._jobs:
                return None
            name, job, done = self._jobs[0]
        began = time.perf_counter()
        try:
            return next(job)
        except StopIteration as end:
            self.last[name] = end.value
            self._end()
            done.set_result(end.value)
        except Exception as error:
            log.warning("%s has broken off", name, exc_info=True)
            self._end()
            done.set_exception(error)
        finally:
            self.longest_s = max(self.longest_s, time.perf_counter() - began)
        return 0.0

    def close(self) -> None:
        """Give up what has not ended."""
        with self._lock:
            waiting, self._jobs = list(self._jobs), deque()
        for one in waiting:
            one.job.close()
            one.done.set_exception(RuntimeError(f"the collector stopped before {one.name} had ended"))

    def _end(self) -> None:
        with self._lock:
            self._jobs.popleft()
