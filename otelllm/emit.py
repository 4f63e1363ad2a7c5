"""Call -> span, metrics, events. The only writer of model calls to OpenTelemetry."""

from __future__ import annotations

from dataclasses import replace
from time import perf_counter_ns, time_ns
from typing import TYPE_CHECKING

from opentelemetry import trace
from opentelemetry.context import get_current
from opentelemetry.trace import SpanKind

from . import semconv
from .adoption import outer_inference, publish
from .attributes import attributes, documents_of, error_type_of, start_attributes
from .call import Cost, Usage
from .capture import Capture, Content
from .failures import failure_of
from .interruptions import note
from .lineage import above
from .metrics import Instruments
from .prefixes import prefix_hashes
from .pricing import cost_of, cost_of_shares
from .safely import safely, swallow
from .span_events import write_decisions, write_error

if TYPE_CHECKING:
    from collections.abc import Mapping

    from opentelemetry.context import Context
    from opentelemetry.trace import Span, Tracer

    from .attempt import Failure
    from .call import Call, Value
    from .completion_hook import CompletionHook
    from .events import Events
    from .spec import Surface

__all__ = ["Emitter", "Record", "active", "is_suppressed", "use"]

_UNPRICED = frozenset(
    {semconv.FETCH_RESPONSE, semconv.BATCH, semconv.REALTIME, semconv.RETRIEVAL, semconv.INVOKE_AGENT}
)
"""What was used is counted elsewhere, or not yet known: there is no price to look for."""

_active: Emitter | None = None


def active() -> Emitter | None:
    """The emitter of the `instrument()` that is on; None where otelllm is off."""
    return _active


def use(emitter: Emitter | None) -> None:
    """Make `emitter` the one that decorators and feedback write to."""
    global _active  # noqa: PLW0603  one a process, as OpenTelemetry's own providers are
    _active = emitter


def is_suppressed() -> bool:
    """Whether OpenTelemetry's instrumentation is suppressed in the current context."""
    context = get_current()
    return bool(context.get("suppress_instrumentation")) or bool(_OTEL_KEY and context.get(_OTEL_KEY))


try:  # private, but the only name under which `suppress_instrumentation()` of the API can be seen
    from opentelemetry.context import _SUPPRESS_INSTRUMENTATION_KEY as _OTEL_KEY
except ImportError:  # pragma: no cover  an OpenTelemetry that has moved it
    _OTEL_KEY = ""


class Emitter:
    """Where records go: one tracer, one set of instruments, and the rule for content."""

    __slots__ = (
        "capture", "content_on_event", "content_on_span", "events", "hook", "instruments", "kept", "prefix_key",
        "reads_content", "tracer",
    )  # fmt: skip

    def __init__(
        self,
        tracer: Tracer,
        instruments: Instruments | None,
        capture: Capture,
        *,
        content_on_span: bool = True,
        content_on_event: bool = False,
        events: Events | None = None,
        hook: CompletionHook | None = None,
        prefix_key: bytes | None = None,
    ) -> None:
        is_kept = capture.mode != "off"
        self.tracer = tracer
        self.instruments = instruments
        self.capture = capture
        self.content_on_span = content_on_span and is_kept
        self.content_on_event = content_on_event and is_kept
        self.events = events
        self.hook = hook
        # A hook was asked for by name, so it gets content where no span does; what can be redacted is, then.
        self.kept = capture if is_kept or hook is None else replace(capture, mode="redacted")
        self.prefix_key = prefix_key
        self.reads_content = self.kept.mode != "off" or prefix_key is not None


class Record:
    """One call being written: its span, and the content kept so far."""

    __slots__ = ("_content", "_emitter", "_lineage", "_started_ns", "_theirs", "call", "span")

    def __init__(
        self, emitter: Emitter, call: Call, *, context: Context | None = None, started_ns: int | None = None
    ) -> None:
        """`context` is the one above (default: the current one); `started_ns` since the epoch, where it is past."""
        self._emitter = emitter
        self.call = call
        self._content: Content | None = None
        self._lineage = above(context)
        self._started_ns = started_ns or time_ns()
        self._theirs = outer_inference(context)
        self.span: Span = trace.INVALID_SPAN
        if self._theirs is None and not is_suppressed():
            with safely("starting a span"):  # enforcement goes on without one
                self.span = emitter.tracer.start_span(
                    _name(call),
                    context=context,
                    kind=SpanKind.CLIENT,
                    attributes=start_attributes(call),
                    start_time=self._started_ns,
                )
        call.span = self.span
        call.captures = emitter.reads_content and self.span.is_recording()

    def read_input(self, surface: Surface, kwargs: Mapping[str, object]) -> None:
        """Serialise what the app sent, now: it may change its messages as soon as the call is back."""
        if self.call.captures:
            surface.read_input(self.call.request, kwargs)
            self.keep_input()

    def keep_input(self) -> None:
        """Serialise the content that the call's request holds, and let go of it."""
        if not self.call.captures:
            return
        request = self.call.request
        if self._emitter.prefix_key is not None:
            with safely("hashing a conversation's prefixes"):
                hashes = prefix_hashes(self._emitter.prefix_key, request.system, request.messages)
                if hashes:
                    request.attributes[semconv.CONTENT_PREFIX] = hashes
        content = self._content = Content(self._emitter.kept)
        if request.system:
            content.write(semconv.SYSTEM_INSTRUCTIONS, request.system)
        if request.messages:
            content.write(semconv.INPUT_MESSAGES, request.messages)
        if request.tools:
            content.write(semconv.TOOL_DEFINITIONS, request.tools)
        if request.query:
            content.write_text(semconv.RETRIEVAL_QUERY, request.query)
        for name, value in self.call.scope.prompt_variables.items():
            content.write_text(semconv.PROMPT_VARIABLE + name, value)
        request.messages = request.system = request.tools = request.query = None

    def _keep_output(self) -> Content | None:
        """All the call's content, that of the answer among it; None where there is none."""
        reading, content = self.call.reading, self._content
        if self.call.captures and (reading.messages or reading.documents):
            content = content or Content(self._emitter.kept)
            if reading.messages:
                content.write(semconv.OUTPUT_MESSAGES, reading.messages)
            if reading.documents:
                content.write(semconv.RETRIEVAL_DOCUMENTS, documents_of(self.call))
        return content

    def end(self, call: Call, ended_ns: int | None = None) -> None:
        """Price the call, write its span and metrics. Called once. `ended_ns` since the epoch, where it is past."""
        span = self.span
        call.timing.settle()
        try:
            call.provider = call.reading.provider or call.provider
            call.server = call.reading.server or call.server
            if call.served != "provider":
                call.reading.usage = None  # it used nothing, whatever an SDK writes into it
            with safely("pricing a call"):
                self._price()
            for told in call.on_end:
                try:  # by hand: `safely` would be a third of what some of these take
                    told(call)
                except Exception as error:
                    if not swallow("telling that a call ended", error):
                        raise
            if call.error is not None:
                with safely("keeping what had come"):
                    note(call, _failure(call))
            if self._lineage.totals is not None:
                self._lineage.totals.add(call.reading.usage, call.cost)
            failed = self._error_type()
            if span.is_recording():
                with safely("writing a span"):
                    self._write(failed)
            elif self._theirs is not None:
                with safely("adding to another's span"):
                    publish(self._theirs, attributes(call))
            if (instruments := self._emitter.instruments) is not None:
                with safely("recording metrics"):
                    (instruments.record if self._theirs is None else instruments.record_cost)(call, failed)
        finally:
            # These hold the call: only the collector of cycles would free it.
            call.input_size, call.on_headers = None, []
            with safely("ending a span"):
                moment = call.timing.ended
                if ended_ns is None and moment is not None:
                    # An answer may be whole before the app has read it, and its call with it.
                    ended_ns = time_ns() - (perf_counter_ns() - moment)
                span.end(ended_ns)

    def _price(self) -> None:
        call = self.call
        reading = call.reading
        if call.cost is not None or call.operation in _UNPRICED:
            return  # said by whoever read the answer; or there is nothing to price
        if reading.cost is not None and reading.cost.status == "cached":
            call.cost = reading.cost
            return
        if call.served == "cache":
            call.cost = Cost("cached", 0.0)
            return
        unused = call.timing.first_chunk is None and (call.error is not None or call.verdict == "block")
        if reading.usage is None and unused:
            return  # refused or failed before anything was used: there is nothing to price
        if call.request.counted and call.served == "provider":
            reading.usage = reading.usage or Usage()
            reading.usage.other = {**call.request.counted, **(reading.usage.other or {})}
        if reading.shares is not None:
            call.cost = cost_of_shares(
                reading.shares,
                reading.usage.other if reading.usage is not None else None,
                provider=call.provider,
                tier=reading.tier or call.request.tier,
                at_ns=self._started_ns,
            )
            return
        asked, answered = call.request.model, reading.model
        # What was asked for may say more of the price than the answer does: us.anthropic.claude-sonnet-4-6.
        models = (asked, answered) if asked and answered and answered in asked else (answered, asked)
        first, second = models if models[0] else models[::-1]
        call.cost = self._cost(first)
        if call.cost.status == "unknown_model" and second not in {None, first}:
            call.cost = self._cost(second)
        if call.cost.usd is None and reading.cost is not None:
            call.cost = reading.cost

    def _cost(self, model: str | None) -> Cost:
        call, reading = self.call, self.call.reading
        return cost_of(
            reading.billed or reading.usage,
            provider=call.provider,
            model=model,
            tier=reading.tier or call.request.tier,
            at_ns=self._started_ns,
        )

    def _error_type(self) -> str | None:
        call = self.call
        if call.ending in {"closed", "abandoned"} and not call.reading.error_type:
            return None  # leaving a stream early is no error
        if call.error is None:
            return call.reading.error_type
        return call.reading.error_type or error_type_of(call.error)

    def _told_above(self) -> dict[str, Value]:
        lineage = self._lineage
        told = {
            semconv.AGENT_NAME: lineage.agent,
            semconv.WORKFLOW_NAME: lineage.workflow,
            semconv.CONVERSATION_ID: None if self.call.reading.conversation else lineage.conversation,
        }
        return {name: value for name, value in told.items() if value}

    def _write(self, failed: str | None) -> None:
        call, span = self.call, self.span
        found = attributes(call)
        if call.reading.provider or call.reading.server or call.route_from or call.fallback_from:
            found.update(start_attributes(call))
            span.update_name(_name(call))
        found.update(self._told_above())
        if failed:
            found[semconv.ERROR_TYPE] = failed
        content = self._keep_output()
        found[semconv.CONTENT_CAPTURED] = self._emitter.capture.mode
        if content is not None:
            if content.truncated:
                found[semconv.CONTENT_TRUNCATED] = True
            if content.redactions:
                found[semconv.CONTENT_REDACTIONS] = content.redactions
            if self._emitter.content_on_span:
                found.update(content.attributes)
        span.set_attributes(found)
        if self._emitter.hook is not None and content is not None and content.attributes:
            with safely("calling the completion hook"):
                self._emitter.hook.complete(content.attributes, span)
        write_decisions(span, call)
        if failed:
            write_error(span, call.error, failed, call.reading.error_message, self._emitter.capture)
        if self._emitter.events is not None and self._emitter.events.writes_details:
            shown = content.attributes if content is not None and self._emitter.content_on_event else {}
            self._emitter.events.details(call, span, {**start_attributes(call), **found}, shown)


def _failure(call: Call) -> Failure | None:
    last = call.attempts[-1].failure if call.attempts else None
    return last if last is not None or call.error is None else failure_of(None, call.error)


def _name(call: Call) -> str:
    subject = call.request.subject or call.request.model
    return f"{call.operation} {subject}" if subject else call.operation
