"""A policy's rules -> the stages of the flow. What outlives a change of the policy is kept here."""

from __future__ import annotations

from .enforce.kill_switch import KillSwitch
from .enforce.outputs import Outputs
from .enforce.planning import Planning, Steer
from .enforce.routing import Routing
from .policy import Policy
from .stages import Stages

__all__ = ["Enforcement"]


class Enforcement:
    """Makes stages of one policy after the other; counters, caches and what was learned pass on to the next."""

    def stages(self, policy: Policy) -> Stages:
        """What the flow runs for each call; empty where no rule is on."""
        switch, routing = KillSwitch(policy.kill), Routing(policy.routes)
        return Stages(
            resolve=(switch,) if switch.rules else (),
            plan=_plan(policy, routing),
            beside=routing.beside if routing.asks_beside else None,
            gate=switch.gate if switch.has_tools else None,
            version=policy.version,
        )

    def close(self) -> None:
        """Let go of files and connections."""


def _plan(policy: Policy, routing: Routing) -> Planning | None:
    steer: list[Steer] = []
    if routing.leads:
        steer.append(routing.choose)
    if policy.outputs:
        steer.append(Outputs(policy.outputs).limit)
    return Planning(steer) if steer else None
