"""[[budgets]]: how much money, or how many tokens, a user, a team or everybody may use in an hour, a day, a month.

What a call may cost is reserved before it is sent, and settled on what it did cost. A call is charged to every budget
that it meets. Shares of the cap warn, route to a cheaper model, or refuse; a stream that reaches the cap ends there.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from time import time
from typing import Any, Literal, NamedTuple

from ..attempt import Attempt, Target
from ..call import Call, Decision
from ..endings import is_cancellation
from ..errors import BudgetExceeded
from ..pricing import quote
from ..state.spec import Bucket, Claim, Refused
from . import scopes, values, windows
from .counting import Fail, Sized, WhenFull
from .scopes import Scope
from .sizes import Unbounded
from .stream_caps import StreamCap, watch
from .values import Keys, RuleMode, Wrong
from .windows import Period, Window

__all__ = ["Budget", "Step", "read"]

log = logging.getLogger(__name__)

KEYS = (
    "name", "mode", "when", "scope", "usd", "tokens", "per", "timezone", "at", "on_unknown_price", "stream_over",
    "estimate", "fail",
)  # fmt: skip
WARNED_KEPT = 4096
SCOPES_KEPT = 4096


@dataclass(frozen=True, slots=True)
class Step:
    """What happens from a share of the cap on."""

    share: float
    does: Literal["warn", "route", "block"]
    model: str = ""
    """Where to route: "MODEL", or "MODEL@ENDPOINT"."""


class _Worst(NamedTuple):
    """What an attempt may come to, in the rule's unit."""

    amount: float
    sent: float
    """Of that, what is spent as soon as it is sent."""
    per_token: float
    """What each token of the answer adds."""


@dataclass(slots=True)
class Budget:
    """One rule of [[budgets]]."""

    name: str
    mode: RuleMode
    meant: Callable[[Call], bool]
    by: Scope
    unit: Literal["usd", "tokens"]
    cap: float
    window: Window
    steps: tuple[Step, ...] = (Step(1.0, "block"),)
    """By falling share."""
    on_unknown_price: Literal["allow", "block"] = "allow"
    stream_over: Literal["error", "finish"] = "error"
    estimate: Literal["normal", "strict"] = "normal"
    fail: Fail = ""
    stage: str = "budgets"
    when_full: WhenFull = "reject"
    route: str = ""
    max_wait_s: float = 0.0
    capacity: float = field(init=False)
    """From where on calls are refused, in the rule's unit; infinite where it never refuses."""
    _warned: dict[str, None] = field(default_factory=dict)
    _open: tuple[Period | None, dict[str, Bucket]] = field(default_factory=lambda: (None, {}))
    """The window that is open, and its buckets by scope; one value, for another thread may begin the next."""

    def __post_init__(self) -> None:
        self.capacity = min((step.share * self.cap for step in self.steps if step.does == "block"), default=math.inf)

    def applies(self, call: Call, target: Target) -> bool:
        """See `Counting`."""
        return self.meant(call) and self.by.value(call, target) is not None

    def scope(self, call: Call, target: Target) -> str:
        """See `Counting`."""
        return self.by.shown(self.by.value(call, target) or "")

    def claims(self, call: Call, target: Target, size: Sized) -> Sequence[Claim]:
        """See `Counting`: what the attempt may cost at most, at the price of the model that it goes to.

        Raises `Unbounded` where the price is unknown and the rule does not let such calls pass.
        """
        tokens = size.at_most() if self.estimate == "strict" else size.likely()
        worst = self._worst(call, target, tokens.input, tokens.output)
        if worst.amount > self.capacity and (self.unit == "tokens" or self.estimate == "normal"):
            # What is only guessed never makes a call impossible: the stream ends, or the next call is refused.
            worst = worst._replace(amount=max(worst.sent, self.capacity))
        call.notes[self.name] = worst
        return [Claim(self._bucket(self.by.value(call, target) or ""), worst.amount, kept=worst.sent)]

    def _bucket(self, value: str) -> Bucket:
        period = self.window.period()
        open_at, buckets = self._open
        if period is not open_at or len(buckets) >= SCOPES_KEPT:
            buckets = {}
            self._open = period, buckets
        if (found := buckets.get(value)) is None:
            key = "|".join(("budget", self.name, self.by.text, value, self.unit, self.window.text, period.label))
            found = buckets[value] = Bucket(
                key, "sum", self.capacity, window_s=self.window.width_s, ends_at=period.ends_at
            )
        return found

    def _worst(self, call: Call, target: Target, tokens_in: float, tokens_out: float) -> _Worst:
        if self.unit == "tokens":
            return _Worst(tokens_in + tokens_out, tokens_in, 1.0)
        model = target.model or call.request.model
        price = quote(tokens_in, tokens_out, provider=call.provider, model=model, tier=call.request.tier)
        if price is None and self.on_unknown_price == "block":
            raise Unbounded(
                f"the price of {model!r} of {call.provider} is not known, and on_unknown_price is 'block'; give it one"
                " by otelllm.instrument(prices=…)"
            )
        if price is None:
            return _Worst(0.0, 0.0, 0.0)
        of_input, of_output = price
        return _Worst(of_input + of_output, of_input, of_output / tokens_out if tokens_out else 0.0)

    def taken(self, call: Call, target: Target, used: Sequence[float]) -> Target | None:
        """See `Counting`: the steps below the cap, by what was used before this call; and the end of a stream."""
        step, before = self._step(call, target, used)
        if step is not None:
            self._note(call, target, step, before)
            if step.does == "route":
                call.route_from = call.route_from or call.request.model
                model, _, endpoint = step.model.partition("@")
                return replace(target, model=model, endpoint=endpoint)
        self._watch(call, target, before)
        return None

    def shadowed(self, call: Call, target: Target, used: Sequence[float]) -> None:
        """See `Counting`."""
        step, before = self._step(call, target, used)
        if step is not None:
            self._note(call, target, step, before)
        self._watch(call, target, before)

    def _step(self, call: Call, target: Target, used: Sequence[float]) -> tuple[Step | None, float]:
        """The highest step below the cap that is reached, and what was used before this call."""
        worst: _Worst = call.notes[self.name]
        before = used[0] - worst.amount
        step = next((one for one in self.steps if one.does != "block" and before >= one.share * self.cap), None)
        if step is not None and step.does == "route" and target.model == step.model.partition("@")[0]:
            return None, before  # it goes there already
        return step, before

    def _note(self, call: Call, target: Target, step: Step, used: float) -> None:
        scope = self.scope(call, target)
        reason = f"{self._said(used)} of {self._said(self.cap)} per {self.window.text} is used"
        if step.does == "route":
            reason += f" -> {step.model}"
        outcome = step.does if self.mode == "enforce" else f"would_{step.does}"
        call.decisions.append(Decision(self.stage, self.name, self.mode, outcome, scope, reason))
        key = self._bucket(self.by.value(call, target) or "").key
        if outcome == "warn" and key not in self._warned:  # once a window in the log; on each call's span
            if len(self._warned) >= WARNED_KEPT:
                self._warned.clear()
            self._warned[key] = None
            log.warning("the budget %r has passed %.0f %% for %s: %s", self.name, step.share * 100, scope, reason)

    def _watch(self, call: Call, target: Target, before: float) -> None:
        """Let a stream end where it reaches what is free."""
        if not call.request.stream or self.capacity == math.inf:
            return
        over = self.refusal_for(
            f"the stream reached {self._said(self.capacity)} per {self.window.text}", self.scope(call, target)
        )
        over.used, over.cap = self.capacity, self.cap
        worst: _Worst = call.notes[self.name]
        watch(call, StreamCap(self, worst.sent, worst.per_token, self.capacity - before, over))

    def spent(self, call: Call, attempt: Attempt, claims: Sequence[Claim]) -> list[float]:
        """See `Counting`: what the provider billed; a stream that was left is charged what had come of it, a whole call
        that was called off its prompt, which the provider has read.
        """
        if call.reading.usage is None and call.error is not None and is_cancellation(call.error):
            called_off: _Worst = call.notes[self.name]
            return [called_off.sent]
        if self.unit == "usd":
            return [call.cost.usd or 0.0 if call.cost is not None else 0.0]
        usage = call.reading.usage
        return [0.0 if usage is None else float((usage.input or 0) + (usage.output or 0))]

    def refusal(self, refused: Refused, scope: str, wait_s: float | None) -> BudgetExceeded:
        """See `Counting`."""
        asked, opens_in_s = refused.claim.amount, refused.opens_in_s
        if asked > self.capacity:
            when, opens_in_s = "that is more than the whole budget: send less, or raise the cap", math.inf
        else:
            if not self.window.width_s:
                opens_in_s = max(0.0, refused.claim.bucket.ends_at - time())
            when = "when it opens is not known" if opens_in_s is None else f"it opens again in {opens_in_s:,.0f} s"
        left = self._said(max(0.0, self.capacity - refused.used))
        refusal = self.refusal_for(
            f"{left} of {self._said(self.cap)} per {self.window.text} is left, and this call may take"
            f" {self._said(asked)}; {when}",
            scope,
        )
        refusal.used, refusal.cap, refusal.opens_in_s = refused.used, self.cap, opens_in_s
        return refusal

    def refusal_for(self, reason: str, scope: str) -> BudgetExceeded:
        """See `Counting`."""
        return BudgetExceeded(f"budget {self.name!r} for {scope}: {reason}", rule=self.name, scope=scope)

    def _said(self, amount: float) -> str:
        return f"${amount:.4g}" if self.unit == "usd" else f"{amount:,.0f} tokens"


def read(value: object, path: Keys, number: int) -> Budget:
    """One rule of [[budgets]]."""
    rule = values.table(value, path, KEYS)
    if ("usd" in rule) == ("tokens" in rule):
        raise Wrong(path, "a rule of [[budgets]] has a cap: give it usd, or tokens, and not both")
    if "per" not in rule:
        raise Wrong(path, 'a rule of [[budgets]] needs a time: per = "hour", "day", "week", "month" or "rolling 24h"')
    unit: Literal["usd", "tokens"] = "usd" if "usd" in rule else "tokens"

    def word(key: str, default: str, *known: str) -> Any:
        return values.one_of(rule.get(key, default), (*path, key), known)

    return Budget(
        name=values.name(rule, path, number),
        mode=values.mode(rule, path),
        meant=values.when(rule, path).applies,
        by=scopes.read(rule.get("scope", "all"), (*path, "scope")),
        unit=unit,
        cap=values.number(rule[unit], (*path, unit)),
        window=windows.read(rule["per"], rule.get("timezone", "UTC"), path),
        steps=_steps(rule.get("at", {"100%": "block"}), (*path, "at")),
        on_unknown_price=word("on_unknown_price", "allow", "allow", "block"),
        stream_over=word("stream_over", "error", "error", "finish"),
        estimate=word("estimate", "normal", "normal", "strict"),
        fail=word("fail", "open", "open", "closed") if "fail" in rule else "",
    )


def _steps(value: object, path: Keys) -> tuple[Step, ...]:
    if not isinstance(value, Mapping) or not value:
        raise Wrong(path, f'budgets.at = {value!r} is no table of shares; try {{ "80%" = "warn", "100%" = "block" }}')
    steps = [_step(values.share(share, path), does, (*path, share)) for share, does in value.items()]
    return tuple(sorted(steps, key=lambda step: -step.share))


def _step(share: float, does: object, path: Keys) -> Step:
    if does == "warn":
        return Step(share, "warn")
    if does == "block":
        return Step(share, "block")
    if isinstance(does, str) and does.startswith("route:") and does != "route:":
        return Step(share, "route", does.removeprefix("route:"))
    raise Wrong(path, f'budgets.at = {does!r} is no step; write "warn", "block" or "route:MODEL"')
