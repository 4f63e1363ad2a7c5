"""The kill switch: calls that a rule names are refused, or answered with a fixed text, before anything is sent."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from ..call import Call, Decision
from ..errors import BadConfig, KillSwitchOn
from ..safely import swallow
from ..steps import Steps
from . import values
from .match import WrongWhen, compile_when
from .values import Keys, RuleMode, Wrong

__all__ = ["KillRule", "KillSwitch", "read", "read_text"]

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
    names_tools: bool = False
    """It speaks of tools that the app runs, not of model calls."""


def read(value: object, path: Keys, number: int) -> KillRule:
    """One rule of [[kill]]."""
    rule = values.table(value, path, ("name", "mode", "when", "answer"))
    match = values.when(rule, path)
    answer = values.text(rule["answer"], (*path, "answer")) if "answer" in rule else None
    names_tools = "tool" in rule.get("when", {})
    if names_tools and answer is not None:
        raise Wrong((*path, "answer"), "kill.answer is a model's; a tool that is switched off raises KillSwitchOn")
    return KillRule(
        values.name(rule, path, number), match.applies, match.scope, values.mode(rule, path), answer, names_tools
    )


def read_text(said: str) -> tuple[KillRule, ...]:
    """The switches of a text such as "feature:support,model:gpt-4o*" or "all" (OTELLLM_KILL)."""
    return tuple(_switch(entry.strip()) for entry in said.split(",") if entry.strip())


def _switch(entry: str) -> KillRule:
    """One switch: "all", or KEY:VALUE."""
    if entry == "all":
        return KillRule("OTELLLM_KILL all", lambda _: True, "all")
    key, colon, value = entry.partition(":")
    if not colon:
        raise BadConfig(f"OTELLLM_KILL: {entry!r} is no switch; write KEY:VALUE, such as feature:support, or all")
    try:
        match = compile_when({key.strip(): value.strip()})
    except WrongWhen as error:
        raise BadConfig(f"OTELLLM_KILL: {error}") from error
    return KillRule(f"OTELLLM_KILL {entry}", match.applies, match.scope, names_tools=key.strip() == "tool")


class KillSwitch:
    """The rules that are not off, in the order in which they are asked: the first that is enforced decides."""

    __slots__ = ("_of_tools", "rules")

    def __init__(self, rules: Iterable[KillRule]) -> None:
        asked = [rule for rule in rules if rule.mode != "off"]
        self.rules = tuple(rule for rule in asked if not rule.names_tools)
        self._of_tools = tuple(rule for rule in asked if rule.names_tools)

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

    def gate(self, call: Call) -> None:
        """Before a tool is run: only rules that name tools speak of it. Raises KillSwitchOn to refuse."""
        for rule in self._of_tools:
            if not rule.applies(call):
                continue
            if rule.mode == "shadow":
                call.decisions.append(Decision(STAGE, rule.name, rule.mode, "would_block", rule.scope))
                continue
            call.decisions.append(Decision(STAGE, rule.name, rule.mode, "block", rule.scope))
            raise KillSwitchOn(
                f"the kill switch {rule.name!r} is on for {rule.scope}; the tool was not run",
                rule=rule.name,
                scope=rule.scope,
            )

    @property
    def has_tools(self) -> bool:
        """Whether any rule names tools."""
        return bool(self._of_tools)

    def __call__(self, call: Call) -> Steps[str | None]:
        """As a stage of the flow."""
        try:
            return self.decide(call)
        except Exception as error:
            if not swallow("asking the kill switch", error):
                raise
            return None
        yield  # type: ignore[unreachable]  # a stage is a generator; this one never waits
