"""The arithmetic of buckets, for stores that have it done in Python. Pure: levels in, levels out.

A rate's level is the moment at which it will be full again (its theoretical arrival time): one number, which time
alone makes right. What is used of it is what flows back until then. A slot's and a sum's is what is used. That of a
rolling sum is a table: number of the slice of its window -> what was used in it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from .spec import Bucket, Claim, Refused

__all__ = ["SLICES", "Level", "Now", "ends_at", "first_refused", "fit", "give", "is_idle", "lower", "settled", "used"]

SLICES = 60
"""Of a rolling window. One that is partly out of it still counts in full: the window is up to a sixtieth wider."""

Level = float | dict[int, float]
Fitted = tuple[dict[str, Level], list[float]]


class Now(NamedTuple):
    """One moment on both clocks."""

    monotonic: float
    wall: float


def _slice(bucket: Bucket, wall: float) -> int:
    return int(wall * SLICES / bucket.window_s)


def used(bucket: Bucket, level: Level | None, now: Now) -> float:
    """How much of a bucket is used; None is the level of one that nobody has used yet."""
    if level is None:
        return 0.0
    if bucket.kind == "rate":
        assert not isinstance(level, dict)
        return max(level - now.monotonic, 0.0) * bucket.per_s
    if isinstance(level, dict):
        oldest = _slice(bucket, now.wall) - SLICES
        return sum(amount for number, amount in level.items() if number >= oldest)
    return level


def fit(
    claims: Sequence[Claim], level_of: Callable[[str], Level | None], monotonic: float, wall: float, *,
    anyway: bool = False,
) -> Fitted | None:  # fmt: skip
    """The levels after `claims`, by key, and what is used of each bucket then; None where one does not fit (`anyway`
    all do).

    On the path of every call: 0.5 µs for one rate, 0.25 for each more. So it is one function with no object of its own.
    """
    after: dict[str, Level] = {}
    used_after: list[float] = []
    for claim in claims:
        bucket, amount, leaves, _ = claim
        key, kind, capacity, per_s, window_s, _ = bucket
        level: Any = level_of(key)
        if kind == "rate":
            level = (monotonic if level is None or level < monotonic else level) + amount / per_s
            taken = (level - monotonic) * per_s
            # Rates are kept in seconds: a hundredth of a token may be lost in going there and back.
            slack = capacity * 1e-6 if capacity < 10_000 else 0.01
        elif window_s:
            now = Now(monotonic, wall)
            level = _add(bucket, level, amount, now)
            taken, slack = used(bucket, level, now), 1e-9
        else:
            level = taken = (level or 0.0) + amount
            slack = 1e-9
        if taken > (_capacity(claim) if leaves else capacity) + slack and not anyway:
            return None
        after[key] = level
        used_after.append(taken)
    return after, used_after


def _capacity(claim: Claim) -> float:
    # What is to be left never makes a claim impossible that the whole bucket has room for.
    return max(claim.bucket.capacity - claim.leaves, min(claim.amount, claim.bucket.capacity))


def _opens_in(claim: Claim, level: Level | None, used_: float, now: Now) -> float | None:
    """In how many seconds a claim will fit, where nobody else takes anything; None and infinite as in `Refused`."""
    bucket = claim.bucket
    if claim.amount > bucket.capacity:
        return math.inf
    excess = used_ + claim.amount - _capacity(claim)
    if bucket.kind == "rate":
        return excess / bucket.per_s
    if bucket.kind == "slots":
        return None
    if not isinstance(level, dict):
        return max(bucket.ends_at - now.wall, 0.0)
    oldest = _slice(bucket, now.wall) - SLICES
    for number in sorted(level):
        if number >= oldest and (excess := excess - level[number]) <= 1e-9:
            return max((number + SLICES + 1) * bucket.window_s / SLICES - now.wall, 0.0)
    return math.inf


def first_refused(claims: Sequence[Claim], before: Sequence[Level | None], now: Now) -> Refused | None:
    """Of the claims that do not fit, the one that opens last; None where all do."""
    refused: Refused | None = None
    for claim, level in zip(claims, before, strict=True):
        if fit((claim,), lambda _, level=level: level, *now) is not None:  # type: ignore[misc]  # of this round
            continue
        used_ = used(claim.bucket, level, now)
        opens_in_s = _opens_in(claim, level, used_, now)
        if refused is None or (opens_in_s or 0.0) > (refused.opens_in_s or 0.0):
            refused = Refused(claim, used_, opens_in_s)
    return refused


def settled(
    claims: Sequence[Claim], actual: Sequence[float], level_of: Callable[[str], Level | None], now: Now, at: float
) -> dict[str, Level]:
    """The levels, by key, after what was taken at `at` (since the epoch) came to `actual`; on each call's path."""
    after: dict[str, Level] = {}
    for claim, came_to in zip(claims, actual, strict=True):
        bucket, amount, _, _ = claim
        kind = bucket.kind
        back = amount if kind == "slots" else amount - came_to
        if not back:
            continue
        level: Any = level_of(bucket.key)
        if kind == "rate":
            full_at = now.monotonic if level is None or level < now.monotonic else level
            after[bucket.key] = full_at - back / bucket.per_s
        else:
            after[bucket.key] = give(bucket, level, back, now, at)
    return after


def give(bucket: Bucket, level: Level | None, amount: float, now: Now, at: float) -> Level:
    """The level after `amount` of what was taken at `at` (since the epoch) was given back; below 0, more charged."""
    if bucket.kind == "sum" and bucket.window_s and amount > 0:
        table = dict(level) if isinstance(level, dict) else {}
        number = _slice(bucket, at)
        table[number] = max(table.get(number, 0.0) - amount, 0.0)
        return table
    return _add(bucket, level, -amount, now)


def _add(bucket: Bucket, level: Level | None, amount: float, now: Now) -> Level:
    if bucket.kind == "rate":
        assert not isinstance(level, dict)
        return max(now.monotonic if level is None else level, now.monotonic) + amount / bucket.per_s
    if bucket.kind == "sum" and bucket.window_s:
        number = _slice(bucket, now.wall)
        table = {key: kept for key, kept in level.items() if key >= number - SLICES} if isinstance(level, dict) else {}
        table[number] = table.get(number, 0.0) + amount
        return table
    assert not isinstance(level, dict)
    return max((level or 0.0) + amount, 0.0)


def lower(bucket: Bucket, level: Level | None, left: float, moment: float) -> Level:
    """The level of a rate of which only `left` was free at `moment` (monotonic), as far as it is lower than that."""
    assert not isinstance(level, dict)
    told = moment + (bucket.capacity - left) / bucket.per_s
    return told if level is None else max(level, told)


def ends_at(bucket: Bucket, level: Level) -> float:
    """When what is kept of a sum says nothing any more, in seconds since the epoch."""
    if isinstance(level, dict):
        return (max(level, default=0) + SLICES + 2) * bucket.window_s / SLICES
    return bucket.ends_at


def is_idle(kind: str, level: Level, end: float, now: Now) -> bool:
    """Whether a level says no more than none would."""
    if kind == "rate":
        assert not isinstance(level, dict)
        return level <= now.monotonic
    if isinstance(level, dict):
        return now.wall > end
    return level <= 0.0 or now.wall > end + 86_400
