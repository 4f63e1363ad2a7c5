"""An app that uses the anthropic SDK, in its sync and its async way, driven from one and the same test."""

from __future__ import annotations

from typing import Any

import anthropic
from driving import AsyncDriver, SyncDriver, tls

__all__ = ["App", "AsyncApp", "SyncApp"]


class SyncApp(SyncDriver):
    """`anthropic.Anthropic`."""

    stream_type = anthropic.Stream

    def __init__(self, url: str, **options: Any) -> None:
        http = anthropic.DefaultHttpxClient(verify=tls())
        base = url.removesuffix("/v1")
        self.client = anthropic.Anthropic(
            **{"api_key": "sk-test", "base_url": base, "max_retries": 0, "http_client": http, **options}
        )


class AsyncApp(AsyncDriver):
    """`anthropic.AsyncAnthropic` on one asyncio loop."""

    stream_type = anthropic.AsyncStream

    def __init__(self, url: str, **options: Any) -> None:
        super().__init__()
        http = anthropic.DefaultAsyncHttpxClient(verify=tls())
        base = url.removesuffix("/v1")
        self.client = anthropic.AsyncAnthropic(
            **{"api_key": "sk-test", "base_url": base, "max_retries": 0, "http_client": http, **options}
        )


App = SyncApp | AsyncApp
