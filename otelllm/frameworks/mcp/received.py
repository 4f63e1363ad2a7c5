"""Requests and notifications as the side that answers them sees them."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import wraps
from time import perf_counter_ns
from typing import Any

from opentelemetry.context import Context, get_current
from opentelemetry.propagate import extract
from opentelemetry.trace import Link, SpanKind, get_current_span

from ... import emit, semconv
from ...attributes import error_type_of
from ...call import Value
from ...fields import field
from ...runs import Run
from ...safely import safely
from ...wrapping import Observation, wrapped
from .requests import TOOL_CALL, about, ended, measured, write_arguments, write_result
from .transports import SERVED_BY

__all__ = ["Received", "answered_by_client", "in_middleware", "over"]

_SESSION_HEADER = "mcp-session-id"
_VERSION_HEADER = "mcp-protocol-version"


class Received:
    """One message that is being answered."""

    def __init__(self, method: str, params: Any, request_id: Any, more: dict[str, Value]) -> None:
        self._began = perf_counter_ns()
        self._is_tool = method == TOOL_CALL
        what = about(method, params, request_id)
        self._facts = {**what.facts, **more}
        meta = params.get("_meta") if isinstance(params, dict) else None
        parent, links = _above(meta)
        self.run = Run(
            "", what.target, self._facts, parent=parent, kind=SpanKind.SERVER, span_name=what.span_name, links=links
        )
        if self._is_tool:
            write_arguments(self.run, params)

    def current(self) -> AbstractContextManager[None]:
        """What the handler does is below it."""
        return self.run.current()

    def saw(self, item: Any) -> None:
        """A request has one answer."""

    def returned(self, result: Any) -> None:
        """The answer goes out."""
        self._end(result, None)

    def end(self, error: BaseException | None = None) -> None:
        """It failed, or the other side cancelled it."""
        self._end(None, error)

    def failed(self, code: int) -> None:
        """An error of the protocol goes out."""
        self.run.found[semconv.RPC_STATUS] = str(code)
        self.ended_as(str(code))

    def ended_as(self, failed: str | None, error: BaseException | None = None) -> None:
        """End the span, and count it."""
        self.run.end(error, error_type=failed)
        if failed is None and error is not None:
            failed = error_type_of(error)
        found = {**self._facts, **self.run.found}
        if failed:
            found[semconv.ERROR_TYPE] = failed
        measured(semconv.METRIC_MCP_SERVER_DURATION, self._began, found)

    def _end(self, result: Any, error: BaseException | None) -> None:
        failed = None
        with safely("ending an MCP request"):
            failed = ended(self.run.found, result if self._is_tool else None, error)
            if self._is_tool:
                write_result(self.run, result)
        self.ended_as(failed, error)


def _above(meta: Any) -> tuple[Context, tuple[Link, ...]]:
    """The context that came in `_meta`, on top of the one here; the span here (of the HTTP request) is then a link."""
    here = get_current()
    if not isinstance(meta, dict) or not meta:
        return here, ()
    try:
        parent = extract(meta, context=here)
    except (TypeError, ValueError):  # something else under those names
        return here, ()
    ambient, sent = get_current_span(here).get_span_context(), get_current_span(parent).get_span_context()
    if not ambient.is_valid or (ambient.trace_id, ambient.span_id) == (sent.trace_id, sent.span_id):
        return parent, ()
    return parent, (Link(ambient),)


def over(request: Any, session_id: Any = None) -> dict[str, Value]:
    """What an HTTP request (Starlette's) says of the transport and the session."""
    more: dict[str, Value] = {semconv.NETWORK_TRANSPORT: "tcp", semconv.NETWORK_PROTOCOL: "http"}
    client, headers = getattr(request, "client", None), getattr(request, "headers", None)
    if isinstance(host := getattr(client, "host", None), str):
        more[semconv.CLIENT_ADDRESS] = host
        if isinstance(port := getattr(client, "port", None), int):
            more[semconv.CLIENT_PORT] = port
    session_id = session_id or field(headers, _SESSION_HEADER)
    if isinstance(session_id, str) and session_id:
        more[semconv.MCP_SESSION] = session_id
    if isinstance(version := field(headers, _VERSION_HEADER), str):
        more[semconv.MCP_PROTOCOL] = version
    return more


def _carried(context: Any) -> dict[str, Value]:
    """What the server's request context knows of the transport and the session."""
    request = getattr(context, "request", None)
    session_id = getattr(getattr(context.session, "_connection", None), "session_id", None)
    more = dict(SERVED_BY.get() or {}) if request is None else over(request, session_id)
    if isinstance(version := getattr(context, "protocol_version", None), str):
        more[semconv.MCP_PROTOCOL] = version
    return more


def in_middleware(original: Callable[..., Any]) -> Callable[..., Any]:
    """The SDK's own telemetry of a server, outermost of its middleware: ours stands in for it. A server from which the
    app took it has no spans.
    """

    @wraps(original)
    async def call(self: Any, ctx: Any, call_next: Callable[[Any], Any]) -> Any:
        received: Received | None = None
        if emit.active() is not None and not emit.is_suppressed():
            with safely("seeing an MCP message"):
                received = Received(ctx.method, ctx.params, ctx.request_id, _carried(ctx))
        if received is None:
            return await original(self, ctx, call_next)
        try:
            with received.current():
                result = await call_next(ctx)
        except BaseException as error:
            received.end(error)
            raise
        received.returned(result)
        return result

    return call


def _begin(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Observation | None:
    if emit.active() is None or emit.is_suppressed():
        return None
    with safely("seeing an MCP request"):
        session, context, method = args[:3]
        params = args[3] if len(args) > 3 else kwargs.get("params")
        more: dict[str, Value] = {}
        if isinstance(version := getattr(session, "protocol_version", None), str):
            more[semconv.MCP_PROTOCOL] = version
        return Received(method, params, getattr(context, "request_id", None), more)
    return None


def answered_by_client(original: Callable[..., Any]) -> Callable[..., Any]:
    """`ClientSession._on_request`: what a server asks of its client (a sample, the user's word, roots)."""
    return wrapped(original, _begin)
