"""Retries: how often a call is tried in all, and how long it waits in between."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from . import values
from .values import RuleMode

__all__ = ["RETRIED", "RetryRules", "backoff_s", "read", "wait_s"]

STAGE = "retries"
RETRIED = frozenset({"429", "5xx", "timeout", "connection"})
"""What passes by itself. Another 4xx does not, nor does an account without money."""
_SPREAD = 0.1
"""Of a time that the provider named: those whom it told the same don't all come back at once."""


@dataclass(frozen=True, slots=True)
class RetryRules:
    """[retries]. Its defaults hold where a policy has keys or fallbacks and no such section."""

    mode: RuleMode = "enforce"
    max_attempts: int = 4
    """In all, for one call tree: other keys and fallbacks among them."""
    base_s: float = 0.5
    max_wait_s: float = 30.0
    storm_ratio: float = 0.10
    """Retries to requests of a minute, for each provider and endpoint."""


def read(value: object) -> RetryRules:
    """The section [retries]."""
    path = ("retries",)
    table = values.table(value, path, ("mode", "max_attempts", "base", "max_wait", "storm_ratio"))
    rules = RetryRules()
    return RetryRules(
        values.mode(table, path),
        values.whole(table.get("max_attempts", rules.max_attempts), (*path, "max_attempts")),
        values.duration_s(table.get("base", rules.base_s), (*path, "base")),
        values.duration_s(table.get("max_wait", rules.max_wait_s), (*path, "max_wait")),
        values.share(table.get("storm_ratio", rules.storm_ratio), (*path, "storm_ratio")),
    )


def backoff_s(rules: RetryRules, retries: int) -> float:
    """The most that is waited after so many retries: 2^n times the base, capped."""
    return min(rules.max_wait_s, rules.base_s * 2.0 ** min(retries, 32))


def wait_s(rules: RetryRules, retries: int, asked_s: float | None, random: Callable[[], float]) -> float:
    """How long to wait: what the provider asked for, else by full jitter a part of the backoff."""
    if asked_s is not None:
        return asked_s * (1 + _SPREAD * random())
    return random() * backoff_s(rules, retries)
