"""mcp 1.x, which makes no spans and carries no context: its sessions send and answer, and `_meta` is ours to fill."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from functools import wraps
from typing import Any
from weakref import WeakKeyDictionary

from opentelemetry.propagate import inject

from ... import emit, semconv
from ...call import Value
from ...safely import safely
from ...wrapping import Observation, wrapped
from .received import Received, over
from .sent import Sent
from .transports import FACTS_OF_STREAM

__all__ = ["answered_by_session", "answering", "responding", "sending_by_session"]

_versions: WeakKeyDictionary[Any, str] = WeakKeyDictionary()
"""The protocol's version that each session agreed on."""


class _WithMeta:
    """A request as the app made it, with our `_meta` where the session writes it out: the app's own stays as it is."""

    def __init__(self, request: Any, data: dict[str, Any]) -> None:
        self._request = request
        self._data = data

    @property  # type: ignore[misc]  # a type that mypy takes for writable
    def __class__(self) -> Any:  # the SDK names it in its errors
        return type(self._request)

    def model_dump(self, **_: Any) -> dict[str, Any]:
        """What goes on the wire."""
        return self._data

    def __getattr__(self, name: str) -> Any:
        return getattr(self._request, name)


def _wire(request: Any) -> dict[str, Any]:
    """As the session would dump it."""
    data: dict[str, Any] = request.model_dump(by_alias=True, mode="json", exclude_none=True)
    return data


def _begun(session: Any, data: dict[str, Any]) -> Sent:
    sent = Sent(session, str(data.get("method")), data.get("params"), {"request_id": session._request_id})
    if (version := _versions.get(session)) is not None:
        sent.facts[semconv.MCP_PROTOCOL] = version
    return sent


def _inject(data: dict[str, Any]) -> None:
    carrier: dict[str, str] = {}
    inject(carrier)
    if carrier:
        params = data.setdefault("params", {})
        params["_meta"] = {**(params.get("_meta") or {}), **carrier}


def sending_by_session(original: Callable[..., Any]) -> Callable[..., Any]:
    """`BaseSession.send_request`, below every method of clients and servers."""

    @wraps(original)
    async def send_request(self: Any, request: Any, *args: Any, **kwargs: Any) -> Any:
        sent: Sent | None = None
        if emit.active() is not None and not emit.is_suppressed():
            with safely("seeing an MCP request"):
                data = _wire(request)
                sent = _begun(self, data)
        if sent is None:
            return await original(self, request, *args, **kwargs)
        try:
            with sent.current():
                with safely("sending an MCP request's context"):
                    _inject(data)
                result = await original(self, _WithMeta(request, data), *args, **kwargs)
        except BaseException as error:
            sent.end(error)
            raise
        with safely("noting an MCP session"):
            if isinstance(version := getattr(result, "protocolVersion", None), str):
                _versions[self] = version
        sent.returned(result)
        return result

    return send_request


class _Answered(Received):
    """A request whose answer goes out through its responder."""

    def __init__(self, responder: Any, session: Any, data: Mapping[str, Any]) -> None:
        metadata = getattr(responder, "message_metadata", None)
        request = getattr(metadata, "request_context", None)
        more: dict[str, Value] = {}
        if (version := _versions.get(session)) is not None:
            more[semconv.MCP_PROTOCOL] = version
        more.update(over(request) if request is not None else {})
        if request is None and (facts := FACTS_OF_STREAM.get(getattr(session, "_write_stream", None))):
            more[semconv.NETWORK_TRANSPORT] = facts[semconv.NETWORK_TRANSPORT]
        super().__init__(str(data.get("method")), data.get("params"), responder.request_id, more)
        self._responder = responder
        self._session = session
        self._is_told = False

    @contextmanager
    def current(self) -> Iterator[None]:
        """Our span is the current one, and the responder finds this."""
        token = _answering.set(self)
        try:
            with super().current():
                yield
        finally:
            _answering.reset(token)

    def told(self, responder: Any, response: Any) -> None:
        """The answer, or the error, that goes out."""
        if responder is not self._responder or self._is_told:
            return
        self._is_told = True
        result = getattr(response, "root", None)
        if result is None and isinstance(getattr(response, "code", None), int):
            self.failed(response.code)
            return
        if isinstance(version := getattr(result, "protocolVersion", None), str):
            _versions[self._session] = version
            self.run.found[semconv.MCP_PROTOCOL] = version
        self.returned(result)

    def end(self, error: BaseException | None = None) -> None:
        """It failed before there was an answer."""
        if not self._is_told:
            self._is_told = True
            super().end(error)

    def over(self) -> None:
        """Nothing was answered: the other side had cancelled it."""
        if not self._is_told:
            self._is_told = True
            self.ended_as("cancelled")


_answering: ContextVar[_Answered | None] = ContextVar("otelllm-mcp-answering", default=None)


class _Watched:
    """One run of a method that answers, an observation: its answer is told by the responder, not by what it returns."""

    def __init__(self, answered: _Answered) -> None:
        self._answered = answered
        self.current = answered.current
        self.end = answered.end

    def saw(self, item: Any) -> None:
        """It yields nothing."""

    def returned(self, result: Any) -> None:
        """The method is done."""
        self._answered.over()


def _watched(responder: Any, session: Any, request: Any) -> Observation | None:
    if emit.active() is None or emit.is_suppressed():
        return None
    with safely("seeing an MCP request"):
        return _Watched(_Answered(responder, session, _wire(request)))
    return None


def answering(original: Callable[..., Any]) -> Callable[..., Any]:
    """`Server._handle_request(message, req, session, …)`."""

    def begin(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Observation | None:
        responder, request, session = args[1:4]
        return _watched(responder, session, request)

    return wrapped(original, begin)


def answered_by_session(original: Callable[..., Any]) -> Callable[..., Any]:
    """`_received_request(responder)`: a client's answers, and a server's to `initialize`."""

    def begin(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Observation | None:
        session, responder = args[:2]
        request = responder.request.root
        is_server = type(session).__name__ == "ServerSession"
        if is_server and request.method != "initialize":
            return None
        return _watched(responder, session, request)

    return wrapped(original, begin)


def responding(original: Callable[..., Any]) -> Callable[..., Any]:
    """`RequestResponder.respond(response)`."""

    @wraps(original)
    async def respond(self: Any, response: Any, *args: Any, **kwargs: Any) -> Any:
        result = await original(self, response, *args, **kwargs)
        with safely("reading an MCP answer"):
            if (answered := _answering.get()) is not None:
                answered.told(self, response)
        return result

    return respond
