"""Fallbacks: which targets a call may go to instead, within one SDK and wire format, and for which failures."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ..attempt import FailureKind
from ..call import Call
from . import breaker, values
from .breaker import BreakerRules
from .values import Keys, RuleMode, Wrong

__all__ = ["STAGE", "Fallback", "read"]

STAGE = "fallbacks"
ON: tuple[FailureKind, ...] = ("timeout", "5xx", "429", "context_length", "content_policy")
_COUNTS_AS: dict[FailureKind, FailureKind] = {"connection": "5xx", "spend_cap": "429"}
"""A provider that can't be reached is one that fails; an account without money, one that is over its limit."""


@dataclass(frozen=True, slots=True)
class Fallback:
    """One of [[fallbacks]]."""

    name: str
    applies: Callable[[Call], bool]
    scope: str
    mode: RuleMode
    to: tuple[str, ...]
    """Each "MODEL", "MODEL@ENDPOINT" or "@ENDPOINT", as it is written."""
    on: frozenset[FailureKind]
    breaker: BreakerRules

    def covers(self, kind: FailureKind) -> bool:
        """Whether a failure of this kind leads to the next target."""
        return _COUNTS_AS.get(kind, kind) in self.on


def read(value: object, path: Keys, number: int) -> Fallback:
    """One of [[fallbacks]]."""
    rule = values.table(value, path, ("name", "mode", "when", "model", "to", "on", "breaker"))
    if "to" not in rule:
        raise Wrong(path, f'fallbacks {number + 1} has no to; say which targets are tried: to = ["gpt-4o-mini"]')
    when = dict(rule.get("when") or {}) if isinstance(rule.get("when", {}), dict) else rule["when"]
    if "model" in rule:
        if "model" in when:
            raise Wrong(
                (*path, "model"), "fallbacks.model and fallbacks.when.model say the same; leave one of them out"
            )
        when = {**when, "model": list(values.texts(rule["model"], (*path, "model")))}
    match = values.when({**rule, "when": when}, path)
    on = [values.one_of(kind, (*path, "on"), ON) for kind in values.texts(rule.get("on", list(ON)), (*path, "on"))]
    rules = breaker.read(rule.get("breaker", {}), (*path, "breaker"))
    to = values.texts(rule["to"], (*path, "to"))
    name, mode = values.name(rule, path, number), values.mode(rule, path)
    return Fallback(name, match.applies, match.scope, mode, to, frozenset(on), rules)
