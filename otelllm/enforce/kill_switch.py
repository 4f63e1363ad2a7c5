"""The kill switch: calls that a rule names are refused, or answered with a fixed text, before anything is sent."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal

from ..call import Call, Decision
from ..errors import KillSwitchOn

__all__ = ["KillRule", "KillSwitch", "RuleMode"]

RuleMode = Literal["off", "shadow", "enforce"]
"""Not asked at all; only recorded what would have happened; enforced."""

STAGE = "kill_switch"


@dataclass(frozen=True, slots=True)
class KillRule:
    """One switch that is on."""

    name: str
    applies: Callable[[Call], bool]
    scope: str
    """What `applies` looks for, in words: on the span event and in the error."""
    mode: RuleMode = "enforce"
    answer: str | None = None
    """What the app gets instead of an error."""


class KillSwitch:
    """The rules that are not off, in the order in which they are asked: the first that is enforced decides."""

    __slots__ = ("rules",)

    def __init__(self, rules: Iterable[KillRule]) -> None:
        self.rules = tuple(rule for rule in rules if rule.mode != "off")

    def decide(self, call: Call) -> str | None:
        """The static answer of the rule that is on for this call, None to go on; raises KillSwitchOn to refuse."""
        for rule in self.rules:
            if not rule.applies(call):
                continue
            outcome = "block" if rule.answer is None else "answer"
            if rule.mode == "shadow":
                call.decisions.append(Decision(STAGE, rule.name, rule.mode, f"would_{outcome}", rule.scope))
                continue
            call.decisions.append(Decision(STAGE, rule.name, rule.mode, outcome, rule.scope))
            if rule.answer is None:
                raise KillSwitchOn(
                    f"the kill switch {rule.name!r} is on for {rule.scope}; the provider was not asked",
                    rule=rule.name,
                    scope=rule.scope,
                )
            return rule.answer
        return None
