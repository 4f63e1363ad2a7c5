"""A store that can't be reached: noticed once, then not asked for a moment, so that an outage costs no time."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from .spec import StateAway

__all__ = ["Outage"]

log = logging.getLogger(__name__)

PAUSE_S = 1.0


class Outage:
    """Whether a store is to be asked at all."""

    def __init__(self, place: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._place, self._clock = place, clock
        self._until = 0.0
        self._reason = ""

    def check(self) -> None:
        """Raise `StateAway` at once where the store has failed just now."""
        if self._until and self._clock() < self._until:
            raise StateAway(self._reason)

    def began(self, reason: str) -> StateAway:
        """It has failed: the error to raise. Logged where it is new."""
        reason = f"the counters of limits and budgets in {self._place} can't be used: {reason}"
        if reason != self._reason:
            log.error("%s. Each rule's `fail` decides meanwhile.", reason)
        self._reason, self._until = reason, self._clock() + PAUSE_S
        return StateAway(reason)

    def ended(self) -> None:
        """It has answered."""
        if self._reason:
            log.warning("the counters of limits and budgets in %s can be used again", self._place)
            self._reason, self._until = "", 0.0
