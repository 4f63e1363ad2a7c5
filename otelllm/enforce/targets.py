"""Where a call may go by a policy: endpoints, pools of keys, fallbacks without those that are out of order."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import replace

from ..attempt import Target
from ..call import Call, Decision
from ..stages import Asked
from . import fallbacks as falling
from . import keys as pooling
from .breaker import Breaker
from .course import Course, Learned
from .endpoints import Endpoint, place_of
from .fallbacks import Fallback
from .keys import COOLDOWN_S, KeyRule, Pool

__all__ = ["Targets", "place_in_words"]


class Targets:
    """Of one policy, over what was learned before it."""

    __slots__ = ("_at", "_endpoints", "_fallbacks", "_learned", "_pools")

    def __init__(
        self, keys: Iterable[KeyRule], endpoints: Sequence[Endpoint], fallbacks: Iterable[Fallback], learned: Learned
    ) -> None:
        """Raises BadConfig where a key's variable is not set."""
        self._learned = learned
        self._fallbacks = tuple(rule for rule in fallbacks if rule.mode != "off")
        self._endpoints = {one.name: one for one in endpoints}
        self._pools = tuple(
            (rule, self._pool(f"[[keys]] {rule.name!r}", rule.variables, rule.cooldown_s))
            for rule in keys
            if rule.mode != "off"
        )
        self._at = {
            one.name: self._pool(f"[[endpoints]] {one.name!r}", one.keys, COOLDOWN_S) for one in endpoints if one.keys
        }

    def _pool(self, rule: str, names: Iterable[str], cooldown_s: float) -> Pool:
        learned = self._learned
        shelves = learned.shelves.of(names, rule)
        return Pool(shelves, cooldown_s=cooldown_s, clock=learned.clock, remaining=learned.levels.remaining)

    @property
    def are_chosen(self) -> bool:
        """Whether a rule that is enforced gives calls a key or a fallback."""
        modes = [rule.mode for rule in self._fallbacks] + [rule.mode for rule, _ in self._pools]
        return "enforce" in modes

    def plan(self, call: Call, course: Course, first: Target) -> deque[Target]:
        """`first`, where it goes and with which key, and what is tried after it."""
        first = self._placed(call, course.asked, first)
        plan = self._chain(call, course, first) if self._fallbacks else deque((first,))
        plan[0] = self.keyed(call, course, plan[0])
        return plan

    def aside(self, call: Call, asked: Asked, target: Target) -> Target:
        """`target` alone, with its place and key; the key is given back when the call ends."""
        course = Course(asked)
        target = self.keyed(call, course, self._placed(call, asked, target))
        call.on_end.append(lambda ended: self.release(ended, course))
        return target

    def _placed(self, call: Call, asked: Asked, target: Target) -> Target:
        if not target.endpoint:
            return target
        endpoint = self._endpoints.get(target.endpoint)
        if endpoint is None or not _takes(endpoint, call, asked):
            return replace(target, endpoint="", base_url=None)
        return replace(target, base_url=endpoint.base_url)

    def _chain(self, call: Call, course: Course, first: Target) -> deque[Target]:
        call.request.model = first.model or call.request.model
        rule = course.fallback = next((one for one in self._fallbacks if one.applies(call)), None)
        if rule is None or rule.mode != "enforce":
            return deque((first,))
        targets = [first, *self._behind(call, course.asked, rule, first)]
        for place, target in enumerate(targets):
            if self.breaker(call, target).passes(rule.breaker):
                if place:
                    falls_back(call, rule, place_in_words(call, first), target, "its breaker is open")
                return deque(targets[place:])
        return deque((first,))  # a breaker chooses among targets; it never refuses a call

    def _behind(self, call: Call, asked: Asked, rule: Fallback, first: Target) -> Iterable[Target]:
        for said in rule.to:
            model, name = place_of(said, self._endpoints)
            endpoint = self._endpoints[name] if name else None
            if endpoint is not None and not _takes(endpoint, call, asked):
                continue
            model = model or call.request.model
            if (model, name) != (call.request.model, first.endpoint):
                base_url = None if endpoint is None else endpoint.base_url
                yield Target(model, name, base_url, max_tokens=first.max_tokens)

    def breaker(self, call: Call, target: Target) -> Breaker:
        """The circuit breaker of a target."""
        return self._learned.breakers.of(call.provider, target.endpoint, target.model or call.request.model or "")

    def keyed(self, call: Call, course: Course, target: Target) -> Target:
        """`target` with a key, where a pool has one for it."""
        course.tried.clear()
        self.release(call, course)
        course.pool = self._pool_of(call, course, target)
        if course.pool is None:
            return target
        key = course.pool.take(id(call), course.whom) or course.pool.soonest(id(call))
        return replace(target, key=key)

    def release(self, call: Call, course: Course) -> None:
        """The call is over, or goes to another pool."""
        if course.pool is not None:
            course.pool.release(id(call))
            course.pool = None

    def _pool_of(self, call: Call, course: Course, target: Target) -> Pool | None:
        course.whom = None
        if target.endpoint:
            return self._at.get(target.endpoint)
        if not self._pools or "key" not in getattr(course.asked.provider, "steers", ()):
            return None
        for rule, pool in self._pools:
            if rule.provider != call.provider.lower() or not rule.applies(call):
                continue
            course.whom = rule.whom(call)
            if rule.mode == "enforce":
                return pool
            key = pool.take(id(call), course.whom) or pool.soonest(id(call))
            pool.release(id(call))
            told = Decision(pooling.STAGE, rule.name, rule.mode, "would_use_key", call.provider, key.hash)
            call.decisions.append(told)
        return None


def falls_back(call: Call, rule: Fallback, left: str, target: Target, reason: str) -> None:
    """Say on the call that it goes to `target` in place of what was `left`."""
    call.fallback_from = call.fallback_from or left
    reason = f"{reason}: {left} -> {place_in_words(call, target)}"
    call.decisions.append(Decision(falling.STAGE, rule.name, rule.mode, "fallback", rule.scope, reason))


def place_in_words(call: Call, target: Target) -> str:
    """ "gpt-4o@eu"."""
    model = target.model or call.request.model or ""
    return f"{model}@{target.endpoint}" if target.endpoint else model


def _takes(endpoint: Endpoint, call: Call, asked: Asked) -> bool:
    """Whether the call's SDK can be led there, and speaks what is spoken there."""
    return endpoint.provider == call.provider.lower() and "base_url" in getattr(asked.provider, "steers", ())
