"""What rules claim of one attempt, and what is held for it until it is settled."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from ..attempt import Target
from ..call import Call, Decision
from ..state.spec import Claim, Lease, Refused
from .counting import Counting
from .measuring import Measured

__all__ = ["Reserved", "Share", "in_shadow", "note", "share_of", "unhurried", "would"]


@dataclass(slots=True)
class Share:
    """What one rule claims of an attempt."""

    rule: Counting
    call: Call
    target: Target
    claims: Sequence[Claim]
    lease: Lease | None = None
    """For a rule in shadow mode, its own."""
    decision: Decision | None = None

    @property
    def scope(self) -> str:
        """Whom the rule counts the call with, in words: only where something is to be said."""
        return self.rule.scope(self.call, self.target)


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


def note(call: Call, share: Share, spent: Sequence[float], used: Sequence[float]) -> None:
    """How far the estimate was off where the rule decided something, or a bucket came above its cap by it. `used` is
    what was used of each bucket when it was reserved.
    """
    if share.decision is not None:
        counted = [
            (claim.amount, one) for claim, one in zip(share.claims, spent, strict=True) if claim.bucket.kind != "slots"
        ]
        if counted:  # the most by number: tokens, not requests
            share.decision.reserved, share.decision.settled = max(counted)
        return
    for claim, one, before in zip(share.claims, spent, used, strict=False):
        if one > claim.amount and before + one - claim.amount > claim.bucket.capacity and claim.bucket.kind != "slots":
            rule = share.rule
            call.decisions.append(
                Decision(rule.stage, rule.name, "enforce", "overshoot", share.scope, reserved=claim.amount, settled=one)
            )
            return


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
