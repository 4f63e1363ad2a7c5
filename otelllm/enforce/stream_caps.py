"""A stream that reaches what is left of a budget ends within one chunk: with the typed error, or as if it were cut."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, Protocol

from ..call import Call, Decision, Enough
from ..errors import BudgetExceeded
from ..estimate import output_so_far
from .values import RuleMode

__all__ = ["StreamCap", "watch"]


class _Rule(Protocol):
    name: str
    stage: str
    mode: RuleMode
    stream_over: Literal["error", "finish"]


@dataclass(slots=True)
class StreamCap:
    """Watches one call's chunks for one budget, in that budget's unit."""

    rule: _Rule
    sent: float
    """What the prompt costs."""
    per_token: float
    """What each token of the answer adds."""
    left: float
    """What is free for both."""
    over: BudgetExceeded
    """What the app gets, where the rule ends streams with an error."""

    def __call__(self, call: Call, chunk: Any) -> None:
        """See `Call.on_chunk`."""
        if self.sent + output_so_far(call) * self.per_token < self.left:
            return
        rule = self.rule
        ends = "end_stream" if rule.stream_over == "error" else "finish_stream"
        outcome = ends if rule.mode == "enforce" else f"would_{ends}"
        call.decisions.append(Decision(rule.stage, rule.name, rule.mode, outcome, self.over.scope, str(self.over)))
        if rule.mode != "enforce":
            call.on_chunk[:] = [one for one in call.on_chunk if one is not self]
            return
        if rule.stream_over == "error":
            raise self.over
        raise Enough


def watch(call: Call, cap: StreamCap) -> None:
    """Let `cap` watch the call from now on, in place of the one that its rule had for the attempt before."""
    call.on_chunk[:] = [one for one in call.on_chunk if not (isinstance(one, StreamCap) and one.rule is cap.rule)]
    call.on_chunk.append(cap)
