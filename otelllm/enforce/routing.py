"""Routing: which model (or endpoint) a call goes to, by rule; canaries by share; calls asked a second time, unseen."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from random import random

from ..attempt import Target
from ..call import Call, Decision
from . import values
from .endpoints import Endpoint, place_of
from .values import Keys, RuleMode, Wrong

__all__ = ["Route", "Routing", "read"]

STAGE = "routing"


@dataclass(frozen=True, slots=True)
class Route:
    """One rule of [[routes]]: a model in place of the app's, or one that is asked beside it."""

    name: str
    applies: Callable[[Call], bool]
    scope: str
    mode: RuleMode
    model: str
    """"MODEL", or "MODEL@ENDPOINT"."""
    is_shadow: bool = False
    """Asked beside the app's own call; its answer reaches nobody."""
    share: float = 1.0
    """Of shadow calls: how many of the calls that are meant."""

    @property
    def key(self) -> str:
        """The policy's word for where it leads."""
        return "shadow_to" if self.is_shadow else "model"


def read(value: object, path: Keys, number: int) -> Route:
    """One rule of [[routes]]."""
    rule = values.table(value, path, ("name", "mode", "when", "model", "shadow_to", "share"))
    if ("model" in rule) == ("shadow_to" in rule):
        raise Wrong(path, f"a rule of [[{path[0]}]] says where a call goes: give it model, or shadow_to, and not both")
    if "share" in rule and "model" in rule:
        raise Wrong((*path, "share"), "routes.share belongs to shadow_to; a canary is when = { share = 0.05 }")
    key = "model" if "model" in rule else "shadow_to"
    model = values.text(rule[key], (*path, key))
    name = values.name(rule, path, number)
    # By the model where the rule has no name: its number changes when another rule is written before it.
    match = values.when(rule, path, rule.get("name", model))
    share = values.share(rule.get("share", 1.0), (*path, "share"))
    return Route(name, match.applies, match.scope, values.mode(rule, path), model, key == "shadow_to", share)


class Routing:
    """The rules that are not off. The first that is enforced and meant decides; each shadow rule that is meant, too."""

    __slots__ = ("_beside", "_endpoints", "_instead")

    def __init__(self, rules: Iterable[Route], endpoints: Iterable[Endpoint] = ()) -> None:
        self._endpoints = {one.name: one for one in endpoints}
        asked = [rule for rule in rules if rule.mode != "off"]
        self._instead = tuple(rule for rule in asked if not rule.is_shadow)
        self._beside = tuple(rule for rule in asked if rule.is_shadow and rule.mode == "enforce")

    @property
    def leads(self) -> bool:
        """Whether any rule sends a call elsewhere, or would."""
        return bool(self._instead)

    @property
    def asks_beside(self) -> bool:
        """Whether any rule asks a second time."""
        return bool(self._beside)

    def choose(self, call: Call, target: Target) -> Target:
        """`target`, led elsewhere where a rule says so; what was decided is noted on the call."""
        for rule in self._instead:
            if not rule.applies(call):
                continue
            asked, reason = call.request.model, f"{call.request.model} -> {rule.model}"
            if rule.mode == "shadow":
                call.decisions.append(Decision(STAGE, rule.name, rule.mode, "would_route", rule.scope, reason))
                continue
            call.decisions.append(Decision(STAGE, rule.name, rule.mode, "route", rule.scope, reason))
            led = self._target(rule)
            if led.model != asked:
                call.route_from = asked
            return replace(target, model=led.model, endpoint=led.endpoint, base_url=led.base_url)
        return target

    def beside(self, call: Call) -> list[Target]:
        """What is to be asked beside this call, its answers unseen."""
        asked: list[Target] = []
        for rule in self._beside:
            if rule.applies(call) and random() < rule.share:  # noqa: S311  a sample of calls guards no secret
                call.decisions.append(Decision(STAGE, rule.name, rule.mode, "shadow_call", rule.scope, rule.model))
                asked.append(self._target(rule))
        return asked

    def _target(self, rule: Route) -> Target:
        model, name = place_of(rule.model, self._endpoints)
        return Target(model, name, self._endpoints[name].base_url if name else None)
