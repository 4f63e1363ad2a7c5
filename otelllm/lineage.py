"""What the spans above a call tell it: the agent's and the workflow's name, and the sums that it adds to."""

from __future__ import annotations

import threading
from contextvars import ContextVar
from dataclasses import dataclass

from opentelemetry.context import Context, create_key, get_value, set_value

from .call import Cost, Usage

__all__ = ["Lineage", "Totals", "above", "below", "root_of", "rooted", "untraced"]

_KEY = "otelllm.lineage"
_ROOT = create_key("otelllm-root")
"""Set below a framework's run that no span encloses to what stands for its thread or task."""
_untraced: ContextVar[object | None] = ContextVar("otelllm-call-tree", default=None)


class Totals:
    """Summed usage and cost of the calls below one span; adds to its own parent's too. Safe across threads."""

    __slots__ = ("_lock", "_parent", "calls", "input", "output", "unpriced", "usd")

    def __init__(self, parent: Totals | None = None) -> None:
        self._lock = threading.Lock()
        self._parent = parent
        self.calls = 0
        self.input: int | None = None
        """None until a call said what it used; likewise the next."""
        self.output: int | None = None
        self.usd: float | None = None
        """None until a call had a price."""
        self.unpriced = 0

    def add(self, usage: Usage | None, cost: Cost | None) -> None:
        """Count one call, here and in every span above."""
        one: Totals | None = self
        while one is not None:
            with one._lock:
                one.calls += 1
                if usage is not None and usage.input is not None:
                    one.input = (one.input or 0) + usage.input
                if usage is not None and usage.output is not None:
                    one.output = (one.output or 0) + usage.output
                if cost is not None and cost.usd is not None:
                    one.usd = (one.usd or 0.0) + cost.usd
                elif usage is not None:
                    one.unpriced += 1
            one = one._parent


@dataclass(frozen=True, slots=True)
class Lineage:
    """Names and sums that hold below a span."""

    agent: str | None = None
    workflow: str | None = None
    conversation: str | None = None
    """A framework's thread: on all that is below, where it has no other."""
    totals: Totals | None = None


_NONE = Lineage()


def above(context: Context | None = None) -> Lineage:
    """The lineage of `context`, or of the context that is current."""
    found = get_value(_KEY, context)
    return found if isinstance(found, Lineage) else _NONE


def below(lineage: Lineage, context: Context) -> Context:
    """`context` in which `lineage` holds."""
    return set_value(_KEY, lineage, context)


def untraced(*, made: bool = True) -> object | None:
    """Stands for the thread or task that runs here; never reset: it says no more than that two things came in it one
    after the other. None where there is none yet and none is to be `made`.
    """
    found = _untraced.get()
    if found is None and made:
        found = object()
        _untraced.set(found)
    return found


def rooted(context: Context) -> Context:
    """The context below a framework's run that no span encloses. MUST be called where the run was started."""
    return set_value(_ROOT, untraced(), context)


def root_of(context: Context | None = None) -> object | None:
    """What stands for the thread or task in which such a run was started, of all that is below it."""
    return get_value(_ROOT, context)
