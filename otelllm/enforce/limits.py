"""[[limits]]: how much a scope may ask for, each minute, each day, and at once."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

from .. import semconv
from ..attempt import Attempt, Target
from ..call import Call
from ..errors import RateLimited
from ..state.spec import Bucket, Claim, Refused, Told
from . import scopes, values
from .counting import Fail, Sized, WhenFull
from .scopes import Scope
from .sizes import Size
from .values import Keys, RuleMode, Wrong

__all__ = ["Limit", "read"]

KEYS = (
    "name", "mode", "when", "scope", "requests_per_minute", "input_tokens_per_minute", "output_tokens_per_minute",
    "tokens_per_day", "concurrent", "estimate", "when_full", "max_wait", "follow_headers", "fail",
)  # fmt: skip
CAPS = ("requests_per_minute", "input_tokens_per_minute", "output_tokens_per_minute", "tokens_per_day", "concurrent")
MAX_WAIT_S = 20.0
WITHOUT_SIZE = {"requests_per_minute", "concurrent"}
NO_TOKENS = Size(0.0, 0.0)
DAY_S = 86_400.0
UNCOUNTED = frozenset({semconv.FETCH_RESPONSE, semconv.BATCH, semconv.RETRIEVAL, semconv.INVOKE_AGENT})
"""These ask no model: what they fetch was counted when it was made, or is counted elsewhere."""
PROVIDERS_OWN = ("model", "provider", "key")
"""Scopes that a provider counts by too: its headers are about them."""
SCOPES_KEPT = 4096
MARGIN, MARGIN_FROM = 0.02, 50
"""Of a minute: 1.2 s. It costs no throughput, for rates fill as fast as before."""
AHEAD, LEAST_AHEAD, MOST_AHEAD = 3, 0.05, 0.25
"""How far a low priority takes a rate down: three of its calls, as shares of it this much at least and at most. What is
not there when a burst comes, the burst waits for; but with less than that a bucket runs over when reservations come
back, and what runs over nobody can use.
"""
AT_ONCE = 0.1
"""How much of many slots a low priority leaves for those above it."""


class _Cap(NamedTuple):
    """One of a rule's caps, for one scope."""

    name: str
    bucket: Bucket
    margin: float
    """What a call leaves of it; one of low priority leaves more."""
    most: float
    """The most that a call asks of it: what is only guessed never makes one impossible."""


@dataclass(slots=True)
class Limit:
    """One rule of [[limits]]."""

    name: str
    mode: RuleMode
    meant: Callable[[Call], bool]
    by: Scope
    caps: Mapping[str, float]
    estimate: Literal["normal", "strict"] = "normal"
    when_full: WhenFull = "queue"
    route: str = ""
    max_wait_s: float = MAX_WAIT_S
    follows_headers: bool = True
    fail: Fail = ""
    leaves: Callable[[Call], bool] = lambda _: False
    """Whether a call's priority is one that keeps out of the way of others."""
    saw: Callable[[str, Sequence[Claim], Sequence[float]], None] | None = None
    """Told what is used of the buckets of a key out of a pool, where the rule counts by key."""
    stage: str = "limits"
    counts_tokens: bool = field(init=False)
    """Whether it needs to know how large a call is."""
    _buckets: dict[str, tuple[_Cap, ...]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.counts_tokens = not self.caps.keys() <= WITHOUT_SIZE

    def applies(self, call: Call, target: Target) -> bool:
        """See `Counting`."""
        return call.operation not in UNCOUNTED and self.meant(call) and self.by.value(call, target) is not None

    def scope(self, call: Call, target: Target) -> str:
        """See `Counting`."""
        return self.by.shown(self.by.value(call, target) or "")

    def claims(self, call: Call, target: Target, size: Sized) -> list[Claim]:
        """See `Counting`."""
        caps = self._buckets_of(self.by.value(call, target) or "")
        tokens = NO_TOKENS
        if self.counts_tokens:
            tokens = size.at_most() if self.estimate == "strict" else size.likely()
        input_, output = tokens
        amounts = {
            "requests_per_minute": 1.0,
            "input_tokens_per_minute": input_,
            "output_tokens_per_minute": output,
            "tokens_per_day": input_ + output,
            "concurrent": 1.0,
        }
        if self.leaves(call):
            asked = ((bucket, min(amounts[name], most)) for name, bucket, _, most in caps)
            return [Claim(bucket, amount, _left(bucket, amount)) for bucket, amount in asked]
        return [Claim(bucket, min(amounts[name], most), margin) for name, bucket, margin, most in caps]

    def _margin(self, bucket: Bucket) -> float:
        """What is left of a rate that a provider counts too: its own begins to fill later, by the way of a request."""
        is_shared = self.follows_headers and bucket.kind == "rate" and bucket.capacity >= MARGIN_FROM
        return bucket.capacity * MARGIN if is_shared else 0.0

    def _most(self, name: str, bucket: Bucket) -> float:
        is_guessed = name == "output_tokens_per_minute" and self.estimate == "normal"
        return bucket.capacity if is_guessed else math.inf

    def _buckets_of(self, value: str) -> tuple[_Cap, ...]:
        found = self._buckets.get(value)
        if found is None:
            if len(self._buckets) >= SCOPES_KEPT:
                self._buckets.clear()
            buckets = [
                (name, _bucket(f"{self.name}|{self.by.text}|{value}|{name}", name, cap))
                for name, cap in self.caps.items()
            ]
            found = self._buckets[value] = tuple(
                _Cap(name, bucket, self._margin(bucket), self._most(name, bucket)) for name, bucket in buckets
            )
        return found

    def taken(self, call: Call, target: Target, used: Sequence[float]) -> Target | None:
        """See `Counting`: a limit has no steps."""
        if self.saw is not None and target.key is not None:
            caps = self._buckets_of(target.key.hash)
            self.saw(target.key.hash, [Claim(cap.bucket, 0.0) for cap in caps], used)
        return None

    def shadowed(self, call: Call, target: Target, used: Sequence[float]) -> None:
        """See `Counting`."""

    def spent(self, call: Call, attempt: Attempt, claims: Sequence[Claim]) -> list[float]:
        """See `Counting`."""
        failure, usage = attempt.failure, call.reading.usage
        refused = failure is not None and (failure.status is not None or failure.kind == "connection")
        input_, output = (usage.input, usage.output) if usage is not None else (None, None)
        if usage is not None and input_ is not None and call.provider == "anthropic":
            input_ -= usage.cache_read or 0  # its limits count what was not in the cache
        if refused and usage is None:
            input_ = output = 0
        elif usage is None and call.request.stream and call.error is not None:
            output = 0  # it broke before anything came; what went in was read
        return [
            _came_to(name, claim.amount, input_, output) for name, claim in zip(self.caps, claims, strict=True)
        ]  # fmt: skip

    def told(self, call: Call, target: Target, left: Mapping[str, float]) -> list[Told]:
        """What a provider's headers say of the rule's rates; `left` by the names of limits, tokens of either kind."""
        told: list[Told] = []
        for name, bucket, *_ in self._buckets_of(self.by.value(call, target) or ""):
            if bucket.kind == "rate":
                said = [left[one] for one in (name, "tokens_per_minute") if one in left]
                if name == "requests_per_minute":
                    said = said[:1] if name in left else []
                if said:
                    told.append(Told(bucket, min(said)))
        return told

    def shut(self, call: Call, target: Target, seconds: float) -> list[Told]:
        """A provider asks to wait so long before the next request: one fits then, and none before."""
        buckets = (cap.bucket for cap in self._buckets_of(self.by.value(call, target) or ""))
        rate = next((one for one in buckets if one.kind == "rate"), None)
        return [] if rate is None else [Told(rate, 1.0 - rate.per_s * seconds)]

    def refusal(self, refused: Refused, scope: str, wait_s: float | None) -> RateLimited:
        """See `Counting`."""
        bucket = refused.claim.bucket
        what = bucket.key.rpartition("|")[2].replace("_", " ")
        opens_in_s = refused.opens_in_s
        if opens_in_s == math.inf:
            asked = _shown(refused.claim.amount)
            why = f"this call asks for {asked}, more than there ever is; raise the limit or split the call"
        elif wait_s is not None:
            why = f"the wait would be {wait_s:.1f} s, longer than {self.max_wait_s:g} s"
        elif opens_in_s is None:
            why = "it opens as soon as another call ends"
        else:
            why = f"it opens in {opens_in_s:.1f} s"
        return RateLimited(
            f"limit {self.name!r} for {scope}: {_shown(refused.used)} of {_shown(bucket.capacity)} {what} used; {why}",
            rule=self.name,
            scope=scope,
            used=refused.used,
            cap=bucket.capacity,
            opens_in_s=wait_s if wait_s is not None else opens_in_s,
        )

    def refusal_for(self, reason: str, scope: str) -> RateLimited:
        """See `Counting`."""
        return RateLimited(f"limit {self.name!r} for {scope}: {reason}", rule=self.name, scope=scope)


def _bucket(key: str, name: str, cap: float) -> Bucket:
    if name == "concurrent":
        return Bucket(key, "slots", cap)
    if name == "tokens_per_day":
        return Bucket(key, "sum", cap, window_s=DAY_S)
    return Bucket(key, "rate", cap, per_s=cap / 60)


def _left(bucket: Bucket, amount: float) -> float:
    """What a call of low priority leaves of a bucket for those above it."""
    if bucket.kind == "rate":
        return bucket.capacity - min(max(AHEAD * amount, LEAST_AHEAD * bucket.capacity), MOST_AHEAD * bucket.capacity)
    return bucket.capacity * AT_ONCE if bucket.kind == "slots" and bucket.capacity >= 10 else 0.0


def _came_to(name: str, reserved: float, input_: int | None, output: int | None) -> float:
    if name == "input_tokens_per_minute":
        return reserved if input_ is None else float(input_)
    if name == "output_tokens_per_minute":
        return reserved if output is None else float(output)
    if name == "tokens_per_day":
        return reserved if input_ is None and output is None else float((input_ or 0) + (output or 0))
    return 1.0


def _shown(amount: float) -> str:
    return f"{amount:,.0f}"


def read(value: object, path: Keys, number: int) -> Limit:
    """One rule of [[limits]]."""
    rule = values.table(value, path, KEYS)
    if "scope" not in rule:
        raise Wrong(path, 'a rule of [[limits]] needs a scope: "all", "user", "model:gpt-*", …')
    caps = {name: float(values.whole(rule[name], (*path, name))) for name in CAPS if name in rule}
    if not caps:
        raise Wrong(path, f"a rule of [[limits]] needs a limit: {', '.join(CAPS)}")
    by = scopes.read(rule["scope"], (*path, "scope"))
    when_full, route = _when_full(rule, path)
    follows = any(by.text.startswith(name) for name in PROVIDERS_OWN)
    return Limit(
        name=values.name(rule, path, number),
        mode=values.mode(rule, path),
        meant=values.when(rule, path).applies,
        by=by,
        caps=caps,
        estimate=values.one_of(rule.get("estimate", "normal"), (*path, "estimate"), ("normal", "strict")),
        when_full=when_full,
        route=route,
        max_wait_s=values.duration_s(rule["max_wait"], (*path, "max_wait")) if "max_wait" in rule else MAX_WAIT_S,
        follows_headers=values.flag(rule.get("follow_headers", follows), (*path, "follow_headers")),
        fail=values.one_of(rule["fail"], (*path, "fail"), ("open", "closed")) if "fail" in rule else "",
    )


def _when_full(rule: Mapping[str, Any], path: Keys) -> tuple[WhenFull, str]:
    said = rule.get("when_full", "queue")
    if said in ("queue", "reject"):
        return said, ""
    kind, _, model = said.partition(":") if isinstance(said, str) else ("", "", "")
    if kind == "route" and model.strip():
        return "route", model.strip()
    raise Wrong(
        (*path, "when_full"),
        f'limits.when_full = {said!r} is none of "queue", "reject", "route:MODEL"; write one of them',
    )
