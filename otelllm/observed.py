"""One run of an app's own step: its span, what went in and came out, and how it ended."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from time import perf_counter_ns as now
from typing import Any

import orjson
from opentelemetry import trace
from opentelemetry.context import attach, detach, get_current
from opentelemetry.trace import Span, SpanKind, set_span_in_context

from . import emit, semconv
from .attributes import error_type_of
from .call import Part, Value
from .capture import Content
from .errors import Blocked
from .fields import field
from .json_tree import plain
from .lineage import Lineage, Totals, above, below
from .safely import safely
from .scope import current as current_scope

__all__ = ["Observed", "Step"]

_NAMED = {
    semconv.INVOKE_WORKFLOW: semconv.WORKFLOW_NAME,
    semconv.INVOKE_AGENT: semconv.AGENT_NAME,
    semconv.EXECUTE_TOOL: semconv.TOOL_NAME,
}
_QUERIES = ("query", "question", "text")
_DOCUMENTS = ("documents", "docs", "results", "candidates")
_TOP = ("top_k", "k", "limit", "n")


@dataclass(frozen=True, slots=True)
class Step:
    """What a decorator says of the function under it."""

    operation: str
    name: str
    facts: Mapping[str, Value]

    @property
    def span_name(self) -> str:
        """`invoke_workflow answer`, `execute_tool look_up`, …; a task goes by its own name."""
        return self.name if self.operation == semconv.TASK else f"{self.operation} {self.name}"


class Observed:
    """The span of one run. Does nothing where otelllm is not on; never holds a context across a `yield`."""

    __slots__ = ("_arguments", "_content", "_context", "_emitter", "_found", "_started", "_step", "_totals", "span")

    def __init__(self, step: Step, signature: inspect.Signature, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        self._step = step
        self._emitter = emit.active()
        self._found: dict[str, Value] = {}
        self._content: Content | None = None
        self._totals: Totals | None = None
        self._arguments: dict[str, Any] = {}
        self._started = now()
        self.span: Span = trace.INVALID_SPAN
        self._context = get_current()
        if self._emitter is None or emit.is_suppressed():
            self._emitter = None
            return
        with safely("starting a step"):
            self._start(signature, args, kwargs)

    def _start(self, signature: inspect.Signature, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        assert self._emitter is not None
        step, lineage, scope = self._step, above(), current_scope()
        found: dict[str, Value] = {semconv.OPERATION: step.operation, **step.facts}
        if (named := _NAMED.get(step.operation)) is not None:
            found[named] = step.name
        if lineage.agent and step.operation == semconv.EXECUTE_TOOL:
            found[semconv.AGENT_NAME] = lineage.agent
        told = {semconv.USER_ID: scope.user, semconv.SESSION_ID: scope.session, semconv.FEATURE: scope.feature}
        found.update({name: value for name, value in told.items() if value is not None})
        self.span = self._emitter.tracer.start_span(step.span_name, kind=SpanKind.INTERNAL, attributes=found)
        self._context = set_span_in_context(self.span)
        if step.operation in {semconv.INVOKE_WORKFLOW, semconv.INVOKE_AGENT}:
            self._totals = Totals(lineage.totals)
            self._context = below(_named(lineage, step, self._totals), self._context)
        if self.span.is_recording():
            if self._emitter.capture.mode != "off":
                self._content = Content(self._emitter.capture)
            self._arguments = _bound(signature, args, kwargs)
            self._read_arguments()

    @contextmanager
    def current(self) -> Iterator[None]:
        """Our span is the current one inside; for one step at a time."""
        if self._emitter is None:
            yield
            return
        token = attach(self._context)
        try:
            yield
        finally:
            detach(token)

    def saw(self, item: Any) -> None:
        """A generator yielded `item`: the first one is its time to first token."""
        if self._emitter is not None and semconv.TTFT not in self._found:
            self._found[semconv.TTFT] = (now() - self._started) / 1e9

    def returned(self, result: Any) -> None:
        """The function returned `result`."""
        if self._emitter is None:
            return
        if self.span.is_recording():
            with safely("reading a step's result"):
                self._read_result(result)
        self.end()

    def end(self, error: BaseException | None = None) -> None:
        """End the span; `GeneratorExit` (the reader left) is no error."""
        if self._emitter is None:
            return
        emitter, self._emitter = self._emitter, None
        failed = None
        if error is not None and not isinstance(error, GeneratorExit):
            failed = type(error).__name__ if isinstance(error, Blocked) else error_type_of(error)
        try:
            with safely("writing a step"):
                self._write(emitter, error, failed)
        finally:
            with safely("ending a span"):
                self.span.end()
            self._arguments = {}

    def _write(self, emitter: emit.Emitter, error: BaseException | None, failed: str | None) -> None:
        found = self._found
        if self._totals is not None and self._totals.calls:
            found[semconv.TOTAL_INPUT] = self._totals.input
            found[semconv.TOTAL_OUTPUT] = self._totals.output
            if self._totals.usd is not None:
                found[semconv.TOTAL_COST] = self._totals.usd
        if failed:
            found[semconv.ERROR_TYPE] = failed
        if self._content is not None:
            if self._content.truncated:
                found[semconv.CONTENT_TRUNCATED] = True
            if self._content.redactions:
                found[semconv.CONTENT_REDACTIONS] = self._content.redactions
            if emitter.content_on_span:
                found.update(self._content.attributes)
        if self.span.is_recording():
            self.span.set_attributes(found)
            if failed:
                emit.write_error(self.span, error, failed, None, emitter.capture)
        if emitter.instruments is not None:
            shared: dict[str, Value] = {semconv.OPERATION: self._step.operation}
            if (named := _NAMED.get(self._step.operation)) is not None:
                shared[named] = self._step.name
            if failed:
                shared[semconv.ERROR_TYPE] = failed
            emitter.instruments.record_step(self._step.operation, (now() - self._started) / 1e9, shared)

    def _read_arguments(self) -> None:
        operation, arguments, content = self._step.operation, self._arguments, self._content
        if operation == semconv.RETRIEVAL:
            top = next((arguments[name] for name in _TOP if isinstance(arguments.get(name), int)), None)
            if top is not None:
                self._found[semconv.RETRIEVAL_TOP_K] = top
            query = next((arguments[name] for name in _QUERIES if isinstance(arguments.get(name), str)), None)
            query = query or next((one for one in arguments.values() if isinstance(one, str)), None)
            if content is not None and query:
                content.write_text(semconv.RETRIEVAL_QUERY, query)
        elif operation == semconv.RERANK:
            documents = next((arguments[name] for name in _DOCUMENTS if _is_list(arguments.get(name))), None)
            documents = documents or next((one for one in arguments.values() if _is_list(one)), None)
            if documents is not None:
                self._found[semconv.RERANK_IN] = len(documents)
        elif operation == semconv.EXECUTE_TOOL:
            if content is not None:
                content.write(semconv.TOOL_CALL_ARGUMENTS, arguments)
        elif content is not None and arguments:
            content.write(semconv.INPUT_MESSAGES, [{"role": "user", "parts": [_as_part(_lone(arguments))]}])

    def _read_result(self, result: Any) -> None:
        operation, content = self._step.operation, self._content
        if operation == semconv.RETRIEVAL and _is_list(result):
            self._found[semconv.RETRIEVAL_COUNT] = len(result)
            if content is not None:
                content.write(semconv.RETRIEVAL_DOCUMENTS, [_document(one) for one in result])
        elif operation == semconv.RERANK and _is_list(result):
            self._found[semconv.RERANK_OUT] = len(result)
            if content is not None:
                content.write(semconv.RETRIEVAL_DOCUMENTS, [_document(one) for one in result])
        elif operation == semconv.EXECUTE_TOOL:
            if content is not None:
                content.write(semconv.TOOL_CALL_RESULT, result)
        elif content is not None and result is not None and operation != semconv.EMBEDDINGS:
            content.write(semconv.OUTPUT_MESSAGES, [{"role": "assistant", "parts": [_as_part(result)]}])


def _named(lineage: Lineage, step: Step, totals: Totals) -> Lineage:
    if step.operation == semconv.INVOKE_AGENT:
        return replace(lineage, agent=step.name, totals=totals)
    return replace(lineage, workflow=step.name, totals=totals)


def _bound(signature: inspect.Signature, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
    """Arguments by name, without the instance that a method has; empty where the call will fail by itself."""
    try:
        bound = signature.bind_partial(*args, **kwargs).arguments
    except TypeError:
        return {}
    first = next(iter(bound), None)
    return {name: value for name, value in bound.items() if not (name == first and name in {"self", "cls"})}


def _lone(arguments: Mapping[str, Any]) -> Any:
    """The one argument there is, or all of them by name."""
    return next(iter(arguments.values())) if len(arguments) == 1 else dict(arguments)


def _is_list(value: Any) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str | bytes)


def _as_part(value: Any) -> Part:
    """A text part; what is no text is shown as JSON, as the model or a reader would get it."""
    shown = value if isinstance(value, str) else orjson.dumps(plain(value)).decode()
    return {"type": "text", "content": shown}


def _document(one: Any) -> dict[str, Any]:
    """A retrieved document in the conventions' shape: id, score, content; what it lacks is left out."""
    if isinstance(one, str):
        return {"content": one}
    if isinstance(one, tuple) and len(one) == 2:  # (document, score), as many stores give it
        return {**_document(one[0]), "score": one[1]}
    found: dict[str, Any] = {}
    for name, keys in (("id", ("id", "doc_id")), ("score", ("score", "relevance_score", "similarity")),
                       ("content", ("content", "text", "page_content"))):  # fmt: skip
        value = next((value for key in keys if (value := field(one, key)) is not None), None)
        if value is not None:
            found[name] = value
    return found
