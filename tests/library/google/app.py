"""An app that uses the google-genai SDK, in its sync and its async way, driven from one and the same test."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

from driving import AsyncDriver, SyncDriver, tls
from google import genai
from google.genai import _api_client
from google.oauth2.credentials import Credentials

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

__all__ = ["MODEL", "QUESTION", "App", "AsyncApp", "SyncApp", "http", "vertex"]

MODEL = "gemini-2.5-flash"
# Every client makes a TLS context for websockets, which nothing here opens: 20 ms of the 22 that a client takes.
_api_client.BaseApiClient._ensure_websocket_ssl_ctx = staticmethod(lambda *_, **__: {})
http: Any = getattr(_api_client, "httpx2", None) or _api_client.httpx
"""The HTTP library of this version of the SDK: its errors reach the app as they are."""
QUESTION = "When was the lighthouse at Skagen lit?"


def _client(url: str, **options: Any) -> genai.Client:
    http = {
        "base_url": url.removesuffix("/v1"),
        "client_args": {"verify": tls()},
        "async_client_args": {"verify": tls()},
    }
    http |= options.pop("http_options", {})
    who = {} if options.get("vertexai") else {"api_key": "test-key"}
    return genai.Client(**who, **options, http_options=http)


def vertex() -> dict[str, Any]:
    """The options of a client of Vertex AI."""
    return {
        "vertexai": True,
        "project": "p",
        "location": "europe-west1",
        "credentials": Credentials(token="test-token"),
    }


class SyncApp(SyncDriver):
    """`genai.Client`."""

    def __init__(self, url: str, **options: Any) -> None:
        self.client = _client(url, **options)


class AsyncApp(AsyncDriver):
    """`genai.Client().aio` on one asyncio loop."""

    def __init__(self, url: str, **options: Any) -> None:
        super().__init__()
        self._whole = _client(url, **options)
        self.client = self._whole.aio

    def close(self, stream: AsyncGenerator[Any, None]) -> None:
        """Close the generator, and let the loop finalise those inside it."""
        self._await(stream.aclose())
        self.settle()

    def stop(self) -> None:
        """Close the client and its loop."""
        with contextlib.suppress(Exception):
            self._await(self.client.aclose())
        self._whole.close()
        self.runner.close()


App = SyncApp | AsyncApp
