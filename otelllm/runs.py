"""One run of a step (workflow, agent, tool, retrieval, …): its span, its content, and how it ended."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from time import perf_counter_ns as now
from time import time_ns
from typing import Any, Generic, Protocol, TypeVar
from weakref import WeakSet

from opentelemetry import trace
from opentelemetry.context import Context, attach, create_key, detach, get_current, get_value, set_value
from opentelemetry.trace import Link, Span, SpanKind, get_current_span, set_span_in_context

from . import emit, semconv
from .attributes import error_type_of
from .call import Value
from .capture import Content
from .lineage import Lineage, Totals, above, below, rooted
from .safely import safely
from .scope import current as current_scope
from .span_events import write_error

__all__ = ["IN_RETRIEVAL", "Keeper", "Run", "Runs", "claimed_tool", "end_all", "forget_parents", "keep"]

IN_RETRIEVAL = create_key("otelllm-in-retrieval")
"""Set in the context below a retrieval: a store's search there is the same one, seen from further down."""

_IN_TOOL = create_key("otelllm-in-tool")
"""Set in the context below a tool's run to its `_OpenTool`."""

_NAMED = {
    semconv.INVOKE_WORKFLOW: semconv.WORKFLOW_NAME,
    semconv.INVOKE_AGENT: semconv.AGENT_NAME,
    semconv.EXECUTE_TOOL: semconv.TOOL_NAME,
}


class _OpenTool:
    """What is known of a tool's run where it is executed further down. Not the run: that holds the context of this."""

    __slots__ = ("found", "is_claimed", "name", "span")

    def __init__(self, name: str, span: Span, found: dict[str, Value]) -> None:
        self.name = name
        self.span = span
        self.found = found
        self.is_claimed = False


def claimed_tool(name: str) -> dict[str, Value] | None:
    """Where the current span is a tool's run, and what is about to be called is that same tool (`name`, maybe under a
    prefix of the framework's): its attributes, to be added to; once a run. None: the call is a step of its own.
    """
    tool = get_value(_IN_TOOL)
    if not name or not isinstance(tool, _OpenTool) or get_current_span() is not tool.span:
        return None
    before = tool.name.removesuffix(name)
    if before == tool.name or (before and before[-1].isalnum()):
        return None
    if tool.is_claimed:  # tried again: how the run ends is for whoever tries to say
        tool.found.pop(semconv.ERROR_TYPE, None)
        return None
    tool.is_claimed = True
    return tool.found


class Run:
    """The span of one step, from its start to its end, whichever thread or task either comes in.

    Does nothing where otelllm is off or instrumentation is suppressed. Nothing here raises. Holds no context: what
    runs below runs `with run.current()`, one frame at a time, or with `run.context` as its parent.
    """

    __slots__ = ("_emitter", "_started", "_totals", "content", "context", "found", "name", "operation", "span")

    def __init__(  # noqa: PLR0913  all but what it is are optional, and by name
        self,
        operation: str,
        name: str,
        facts: Mapping[str, Value] | None = None,
        *,
        parent: Context | None = None,
        kind: SpanKind = SpanKind.INTERNAL,
        span_name: str | None = None,
        started_ns: int | None = None,
        links: Sequence[Link] = (),
        is_apps: bool = False,
    ) -> None:
        """`parent` is the context above (default: the current one); `started_ns` since the epoch, where it is past.
        `is_apps` where the app itself said that this is one step.
        """
        self.operation = operation
        self.name = name
        self._emitter = emit.active()
        self.found: dict[str, Value] = {}
        """Attributes to be written at the end."""
        self.content: Content | None = None
        """Where content goes; None where none is kept."""
        self._totals: Totals | None = None
        self._started = now() - (time_ns() - started_ns if started_ns else 0)
        self.span: Span = trace.INVALID_SPAN
        self.context = get_current() if parent is None else parent
        if self._emitter is None or emit.is_suppressed():
            self._emitter = None
            return
        with safely("starting a step"):
            if not is_apps and not get_current_span(self.context).get_span_context().is_valid:
                self.context = rooted(self.context)
            span_name = span_name or f"{operation} {name}".rstrip()
            self._start(self._emitter, facts or {}, kind, span_name, started_ns, links)

    def _start(
        self,
        emitter: emit.Emitter,
        facts: Mapping[str, Value],
        kind: SpanKind,
        span_name: str,
        started_ns: int | None,
        links: Sequence[Link],
    ) -> None:
        operation, lineage, scope = self.operation, above(self.context), current_scope(self.context)
        found: dict[str, Value] = {semconv.OPERATION: operation} if operation else {}
        if self.name and (named := _NAMED.get(operation)) is not None:
            found[named] = self.name
        found.update(facts)
        if lineage.agent and operation == semconv.EXECUTE_TOOL:
            found[semconv.AGENT_NAME] = lineage.agent
        if lineage.conversation:
            found.setdefault(semconv.CONVERSATION_ID, lineage.conversation)
        if scope.user is not None:
            found[semconv.USER_ID] = scope.user
        if scope.session is not None:
            found[semconv.SESSION_ID] = scope.session
        if scope.feature is not None:
            found[semconv.FEATURE] = scope.feature
        self.span = emitter.tracer.start_span(
            span_name, context=self.context, kind=kind, attributes=found, links=links, start_time=started_ns
        )
        self.context = set_span_in_context(self.span, self.context)
        if operation in {semconv.INVOKE_WORKFLOW, semconv.INVOKE_AGENT}:
            self._totals = Totals(lineage.totals)
            is_agent, thread = operation == semconv.INVOKE_AGENT, found.get(semconv.CONVERSATION_ID)
            heard = Lineage(
                agent=(self.name if is_agent else None) or lineage.agent,
                workflow=(None if is_agent else self.name) or lineage.workflow,
                conversation=None if thread is None else str(thread),
                totals=self._totals,
            )
            self.context = below(heard, self.context)
        elif operation == semconv.RETRIEVAL:
            self.context = set_value(IN_RETRIEVAL, True, self.context)
        elif operation == semconv.EXECUTE_TOOL:
            self.context = set_value(_IN_TOOL, _OpenTool(self.name, self.span, self.found), self.context)
        if self.span.is_recording() and emitter.capture.mode != "off":
            self.content = Content(emitter.capture)

    @property
    def is_open(self) -> bool:
        """Whether it has a span that has not ended."""
        return self._emitter is not None

    @property
    def is_recording(self) -> bool:
        """Whether anybody will see what is read for it."""
        return self._emitter is not None and self.span.is_recording()

    @contextmanager
    def current(self) -> Iterator[None]:
        """Our span is the current one inside; for one step at a time, never across a `yield` to the app."""
        if self._emitter is None:
            yield
            return
        token = attach(self.context)
        try:
            yield
        finally:
            detach(token)

    def saw_first(self) -> None:
        """The first item of what it gives came now: its time to first token."""
        if self._emitter is not None and semconv.TTFT not in self.found:
            self.found[semconv.TTFT] = (now() - self._started) / 1e9

    def end(
        self, error: BaseException | None = None, *, error_type: str | None = None, ended_ns: int | None = None
    ) -> None:
        """End the span, once; `GeneratorExit` (the reader left) is no error. `error_type` is for a failure without an
        exception; `ended_ns` since the epoch, where it is past.
        """
        if self._emitter is None:
            return
        emitter, self._emitter = self._emitter, None
        below = self.found.get(semconv.ERROR_TYPE)  # told by what executed the tool further down
        failed = error_type or (str(below) if below else None)
        if error is not None and not isinstance(error, GeneratorExit):
            failed = failed or error_type_of(error)
        try:
            with safely("writing a step"):
                self._write(emitter, error, failed, ended_ns)
        finally:
            with safely("ending a span"):
                self.span.end(ended_ns)

    def _write(
        self, emitter: emit.Emitter, error: BaseException | None, failed: str | None, ended_ns: int | None
    ) -> None:
        found = self.found
        if self._totals is not None:
            sums = {
                semconv.TOTAL_INPUT: self._totals.input,
                semconv.TOTAL_OUTPUT: self._totals.output,
                semconv.TOTAL_COST: self._totals.usd,
            }
            found.update({name: value for name, value in sums.items() if value is not None})
        if failed:
            found[semconv.ERROR_TYPE] = failed
        if self.content is not None:
            if self.content.truncated:
                found[semconv.CONTENT_TRUNCATED] = True
            if self.content.redactions:
                found[semconv.CONTENT_REDACTIONS] = self.content.redactions
            if emitter.content_on_span:
                found.update(self.content.attributes)
        if self.span.is_recording():
            self.span.set_attributes(found)
            if failed:
                write_error(self.span, error, failed, None, emitter.capture)
        if emitter.instruments is not None:
            shared: dict[str, Value] = {semconv.OPERATION: self.operation}
            if self.name and (named := _NAMED.get(self.operation)) is not None:
                shared[named] = self.name
            if failed:
                shared[semconv.ERROR_TYPE] = failed
            seconds = (now() - (time_ns() - ended_ns if ended_ns else 0) - self._started) / 1e9
            emitter.instruments.record_step(self.operation, seconds, shared)


class Keeper(Protocol):
    """Keeps what frameworks told that began."""

    def end_all(self) -> None:
        """End what is open, as `abandoned`."""

    def forget(self) -> None:
        """In a forked child: what is open belongs to the parent."""


_keepers: WeakSet[Keeper] = WeakSet()


def keep(keeper: Keeper) -> None:
    """End what `keeper` has open at the end of the process, and when otelllm is switched off."""
    _keepers.add(keeper)


def end_all() -> None:
    """End what frameworks have open: its end will not be told any more."""
    for keeper in list(_keepers):
        with safely("ending open steps"):
            keeper.end_all()


def forget_parents() -> None:
    """In a forked child: leave the parent's open steps to it."""
    for keeper in list(_keepers):
        keeper.forget()


K = TypeVar("K")


class Runs(Generic[K]):
    """The open runs of a framework that tells of starts and ends by ids of its own.

    Bounded: where more than `most` are open, or the oldest is older than a day, that one's end is not coming any
    more; it is ended as `abandoned`, not forgotten.
    """

    __slots__ = ("__weakref__", "_most", "_open")

    _OLDEST_NS = 24 * 3600 * 10**9

    def __init__(self, most: int = 10_000) -> None:
        self._most = most
        self._open: dict[K, tuple[Run, Any, int]] = {}
        keep(self)

    def open(self, key: K, run: Run, more: Any = None) -> None:
        """Keep `run`, and what the framework's file keeps beside it, until `take(key)`."""
        moment = now()
        self._open[key] = (run, more, moment)
        while True:
            try:
                first, (_, _, began) = next(iter(self._open.items()))
            except (StopIteration, RuntimeError):  # nothing is open, or another thread was just here
                return
            if first == key or (len(self._open) <= self._most and moment - began < self._OLDEST_NS):
                return
            if (lost := self.take(first)) is not None:
                lost.end(error_type="abandoned")

    def get(self, key: K | None) -> Run | None:
        """The open run of `key`."""
        found = self._open.get(key) if key is not None else None
        return found[0] if found is not None else None

    def beside(self, key: K | None) -> Any:
        """What was kept beside it."""
        found = self._open.get(key) if key is not None else None
        return found[1] if found is not None else None

    def take(self, key: K) -> Run | None:
        """The run of `key`, which is now the caller's to end."""
        found = self._open.pop(key, None)
        return found[0] if found is not None else None

    def __len__(self) -> int:
        return len(self._open)

    def forget(self) -> None:
        """In a forked child: what is open belongs to the parent."""
        self._open.clear()

    def end_all(self) -> None:
        """End what is open: otelllm is switched off, or the process ends."""
        for key in list(self._open):
            if (run := self.take(key)) is not None:
                run.end(error_type="abandoned")
