"""Key pools: several API keys of one provider, by which its limits and its outages are spread.

Keys are read from the environment when the policy comes into force, and are in nothing that we write: a key is known by
the hash that is on spans, and in errors by the variable's name.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Container, Iterable
from dataclasses import dataclass
from hashlib import blake2b

from .. import redaction
from ..attempt import Key
from ..call import Call
from ..config import variable
from ..errors import BadConfig
from ..hosts import key_hash
from . import values
from .values import Keys, RuleMode, Wrong

__all__ = ["COOLDOWN_S", "KeyRule", "Pool", "Remaining", "Shelf", "Shelves", "read", "variables"]

STAGE = "keys"
COOLDOWN_S = 30.0
_ENV = "env:"
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_SHOWN = re.compile(r"[A-Z_][A-Z0-9_]{0,63}")
"""What may be repeated in an error: somebody may have written a key where its variable's name belongs."""

Remaining = Callable[[str], float | None]
"""How much of its limits the key with this hash has left, 0 to 1; None where no limit counts it."""


@dataclass(frozen=True, slots=True)
class KeyRule:
    """One of [[keys]]."""

    name: str
    applies: Callable[[Call], bool]
    mode: RuleMode
    provider: str
    variables: tuple[str, ...]
    affinity: str | None = None
    """"session" or "user": who keeps to one key."""
    cooldown_s: float = COOLDOWN_S

    def whom(self, call: Call) -> str | None:
        """Whose calls keep to one key."""
        if self.affinity == "session":
            return call.scope.session
        return (call.scope.user or call.request.user) if self.affinity == "user" else None


def read(value: object, path: Keys, number: int) -> KeyRule:
    """One of [[keys]]."""
    rule = values.table(value, path, ("name", "mode", "when", "provider", "keys", "affinity", "cooldown"))
    for key in ("provider", "keys"):
        if key not in rule:
            raise Wrong(path, f"keys {number + 1} has no {key}; a pool needs provider and keys")
    affinity = values.one_of(rule["affinity"], (*path, "affinity"), ("session", "user")) if "affinity" in rule else None
    return KeyRule(
        values.name(rule, path, number),
        values.when(rule, path).applies,
        values.mode(rule, path),
        values.text(rule["provider"], (*path, "provider")).lower(),
        variables(rule["keys"], (*path, "keys")),
        affinity,
        values.duration_s(rule.get("cooldown", COOLDOWN_S), (*path, "cooldown")),
    )


def variables(value: object, path: Keys) -> tuple[str, ...]:
    """Names of variables, from ["env:NAME", …]. What stands there is not repeated in an error: it may be a key."""
    section = values.dotted(path)
    names: list[str] = []
    for one in value if isinstance(value, list | tuple) else [value]:
        name = one.removeprefix(_ENV) if isinstance(one, str) and one.startswith(_ENV) else ""
        if not _NAME.fullmatch(name):
            raise Wrong(path, f'{section} takes names of variables as "env:NAME", never a key itself')
        if name in names:
            raise Wrong(path, f"{section} names one variable twice; leave one of them out")
        names.append(name)
    if not names:
        raise Wrong(path, f'{section} is empty; write "env:NAME" for each key')
    return tuple(names)


class Shelf:
    """One key, and what is known of it. Outlives a change of the policy."""

    __slots__ = ("cools_until", "in_flight", "key", "used_at")

    def __init__(self, key: Key) -> None:
        self.key = key
        self.cools_until = 0.0
        self.in_flight: dict[int, None] = {}
        """Calls that it is being used for now, by their ids: setting and popping one is atomic, a count is not."""
        self.used_at = 0.0


class Pool:
    """The keys of a rule, or of an endpoint: which of them a call takes."""

    __slots__ = ("_clock", "_cooldown_s", "_remaining", "_shelves")

    def __init__(
        self, shelves: Iterable[Shelf], *, cooldown_s: float, clock: Callable[[], float], remaining: Remaining
    ) -> None:
        self._shelves = tuple(shelves)
        self._cooldown_s, self._clock, self._remaining = cooldown_s, clock, remaining

    def take(self, owner: int, whom: str | None, tried: Container[Key] = ()) -> Key | None:
        """The key for the call `owner`; None where all are cooling, or were tried.

        Somebody's calls (`whom`) keep to one key, so that the provider's prompt cache stays warm, and move to the next
        only while that one cools or has nothing left. Nobody's go to the key with most left, then to that with the
        fewest calls in flight, then to that which has rested longest.
        """
        now = self._clock()
        free = [shelf for shelf in self._shelves if shelf.cools_until <= now and shelf.key not in tried]
        if not free:
            return None
        free = [shelf for shelf in free if self._remaining(shelf.key.hash) != 0] or free
        chosen = min(free, key=self._load) if whom is None else max(free, key=lambda shelf: _weight(whom, shelf))
        return self._use(chosen, owner)

    def soonest(self, owner: int) -> Key:
        """The key that is free again first, for a call that has no other."""
        return self._use(min(self._shelves, key=lambda shelf: shelf.cools_until), owner)

    def free_in_s(self) -> float:
        """How long until one of them is free."""
        return max(0.0, min(shelf.cools_until for shelf in self._shelves) - self._clock())

    def cool(self, key: Key, asked_s: float | None) -> None:
        """The provider refused this key: leave it out for as long as it asked, else for the pool's cooldown."""
        until = self._clock() + (self._cooldown_s if asked_s is None else asked_s)
        for shelf in self._shelves:
            if shelf.key is key:
                shelf.cools_until = max(shelf.cools_until, until)

    def release(self, owner: int) -> None:
        """The call is over, or goes elsewhere."""
        for shelf in self._shelves:
            shelf.in_flight.pop(owner, None)

    def _use(self, shelf: Shelf, owner: int) -> Key:
        shelf.in_flight[owner] = None
        shelf.used_at = self._clock()
        return shelf.key

    def _load(self, shelf: Shelf) -> tuple[float, int, float]:
        left = self._remaining(shelf.key.hash)
        return (-(1.0 if left is None else left), len(shelf.in_flight), shelf.used_at)


def _weight(whom: str, shelf: Shelf) -> bytes:
    """Rendezvous hashing: each key that comes or goes moves only those who were, or will be, on it."""
    return blake2b(f"{whom}\0{shelf.key.hash}".encode(), digest_size=8).digest()


class Shelves:
    """Every key that a policy named, read once from the environment, with what was learned of it."""

    __slots__ = ("_shelves",)

    def __init__(self) -> None:
        self._shelves: dict[str, Shelf] = {}

    def of(self, names: Iterable[str], rule: str) -> list[Shelf]:
        """The keys in these variables; BadConfig names one that is not set."""
        found = []
        for name in names:
            secret = variable(name)
            if secret is None:
                shown = name if _SHOWN.fullmatch(name) else f"{name[:3]}…"
                raise BadConfig(
                    f"{rule}: the environment variable {shown} is not set; set it, or take it out of the rule's keys"
                )
            shelf = self._shelves.get(secret)
            if shelf is None:
                shelf = self._shelves[secret] = Shelf(Key(_ENV + name, secret, key_hash(secret)))
                redaction.hide(secret, shelf.key.hash)
            found.append(shelf)
        return found
