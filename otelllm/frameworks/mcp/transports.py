"""What carries the requests: told by each transport where it is known, absent for streams of the app's own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextvars import ContextVar
from functools import wraps
from typing import Any
from urllib.parse import urlsplit
from weakref import WeakKeyDictionary

from ... import semconv
from ...call import Value
from ...safely import safely

__all__ = [
    "FACTS_OF_STREAM",
    "OPEN",
    "SERVED_BY",
    "posted",
    "posting",
    "session_told",
    "stdio_client",
    "stdio_server",
]

OPEN: ContextVar[dict[str, Value] | None] = ContextVar("otelllm-mcp-open", default=None)
"""The attributes of the request that is being sent. HTTP transports work in the context of who sends."""

SERVED_BY: ContextVar[Mapping[str, Value] | None] = ContextVar("otelllm-mcp-served-by", default=None)
"""What a server's transport is, in the tasks that it began."""


class _Streams:
    """Facts by the stream that a transport gave its client, for as long as that lives."""

    def __init__(self) -> None:
        self._facts: WeakKeyDictionary[Any, Mapping[str, Value]] = WeakKeyDictionary()

    def get(self, stream: Any) -> Mapping[str, Value] | None:
        try:
            return self._facts.get(stream)
        except TypeError:  # a stream of the app's own that can't be referred to
            return None

    def put(self, stream: Any, facts: Mapping[str, Value]) -> None:
        self._facts[stream] = facts


FACTS_OF_STREAM = _Streams()

_PIPE: Mapping[str, Value] = {semconv.NETWORK_TRANSPORT: "pipe"}


class _NotesStream:
    """Mixed into the SDK's own manager, so that the app has what it would have."""

    async def __aenter__(self) -> Any:
        streams = await super().__aenter__()  # type: ignore[misc]  # the SDK's
        with safely("noting an MCP transport"):
            FACTS_OF_STREAM.put(streams[1], _PIPE)
        return streams


class _TellsTasks:
    """The same: the server's reader hands its own context on with every message."""

    async def __aenter__(self) -> Any:
        token = SERVED_BY.set(_PIPE)
        try:
            return await super().__aenter__()  # type: ignore[misc]  # the SDK's
        finally:
            SERVED_BY.reset(token)


_made: dict[tuple[type, type], Any] = {}


def _with(mixed: type, kind: type) -> Any:
    found = _made.get((mixed, kind))
    if found is None:
        found = _made[mixed, kind] = type(kind.__name__, (mixed, kind), {"__module__": kind.__module__})
    return found


def _managing(original: Callable[..., Any], mixed: type) -> Callable[..., Any]:
    @wraps(original)
    def manager(*args: Any, **kwargs: Any) -> Any:
        made = original(*args, **kwargs)
        with safely("watching an MCP transport"):
            made.__class__ = _with(mixed, type(made))
        return made

    return manager


def stdio_client(original: Callable[..., Any]) -> Callable[..., Any]:
    """A client's pipe to the server that it starts."""
    return _managing(original, _NotesStream)


def stdio_server(original: Callable[..., Any]) -> Callable[..., Any]:
    """A server on its own standard input and output."""
    return _managing(original, _TellsTasks)


def _over_http(url: Any) -> dict[str, Value] | None:
    facts = OPEN.get()
    if facts is None:
        return None
    facts[semconv.NETWORK_TRANSPORT] = "tcp"
    facts[semconv.NETWORK_PROTOCOL] = "http"
    parts = urlsplit(str(url))
    if parts.hostname:
        facts[semconv.SERVER_ADDRESS] = parts.hostname
        port = parts.port or {"https": 443, "http": 80}.get(parts.scheme)
        if port:
            facts[semconv.SERVER_PORT] = port
    return facts


def posting(original: Callable[..., Any]) -> Callable[..., Any]:
    """The streamable HTTP transport's headers of one request."""

    @wraps(original)
    def prepare(self: Any, *args: Any, **kwargs: Any) -> Any:
        with safely("noting an MCP transport"):
            facts = _over_http(self.url)
            if facts is not None and self.session_id:
                facts[semconv.MCP_SESSION] = str(self.session_id)
        return original(self, *args, **kwargs)

    return prepare


def session_told(original: Callable[..., Any]) -> Callable[..., Any]:
    """The answer to `initialize` names the session."""

    @wraps(original)
    def extract(self: Any, *args: Any, **kwargs: Any) -> Any:
        result = original(self, *args, **kwargs)
        with safely("noting an MCP session"):
            if (facts := OPEN.get()) is not None and self.session_id:
                facts[semconv.MCP_SESSION] = str(self.session_id)
        return result

    return extract


def posted(original: Callable[..., Any]) -> Callable[..., Any]:
    """The older HTTP+SSE transport's post of one request: `(client, method, url)`."""

    @wraps(original)
    def post(*args: Any, **kwargs: Any) -> Any:
        with safely("noting an MCP transport"):
            _over_http(args[2] if len(args) > 2 else kwargs.get("url"))
        return original(*args, **kwargs)

    return post
