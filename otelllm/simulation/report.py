"""What a replay comes to: what would have been blocked, queued, routed, cached and saved, in all and by rule."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field

from ..call import Decision
from ..pricing import cost_of
from .replay import Replayed

__all__ = ["Report", "Row", "summed"]


@dataclass(slots=True)
class Row:
    """One rule and one outcome."""

    stage: str
    rule: str
    outcome: str
    calls: int = 0
    scopes: set[str] = field(default_factory=set)
    """Whom it counted or meant."""
    waited_s: float = 0.0
    saved_usd: float = 0.0
    """By what is not sent, or goes to another model. A call that several rules would have refused is each one's."""


@dataclass(slots=True)
class Report:
    """All calls of a replay together; each call counts once, by the first rule that would have changed it."""

    calls: int = 0
    usd: float = 0.0
    blocked: int = 0
    queued: int = 0
    routed: int = 0
    limited: int = 0
    cached: int = 0
    warned: int = 0
    waited_s: float = 0.0
    saved_usd: float = 0.0
    unpriced: int = 0
    """Calls whose cost nobody knows: what they would have saved is not in the sums."""
    keyless: int = 0
    """Calls of which can't be told whether a cache would have had the answer: no cache was on or in shadow."""
    rows: list[Row] = field(default_factory=list)


_BLOCKS = frozenset({"would_block", "would_answer"})


def summed(replayed: Iterable[Replayed], *, caches: bool = False) -> Report:
    """The report; `caches` where the policy has a cache."""
    report = Report()
    rows: dict[tuple[str, str, str], Row] = defaultdict()
    for one in replayed:
        report.calls += 1
        report.usd += one.past.usd
        report.unpriced += one.past.usd == 0.0 and not one.past.is_blocked
        report.keyless += caches and one.past.cache_key is None
        is_over = False
        for decision in one.decisions:
            key = (decision.stage, decision.rule, decision.outcome)
            if (row := rows.get(key)) is None:
                row = rows[key] = Row(*key)
            saved = _saved(one, decision)
            row.calls += 1
            row.scopes.add(decision.scope)
            row.waited_s += decision.waited_s
            row.saved_usd += saved
            if not is_over:
                is_over = _count(report, decision, saved)
    report.rows = sorted(rows.values(), key=lambda row: (-row.calls, row.stage, row.rule, row.outcome))
    return report


def _count(report: Report, decision: Decision, saved: float) -> bool:
    """Whether the call would have ended with this decision."""
    outcome = decision.outcome
    report.saved_usd += saved
    if outcome in _BLOCKS:
        report.blocked += 1
        return True
    if outcome == "would_hit":
        report.cached += 1
        return True
    if outcome == "would_queue":
        report.queued += 1
        report.waited_s += decision.waited_s
    elif outcome == "would_route":
        report.routed += 1
    elif outcome == "would_limit":
        report.limited += 1
    elif outcome == "would_warn":
        report.warned += 1
    return False


def _saved(one: Replayed, decision: Decision) -> float:
    """What the decision would have saved, in US dollars; less than nothing where the other model is dearer."""
    past = one.past
    if decision.outcome in _BLOCKS or decision.outcome == "would_hit":
        return past.usd
    if decision.outcome != "would_route" or past.usage is None or not past.usd:
        return 0.0
    model = decision.reason.rpartition("-> ")[2].partition("@")[0].strip()
    other = cost_of(past.usage, provider=past.call.provider, model=model, tier=past.call.request.tier).usd
    return past.usd - other if other is not None else 0.0
