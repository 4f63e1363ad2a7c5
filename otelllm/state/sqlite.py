"""Counters in one SQLite file, shared by all processes of a host: exact, for one short transaction a call."""

from __future__ import annotations

import sqlite3
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from random import getrandbits, uniform
from typing import Any, NamedTuple

import orjson

from ..steps import Steps
from . import levels
from .away import Outage
from .keeper import Keeper
from .levels import Level, Now
from .spec import Bucket, Claim, Lease, Refused, StateAway, Told
from .sqlite_file import BUSY, Door, NotReady
from .threads import aside

__all__ = ["Sqlite"]

PATIENCE_S = 1.0
"""For a file that others write to: whoever has it that long was stopped in the middle."""
TRIES = 3
"""Without waiting: who has the file has it for some 20 µs."""
SOON_S = (0.00002, 0.0005)
"""Between tries of who waits. By its own timer SQLite sleeps for 1 ms and up to 100: others are faster then."""
HEALS_EVERY_S = 0.05
CHECKPOINT_EVERY = 1000
"""Transactions of this process; one writes some 3 kB."""
WAYS_OUT = {
    sqlite3.SQLITE_CORRUPT: "it is damaged; delete it",
    sqlite3.SQLITE_NOTADB: "it is no SQLite file; name another, or delete it",
    sqlite3.SQLITE_READONLY: "it can't be written; see to its permissions",
    sqlite3.SQLITE_CANTOPEN: "it can't be opened; see to its folder's permissions",
    sqlite3.SQLITE_FULL: "the disk is full",
}


Execute = Callable[..., sqlite3.Cursor]


class _Settled(NamedTuple):
    lease: Lease
    actual: Sequence[float]


class _Busy(Exception):  # noqa: N818
    """Another process is writing just now."""


class Sqlite:
    """A store of counters in a file. It goes by the host's monotonic clock, which all its processes share."""

    def __init__(
        self, path: Path, *, clock: Callable[[], float] = time.monotonic, wall: Callable[[], float] = time.time
    ) -> None:
        self._clock, self._wall = clock, wall
        self._quick = Door(path)
        self._patient = Door(path, waits=True)
        self._outage = Outage(str(path))
        self._keeper = Keeper(self._renew, self._tidy)
        self._jobs: deque[_Settled | Sequence[Told]] = deque()
        self._healed_at = -HEALS_EVERY_S
        self._written = 0

    def acquire(self, claims: Sequence[Claim], ttl_s: float, *, anyway: bool = False) -> Steps[Lease | Refused]:
        """See `State`."""
        claims = tuple(claims)
        outcome: Lease | Refused = yield from self._asked(
            lambda at: self._acquire(at, claims, ttl_s, anyway=anyway), self._drop
        )
        if type(outcome) is Lease and any(claim.bucket.kind != "rate" for claim in claims):
            self._keeper.hold(outcome)
        return outcome

    def settle(self, lease: Lease, actual: Sequence[float]) -> None:
        """See `State`."""
        if lease.is_settled:
            return
        lease.is_settled = True
        self._keeper.let_go(lease)
        pairs = zip(lease.claims, actual, strict=True)
        if any(claim.bucket.kind != "rate" or amount != claim.amount for claim, amount in pairs):
            self._soon(_Settled(lease, actual))

    def correct(self, told: Sequence[Told]) -> None:
        """See `State`."""
        self._soon(tuple(told))

    def read(self, buckets: Sequence[Bucket]) -> Steps[list[float]]:
        """See `State`."""

        def work(door: _Open) -> list[float]:
            self._heal(door)
            found = door.levels([bucket.key for bucket in buckets])
            return [levels.used(bucket, found.get(bucket.key), door.now) for bucket in buckets]

        used: list[float] = yield from self._asked(work, lambda _: None)
        return used

    def flush(self, timeout_s: float) -> bool:
        """See `State`."""
        if self._jobs:
            self._keeper.later(self._work_patiently)
        return self._keeper.flush(timeout_s)

    def close(self) -> None:
        """See `State`."""
        self._keeper.close()
        for door in (self._quick, self._patient):
            with door.lock:
                door.close()

    def _drop(self, outcome: Lease | Refused) -> None:
        if type(outcome) is Lease:
            self.settle(outcome, [0.0] * len(outcome.claims))

    def _asked(self, work: Callable[[_Open], Any], undo: Callable[[Any], None]) -> Steps[Any]:
        """Do `work` at once; where another process is writing, aside and with patience."""
        self._outage.check()
        try:
            return self._at(self._quick, work)
        except _Busy:
            return (yield from aside(lambda: self._at_last(work), undo))

    def _at_last(self, work: Callable[[_Open], Any]) -> Any:
        try:
            return self._at(self._patient, work, patience_s=PATIENCE_S)
        except _Busy as error:
            raise self._outage.began(f"another process has kept it locked for {PATIENCE_S} s") from error

    def _at(self, door: Door, work: Callable[[_Open], Any], *, patience_s: float = 0.0) -> Any:
        door.renew()
        with door.lock:
            self._outage.check()  # who had the lock before may have found out
            return self._in(door, work, patience_s=patience_s)

    def _in(self, door: Door, work: Callable[[_Open], Any], *, patience_s: float = 0.0) -> Any:
        """Do `work` in one transaction; the caller has the door's lock."""
        try:
            execute = _begin(door, patience_s)
            try:
                opened = _Open(execute, Now(self._clock(), self._wall()))
                while self._jobs:
                    self._work(opened, self._jobs.popleft())
                result = work(opened)
            except BaseException:
                execute("rollback")
                raise
            execute("commit")
        except NotReady as error:
            raise _Busy from error
        except (sqlite3.Error, OSError) as error:
            if isinstance(error, sqlite3.Error) and error.sqlite_errorcode in BUSY:
                raise _Busy from error
            door.close()
            code = getattr(error, "sqlite_errorcode", 0) or 0
            way_out = WAYS_OUT.get(code & 0xFF, "see to the file and its folder")
            raise self._outage.began(f"{error}: {way_out}") from error
        self._outage.ended()
        self._written += 1
        if self._written % CHECKPOINT_EVERY == 0:
            self._keeper.later(self._checkpoint)
        return result

    def _acquire(
        self, at: _Open, claims: tuple[Claim, ...], ttl_s: float, *, anyway: bool, healed: bool = False
    ) -> Lease | Refused:
        found = at.levels([claim.bucket.key for claim in claims])
        fitted = levels.fit(claims, found.get, *at.now, anyway=anyway)
        if fitted is None:
            if not healed and self._heal(at):
                return self._acquire(at, claims, ttl_s, anyway=anyway, healed=True)
            refused = levels.first_refused(claims, [found.get(claim.bucket.key) for claim in claims], at.now)
            assert refused is not None
            return refused
        after, used = fitted
        for claim in claims:
            key = claim.bucket.key
            if key in found and isinstance(level := after[key], float):
                at.move(key, level)
            else:
                at.keep(claim.bucket, after[key])
        lease = Lease(getrandbits(62), claims, used, at.now.wall, ttl_s)
        at.hold(lease)
        return lease

    def _heal(self, at: _Open) -> bool:
        """Give back what calls held whose process is gone."""
        if abs(at.now.monotonic - self._healed_at) < HEALS_EVERY_S:
            return False
        self._healed_at = at.now.monotonic
        gone = at.take_expired()
        for bucket, back, moment in gone:
            before = at.levels([bucket.key]).get(bucket.key)
            at.keep(bucket, levels.give(bucket, before, back, at.now, moment))
        return bool(gone)

    def _soon(self, job: _Settled | Sequence[Told]) -> None:
        """Have `job` done at once where the file is free, and by the thread where not."""
        self._quick.renew()
        self._jobs.append(job)
        try:
            self._outage.check()
            if self._quick.lock.acquire(blocking=False):
                try:
                    self._in(self._quick, _nothing)
                finally:
                    self._quick.lock.release()
        except (StateAway, _Busy):
            pass
        if self._jobs:
            self._keeper.later(self._work_patiently)

    def _work_patiently(self) -> None:
        if self._jobs:
            with suppress(StateAway, _Busy):  # then they are done with the next call, or by the flush before the end
                self._at(self._patient, _nothing, patience_s=PATIENCE_S)

    def _work(self, at: _Open, job: _Settled | Sequence[Told]) -> None:
        if not isinstance(job, _Settled):
            for told in job:
                before = at.levels([told.bucket.key]).get(told.bucket.key)
                lowered = levels.lower(told.bucket, before, told.left, at.now.monotonic - told.age_s)
                at.keep(told.bucket, lowered)
            return
        lease = job.lease
        held = at.let_go(lease)
        for claim, actual in zip(lease.claims, job.actual, strict=True):
            bucket = claim.bucket
            if bucket.kind == "rate" or bucket.key in held:
                taken = claim.amount
            else:  # its time was over, and it was given back
                taken = 0.0 if bucket.kind == "slots" else claim.kept
            amount = taken if bucket.kind == "slots" else taken - actual
            if not amount:
                continue
            if bucket.kind == "rate":
                at.shift(bucket.key, at.now.monotonic, -amount / bucket.per_s)
            elif bucket.window_s:
                before = at.levels([bucket.key]).get(bucket.key)
                at.keep(bucket, levels.give(bucket, before, amount, at.now, lease.at))
            elif amount > 0:
                at.shift(bucket.key, amount, -amount)  # never below nothing
            else:
                before = at.levels([bucket.key]).get(bucket.key)
                at.keep(bucket, levels.give(bucket, before, amount, at.now, lease.at))

    def _renew(self, leases: Sequence[Lease]) -> None:
        self._at(self._patient, lambda at: at.renew(leases), patience_s=PATIENCE_S)

    def _tidy(self) -> None:
        self._at(self._patient, lambda at: at.tidy(), patience_s=PATIENCE_S)

    def _checkpoint(self) -> None:
        self._patient.renew()
        with self._patient.lock:
            try:
                self._patient.open().execute("pragma wal_checkpoint(passive)")
            except sqlite3.Error:
                self._patient.close()  # the next call that needs it says why


class _Open:
    """The tables within one transaction."""

    __slots__ = ("_execute", "now")

    def __init__(self, execute: Execute, now: Now) -> None:
        self._execute, self.now = execute, now

    def levels(self, keys: Sequence[str]) -> dict[str, Level]:
        if len(keys) == 1:
            rows = self._execute("select key, level from buckets where key = ?", keys)
        else:
            marks = ",".join("?" * len(keys))
            rows = self._execute(f"select key, level from buckets where key in ({marks})", keys)  # noqa: S608  marks
        return {key: level if type(level) is float else _table(level) for key, level in rows}

    def move(self, key: str, level: float) -> None:
        """Set the level of a bucket that is there, and ends when it did: half of what `keep` costs."""
        self._execute("update buckets set level = ? where key = ?", (level, key))

    def keep(self, bucket: Bucket, level: Level) -> None:
        self._execute(
            "insert into buckets values (?, ?, ?, ?) on conflict do update set level = excluded.level,"
            " ends = excluded.ends",
            (bucket.key, bucket.kind, _text(level), levels.ends_at(bucket, level)),
        )

    def shift(self, key: str, least: float, by: float) -> None:
        """Raise a level to `least` at least, then add. A level that is gone was idle."""
        self._execute("update buckets set level = max(level, ?) + ? where key = ?", (least, by, key))

    def hold(self, lease: Lease) -> None:
        for row in [
            (lease.id, bucket.key, bucket.kind, bucket.window_s, claim.amount - claim.kept, lease.at,
             self.now.monotonic + lease.ttl_s)
            for claim in lease.claims if (bucket := claim.bucket).kind != "rate"
        ]:  # fmt: skip
            self._execute("insert into holds values (?, ?, ?, ?, ?, ?, ?)", row)

    def let_go(self, lease: Lease) -> set[str]:
        if all(claim.bucket.kind == "rate" for claim in lease.claims):
            return set()
        return {key for (key,) in self._execute("delete from holds where lease = ? returning key", (lease.id,))}

    def take_expired(self) -> list[tuple[Bucket, float, float]]:
        rows = self._execute(
            "delete from holds where expires < ? returning key, kind, window_s, back, at", (self.now.monotonic,)
        ).fetchall()
        return [(Bucket(key, kind, 0.0, window_s=window_s), back, at) for key, kind, window_s, back, at in rows]

    def renew(self, leases: Sequence[Lease]) -> None:
        now = self.now.monotonic
        for one in leases:
            self._execute("update holds set expires = ? where lease = ?", (now + one.ttl_s, one.id))

    def tidy(self) -> None:
        self._execute("delete from buckets where kind = 'rate' and level <= ?", (self.now.monotonic,))
        self._execute("delete from buckets where kind <> 'rate' and ends < ?", (self.now.wall - 86_400,))


def _table(level: Any) -> Level:
    return {int(number): amount for number, amount in orjson.loads(level).items()}


def _text(level: Level) -> float | str:
    if isinstance(level, dict):
        return orjson.dumps(level, option=orjson.OPT_NON_STR_KEYS).decode()
    return level


def _nothing(at: _Open) -> None:
    """Only what waited is done."""


def _begin(door: Door, patience_s: float) -> Execute:
    """Alone in the file: after `TRIES` without waiting, or as long as `patience_s`. The caller ends it."""
    execute = door.open().execute
    until = 0.0
    tried = 0
    while True:
        try:
            execute("begin immediate")
            return execute
        except sqlite3.OperationalError as error:
            tried += 1
            until = until or time.monotonic() + patience_s
            is_over = time.monotonic() > until if patience_s else tried >= TRIES
            if is_over or error.sqlite_errorcode not in BUSY:
                raise
            if patience_s:
                time.sleep(uniform(*SOON_S))  # noqa: S311  no secret: so that they don't all come at once
