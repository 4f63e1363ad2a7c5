"""Which Host a request may name and which Origin it may have: a page in a browser is not its user.

A page can call loopback addresses, under a name of its own too, and on behalf of whoever looks at it.
"""

from __future__ import annotations

from urllib.parse import urlsplit

from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp, Receive, Scope, Send

from .answers import refusal
from .auth import INGEST
from .config import is_loopback

__all__ = ["OnlyKnownOrigins", "OnlyLoopbackHosts"]

HEADERS = ("content-type", "content-encoding", "authorization", "x-api-key", "traceparent", "tracestate", "baggage")
"""What pages may send along."""


class OnlyLoopbackHosts:
    """Refuses requests whose Host header is not a loopback name (DNS rebinding)."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request or the lifespan."""
        if scope["type"] == "http":
            host = _header(scope, b"host")
            if not _is_allowed(host):
                message = f"Host {host!r} is not this machine's loopback; use http://127.0.0.1 and the collector's port"
                await refusal(421, message)(scope, receive, send)
                return
        await self._app(scope, receive, send)


class OnlyKnownOrigins:
    """Refuses what pages of other origins ask for, but for spans and feedback of those listed, with CORS."""

    def __init__(self, app: ASGIApp, origins: tuple[str, ...]) -> None:
        self._app, self._origins = app, origins
        self._cors = CORSMiddleware(app, origins, allow_methods=["POST"], allow_headers=HEADERS)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request or the lifespan."""
        if scope["type"] != "http" or _is_no_foreign_page(scope):
            await self._app(scope, receive, send)
            return
        origin = _header(scope, b"origin")
        if scope["path"] in INGEST and origin.lower() in self._origins:
            await self._cors(scope, receive, send)
            return
        message = f"a page of {origin or 'another site'} may not ask for this; call it from a server"
        if scope["path"] in INGEST:
            message += ", or list the origin by --cors-origin (OTELLLM_CORS_ORIGINS)"
        await refusal(403, message)(scope, receive, send)


def _is_no_foreign_page(scope: Scope) -> bool:
    origin = _header(scope, b"origin")
    if origin:
        return urlsplit(origin).netloc == _header(scope, b"host")
    # Without an Origin a page can still load (an image, a script), which browsers tell by this; a link that is
    # followed shows its target to the user alone.
    is_cross = _header(scope, b"sec-fetch-site") in ("cross-site", "same-site")
    return not is_cross or _header(scope, b"sec-fetch-mode") == "navigate"


def _header(scope: Scope, name: bytes) -> str:
    return next((value.decode("latin-1") for key, value in scope["headers"] if key == name), "")


def _is_allowed(host: str) -> bool:
    try:
        name = urlsplit(f"//{host}").hostname
    except ValueError:
        return False
    return name is not None and is_loopback(name)
