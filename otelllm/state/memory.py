"""Counters in this process's memory: each process on its own. Only where somebody asks for it."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from itertools import count
from typing import NamedTuple

from ..forks import begins_anew
from ..steps import Steps
from . import levels
from .levels import Level, Now
from .spec import Bucket, Claim, Lease, Refused, Told

__all__ = ["Memory"]

FIRST_SWEEP = 1024
"""So many buckets before the idle ones are let go; then again each time that their number has doubled."""

Jobs = deque["_Settled | Sequence[Told]"]


class _Settled(NamedTuple):
    lease: Lease
    actual: Sequence[float]


class Memory:
    """A store of counters that lives as long as its process; so do its leases."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic, wall: Callable[[], float] = time.time) -> None:
        self._clock, self._wall = clock, wall
        self._ids = count(1)
        self.begin()
        begins_anew(self)

    def begin(self) -> None:
        """Know nothing: a forked child counts by itself."""
        self._lock = threading.Lock()
        self._jobs: Jobs = deque()
        self._levels: dict[str, Level] = {}
        self._buckets: dict[str, Bucket] = {}
        self._sweep_at = FIRST_SWEEP

    def acquire(self, claims: Sequence[Claim], ttl_s: float, *, anyway: bool = False) -> Steps[Lease | Refused]:
        """See `State`. All of it stands here: a function called for each part would take a fifth of the time."""
        outcome: Lease | Refused
        with self._lock:
            kept = self._levels
            monotonic, wall = self._clock(), self._wall()
            if self._jobs:
                self._work(Now(monotonic, wall))
            fitted = levels.fit(claims, kept.get, monotonic, wall, anyway=anyway)
            if fitted is None:
                outcome = self._refused(claims, Now(monotonic, wall))
            else:
                kept.update(fitted[0])
                if len(kept) != len(self._buckets):
                    self._learn(claims, Now(monotonic, wall))
                outcome = Lease(next(self._ids), tuple(claims), fitted[1], wall, ttl_s)
        if self._jobs:
            self._work_if_free()
        return outcome
        yield  # type: ignore[unreachable]  # a generator that never waits

    def _refused(self, claims: Sequence[Claim], now: Now) -> Refused:
        refused = levels.first_refused(claims, [self._levels.get(claim.bucket.key) for claim in claims], now)
        assert refused is not None
        return refused

    def _learn(self, claims: Sequence[Claim], now: Now) -> None:
        """There are buckets that nobody has used yet."""
        for claim in claims:
            self._buckets.setdefault(claim.bucket.key, claim.bucket)
        if len(self._levels) > self._sweep_at:
            self._sweep(now)

    def _keep(self, bucket: Bucket, level: Level) -> None:
        self._buckets.setdefault(bucket.key, bucket)
        self._levels[bucket.key] = level

    def _sweep(self, now: Now) -> None:
        for key, level in list(self._levels.items()):
            bucket = self._buckets[key]
            if levels.is_idle(bucket.kind, level, levels.ends_at(bucket, level), now):
                del self._levels[key], self._buckets[key]
        self._sweep_at = max(FIRST_SWEEP, 2 * len(self._levels))

    def settle(self, lease: Lease, actual: Sequence[float]) -> None:
        """See `State`."""
        if lease.is_settled:
            return
        lease.is_settled = True
        self._jobs.append(_Settled(lease, actual))
        self._work_if_free()

    def correct(self, told: Sequence[Told]) -> None:
        """See `State`."""
        self._jobs.append(tuple(told))
        self._work_if_free()

    def read(self, buckets: Sequence[Bucket]) -> Steps[list[float]]:
        """See `State`."""
        with self._lock:
            now = Now(self._clock(), self._wall())
            self._work(now)
            return [levels.used(bucket, self._levels.get(bucket.key), now) for bucket in buckets]
        yield  # type: ignore[unreachable]

    def flush(self, timeout_s: float) -> bool:
        """See `State`: nothing waits."""
        self._work_if_free()
        return not self._jobs

    def close(self) -> None:
        """See `State`."""

    def _work_if_free(self) -> None:
        """Do what is to be settled. Whoever holds the lock (this thread itself, where a finaliser runs inside it) looks
        for it again after letting go.
        """
        while self._jobs and self._lock.acquire(blocking=False):
            try:
                self._work(Now(self._clock(), self._wall()))
            finally:
                self._lock.release()

    def _work(self, now: Now) -> None:
        while self._jobs:
            job = self._jobs.popleft()
            if isinstance(job, _Settled):
                kept, claims = self._levels, job.lease.claims
                kept.update(levels.settled(claims, job.actual, kept.get, now, job.lease.at))
                if len(kept) != len(self._buckets):
                    self._learn(claims, now)
            else:
                for told in job:
                    bucket = told.bucket
                    before = self._levels.get(bucket.key)
                    self._keep(bucket, levels.lower(bucket, before, told.left, now.monotonic - told.age_s))
