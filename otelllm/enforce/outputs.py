"""Output limits: how long an answer may be, where the app says nothing, or too much."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from .. import semconv
from ..attempt import Target
from ..call import Call, Decision
from ..estimate import OF_TEXT
from . import values
from .values import Keys, RuleMode, Wrong

__all__ = ["Output", "Outputs", "read"]

STAGE = "outputs"


@dataclass(frozen=True, slots=True)
class Output:
    """One rule of [[outputs]], in tokens."""

    name: str
    applies: Callable[[Call], bool]
    scope: str
    mode: RuleMode
    default: int | None
    most: int | None


def read(value: object, path: Keys, number: int) -> Output:
    """One rule of [[outputs]]."""
    rule = values.table(value, path, ("name", "mode", "when", "default_max_tokens", "max_max_tokens"))
    match = values.when(rule, path)
    limits = [
        values.whole(rule[key], (*path, key)) if key in rule else None
        for key in ("default_max_tokens", "max_max_tokens")
    ]
    default, most = limits
    if default is None and most is None:
        raise Wrong(path, "a rule of [[outputs]] needs default_max_tokens, max_max_tokens or both")
    if default is not None and most is not None and default > most:
        raise Wrong(
            (*path, "default_max_tokens"),
            f"outputs.default_max_tokens = {default} is more than outputs.max_max_tokens = {most}; lower one of them",
        )
    return Output(values.name(rule, path, number), match.applies, match.scope, values.mode(rule, path), default, most)


class Outputs:
    """The rules that are not off; the first that is enforced and meant decides."""

    __slots__ = ("_rules",)

    def __init__(self, rules: Iterable[Output]) -> None:
        self._rules = tuple(rule for rule in rules if rule.mode != "off")

    def limit(self, call: Call, target: Target) -> Target:
        """`target` with the output limit that is sent, where a rule changes it; noted on the call."""
        if call.operation not in OF_TEXT:
            return target
        for rule in self._rules:
            if not rule.applies(call):
                continue
            said = call.request.attributes.get(semconv.REQUEST_MAX_TOKENS)
            asked = said if isinstance(said, int) else None
            tokens = _tokens(rule, asked)
            if tokens == asked:
                if rule.mode == "enforce":
                    return target
                continue
            reason = f"max_tokens {'none' if asked is None else asked} -> {tokens}"
            outcome = "limit" if rule.mode == "enforce" else "would_limit"
            call.decisions.append(Decision(STAGE, rule.name, rule.mode, outcome, rule.scope, reason))
            if rule.mode == "enforce" and tokens is not None:
                call.request.attributes[semconv.REQUEST_MAX_TOKENS] = tokens
                return replace(target, max_tokens=tokens)
        return target


def _tokens(rule: Output, asked: int | None) -> int | None:
    if asked is None:
        return rule.default if rule.default is not None else rule.most
    return asked if rule.most is None else min(asked, rule.most)
