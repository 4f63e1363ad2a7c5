"""The contract of a store of counters: buckets, what is claimed of them, and one atomic step over all of a call's."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple, Protocol

from ..steps import Steps

__all__ = ["Bucket", "Claim", "Kind", "Lease", "Refused", "State", "StateAway", "Told"]

Kind = Literal["rate", "slots", "sum"]
"""rate: refilled at `per_s`, full at first (a token bucket). slots: how many at once. sum: how much within a window."""


class Bucket(NamedTuple):
    """One counter. `key` tells it from all others of this store; two buckets with one key MUST be of one kind."""

    key: str
    kind: Kind
    capacity: float
    per_s: float = 0.0
    """rate: what comes back each second; MUST be above 0."""
    window_s: float = 0.0
    """sum: the width of a rolling window; 0 for one of the calendar, which has its start in its key."""
    ends_at: float = math.inf
    """sum of the calendar: when its window ends, in seconds since the epoch; nothing of it is kept a day later."""


class Claim(NamedTuple):
    """What one call takes of one bucket."""

    bucket: Bucket
    amount: float
    leaves: float = 0.0
    """What must be left for others: how a low priority keeps out of the way of a high one."""
    kept: float = 0.0
    """sum: what stays charged when the process dies before it settles; the rest is given back."""


@dataclass(eq=False, slots=True, weakref_slot=True)
class Lease:
    """What was taken, until it is settled. It belongs to the process that took it."""

    id: int
    claims: tuple[Claim, ...]
    used: Sequence[float]
    """How much of each bucket is used now, this call's share included."""
    at: float
    """When, in seconds since the epoch."""
    ttl_s: float
    is_settled: bool = field(default=False, init=False)


class Refused(NamedTuple):
    """Nothing was taken, for this bucket has no room; where several have none, the one that opens last."""

    claim: Claim
    used: float
    opens_in_s: float | None
    """None where nobody knows: a slot opens when somebody gives it back. Infinite where it never will: the claim is
    larger than the bucket.
    """


class Told(NamedTuple):
    """What somebody who counts too says of a bucket: `left` was free in it, `age_s` seconds ago."""

    bucket: Bucket
    left: float
    age_s: float = 0.0


class StateAway(Exception):  # noqa: N818  named after what it says; caught by the rules, never seen by an app
    """The store can't be reached or used; the text names it, why, and the way out."""


class State(Protocol):
    """A store of counters, safe to be used by threads, event loops and forked children at once.

    What may have to wait is a generator of steps (see steps.py), and MUST yield none where it can answer at once.
    Each method raises `StateAway` and nothing else where the store can't be used, and MUST do so within half a second;
    after that, for a second or so, at once.
    """

    def acquire(self, claims: Sequence[Claim], ttl_s: float, *, anyway: bool = False) -> Steps[Lease | Refused]:
        """Take all of `claims`, of a bucket each, or nothing: one atomic step, of which nobody sees a part.

        MUST NOT let a bucket go above its capacity, by anything, whoever else takes of it; `anyway` takes whatever is
        asked for. What a process that died had taken MUST be given back within `ttl_s`: slots, and sums but for
        `kept`; a rate stays charged, for its request may have been sent, and heals by itself. While the process and
        the lease live, the store itself renews it. A caller that is cancelled meanwhile MUST leave nothing taken.
        """

    def settle(self, lease: Lease, actual: Sequence[float]) -> None:
        """Make good the difference between what each claim of `lease` took and what it came to; slots are freed.

        More than was taken is charged in full, above the capacity too. MUST neither block nor raise, and MUST be
        harmless in a finaliser and when called again; after the lease's end it still charges what was used.
        """

    def correct(self, told: Sequence[Told]) -> None:
        """Lower what is left in rates to what a provider says; never raise it. MUST neither block nor raise."""

    def read(self, buckets: Sequence[Bucket]) -> Steps[list[float]]:
        """How much of each is used now."""

    def flush(self, timeout_s: float) -> bool:
        """Whether all that was settled and corrected is written, within `timeout_s`; called before a process ends."""

    def close(self) -> None:
        """Let go of connections and threads."""
