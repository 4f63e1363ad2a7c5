"""The stages of a call's life that a policy fills: their contracts, and the record of those that are on."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

from .attempt import Attempt, Target
from .call import Call
from .errors import Blocked, KillSwitchOn
from .spec import Method, Provider, Surface
from .steps import Steps, drive

__all__ = ["Admit", "Asked", "LookUp", "Plan", "Recover", "Stage", "Stages"]


class Asked(NamedTuple):
    """What the app called: enough to read it again, to change it, and to send it once more."""

    provider: Provider
    surface: Surface
    instance: Any
    """The SDK's resource (or client, or function) whose method was called."""
    kwargs: Mapping[str, Any]
    """The method's arguments by name. MUST not be changed: they are the app's."""
    method: Method


class Stage(Protocol):
    """One step of the flow that may refuse, wait or answer. Returns a static answer's text, or None to go on.

    MUST raise nothing but `otelllm.Blocked` for a refusal; everything else that it raises is handled by its own rules.
    """

    def __call__(self, call: Call) -> Steps[str | None]:
        """Look at `call`, before anything is sent."""


class Plan(Protocol):
    """Routing, output limits, fallbacks, key pools: where a call may go."""

    def __call__(self, call: Call, asked: Asked) -> deque[Target]:
        """The targets to try, in order; at least one. Says on the call (`decisions`, `route_from`) what it changed.

        MAY raise the error that the provider gave to the same request a moment ago, where no attempt is left for it.
        """


class LookUp(Protocol):
    """A cache."""

    def __call__(self, call: Call, asked: Asked, target: Target) -> Steps[Any]:
        """A stored answer, revived (`recorded.Revived`), or None.

        Where None, it MAY have put watchers on the call (`on_chunk`, `on_end`) that store the answer once it is there.
        """


class Admit(Protocol):
    """Limits and budgets: takes what an attempt may use, all or nothing; waits, refuses, or names another target."""

    def __call__(self, call: Call, asked: Asked, attempt: Attempt) -> Steps[Target | None]:
        """None once everything is reserved (`attempt.reserved`); a target to try in place of this one, with nothing
        reserved. Raises `RateLimited` or `BudgetExceeded` to refuse. Adds to `attempt.waited_s` what it waited.
        """

    def settle(self, call: Call, attempt: Attempt) -> None:
        """Charge what was used in place of what was reserved, and give the rest back.

        Called once for each attempt that was admitted: as soon as one has failed, and for the last one when the call
        ends, after it was priced (`call.cost`, `call.reading.usage`). MUST not block: it may run on an event loop, or
        in a finaliser.
        """


class Recover(Protocol):
    """Retries, keys and fallbacks: what to do after an attempt has failed."""

    def __call__(self, call: Call, asked: Asked, attempt: Attempt, plan: deque[Target]) -> float | None:
        """Seconds to wait before the first target of `plan` is tried; None to let the error reach the app.

        MAY put the target of `attempt`, or another, in front of the plan; MUST return None where it is empty. Asked of
        streams, too, that fail before the app got anything of them.
        """


@dataclass(frozen=True, slots=True)
class Stages:
    """The stages that a policy asks for, in the flow's fixed order; an empty one costs nothing."""

    resolve: tuple[Stage, ...] = ()
    """Scope and kill switch."""
    plan: Plan | None = None
    beside: Callable[[Call], list[Target]] | None = None
    """What is asked beside a call, its answers unseen: one more call for each target, which no limit counts."""
    aside: Callable[[Call, Asked, Target], Target] | None = None
    """Where such a call goes, and with which key."""
    look_up: tuple[LookUp, ...] = ()
    admit: Admit | None = None
    recover: Recover | None = None
    owns_retries: bool = False
    """The provider SDK's own retries are off: `recover` is in their place."""
    gate: Callable[[Call], None] | None = None
    """Before a tool is run: raises `KillSwitchOn` to refuse, and says on the run what it decided."""
    measure: Callable[[Call, Asked], float] | None = None
    """How many tokens a prompt is expected to have."""
    version: str = ""
    """The policy's version: on the span of each call that a rule decided on."""

    @property
    def has_attempts(self) -> bool:
        """Whether a call may take another way than one plain request."""
        return bool(self.plan or self.beside or self.look_up or self.admit or self.recover)

    def beside_at(self, target: Target) -> Stages:
        """The stages of a call that is made beside another: the kill switch, and where it goes."""
        aside = self.aside

        def plan(call: Call, asked: Asked) -> deque[Target]:
            return deque((target if aside is None else aside(call, asked, target),))

        return Stages(resolve=self.resolve, plan=plan, version=self.version)

    def refusing(self, call: Call) -> Blocked | None:
        """Why a call that is under way may not go on: a kill switch has gone on meanwhile."""
        for stage in self.resolve:
            try:
                answer = drive(stage(call), lambda _: None)
            except Blocked as refusal:
                return refusal
            if answer is not None:  # too late for a static answer: half of another one is with the app
                last = call.decisions[-1]
                return KillSwitchOn(f"the kill switch {last.rule!r} went on", rule=last.rule, scope=last.scope)
        return None
