"""What the SDK's trace tells: a run's workflow, its agents, tools, handoffs and guardrails, by the SDK's own ids."""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic
from typing import Any, NamedTuple

from opentelemetry.context import Context, attach, get_current

from ... import emit, semconv
from ...call import Value
from ...parts import arguments_of
from ...runs import Run
from ...safely import safely

__all__ = ["PROCESSOR", "told_tool_call"]

MOST = 10_000
OLDEST_S = 24 * 3600.0


class _Open(NamedTuple):
    """A span of the SDK's that is open: ours for it (a task or a turn has none), and the context below it."""

    run: Run | None
    below: Context
    before: Context | None
    """What was current when it began, where ours was put in its place."""
    moment: float


class _Processor:
    """An `agents.tracing.TracingProcessor` by its methods: inheriting would import the SDK."""

    def __init__(self) -> None:
        self._open: dict[str, _Open] = {}

    def on_trace_start(self, trace: Any) -> None:
        """A run of the app's. Nothing is made current: a streamed run ends in another task than it began in."""
        if emit.active() is None:
            return
        with safely("starting an agents' trace"):
            facts: dict[str, Value] = {}
            if group := getattr(trace, "group_id", None):
                facts[semconv.CONVERSATION_ID] = str(group)
            run = Run(semconv.INVOKE_WORKFLOW, str(trace.name or ""), facts)
            self._keep(trace.trace_id, _Open(run, run.context, None, monotonic()))

    def on_trace_end(self, trace: Any) -> None:
        """The run ended, or its streamed result was let go."""
        with safely("ending an agents' trace"):
            found = self._open.pop(trace.trace_id, None)
            if found is not None and found.run is not None:
                found.run.end()

    def on_span_start(self, span: Any) -> None:
        """In the task in which the work goes on, before it does."""
        if emit.active() is None:
            return
        with safely("starting an agents' span"):
            above = self._open.get(span.parent_id) or self._open.get(span.trace_id)
            context = get_current() if above is None else above.below
            data = span.span_data
            make = _MADE.get(data.type)
            run = make(data, context) if make is not None else None
            below = context if run is None else run.context
            before = get_current()
            attach(below)  # by value: the end may come in another context, and takes it back only where it is ours
            self._keep(span.span_id, _Open(run, below, before, monotonic()))

    def on_span_end(self, span: Any) -> None:
        """Whatever ended it, in whichever task."""
        with safely("ending an agents' span"):
            found = self._open.pop(span.span_id, None)
            if found is None:
                return
            if found.before is not None and get_current() is found.below:
                attach(found.before)
            run, data = found.run, span.span_data
            if data.type == "guardrail":
                self._guard(span)
            if run is None:
                return
            read = _READ.get(data.type)
            if read is not None and run.is_recording:
                read(run, data)
            run.end(error_type=_failed(span))

    def shutdown(self) -> None:
        """The SDK's provider ends."""
        self.end_all()

    def force_flush(self) -> None:
        """Nothing waits here."""

    def run_in(self, context: Context) -> Run | None:
        """The open run whose work goes on in `context`."""
        return next((one.run for one in reversed(list(self._open.values())) if one.below is context), None)

    def end_all(self) -> None:
        """otelllm is switched off, or the program ends: what is open is ended."""
        while self._open:
            _, found = self._open.popitem()
            if found.run is not None:
                found.run.end(error_type="abandoned")

    def _keep(self, key: str, open_: _Open) -> None:
        self._open[key] = open_
        while self._open:
            first = next(iter(self._open))
            lost = self._open[first]
            if first == key or (len(self._open) <= MOST and open_.moment - lost.moment < OLDEST_S):
                return
            self._open.pop(first, None)
            if lost.run is not None:
                lost.run.end(error_type="abandoned")

    def _guard(self, span: Any) -> None:
        """A guard spoke: an event on the span of the agent, or run, that it watches."""
        above = self._open.get(span.parent_id) or self._open.get(span.trace_id)
        while above is not None and above.run is None:
            above = next((one for one in self._open.values() if one.run is not None and one.below is above.below), None)
        if above is not None and above.run is not None:
            told = {
                semconv.GUARDRAIL_NAME: str(span.span_data.name),
                semconv.GUARDRAIL_RESULT_TYPE: "action",
                semconv.GUARDRAIL_RESULT: "block" if span.span_data.triggered else "allow",
            }
            above.run.span.add_event(semconv.EVENT_GUARDRAIL, told)


PROCESSOR = _Processor()


def told_tool_call(call_id: Any) -> None:
    """The id of the call whose tool runs now."""
    run = PROCESSOR.run_in(get_current())
    if run is not None and run.operation == semconv.EXECUTE_TOOL and isinstance(call_id, str) and call_id:
        run.found[semconv.TOOL_CALL_ID] = call_id


def _failed(span: Any) -> str | None:
    """The SDK tells an error by its text, which is content; its kind is in there at best."""
    error = span.error
    if not error:
        return None
    data = error.get("data") if isinstance(error, dict) else None
    kind = (data or {}).get("error_type") or (data or {}).get("type") if isinstance(data, dict) else None
    return kind if isinstance(kind, str) and kind.isidentifier() else "error"


def _agent(data: Any, parent: Context) -> Run:
    return Run(semconv.INVOKE_AGENT, str(data.name or ""), parent=parent)


def _function(data: Any, parent: Context) -> Run:
    return Run(semconv.EXECUTE_TOOL, str(data.name or ""), {semconv.TOOL_TYPE: "function"}, parent=parent)


def _handoff(data: Any, parent: Context) -> Run:
    return Run(semconv.TASK, "handoff", parent=parent, span_name="handoff")


def _custom(data: Any, parent: Context) -> Run:
    return Run(semconv.TASK, str(data.name or ""), parent=parent, span_name=str(data.name or "custom"))


_MADE: dict[str, Callable[[Any, Context], Run]] = {
    "agent": _agent,
    "function": _function,
    "handoff": _handoff,
    "custom": _custom,
}
"""By the span data's type; others (task, turn, the model's, a list of MCP tools, what is newer than this)
are passed through as parents.
"""


def _read_function(run: Run, data: Any) -> None:
    if run.content is not None:
        if data.input not in (None, ""):
            run.content.write(semconv.TOOL_CALL_ARGUMENTS, arguments_of(data.input))
        if data.output is not None:
            run.content.write(semconv.TOOL_CALL_RESULT, data.output)


def _read_handoff(run: Run, data: Any) -> None:
    if data.to_agent:
        run.span.update_name(f"handoff {data.to_agent}")
        run.found[semconv.AGENT_NAME] = str(data.to_agent)


_READ: dict[str, Callable[[Run, Any], None]] = {"function": _read_function, "handoff": _read_handoff}
