"""A policy's rules -> the stages of the flow. What outlives a change of the policy is kept here."""

from __future__ import annotations

from .enforce.kill_switch import KillSwitch
from .policy import Policy
from .stages import Stages

__all__ = ["Enforcement"]


class Enforcement:
    """Makes stages of one policy after the other; counters, caches and what was learned pass on to the next."""

    def stages(self, policy: Policy) -> Stages:
        """What the flow runs for each call; empty where no rule is on."""
        switch = KillSwitch(policy.kill)
        if not switch.rules:
            return Stages()
        return Stages(resolve=(switch,), version=policy.version)

    def close(self) -> None:
        """Let go of files and connections."""
