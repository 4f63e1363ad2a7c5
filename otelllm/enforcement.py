"""A policy's rules -> the stages of the flow. What outlives a change of the policy is kept here."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

from .attempt import AS_ASKED
from .call import Call
from .config import variable
from .enforce.admission import Admission, Clock
from .enforce.cache import places
from .enforce.cache.exact import ExactCache, pool_of
from .enforce.counting import Counting
from .enforce.course import Learned
from .enforce.kill_switch import KillSwitch
from .enforce.limits import Limit
from .enforce.measuring import measure
from .enforce.outputs import Outputs
from .enforce.planning import Planning, Steer
from .enforce.queue import Queue
from .enforce.recovery import Recovery
from .enforce.retries import RetryRules
from .enforce.routing import Routing
from .enforce.sizes import Sizes
from .enforce.targets import Targets
from .policy import Policy
from .stages import Asked, LookUp, Stages
from .state.opening import open_state
from .state.spec import State

__all__ = ["Enforcement"]


class Enforcement:
    """Makes stages of one policy after the other; counters, caches and what was learned pass on to the next."""

    def __init__(
        self, service: str = "app", folder: Path | None = None, *, sizes: Sizes | None = None,
        clock: Clock = time.monotonic, counters: Callable[[str], State] | None = None,
        learned: Learned | None = None,
    ) -> None:  # fmt: skip
        """`service` tells this app's counters from others'; they are in `folder` where no rule says where.

        The others are for a replay: what sizes are expected, what time it is, and what counts in place of the policy's
        own counters.
        """
        self._sizes = sizes or Sizes()
        self._clock = clock
        self._counters = counters or partial(open_state, service=service, folder=folder)
        self._learned = learned or Learned()
        self._states: dict[str, State] = {}
        self._queue: Queue | None = None

    def stages(self, policy: Policy) -> Stages:
        """What the flow runs for each call; empty where no rule is on.

        Raises BadConfig where the environment lacks a key that the policy names.
        """
        switch, routing = KillSwitch(policy.kill), Routing(policy.routes, policy.endpoints)
        recovery = self._recovery(policy)
        return Stages(
            resolve=(switch,) if switch.rules else (),
            plan=_plan(policy, routing, recovery),
            look_up=tuple(_caches(policy)),
            admit=self._admission(policy),
            beside=routing.beside if routing.asks_beside else None,
            aside=None if recovery is None else recovery.aside,
            gate=switch.gate if switch.has_tools else None,
            measure=self._measure if policy.said else None,
            recover=recovery,
            owns_retries=recovery is not None and recovery.owns_retries,
            version=policy.version,
        )

    def _measure(self, call: Call, asked: Asked) -> float:
        return self._sizes.likely(call, AS_ASKED, measure(asked.kwargs)).input

    def _admission(self, policy: Policy) -> Admission | None:
        counting: tuple[Counting, ...] = (*policy.limits, *policy.budgets)
        rules = [self._seeing(rule) for rule in counting if rule.mode != "off"]
        if not rules:
            return None
        if self._queue is None or self._queue.rules != policy.queue:
            self._queue = Queue(policy.queue)
        url = policy.state.url
        if (state := self._states.get(url)) is None:
            state = self._states[url] = self._counters(url)
        return Admission(
            rules, state=state, queue=self._queue, sizes=self._sizes, fail=policy.state.fail, clock=self._clock
        )

    def _seeing(self, rule: Counting) -> Counting:
        """`rule`; where it counts by key, pools of keys learn what it sees."""
        if isinstance(rule, Limit) and rule.by.text == "key" and rule.mode == "enforce":
            return replace(rule, saw=self._learned.levels.saw)
        return rule

    def flush(self, timeout_s: float) -> bool:
        """Whether all that calls used is written to the counters, within `timeout_s` for each place."""
        written = [state.flush(timeout_s) for state in self._states.values()]
        return all(written)

    def _recovery(self, policy: Policy) -> Recovery | None:
        """Retries, keys, endpoints and fallbacks; None where the policy says nothing of them."""
        if policy.retries is not None:
            rules = policy.retries
        elif policy.keys or policy.fallbacks:
            rules = RetryRules()
        elif policy.endpoints:
            rules = RetryRules(mode="off")
        else:
            return None
        targets = Targets(policy.keys, policy.endpoints, policy.fallbacks, self._learned)
        return Recovery(rules, targets, self._learned)

    def close(self) -> None:
        """Let go of files and connections."""
        for state in self._states.values():
            state.close()
        places.close_all()


def _plan(policy: Policy, routing: Routing, recovery: Recovery | None) -> Planning | None:
    steer: list[Steer] = []
    if routing.leads:
        steer.append(routing.choose)
    if policy.outputs:
        steer.append(Outputs(policy.outputs).limit)
    expand = () if recovery is None else (recovery.expand,)
    return Planning(steer, expand) if steer or expand else None


def _pools(policy: Policy) -> Iterator[tuple[str, str]]:
    """Each key's name in the policy, and the fingerprint of the pool that it is of."""
    for names in (*(rule.variables for rule in policy.keys), *(endpoint.keys for endpoint in policy.endpoints)):
        pool = pool_of(variable(name) or "" for name in names)
        yield from ((f"env:{name}", pool) for name in names)


def _caches(policy: Policy) -> Iterator[LookUp]:
    rule = policy.cache
    if rule is not None and rule.mode != "off":
        yield ExactCache(rule, places.opened(rule.where, rule.max_bytes), policy.shape, dict(_pools(policy)))
