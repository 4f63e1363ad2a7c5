"""What carries the requests: told by each transport where it is known, absent for streams of the app's own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextvars import ContextVar
from functools import partial, wraps
from typing import Any
from urllib.parse import urlsplit
from weakref import WeakKeyDictionary

from ... import semconv
from ...call import Value
from ...safely import safely

__all__ = ["FACTS_OF_STREAM", "SERVED_BY", "posting", "sse_client", "stdio_client", "stdio_server"]

SERVED_BY: ContextVar[Mapping[str, Value] | None] = ContextVar("otelllm-mcp-served-by", default=None)
"""What a server's transport is, in the tasks that it began."""

_Facts = Callable[[], Mapping[str, Value]]


class _Streams:
    """What a transport is, by the stream that it gave to be written to, for as long as that lives."""

    def __init__(self) -> None:
        self._facts: WeakKeyDictionary[Any, _Facts] = WeakKeyDictionary()

    def get(self, stream: Any) -> Mapping[str, Value]:
        """Its attributes now; none where it is not known."""
        try:
            found = self._facts.get(getattr(stream, "_inner", stream))
        except TypeError:  # a stream of the app's own that can't be referred to weakly
            return {}
        return {} if found is None else found()

    def put(self, stream: Any, facts: _Facts) -> None:
        """Keep them. The SDK's wrapper of a stream can't be referred to weakly, what it wraps can."""
        self._facts[getattr(stream, "_inner", stream)] = facts


FACTS_OF_STREAM = _Streams()


def _pipe() -> Mapping[str, Value]:
    return {semconv.NETWORK_TRANSPORT: "pipe"}


def _http(url: Any) -> dict[str, Value]:
    facts: dict[str, Value] = {semconv.NETWORK_TRANSPORT: "tcp", semconv.NETWORK_PROTOCOL: "http"}
    parts = urlsplit(str(url))
    if parts.hostname:
        facts[semconv.SERVER_ADDRESS] = parts.hostname
        port = parts.port or {"https": 443, "http": 80}.get(parts.scheme)
        if port:
            facts[semconv.SERVER_PORT] = port
    return facts


def _streamable(transport: Any) -> Mapping[str, Value]:
    """The session's id comes with the answer to `initialize`."""
    facts = _http(transport.url)
    if session := getattr(transport, "session_id", None):
        facts[semconv.MCP_SESSION] = str(session)
    return facts


class _Manager:
    """Mixed into the SDK's own manager, so that the app has what it would have."""

    _otelllm_facts: _Facts = staticmethod(dict)

    async def __aenter__(self) -> Any:
        token = SERVED_BY.set(_pipe())  # a server's reader hands its own context on with every message
        try:
            streams = await super().__aenter__()  # type: ignore[misc]  # the SDK's
        finally:
            SERVED_BY.reset(token)
        with safely("noting an MCP transport"):
            FACTS_OF_STREAM.put(streams[1], self._otelllm_facts)
        return streams


_made: dict[type, Any] = {}


def _managing(original: Callable[..., Any], facts: Callable[..., _Facts]) -> Callable[..., Any]:
    @wraps(original)
    def manager(*args: Any, **kwargs: Any) -> Any:
        made = original(*args, **kwargs)
        with safely("watching an MCP transport"):
            kind = type(made)
            if kind not in _made:
                _made[kind] = type(kind.__name__, (_Manager, kind), {"__module__": kind.__module__})
            made.__class__ = _made[kind]
            made._otelllm_facts = facts(*args, **kwargs)
        return made

    return manager


def stdio_client(original: Callable[..., Any]) -> Callable[..., Any]:
    """A client's pipe to the server that it starts."""
    return _managing(original, lambda *_, **__: _pipe)


def stdio_server(original: Callable[..., Any]) -> Callable[..., Any]:
    """A server on its own standard input and output."""
    return _managing(original, lambda *_, **__: _pipe)


def sse_client(original: Callable[..., Any]) -> Callable[..., Any]:
    """The older HTTP+SSE transport of a client."""
    return _managing(original, lambda url, *_, **__: partial(_http, url))


def posting(original: Callable[..., Any]) -> Callable[..., Any]:
    """The streamable HTTP transport's task that sends what is written to the stream."""

    @wraps(original)
    async def post_writer(self: Any, client: Any, reader: Any, writer: Any, stream: Any, *more: Any) -> Any:
        with safely("noting an MCP transport"):
            FACTS_OF_STREAM.put(stream, partial(_streamable, self))
        return await original(self, client, reader, writer, stream, *more)

    return post_writer
