"""What rules claim of one attempt, and what is held for it until it is settled."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from ..call import Call, Decision
from ..state.spec import Claim, Lease, Refused
from .counting import Counting
from .measuring import Measured
from .values import RuleMode

__all__ = ["Reserved", "Share", "in_shadow", "note", "share_of", "unhurried", "would"]


@dataclass(slots=True)
class Share:
    """What one rule claims of an attempt."""

    rule: Counting
    scope: str
    claims: Sequence[Claim]
    lease: Lease | None = None
    """For a rule in shadow mode, its own."""
    decision: Decision | None = None


@dataclass(slots=True)
class Reserved:
    """What is held for an attempt, until it is settled."""

    shares: list[Share] = field(default_factory=list)
    lease: Lease | None = None
    """Of all rules that are enforced."""
    shadows: list[Share] = field(default_factory=list)
    measured: Measured | None = None
    at: float = 0.0
    """When it was taken, on admission's clock."""


def note(call: Call, share: Share, spent: Sequence[float], mode: RuleMode) -> None:
    """How far the estimate was off, where the rule decided something, or more was used than was reserved."""
    counted = [
        (claim.amount, one) for claim, one in zip(share.claims, spent, strict=True) if claim.bucket.kind != "slots"
    ]
    if not counted:
        return
    decision = share.decision
    if decision is not None:
        decision.reserved, decision.settled = max(counted)  # the most by number: tokens, not requests
        return
    reserved, settled = max(counted, key=lambda pair: pair[1] - pair[0])
    if settled > reserved:
        call.decisions.append(
            Decision(
                share.rule.stage, share.rule.name, mode, "overshoot", share.scope, reserved=reserved, settled=settled
            )
        )


def share_of(shares: Sequence[Share], key: str) -> Share:
    """Of the rule that a bucket belongs to."""
    return next(share for share in shares if any(claim.bucket.key == key for claim in share.claims))


def unhurried(claims: Sequence[Claim]) -> list[Claim]:
    """Claims that leave nothing for others: it is this call's turn, by the share of its priority."""
    return [claim._replace(leaves=0.0) for claim in claims]


def in_shadow(claim: Claim) -> Claim:
    """The same of a bucket that only counts for rules in shadow mode."""
    return claim._replace(bucket=claim.bucket._replace(key=f"shadow|{claim.bucket.key}"))


def would(rule: Counting, scope: str, refused: Refused) -> Decision:
    """What an enforced rule would have done with a call that finds no room."""
    wait_s = refused.opens_in_s
    outcome = "would_block"
    if rule.when_full == "route":
        outcome = "would_route"
    elif rule.when_full == "queue" and (wait_s is None or wait_s <= rule.max_wait_s):
        outcome = "would_queue"
    reason = rule.route if outcome == "would_route" else str(rule.refusal(refused, scope, None))
    return Decision(
        rule.stage,
        rule.name,
        "shadow",
        outcome,
        scope,
        reason,
        waited_s=wait_s or 0.0 if outcome == "would_queue" else 0.0,
    )
