"""Requests as the side that sends them sees them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar
from functools import wraps
from time import perf_counter_ns
from typing import Any

from opentelemetry.trace import INVALID_SPAN, SpanKind, get_current_span

from ... import emit, semconv
from ...attributes import error_type_of
from ...call import Value
from ...fields import field
from ...runs import Run, claimed_tool
from ...safely import safely
from ...tool_gate import pass_gate
from ...wrapping import Observation, wrapped
from .requests import TOOL_CALL, about, ended, measured, write_arguments, write_result
from .transports import FACTS_OF_STREAM

__all__ = ["Sent", "own_span", "sending"]

_FRAMEWORKS_OWN = {semconv.OPERATION, semconv.TOOL_NAME}
_VERSION_HEADER = "mcp-protocol-version"


class Sent:
    """One request that is under way: a span of its own, or part of a tool's run that is this very call."""

    def __init__(self, dispatcher: Any, method: str, params: Any, opts: Any) -> None:
        self._began = perf_counter_ns()
        self._is_tool = method == TOOL_CALL
        what = about(method, params, (opts or {}).get("request_id"))
        self._name = what.target
        self.facts: dict[str, Value] = what.facts
        self._version(opts)
        self._stream = getattr(dispatcher, "_write_stream", None)
        self.facts.update(FACTS_OF_STREAM.get(self._stream))
        self.is_silenced = False
        self.run: Run | None = None
        self._tools = claimed_tool(what.target) if self._is_tool else None
        if self._tools is None:
            operation = semconv.EXECUTE_TOOL if self._is_tool else ""
            self.run = Run(operation, what.target, self.facts, kind=SpanKind.CLIENT, span_name=what.span_name)
            if self._is_tool:
                write_arguments(self.run, params)

    def _version(self, opts: Any) -> None:
        headers = (opts or {}).get("headers")
        if isinstance(headers, dict) and isinstance(version := headers.get(_VERSION_HEADER), str):
            self.facts[semconv.MCP_PROTOCOL] = version

    @contextmanager
    def current(self) -> Iterator[None]:
        """Our span is the current one, and the SDK's own is not made. A tool that is switched off is not asked for."""
        if self._is_tool:
            pass_gate(self._name, get_current_span() if self.run is None else self.run.span)
        sent = _SENDING.set(self)
        try:
            with nullcontext() if self.run is None else self.run.current():
                yield
        finally:
            _SENDING.reset(sent)

    def saw(self, item: Any) -> None:
        """A request has one answer."""

    def returned(self, result: Any) -> None:
        """The answer came."""
        self._end(result, None)

    def end(self, error: BaseException | None = None) -> None:
        """It failed, or was cancelled."""
        self._end(None, error)

    def _end(self, result: Any, error: BaseException | None) -> None:
        failed = None
        with safely("ending an MCP request"):
            if self.facts[semconv.MCP_METHOD] == "initialize":
                version = field(result, "protocolVersion")
                if isinstance(version, str):
                    self.facts[semconv.MCP_PROTOCOL] = version
            self.facts.update(FACTS_OF_STREAM.get(self._stream))  # the first request opens the session
            failed = ended(self.facts, result, error)
            if self.run is not None and self._is_tool:
                write_result(self.run, result)
        self._write(failed, error)
        if failed is None and error is not None:
            failed = error_type_of(error)
        found = self.facts if failed is None else {**self.facts, semconv.ERROR_TYPE: failed}
        measured(semconv.METRIC_MCP_CLIENT_DURATION, self._began, found)

    def _write(self, failed: str | None, error: BaseException | None) -> None:
        if self.run is not None:
            self.run.found.update(self.facts)
            self.run.end(error, error_type=failed)
        elif self._tools is not None:
            for name, value in self.facts.items():
                if name not in _FRAMEWORKS_OWN:
                    self._tools.setdefault(name, value)
            if failed:
                self._tools.setdefault(semconv.ERROR_TYPE, failed)


_SENDING: ContextVar[Sent | None] = ContextVar("otelllm-mcp-sending", default=None)
"""The request whose own span the SDK is about to make."""


def _begin(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Observation | None:
    if emit.active() is None or emit.is_suppressed():
        return None
    with safely("seeing an MCP request"):
        method = args[1] if len(args) > 1 else kwargs.get("method")
        params = args[2] if len(args) > 2 else kwargs.get("params")
        opts = args[3] if len(args) > 3 else kwargs.get("opts")
        return Sent(args[0], str(method), params, opts)
    return None


def sending(original: Callable[..., Any]) -> Callable[..., Any]:
    """A dispatcher's `send_raw_request`, below every client method and every transport."""
    return wrapped(original, _begin)


def own_span(original: Callable[..., Any]) -> Callable[..., Any]:
    """The SDK's own span of a request; ours is there already, and the SDK then sends that one's context along."""

    @wraps(original)
    def otel_span(*args: Any, **kwargs: Any) -> AbstractContextManager[Any]:
        sent = _SENDING.get()
        if sent is None or sent.is_silenced:
            given: AbstractContextManager[Any] = original(*args, **kwargs)
            return given
        sent.is_silenced = True  # what is sent further down, in the same context, is another request
        with safely("reading an MCP request's id"):
            attributes = kwargs.get("attributes") or {}
            if (request_id := attributes.get(semconv.JSONRPC_ID)) is not None:
                sent.facts[semconv.JSONRPC_ID] = str(request_id)
        return nullcontext(INVALID_SPAN)

    return otel_span
