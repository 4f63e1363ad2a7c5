"""What happens when an attempt fails: another key, the same target again, the next target, or the error for the app.

In this order, and within one budget of attempts, of which one is kept for each fallback that is left. With a fallback
left, a time-out is not tried again on the same target, nor is what the provider wants us to wait long for.
"""

from __future__ import annotations

from collections import deque
from dataclasses import replace

from ..attempt import Attempt, Failure, FailureKind, Target
from ..attributes import error_type_of
from ..call import Call, Decision
from ..errors import Blocked
from ..failures import failure_of
from ..safely import safely
from ..stages import Asked
from . import fallbacks as falling
from . import keys as pooling
from . import retries as retrying
from .breaker import BREAKS
from .call_trees import twin_of
from .course import Course, Learned
from .retries import RETRIED, RetryRules, backoff_s, wait_s
from .storms import Place
from .targets import Targets, falls_back, place_in_words

__all__ = ["Recovery"]


class Recovery:
    """The flow's `recover`, and what it adds to the plan. One for each policy, over what was learned before."""

    __slots__ = ("_learned", "_rules", "_targets")

    def __init__(self, rules: RetryRules, targets: Targets, learned: Learned) -> None:
        self._rules, self._targets, self._learned = rules, targets, learned

    @property
    def owns_retries(self) -> bool:
        """Whether the provider SDK's own retries are off."""
        return self._rules.mode == "enforce" or self._targets.are_chosen

    def expand(self, call: Call, asked: Asked, plan: deque[Target]) -> deque[Target]:
        """The first target with its place and key, and the fallbacks behind it; raises the provider's own error where
        this call tree has no attempt left.
        """
        course, error = Course(asked), None
        with safely("planning attempts"):
            if self._rules.mode == "enforce" and (spent := self._learned.trees.spent(asked)) is not None:
                course.used = spent.attempts
                if spent.attempts >= self._rules.max_attempts:
                    self._tell(call, "exhausted", f"this call tree has made {spent.attempts} attempts of it")
                    error = twin_of(spent.error)
            if error is None:
                call.course = course
                call.on_end.append(self._ended)
                plan = self._targets.plan(call, course, plan[0])
                self._learned.storms.request(_place(call, plan[0]))
        if error is not None:
            raise error
        return plan

    def aside(self, call: Call, asked: Asked, target: Target) -> Target:
        """`target` with its place and key, for a call that is made beside another: it is not tried again, and what
        becomes of it is learned by nobody.
        """
        return self._targets.aside(call, asked, target)

    def __call__(self, call: Call, asked: Asked, attempt: Attempt, plan: deque[Target]) -> float | None:
        """Seconds to wait before the next attempt, whose target is the first of `plan` then; None: the app gets the
        error.
        """
        course: Course | None = call.course
        failure = attempt.failure
        if course is None or failure is None:
            return None
        self._note(call, course, attempt.target, failure)
        left = self._rules.max_attempts - course.used - len(call.attempts)
        if left <= 0:
            if failure.kind in RETRIED and self.owns_retries:
                self._tell(call, "exhausted", f"{failure.kind}, and {self._rules.max_attempts} attempts were made")
            return None
        for way in (self._other_key, self._once_more, self._fall_back):
            if (pause_s := way(call, course, attempt.target, failure, plan, left)) is not None:
                return pause_s
        return None

    def _note(self, call: Call, course: Course, target: Target, failure: Failure) -> None:
        """Learn of the key and of the target."""
        if target.key is not None and course.pool is not None and _is_of_the_key(failure):
            course.tried.append(target.key)
            course.pool.cool(target.key, failure.retry_after_s if failure.kind == "429" else None)
        rule = course.fallback
        # One key of several that is at its limit says nothing of the target.
        is_the_keys_alone = failure.kind == "429" and course.pool is not None and not course.pool.free_in_s()
        if rule is not None and rule.mode == "enforce" and failure.kind in BREAKS and not is_the_keys_alone:
            self._targets.breaker(call, target).failed(rule.breaker)

    def _other_key(
        self, call: Call, course: Course, target: Target, failure: Failure, plan: deque[Target], left: int
    ) -> float | None:
        """At once, where the provider refused this key and another one is free."""
        if target.key is None or course.pool is None or not _is_of_the_key(failure):
            return None
        course.pool.release(id(call))
        key = course.pool.take(id(call), course.whom, course.tried)
        if key is None:
            return None
        reason = f"{failure.kind if failure.kind != 'other' else failure.status}: {target.key.hash} -> {key.hash}"
        call.decisions.append(Decision(pooling.STAGE, pooling.STAGE, "enforce", "other_key", call.provider, reason))
        plan.appendleft(replace(target, key=key))
        return 0.0

    def _once_more(
        self, call: Call, course: Course, target: Target, failure: Failure, plan: deque[Target], left: int
    ) -> float | None:
        """On the same target, after a while, where that may help."""
        rules, kind = self._rules, failure.kind
        if kind not in RETRIED or failure.may_retry is False or rules.mode == "off":
            return None
        if rules.mode == "shadow":
            self._tell(call, "would_retry", kind)
            return None
        asked_s = failure.retry_after_s
        if asked_s is not None and target.key is not None and course.pool is not None:
            asked_s = min(asked_s, course.pool.free_in_s())
        if self._goes_on(course, kind, plan):
            is_long = asked_s is not None and asked_s > backoff_s(rules, course.retries)
            if kind == "timeout" or is_long or left <= len(plan) or self._targets.breaker(call, target).is_open:
                return None
        pause_s = wait_s(rules, course.retries, asked_s, self._learned.chance)
        longest_s, whose = self._longest(call, course)
        if pause_s > longest_s:
            self._tell(call, "too_long", f"{kind}; a wait of {pause_s:.1f} s is longer than {whose}, {longest_s:g} s")
            return None
        place = _place(call, target)
        if not self._learned.storms.may_retry(place, rules.storm_ratio):
            self._tell(
                call, "storm", f"{kind}; more than {rules.storm_ratio:.0%} of this minute's calls are retries", place
            )
            return None
        if target.key is not None and course.pool is not None:
            course.pool.release(id(call))
            target = replace(target, key=course.pool.take(id(call), course.whom) or course.pool.soonest(id(call)))
        course.retries += 1
        self._tell(call, "retry", kind, place, pause_s)
        plan.appendleft(target)
        return pause_s

    def _goes_on(self, course: Course, kind: FailureKind, plan: deque[Target]) -> bool:
        """Whether a fallback is left for this kind of failure."""
        rule = course.fallback
        return bool(plan) and rule is not None and rule.mode == "enforce" and rule.covers(kind)

    def _longest(self, call: Call, course: Course) -> tuple[float, str]:
        """The most that may be waited now: the policy's maximum, and what is left of the app's own time-out."""
        timeout_s = None
        asked = course.asked
        if (read := getattr(asked.provider, "timeout_s", None)) is not None:
            with safely("reading a time-out"):
                timeout_s = read(asked.instance, asked.kwargs)
        if timeout_s is not None:
            timeout_s -= sum(attempt.waited_s for attempt in call.attempts)
            if timeout_s < self._rules.max_wait_s:
                return max(0.0, timeout_s), "what is left of the app's time-out"
        return self._rules.max_wait_s, "max_wait"

    def _fall_back(
        self, call: Call, course: Course, target: Target, failure: Failure, plan: deque[Target], left: int
    ) -> float | None:
        """At once, to the next target that is in order."""
        rule = course.fallback
        if rule is None or not rule.covers(failure.kind):
            return None
        if rule.mode == "shadow":
            reason = f"{failure.kind}: {place_in_words(call, target)} -> {rule.to[0]}"
            call.decisions.append(Decision(falling.STAGE, rule.name, rule.mode, "would_fallback", rule.scope, reason))
            return None
        while plan:
            other = plan.popleft()
            if not self._targets.breaker(call, other).passes(rule.breaker):
                continue
            course.retries = 0
            falls_back(call, rule, place_in_words(call, target), other, failure.kind)
            self._learned.storms.request(_place(call, other))
            plan.appendleft(self._targets.keyed(call, course, other))
            return 0.0
        return None

    def _tell(self, call: Call, outcome: str, reason: str, place: Place | None = None, waited_s: float = 0.0) -> None:
        stage, scope = retrying.STAGE, "" if place is None else "@".join(place)
        call.decisions.append(Decision(stage, stage, self._rules.mode, outcome, scope, reason, waited_s=waited_s))

    def _ended(self, call: Call) -> None:
        """The call is over: give its key back, and remember how its last target did."""
        course: Course | None = call.course
        call.course = None  # it holds the app's arguments, and somebody may keep the call's stream for long
        if course is None:
            return
        self._targets.release(call, course)
        if not call.attempts or call.served != "provider":
            return
        last, rule, error = call.attempts[-1], course.fallback, call.error
        breaker = self._targets.breaker(call, last.target) if rule is not None and rule.mode == "enforce" else None
        if isinstance(error, Exception) and not isinstance(error, Blocked):
            if last.failure is None:  # it broke in the middle of a stream
                last.failure = failure_of(course.asked.provider, error)
                last.error_type = call.reading.error_type or error_type_of(error)
                if breaker is not None and rule is not None and last.failure.kind in BREAKS:
                    breaker.failed(rule.breaker)
            if self._rules.mode == "enforce":
                used = course.used + len(call.attempts)
                self._learned.trees.failed(course.asked, used, error, self._rules.max_wait_s)
        elif error is None:
            if breaker is not None:
                breaker.succeeded()
            if course.used:
                self._learned.trees.answered(course.asked)


def _is_of_the_key(failure: Failure) -> bool:
    """Whether another key may be let through."""
    return failure.kind in {"429", "spend_cap"} or failure.status == 401


def _place(call: Call, target: Target) -> Place:
    """What is hit by a retry: an endpoint of the policy, or where the app's client sends."""
    host = call.server[0] if call.server is not None else ""
    return call.provider, target.endpoint or host
