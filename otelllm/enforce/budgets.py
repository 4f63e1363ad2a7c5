"""Budgets: how much money, or how many tokens, a user, a team or everybody may use in an hour, a day, a month.

What a call may cost is reserved before it is sent, and settled on what it did cost. A call is charged to every budget
that it meets. Shares of the cap warn, route to a cheaper model, or refuse.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from time import time
from typing import Any, Literal, Protocol

from ..attempt import Target
from ..call import Call, Usage
from ..errors import BudgetExceeded
from ..pricing import cost_of
from ..state.spec import Bucket, Claim, Refused
from . import scopes, values, windows
from .scopes import Scope
from .values import Keys, RuleMode, Wrong
from .windows import Window

__all__ = ["Budget", "Sized", "Step", "read"]

log = logging.getLogger(__name__)

_KEYS = (
    "name", "mode", "when", "scope", "usd", "tokens", "per", "timezone", "at", "on_unknown_price", "stream_over",
    "estimate", "fail",
)  # fmt: skip


class Sized(Protocol):
    """Tokens that an attempt may use."""

    @property
    def input(self) -> float:
        """Of the prompt."""

    @property
    def output(self) -> float:
        """Of the answer."""


@dataclass(frozen=True, slots=True)
class Step:
    """What happens from a share of the cap on."""

    share: float
    does: Literal["warn", "route", "block"]
    model: str | None = None
    """Where to route: "MODEL", or "MODEL@ENDPOINT"."""


@dataclass(frozen=True, slots=True)
class Budget:
    """One rule of [[budgets]]."""

    name: str
    applies: Callable[[Call], bool]
    scope: Scope
    mode: RuleMode
    unit: Literal["usd", "tokens"]
    cap: float
    window: Window
    steps: tuple[Step, ...]
    """By falling share."""
    on_unknown_price: Literal["allow", "block"]
    stream_over: Literal["error", "finish"]
    estimate: Literal["normal", "strict"]
    fail: Literal["open", "closed"] | None

    @property
    def capacity(self) -> float:
        """From where on calls are refused, in the rule's unit; infinite where it never refuses."""
        return min((step.share * self.cap for step in self.steps if step.does == "block"), default=float("inf"))

    def claim(self, call: Call, target: Target, size: Sized) -> Claim | None:
        """What an attempt of `size` may take of its bucket; None where the rule does not speak of it.

        Raises `BudgetExceeded` where the price is unknown and the rule does not let such calls pass.
        """
        value = self.scope.value(call, target) if self.applies(call) else None
        if value is None:
            return None
        amount, kept = self._worst(call, target, size)
        return Claim(self._bucket(value), amount, kept=kept)

    def _bucket(self, value: str) -> Bucket:
        period = self.window.period()
        kept_apart = "shadow" if self.mode == "shadow" else ""  # it decides as if it had been enforced all the time
        key = "\0".join(("budget", self.name, kept_apart, self.scope.text, value, self.unit, period.label))
        return Bucket(key, "sum", self.capacity, window_s=self.window.width_s, ends_at=period.ends_at)

    def _worst(self, call: Call, target: Target, size: Sized) -> tuple[float, float]:
        """What the attempt may cost, and what of it is spent as soon as it is sent."""
        if self.unit == "tokens":
            return size.input + size.output, size.input
        usage = Usage(input=round(size.input), output=round(size.output))
        model = target.model or call.request.model
        cost = cost_of(usage, provider=call.provider, model=model, tier=call.request.tier)
        if cost.usd is not None:
            return cost.usd, cost.usd - cost.output
        if self.on_unknown_price == "block" and self.mode == "enforce":
            raise BudgetExceeded(
                f"the budget {self.name!r} lets no call pass whose price is unknown, as that of {model!r} of"
                f" {call.provider} is; give it one by otelllm.instrument(prices=…), or set on_unknown_price to 'allow'",
                rule=self.name, scope=self.scope.text, cap=self.cap,
            )  # fmt: skip
        return 0.0, 0.0

    def actual(self, call: Call) -> float:
        """What the call came to, once it is priced."""
        if self.unit == "usd":
            return call.cost.usd or 0.0 if call.cost is not None else 0.0
        usage = call.reading.usage
        return 0.0 if usage is None else float((usage.input or 0) + (usage.output or 0))

    def step(self, used: float) -> Step | None:
        """The highest step that `used`, in the rule's unit, has reached; refusing apart."""
        return next((step for step in self.steps if step.does != "block" and used >= step.share * self.cap), None)

    def refusal(self, refused: Refused, value: str = "") -> BudgetExceeded:
        """Why the call may not be sent, in words."""
        opens_in_s = refused.opens_in_s
        if not self.window.width_s:
            opens_in_s = max(0.0, refused.claim.bucket.ends_at - time())
        if refused.claim.amount > self.capacity:
            opens_in_s = float("inf")
        whom = f" of {value!r}" if value else ""
        return BudgetExceeded(
            f"the budget {self.name!r}{whom} has {self.said(max(0.0, self.capacity - refused.used))} left of"
            f" {self.said(self.cap)} per {self.window.text}, and this call may take"
            f" {self.said(refused.claim.amount)}; {_when(opens_in_s)}",
            rule=self.name, scope=self.scope.text, used=refused.used, cap=self.cap, opens_in_s=opens_in_s,
        )  # fmt: skip

    def said(self, amount: float) -> str:
        """An amount with its unit."""
        return f"${amount:.4g}" if self.unit == "usd" else f"{amount:,.0f} tokens"


def _when(opens_in_s: float | None) -> str:
    if opens_in_s is None:
        return "when it opens again is not known"
    if opens_in_s == float("inf"):
        return "it is larger than the whole budget: send less, or raise the cap"
    return f"it opens again in {opens_in_s:,.0f} s"


def read(value: object, path: Keys, number: int) -> Budget:
    """One rule of [[budgets]]."""
    rule = values.table(value, path, _KEYS)
    if ("usd" in rule) == ("tokens" in rule):
        raise Wrong(path, "a rule of [[budgets]] has a cap: give it usd, or tokens, and not both")
    if "per" not in rule:
        raise Wrong(path, 'a rule of [[budgets]] needs a time: per = "hour", "day", "week", "month" or "rolling 24h"')
    unit: Literal["usd", "tokens"] = "usd" if "usd" in rule else "tokens"

    def word(key: str, default: str, *known: str) -> Any:
        return values.one_of(rule.get(key, default), (*path, key), known)

    return Budget(
        name=values.name(rule, path, number),
        applies=values.when(rule, path).applies,
        scope=scopes.read(rule.get("scope", "all"), (*path, "scope")),
        mode=values.mode(rule, path),
        unit=unit,
        cap=values.number(rule[unit], (*path, unit)),
        window=windows.read(rule["per"], rule.get("timezone", "UTC"), path),
        steps=_steps(rule.get("at", {"100%": "block"}), (*path, "at")),
        on_unknown_price=word("on_unknown_price", "allow", "allow", "block"),
        stream_over=word("stream_over", "error", "error", "finish"),
        estimate=word("estimate", "normal", "normal", "strict"),
        fail=word("fail", "open", "open", "closed") if "fail" in rule else None,
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
