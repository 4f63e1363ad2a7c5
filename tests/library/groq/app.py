"""An app that uses the groq SDK, in its sync and its async way, driven from one and the same test."""

from __future__ import annotations

from typing import Any

import groq
from driving import AsyncDriver, SyncDriver, tls

__all__ = ["App", "AsyncApp", "SyncApp"]


class SyncApp(SyncDriver):
    """`groq.Groq`."""

    stream_type = groq.Stream

    def __init__(self, url: str, **options: Any) -> None:
        http = groq.DefaultHttpxClient(verify=tls())
        base = url.removesuffix("/v1")
        self.client = groq.Groq(
            **{"api_key": "gsk-test", "base_url": base, "max_retries": 0, "http_client": http, **options}
        )


class AsyncApp(AsyncDriver):
    """`groq.AsyncGroq` on one asyncio loop."""

    stream_type = groq.AsyncStream

    def __init__(self, url: str, **options: Any) -> None:
        super().__init__()
        http = groq.DefaultAsyncHttpxClient(verify=tls())
        base = url.removesuffix("/v1")
        self.client = groq.AsyncGroq(
            **{"api_key": "gsk-test", "base_url": base, "max_retries": 0, "http_client": http, **options}
        )


App = SyncApp | AsyncApp
"""The app of this folder, in its sync and its async way; a test that takes `app` runs as both (see ../conftest.py)."""
