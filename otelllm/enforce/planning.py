"""Where a call may go: the flow's `plan`, made of routing, output limits, and what adds targets behind the first."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence

from ..attempt import AS_ASKED, Target
from ..call import Call
from ..safely import safely
from ..stages import Asked

__all__ = ["Expand", "Planning", "Steer"]

Steer = Callable[[Call, Target], Target]
"""Changes where the first attempt goes, and says so on the call: routing, then output limits."""

Expand = Callable[[Call, Asked, deque[Target]], deque[Target]]
"""Adds targets, or says more precisely where each goes: keys, endpoints, fallbacks. Raises the provider's own error
where the call tree may not ask any more; its own faults it swallows."""


class Planning:
    """Each part in its turn."""

    __slots__ = ("_expand", "_steer")

    def __init__(self, steer: Sequence[Steer], expand: Sequence[Expand] = ()) -> None:
        self._steer, self._expand = tuple(steer), tuple(expand)

    def __call__(self, call: Call, asked: Asked) -> deque[Target]:
        """The targets to try, in order. Raises what `Expand` raises; a part that breaks steers nothing."""
        target = AS_ASKED
        for steer in self._steer:
            with safely("steering a call"):
                target = steer(call, target)
        plan = deque((target,))
        for expand in self._expand:
            plan = expand(call, asked, plan)
        return plan
