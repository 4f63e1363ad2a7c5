"""A tracer for a framework that writes GenAI spans itself: what it tells of one becomes a run or a model call of ours.

A model call below which an SDK has a span gets none; otherwise it is priced, counted and named as every other.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import orjson
from opentelemetry.context import Context, attach, get_current
from opentelemetry.trace import (
    Span,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    Tracer,
    TracerProvider,
    get_current_span,
    set_span_in_context,
)
from opentelemetry.util.types import Attributes

from ... import emit, semconv
from ...attributes import USAGE_NAMES
from ...call import Call, Request, Usage, Value
from ...enclosing import within
from ...model_calls import ModelCall
from ...parts import arguments_of
from ...runs import Run
from ...safely import safely

__all__ = ["ToldTracerProvider"]

_KEPT = {
    semconv.CONVERSATION_ID,
    semconv.AGENT_ID,
    semconv.AGENT_DESCRIPTION,
    semconv.TOOL_CALL_ID,
    semconv.TOOL_DESCRIPTION,
}
"""What a step's span takes over as it is; the rest is the framework's own, or content."""

_REQUEST = {
    semconv.REQUEST_TEMPERATURE, semconv.REQUEST_TOP_P, semconv.REQUEST_MAX_TOKENS, semconv.REQUEST_SEED,
    semconv.REQUEST_PRESENCE_PENALTY, semconv.REQUEST_FREQUENCY_PENALTY, semconv.REQUEST_STOP_SEQUENCES,
}  # fmt: skip


class ToldTracerProvider(TracerProvider):
    """Gives the one kind of tracer, whoever asks."""

    def get_tracer(self, *_: Any, **__: Any) -> Tracer:
        """A tracer."""
        return _Tracer()


class _Tracer(Tracer):
    def start_span(
        self,
        name: str,
        context: Context | None = None,
        kind: SpanKind = SpanKind.INTERNAL,
        attributes: Attributes = None,
        links: Any = None,
        start_time: int | None = None,
        record_exception: bool = True,
        set_status_on_exception: bool = True,
    ) -> Span:
        """A span that is not made current here: it is ended by whoever asked for it."""
        return _Told(name, dict(attributes or {}), context)

    @contextmanager
    def start_as_current_span(  # type: ignore[override]  # the API's own kind of manager is private
        self, name: str, *args: Any, **kwargs: Any
    ) -> Iterator[Span]:
        """What runs inside is below it; what was current before is put back by value, for a stream may be left
        in another context.
        """
        end_on_exit = kwargs.get("end_on_exit", True)
        span = _Told(name, dict(kwargs.get("attributes") or {}), kwargs.get("context"))
        span.enter()
        try:
            yield span
        except BaseException as error:
            span.left_by(error, fails=kwargs.get("set_status_on_exception", True) and isinstance(error, Exception))
            raise
        finally:
            span.leave()
            if end_on_exit:
                span.end()


class _Told(Span):
    """What the framework tells of one span."""

    def __init__(self, name: str, told: dict[str, Any], context: Context | None) -> None:
        self._told = told
        self._error: BaseException | None = None
        self._is_failed = False
        self._run: Run | None = None
        self._call: ModelCall | None = None
        self._before: Context | None = None
        self._below: Context | None = None
        self._parent = get_current_span(context).get_span_context()
        if emit.active() is None:
            return
        with safely("starting a framework's span"):
            self._begin(name, context)

    def _begin(self, name: str, context: Context | None) -> None:
        operation = self._told.get(semconv.OPERATION)
        if operation == semconv.CHAT:
            model = name.partition(" ")[2] or None
            self._call = ModelCall("unknown", semconv.CHAT, Request(model=model), parent=context)
        elif operation in {semconv.INVOKE_AGENT, semconv.EXECUTE_TOOL}:
            is_agent = operation == semconv.INVOKE_AGENT
            named = self._told.get(semconv.AGENT_NAME if is_agent else semconv.TOOL_NAME)
            facts: dict[str, Value] = {} if is_agent else {semconv.TOOL_TYPE: "function"}
            facts.update({key: value for key, value in self._told.items() if key in _KEPT and value})
            self._run = Run(operation, str(named or ""), facts, parent=context)

    def enter(self) -> None:
        """What runs from now on in this context is below."""
        below: Context | None = None
        if self._run is not None and self._run.is_open:
            below = self._run.context
        elif self._call is not None:
            # The current span, too: what the framework adds to that from below is told of this one.
            below = within(self._call.enclosing, set_span_in_context(self))
        if below is not None:
            self._before, self._below = get_current(), below
            attach(below)

    def leave(self) -> None:
        """Take that back, if it still is so."""
        if self._before is not None and get_current() is self._below:
            attach(self._before)

    def left_by(self, error: BaseException, *, fails: bool) -> None:
        """An error left the span; whether that is is a failure, the tracer says, or the framework by the status."""
        self._error = error
        self._is_failed = self._is_failed or fails

    def end(self, end_time: int | None = None) -> None:
        """Write it."""
        with safely("ending a framework's span"):
            error = self._error if self._is_failed else None
            if self._run is not None:
                self._write(self._run)
                self._run.end(error, error_type=None if error is not None or not self._is_failed else "error")
            if self._call is not None:
                is_left = isinstance(self._error, GeneratorExit)
                self._call.end(self._read, error=error, ending="closed" if is_left else None)
        self._run = self._call = None

    def _write(self, run: Run) -> None:
        run.found.update({key: value for key, value in self._told.items() if key in _KEPT and value})
        if run.content is None or run.operation != semconv.EXECUTE_TOOL:
            return
        for name in (semconv.TOOL_CALL_ARGUMENTS, semconv.TOOL_CALL_RESULT):
            if (value := self._told.get(name)) is not None:
                run.content.write(name, arguments_of(value))

    def _read(self, call: Call) -> None:
        told, request, reading = self._told, call.request, call.reading
        call.provider = str(told.get(semconv.PROVIDER) or call.provider)
        request.model = told.get(semconv.REQUEST_MODEL) or request.model
        request.attributes.update({name: told[name] for name in _REQUEST if name in told})
        reading.model = told.get(semconv.RESPONSE_MODEL)
        reading.id = told.get(semconv.RESPONSE_ID)
        reasons = [str(one) for one in told.get(semconv.RESPONSE_FINISH_REASONS) or ()]
        reading.finish_reasons = reading.own_finish_reasons = reasons
        counts = {field: told[name] for field, name in USAGE_NAMES.items() if isinstance(told.get(name), int)}
        reading.usage = Usage(**counts) if counts else None
        if call.captures:
            request.messages = _parsed(told.get(semconv.INPUT_MESSAGES))
            request.system = _parsed(told.get(semconv.SYSTEM_INSTRUCTIONS))
            request.tools = _parsed(told.get(semconv.TOOL_DEFINITIONS))
            reading.messages = _parsed(told.get(semconv.OUTPUT_MESSAGES)) or []
            for message in reading.messages:
                message.pop("finish_reason", None)  # type: ignore[typeddict-item]  # deprecated there

    def get_span_context(self) -> SpanContext:
        """Of our span; of the one above, where there is none."""
        return self._run.span.get_span_context() if self._run is not None else self._parent

    def is_recording(self) -> bool:
        """Whether it is worth telling more."""
        return self._call is not None or (self._run is not None and self._run.is_recording)

    def set_attributes(self, attributes: Mapping[str, Any]) -> None:
        """Told at the end, as far as the conventions have names for it."""
        self._told.update(attributes)

    def set_attribute(self, key: str, value: Any) -> None:
        """The same for one."""
        self._told[key] = value

    def add_event(self, name: str, attributes: Attributes = None, timestamp: int | None = None) -> None:
        """The framework's own events are not kept; an error's is made by us."""

    def add_link(self, context: SpanContext, attributes: Attributes = None) -> None:
        """Kept where the span is ours."""
        if self._run is not None:
            self._run.span.add_link(context, attributes)

    def update_name(self, name: str) -> None:
        """Ours is named by the conventions."""

    def set_status(self, status: Status | StatusCode, description: str | None = None) -> None:
        """The description is content."""
        self._is_failed = (status if isinstance(status, StatusCode) else status.status_code) is StatusCode.ERROR

    def record_exception(
        self, exception: BaseException, attributes: Attributes = None, timestamp: int | None = None,
        escaped: bool = False,
    ) -> None:  # fmt: skip
        """Kept for the end."""
        self._error = self._error or exception


def _parsed(text: Any) -> Any:
    return orjson.loads(text) if isinstance(text, str) else None
