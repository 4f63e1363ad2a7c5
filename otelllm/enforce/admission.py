"""Admission: what all rules that count claim of an attempt, taken in one step; who finds no room waits, or is refused.

Rules in shadow mode are asked apart, each alone in buckets of its own, so that they decide as they would if they were
enforced: what would have been refused takes nothing, what would have waited takes its place.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from ..attempt import Attempt, Target
from ..call import Call, Decision
from ..errors import Blocked
from ..safely import safely, swallow
from ..stages import Asked
from ..state.spec import Claim, Lease, Refused, State, StateAway, Told
from ..steps import Steps, Wait
from .counting import Counting, Sized
from .limits import Limit
from .measuring import Measured, measure
from .queue import Queue, Ticket
from .ratelimits import left_of
from .shares import Reserved, Share, in_shadow, note, share_of, unhurried, would
from .sizes import Sizes, Unbounded

__all__ = ["Admission", "Clock"]

TTL_S = 60.0
PATIENCE_S = 1.0
"""How long a call waits for a slot before it asks again, where nobody here gives one back: another process may."""
SOONEST_S = 0.002

Clock = Callable[[], float]


class Admission:
    """See `Admit`. `clock` and the store's own are one and the same in tests."""

    def __init__(
        self, rules: Sequence[Counting], *, state: State, queue: Queue, sizes: Sizes, fail: str = "open",
        clock: Clock = time.monotonic,
    ) -> None:  # fmt: skip
        self._state, self._queue, self._sizes = state, queue, sizes
        self._fail, self._clock = fail, clock
        rules = [_with_priorities(rule, queue) for rule in rules if rule.mode != "off"]
        self._enforced = tuple(rule for rule in rules if rule.mode == "enforce")
        self._shadows = tuple(rule for rule in rules if rule.mode == "shadow")
        self._follows = tuple(rule for rule in self._enforced if isinstance(rule, Limit) and rule.follows_headers)
        self._bound = any(rule.estimate == "strict" for rule in rules)

    def __call__(self, call: Call, asked: Asked, attempt: Attempt) -> Steps[Target | None]:
        """Take what the attempt may use; a target to try in place of it, where a rule says so."""
        try:
            return (yield from self._admit(call, asked, attempt))
        except Exception as error:  # a refusal passes; a fault of ours costs the app nothing
            if not swallow("admitting a call", error):
                raise
            return None

    def _admit(self, call: Call, asked: Asked, attempt: Attempt) -> Steps[Target | None]:
        target = attempt.target
        size = Sized(self._sizes, call, target, lambda: self._measured(asked))
        reserved = Reserved()
        shares = self._shares(call, target, size)
        if shares:
            try:
                other = yield from self._enforce(call, asked, attempt, shares, reserved)
            except StateAway as away:
                self._without_counters(call, shares, str(away))
                other = None
            if other is not None:
                return other
        try:
            for rule in self._shadows:
                if rule.applies(call, target):
                    yield from self._shadow(call, target, rule, size, reserved)
        except BaseException:  # cancelled meanwhile
            for lease in (reserved.lease, *(share.lease for share in reserved.shadows)):
                if lease is not None:
                    self._give_back(lease)
            raise
        reserved.measured, reserved.at = size.found, self._clock()
        attempt.reserved = reserved
        if self._follows:
            self._follow(call, target)
        return None

    def _measured(self, asked: Asked) -> Measured:
        with safely("measuring a request"):
            return measure(asked.kwargs, bound=self._bound)
        return Measured(unseen="what is in a request of this shape")

    def _shares(self, call: Call, target: Target, size: Sized) -> list[Share]:
        shares: list[Share] = []
        for rule in self._enforced:
            if not rule.applies(call, target):
                continue
            try:
                claims = rule.claims(call, target, size)
            except Unbounded as error:
                scope = rule.scope(call, target)
                call.decisions.append(Decision(rule.stage, rule.name, "enforce", "block", scope, str(error)))
                raise rule.refusal_for(str(error), scope) from error
            if claims:
                shares.append(Share(rule, call, target, claims))
        return shares

    def _enforce(
        self, call: Call, asked: Asked, attempt: Attempt, shares: list[Share], reserved: Reserved
    ) -> Steps[Target | None]:
        claims = [claim for share in shares for claim in share.claims]
        lease = yield from self._acquired(call, asked, attempt, shares, claims)
        if isinstance(lease, Target):
            return lease
        at = 0
        for share in shares:
            used = lease.used[at : at + len(share.claims)]
            at += len(share.claims)
            try:
                other = share.rule.taken(call, attempt.target, used)
            except BaseException:
                self._give_back(lease)
                raise
            if other is not None:
                self._give_back(lease)
                return other
        reserved.shares, reserved.lease = shares, lease
        return None

    def _give_back(self, lease: Lease) -> None:
        self._state.settle(lease, [0.0] * len(lease.claims))
        self._queue.poke(claim.bucket.key for claim in lease.claims)

    def _acquired(
        self, call: Call, asked: Asked, attempt: Attempt, shares: list[Share], claims: list[Claim]
    ) -> Steps[Lease | Target]:
        queue, state = self._queue, self._state
        rank = queue.rules.rank(call.scope.priority)
        key = None if queue.is_empty else queue.line_before([claim.bucket.key for claim in claims], rank)
        if key is None:
            outcome = yield from state.acquire(claims, TTL_S)
            if type(outcome) is Lease:
                if not queue.is_empty:
                    queue.served(rank, {claim.bucket.key: claim.amount for claim in claims})
                return outcome
            assert isinstance(outcome, Refused)
            share = share_of(shares, outcome.claim.bucket.key)
            if (other := self._elsewhere(call, attempt.target, share, outcome)) is not None:
                return other
        else:
            outcome = None
            share = share_of(shares, key)
        return (yield from self._waited(call, asked, attempt, _Waiting(shares, claims, share, outcome, key)))

    def _elsewhere(self, call: Call, target: Target, share: Share, refused: Refused) -> Target | None:
        """The target of a rule that routes what finds no room; raises for one that refuses it."""
        rule = share.rule
        if rule.when_full == "queue" and refused.opens_in_s != math.inf:
            return None
        decision = Decision(rule.stage, rule.name, "enforce", "block", share.scope)
        call.decisions.append(decision)
        has_routed = any(one.rule == rule.name and one.outcome == "route" for one in call.decisions)
        if rule.when_full == "route" and not has_routed and target.model != rule.route:
            decision.outcome, decision.reason = "route", f"{rule.route}, for there is no room"
            call.route_from = call.route_from or call.request.model
            return replace(target, model=rule.route)
        refusal = rule.refusal(refused, share.scope, None)
        decision.reason = str(refusal)
        raise refusal

    def _waited(self, call: Call, asked: Asked, attempt: Attempt, waiting: _Waiting) -> Steps[Lease | Target]:
        """In line, until there is room; refused as soon as it is plain that the wait would be too long."""
        queue, clock = self._queue, self._clock
        begun = clock()
        ticket = queue.ticket(call.scope.priority, begun)
        wanted = {claim.bucket.key: claim.amount for claim in waiting.claims}
        share, refused = waiting.share, waiting.refused
        key = waiting.key or (refused.claim.bucket.key if refused is not None else "")
        ticket.opens_at = begun + self._opens_in(refused)
        try:
            while True:
                queue.join(ticket, key, wanted[key])
                limit_s = min(share.rule.max_wait_s, _timeout_s(asked))
                self._refuse_if_late(call, ticket, share, refused, key, waiting, begun, limit_s)
                left_s = begun + limit_s - clock()
                pause_s = left_s
                if queue.is_next(ticket):
                    pause_s = min(left_s, _until(refused, ticket.opens_at - clock()))
                yield Wait(max(pause_s, SOONEST_S), ticket.gate)
                if not queue.is_next(ticket):
                    continue
                claims = unhurried(waiting.claims) if queue.is_due(ticket) else waiting.claims
                outcome = yield from self._state.acquire(claims, TTL_S)
                if type(outcome) is Lease:
                    queue.served(ticket.rank, wanted)
                    queue.got(ticket, clock())
                    attempt.waited_s += (waited_s := clock() - begun)
                    share.decision = Decision(
                        share.rule.stage, share.rule.name, "enforce", "queue", share.scope, waited_s=waited_s
                    )
                    call.decisions.append(share.decision)
                    return outcome
                assert isinstance(outcome, Refused)
                refused, key = outcome, outcome.claim.bucket.key
                share = share_of(waiting.shares, key)
                ticket.opens_at = clock() + self._opens_in(refused)
                if (other := self._elsewhere(call, attempt.target, share, refused)) is not None:
                    return other
        finally:
            queue.leave(ticket)

    def _opens_in(self, refused: Refused | None) -> float:
        """In how many seconds the one in front will have its room, as far as that can be told."""
        if refused is None:
            return 0.0
        if refused.opens_in_s is not None:
            return refused.opens_in_s
        per_s = self._queue.comes_back(refused.claim.bucket)
        return 1.0 / per_s if per_s else 0.0

    def _refuse_if_late(
        self, call: Call, ticket: Ticket, share: Share, refused: Refused | None, key: str, waiting: _Waiting,
        begun: float, limit_s: float,
    ) -> None:  # fmt: skip
        now = self._clock()
        bucket = next(claim.bucket for claim in waiting.claims if claim.bucket.key == key)
        wait_s = self._queue.wait_of(ticket, self._queue.comes_back(bucket), now)
        if now - begun + wait_s <= limit_s and now - begun < limit_s:
            return
        if refused is None or refused.claim.bucket.key != key:
            claim = next(claim for claim in waiting.claims if claim.bucket.key == key)
            refused = Refused(claim, bucket.capacity, wait_s)
        refusal = share.rule.refusal(refused, share.scope, wait_s if wait_s > 0 else None)
        outcome = Decision(share.rule.stage, share.rule.name, "enforce", "block", share.scope, str(refusal))
        outcome.waited_s = now - begun
        call.decisions.append(outcome)
        raise refusal

    def _shadow(self, call: Call, target: Target, rule: Counting, size: Sized, reserved: Reserved) -> Steps[None]:
        """Decide as the rule would if it were enforced, and note it."""
        scope = rule.scope(call, target)
        try:
            claims = [in_shadow(claim) for claim in rule.claims(call, target, size)]
            if not claims:
                return
            lease = yield from self._state.acquire(claims, TTL_S)
            if not isinstance(lease, Lease):
                decision = would(rule, scope, lease)
                call.decisions.append(decision)
                if decision.outcome != "would_queue":
                    return
                lease = yield from self._state.acquire(claims, TTL_S, anyway=True)
                assert isinstance(lease, Lease)
            reserved.shadows.append(Share(rule, call, target, claims, lease))
            rule.shadowed(call, target, lease.used)
        except Unbounded as error:
            call.decisions.append(Decision(rule.stage, rule.name, "shadow", "would_block", scope, str(error)))
        except StateAway as error:
            outcome = "would_block" if (rule.fail or self._fail) == "closed" else "fail_open"
            call.decisions.append(Decision(rule.stage, rule.name, "shadow", outcome, scope, str(error)))

    def _without_counters(self, call: Call, shares: Sequence[Share], reason: str) -> None:
        """The store is away: each rule's `fail` decides, and it is seen on the span."""
        closed: Blocked | None = None
        for share in shares:
            rule = share.rule
            outcome = "fail_closed" if (rule.fail or self._fail) == "closed" else "fail_open"
            call.decisions.append(Decision(rule.stage, rule.name, "enforce", outcome, share.scope, reason))
            if outcome == "fail_closed" and closed is None:
                closed = rule.refusal_for(f'{reason}; fail = "closed" refuses calls meanwhile', share.scope)
        if closed is not None:
            raise closed

    def settle(self, call: Call, attempt: Attempt) -> None:
        """See `Admit`."""
        reserved: Reserved = attempt.reserved
        if reserved.lease is not None:
            actual: list[float] = []
            for share in reserved.shares:
                spent = share.rule.spent(call, attempt, share.claims)
                note(call, share, spent, reserved.lease.used[len(actual) :])
                actual += spent
            self._state.settle(reserved.lease, actual)
            held_s = self._clock() - reserved.at
            for claim in reserved.lease.claims:
                if claim.bucket.kind == "slots":
                    self._queue.held(claim.bucket.key, held_s)
            if not self._queue.is_empty:
                self._queue.poke(claim.bucket.key for claim in reserved.lease.claims)
        for share in reserved.shadows:
            assert share.lease is not None
            self._state.settle(share.lease, share.rule.spent(call, attempt, share.claims))
        if attempt.failure is None and reserved.measured is not None:
            with safely("learning the size of calls"):
                self._sizes.learn(call, reserved.measured)
        elif self._follows and attempt.failure is not None and (pause_s := attempt.failure.retry_after_s):
            target = attempt.target
            self._correct(call, target, lambda rule: rule.shut(call, target, pause_s))

    def _follow(self, call: Call, target: Target) -> None:
        """Let the headers of the answer correct the buckets, as if they had been written just now: what others have
        used since then counts for more than what has come back.
        """

        def read(headers: Mapping[str, str]) -> None:
            if left := left_of(headers):
                self._correct(call, target, lambda rule: rule.told(call, target, left))

        call.on_headers = [read]

    def _correct(self, call: Call, target: Target, say: Callable[[Limit], list[Told]]) -> None:
        told = [one for rule in self._follows if rule.applies(call, target) for one in say(rule)]
        if told:
            self._state.correct(told)


@dataclass(slots=True)
class _Waiting:
    """What a call waits for."""

    shares: list[Share]
    claims: list[Claim]
    share: Share
    refused: Refused | None
    key: str | None
    """The line that it joins; None for that of the bucket that had no room."""


def _until(refused: Refused | None, opens_in_s: float) -> float:
    return PATIENCE_S if refused is not None and refused.opens_in_s is None else opens_in_s


def _with_priorities(rule: Counting, queue: Queue) -> Counting:
    if not isinstance(rule, Limit):
        return rule
    return replace(rule, leaves=lambda call: queue.rules.is_low(call.scope.priority))


def _timeout_s(asked: Asked) -> float:
    """The time-out that the app gave for this very call; its wait is a part of it."""
    said = asked.kwargs.get("timeout")
    if isinstance(said, int | float) and not isinstance(said, bool):
        return float(said)
    parts = [getattr(said, name, None) for name in ("read", "pool", "connect")]
    known = [float(part) for part in parts if isinstance(part, int | float)]
    return max(known) if known else math.inf
