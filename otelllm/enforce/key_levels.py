"""How much of its limits each key of a pool has left, as this process saw it last: by that a pool chooses its key."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from time import monotonic

from ..state.spec import Claim

__all__ = ["KeyLevels"]


class KeyLevels:
    """What was used of each key's buckets when a call took of them; rates fill up again meanwhile."""

    __slots__ = ("_clock", "_seen")

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        self._clock = clock
        self._seen: dict[str, tuple[float, tuple[tuple[Claim, float], ...]]] = {}
        """By a key's hash: when, and what was used of each bucket. As many as a policy has keys."""

    def saw(self, key: str, claims: Sequence[Claim], used: Sequence[float]) -> None:
        """`used` of the buckets of `claims`, the claims themselves included, on behalf of the key of this hash."""
        self._seen[key] = self._clock(), tuple(zip(claims, used, strict=True))

    def remaining(self, key: str) -> float | None:
        """The share that is left of the bucket that has least, from 0 to 1; None for a key that nobody counts."""
        seen = self._seen.get(key)
        if seen is None:
            return None
        at, buckets = seen
        age_s = max(0.0, self._clock() - at)
        return min(
            max(0.0, min(1.0, 1.0 - (used - claim.bucket.per_s * age_s) / claim.bucket.capacity))
            for claim, used in buckets
        )
