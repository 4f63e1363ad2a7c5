"""The gate before a tool is run: a kill switch can name tools, and those are run by the app and not by a provider."""

from __future__ import annotations

from collections.abc import Callable

from opentelemetry.trace import Span

from . import emit, semconv
from .call import Call, Request
from .safely import safely
from .scope import current
from .span_events import write_decisions

__all__ = ["pass_gate", "use"]

Gate = Callable[[Call], None]
"""Given the run of a tool, raises `KillSwitchOn` where it is switched off; what was decided is on the call."""

_gate: Gate | None = None
_version = ""


def use(gate: Gate | None, version: str = "") -> None:
    """Put `gate` of the policy's `version` before every tool; None: all pass."""
    global _gate, _version
    _gate, _version = gate, version


def pass_gate(tool: str, span: Span) -> None:
    """Returns where the tool may be run; raises `KillSwitchOn` where not. Either is told on the run's `span`."""
    gate, version = _gate, _version
    if gate is None:
        return
    call = Call("", semconv.EXECUTE_TOOL, Request(subject=tool), current())
    try:
        gate(call)
    finally:
        if call.decisions:
            with safely("telling of a switch"):
                _tell(call, version, span)


def _tell(call: Call, version: str, span: Span) -> None:
    if span.is_recording():
        span.set_attribute(semconv.POLICY_VERSION, version)
        write_decisions(span, call)
    emitter = emit.active()
    if emitter is not None and emitter.instruments is not None:
        emitter.instruments.record_decisions(call)
