"""An app that uses the together SDK, in its sync and its async way, driven from one and the same test."""

from __future__ import annotations

from typing import Any

import together
from driving import AsyncDriver, SyncDriver, tls

__all__ = ["App", "AsyncApp", "SyncApp"]

VERSIONED = str(together.Together(api_key="none").base_url).rstrip("/").endswith("/v1")
"""Whether the API's version stands in this SDK's base URL (before 3.0) or in its paths."""


def _base(url: str) -> str:
    return url if VERSIONED else url.removesuffix("/v1")


class SyncApp(SyncDriver):
    """`together.Together`."""

    stream_type = together.Stream

    def __init__(self, url: str, **options: Any) -> None:
        http = together.DefaultHttpxClient(verify=tls())
        self.client = together.Together(
            **{"api_key": "test-key", "base_url": _base(url), "max_retries": 0, "http_client": http, **options}
        )


class AsyncApp(AsyncDriver):
    """`together.AsyncTogether` on one asyncio loop."""

    stream_type = together.AsyncStream

    def __init__(self, url: str, **options: Any) -> None:
        super().__init__()
        http = together.DefaultAsyncHttpxClient(verify=tls())
        self.client = together.AsyncTogether(
            **{"api_key": "test-key", "base_url": _base(url), "max_retries": 0, "http_client": http, **options}
        )


App = SyncApp | AsyncApp
"""The app of this folder, in its sync and its async way; a test that takes `app` runs as both (see ../conftest.py)."""
