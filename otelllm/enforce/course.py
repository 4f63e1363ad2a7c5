"""One call on its way through its targets; and what is learned on all of these ways, which outlives a policy."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from random import random
from time import monotonic

from ..attempt import Key
from ..stages import Asked
from .breaker import Breakers
from .call_trees import CallTrees
from .fallbacks import Fallback
from .key_levels import KeyLevels
from .keys import Pool, Shelves
from .storms import Storms

__all__ = ["Course", "Learned"]


class Learned:
    """What is known of keys, targets and failed requests: kept when the policy changes."""

    __slots__ = ("breakers", "chance", "clock", "levels", "shelves", "storms", "trees")

    def __init__(self, clock: Callable[[], float] = monotonic, chance: Callable[[], float] = random) -> None:
        self.clock, self.chance = clock, chance
        self.shelves = Shelves()
        self.breakers = Breakers(clock)
        self.storms = Storms(clock)
        self.trees = CallTrees(clock)
        self.levels = KeyLevels(clock)
        """What the limits say of a key."""


@dataclass(slots=True)
class Course:
    """What retries, keys and fallbacks remember of one call."""

    asked: Asked
    used: int = 0
    """Attempts that earlier calls of this tree made of the same request."""
    fallback: Fallback | None = None
    """The rule that applies to it."""
    pool: Pool | None = None
    """Where the key comes from that is in use now; likewise the next."""
    whom: str | None = None
    """Who keeps to one key of it."""
    tried: list[Key] = field(default_factory=list)
    """Keys that the present target has refused."""
    retries: int = 0
    """Of the present target."""
