"""The HTTP clients of the SDKs, httpx and httpx2: told apart by their classes, and made to answer by themselves."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

__all__ = ["headers_in", "http_library", "is_asynchronous", "is_timeout", "offline", "seconds_of"]


def is_timeout(error: BaseException) -> bool:
    """Whether the SDK, or the HTTP library below it, gave up waiting."""
    return any(kind.__name__ in {"APITimeoutError", "TimeoutException"} for kind in type(error).__mro__)


def headers_in(response: Any) -> Mapping[str, str]:
    """The headers of a response. httpx's own mapping takes 1.3 µs for each name that is asked for; this one, made once,
    0.05: its names are lower case.
    """
    headers = response.headers
    if (raw := getattr(headers, "raw", None)) is None:
        given: Mapping[str, str] = headers
        return given
    return {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in raw}


def seconds_of(timeout: Any) -> float | None:
    """The seconds of a time-out: a number, or httpx's record of several, of which reading is what a model takes."""
    said = getattr(timeout, "read", timeout)
    return float(said) if isinstance(said, int | float) and not isinstance(said, bool) else None


def is_asynchronous(client: Any) -> bool:
    """Whether a client of these SDKs is one of the async kind."""
    return any("Async" in base.__name__ for base in type(client).__mro__)


def offline(library: Any, body: bytes, *, streams: bool, asynchronous: bool) -> Any:
    """An HTTP client of `library` (httpx or httpx2) that answers every request with `body` and sends nothing."""
    kind = b"text/event-stream" if streams else b"application/json"

    def handler(asked: Any) -> Any:
        return library.Response(200, headers=[(b"content-type", kind)], content=body, request=asked)

    client = library.AsyncClient if asynchronous else library.Client
    return client(transport=library.MockTransport(handler))


@lru_cache(maxsize=16)
def http_library(client: Any) -> Any:
    """httpx or httpx2, whichever the client's class is of: the SDK's own, or one that the app handed in."""
    for kind in client.__mro__:
        root = kind.__module__.split(".")[0]
        if root in {"httpx", "httpx2"}:
            return sys.modules[root]
    raise TypeError(f"{client!r} is no httpx client")
