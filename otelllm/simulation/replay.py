"""A policy against calls that were made: each rule decides as it would in shadow mode, by the calls' own times."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from types import SimpleNamespace
from typing import Any

from ..attempt import AS_ASKED, Attempt
from ..call import Call, Decision, Usage
from ..enforce.measuring import Measured
from ..enforce.sizes import Size, Sizes, Unbounded
from ..enforcement import Enforcement
from ..policy import Policy
from ..spec import Method
from ..stages import Asked, Stages
from ..state.memory import Memory
from ..steps import drive
from .past_calls import PastCall

__all__ = ["Replayed", "replay"]


@dataclass(frozen=True, slots=True)
class Replayed:
    """One call, and what the rules would have decided, in the order in which it meets them."""

    past: PastCall
    decisions: tuple[Decision, ...]


def replay(policy: Policy, calls: Iterable[PastCall]) -> Iterator[Replayed]:
    """The decisions of `policy` on each of `calls`, which come in the order of their starts.

    Nothing is changed by a decision: as in shadow mode, a call that would have been refused goes on, takes nothing of a
    bucket, and costs what it cost. Rules that were off stay off. Counters are this replay's own, and begin empty.
    """
    now = _Clock()
    rules = _in_shadow(policy, now)
    sizes = _Sizes()
    enforcement = Enforcement(sizes=sizes, clock=now, counters=lambda _: Memory(clock=now, wall=now))
    stages, cache = enforcement.stages(replace(rules, cache=None)), _Cache(policy)
    ending: list[tuple[int, int, _Open]] = []
    for number, past in enumerate(calls):
        while ending and ending[0][0] <= past.start_ns:
            heapq.heappop(ending)[2].end(stages, now)
        now.ns = past.start_ns
        opened = _Open(past)
        sizes.known[id(past.call)] = past
        try:
            opened.begin(stages, cache)
        finally:
            del sizes.known[id(past.call)]
        heapq.heappush(ending, (max(past.end_ns, past.start_ns), number, opened))
        yield Replayed(past, tuple(past.call.decisions))
    enforcement.close()


class _Clock:
    """The time of the call that is looked at."""

    def __init__(self) -> None:
        self.ns = 0

    def __call__(self) -> float:
        return self.ns / 1e9


@dataclass(slots=True)
class _Open:
    """A call that has begun."""

    past: PastCall
    attempt: Attempt | None = None

    def begin(self, stages: Stages, cache: _Cache) -> None:
        call, past = self.past.call, self.past
        asked = Asked(_NOBODY, _NOBODY, None, {}, _NO_METHOD)  # nothing of them is asked
        call.input_size = past.expected[0] if past.expected is not None else float((past.usage or Usage()).input or 0)
        for stage in stages.resolve:
            drive(stage(call), lambda _: None)
        target = stages.plan(call, asked)[0] if stages.plan is not None else AS_ASKED
        cache.look_up(past)
        if stages.admit is None:
            return
        attempt = Attempt(1, target, past.start_ns)
        drive(stages.admit(call, asked, attempt), lambda _: None)
        self.attempt = attempt

    def end(self, stages: Stages, now: _Clock) -> None:
        now.ns = self.past.end_ns
        self.past.finish()
        if stages.admit is not None and self.attempt is not None and self.attempt.reserved is not None:
            stages.admit.settle(self.past.call, self.attempt)


_NOBODY: Any = SimpleNamespace()
_NO_METHOD = Method("", _NOBODY)


class _Sizes(Sizes):
    """What each call was taken for then; where nobody counted, what it used."""

    def __init__(self) -> None:
        super().__init__()
        self.known: dict[int, PastCall] = {}

    def likely(self, call: Call, target: Any, found: Measured) -> Size:
        past = self.known[id(call)]
        if past.expected is not None:
            return Size(*past.expected)
        usage = past.usage
        return Size(0.0, 0.0) if usage is None else Size(float(usage.input or 0), float(usage.output or 0))

    def at_most(self, call: Call, target: Any, found: Measured) -> Size:
        size = self.likely(call, target, found)
        limit = call.request.attributes.get("gen_ai.request.max_tokens")
        if self.known[id(call)].expected is None and not isinstance(limit, int) and size.output:
            raise Unbounded("no output limit was sent; send max_tokens, or set default_max_tokens in [[outputs]]")
        return size if not isinstance(limit, int) else Size(size.input, max(size.output, float(limit)))

    def learn(self, call: Call, found: Measured) -> None:
        """It is all past."""


def _in_shadow(policy: Policy, now: _Clock) -> Policy:
    """The same rules, deciding and changing nothing, by the replay's clock."""

    def shadow(rules: tuple[Any, ...], **changes: Any) -> tuple[Any, ...]:
        return tuple(rule if rule.mode == "off" else replace(rule, mode="shadow", **changes) for rule in rules)

    budgets = tuple(replace(one, window=replace(one.window, now=now)) for one in policy.budgets)
    return replace(
        policy, kill=shadow(policy.kill), routes=shadow(tuple(one for one in policy.routes if not one.is_shadow)),
        outputs=shadow(policy.outputs), limits=shadow(policy.limits), budgets=shadow(budgets),
    )  # fmt: skip


class _Cache:
    """A response cache as far as spans tell: requests by the hash that is on them, entries by their age."""

    def __init__(self, policy: Policy) -> None:
        self._rule = policy.cache if policy.cache is not None and policy.cache.mode != "off" else None
        self._stored: dict[str, PastCall] = {}

    def look_up(self, past: PastCall) -> None:
        rule, key = self._rule, past.cache_key
        if rule is None or key is None or not rule.match.applies(past.call):
            return
        stored: Mapping[str, PastCall] = self._stored
        found = stored.get(key)
        if found is not None and found.end_ns <= past.start_ns <= found.end_ns + rule.ttl_s * 1e9:
            reason = f"stored by span {found.span_id}"
            past.call.decisions.append(
                Decision("cache", rule.name, "shadow", "would_hit", ", ".join(rule.scope), reason)
            )
        elif past.call.reading.error_type is None:
            self._stored[key] = past
