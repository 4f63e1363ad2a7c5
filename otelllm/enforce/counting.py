"""What admission asks of a rule that counts: a limit, a budget."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal, Protocol

from ..attempt import Attempt, Target
from ..call import Call
from ..errors import Blocked
from ..state.spec import Claim, Refused
from .measuring import Measured
from .sizes import Size, Sizes
from .values import RuleMode

__all__ = ["Counting", "Fail", "Sized", "WhenFull"]

WhenFull = Literal["queue", "reject", "route"]
Fail = Literal["open", "closed", ""]
"""What happens to a call while the counters can't be reached; "" is what [state] says."""


class Sized:
    """How large one attempt is, worked out when the first rule asks."""

    __slots__ = ("_at_most", "_likely", "_read", "_sizes", "call", "found", "target")

    def __init__(self, sizes: Sizes, call: Call, target: Target, read: Callable[[], Measured]) -> None:
        self._sizes, self._read = sizes, read
        self.call, self.target = call, target
        self.found: Measured | None = None
        self._likely: Size | None = None
        self._at_most: Size | None = None

    @property
    def measured(self) -> Measured:
        """What is in the request."""
        if self.found is None:
            self.found = self._read()
        return self.found

    def likely(self) -> Size:
        """What it takes, as far as others of its kind tell."""
        if self._likely is None:
            self._likely = self._sizes.likely(self.call, self.target, self.measured)
            self.call.expected = self._likely
        return self._likely

    def at_most(self) -> Size:
        """What it takes at most; raises `Unbounded` where nobody can tell."""
        if self._at_most is None:
            self._at_most = self._sizes.at_most(self.call, self.target, self.measured)
            self.call.expected = self.call.expected or self._at_most
        return self._at_most


class Counting(Protocol):
    """A rule with buckets. Admission takes what all rules claim in one step; those in shadow mode apart, each alone."""

    name: str
    stage: str
    """On the span event: limits, budgets."""
    mode: RuleMode
    fail: Fail
    estimate: Literal["normal", "strict"]
    """Whether it goes by what is likely, or by what is possible at most."""
    when_full: WhenFull
    route: str
    """The model to which a call goes where there is no room; "" for none."""
    max_wait_s: float
    """For `queue`: longer waits are refused at once."""

    def applies(self, call: Call, target: Target) -> bool:
        """Whether the rule speaks of the call. MUST be cheap."""

    def scope(self, call: Call, target: Target) -> str:
        """Whom it counts the call with, in words: "user=u-1"."""

    def claims(self, call: Call, target: Target, size: Sized) -> Sequence[Claim]:
        """What it takes of which buckets; none to let the call pass uncounted. Each bucket's key MUST be its own.

        May raise `Unbounded` (it wants a bound, and there is none).
        """

    def taken(self, call: Call, target: Target, used: Sequence[float]) -> Target | None:
        """What is used of each bucket after its claims were taken: the place for steps at a share of the cap. A target
        gives everything back and is tried in place of this one; `Blocked` gives everything back, and is raised.
        """

    def shadowed(self, call: Call, target: Target, used: Sequence[float]) -> None:
        """The same in shadow mode: notes on the call what `taken` would have done."""

    def spent(self, call: Call, attempt: Attempt, claims: Sequence[Claim]) -> Sequence[float]:
        """What each claim came to, now that the attempt is over."""

    def refusal(self, refused: Refused, scope: str, wait_s: float | None) -> Blocked:
        """The error for a claim without room; `wait_s` is the wait that would be too long, where it could wait."""

    def refusal_for(self, reason: str, scope: str) -> Blocked:
        """The error where nothing can be counted: no bound, or counters that can't be reached."""
