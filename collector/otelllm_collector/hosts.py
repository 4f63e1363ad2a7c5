"""Which Host a request may name: a page in a browser must not reach a collector on loopback under a name of its own."""

from __future__ import annotations

from urllib.parse import urlsplit

from starlette.types import ASGIApp, Receive, Scope, Send

from .answers import refusal
from .config import is_loopback

__all__ = ["OnlyLoopbackHosts"]


class OnlyLoopbackHosts:
    """Refuses requests whose Host header is not a loopback name (DNS rebinding)."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request or the lifespan."""
        if scope["type"] == "http":
            host = next((value.decode("latin-1") for key, value in scope["headers"] if key == b"host"), "")
            if not _is_allowed(host):
                message = f"Host {host!r} is not this machine's loopback; use http://127.0.0.1 and the collector's port"
                await refusal(421, message)(scope, receive, send)
                return
        await self._app(scope, receive, send)


def _is_allowed(host: str) -> bool:
    try:
        name = urlsplit(f"//{host}").hostname
    except ValueError:
        return False
    return name is not None and is_loopback(name)
