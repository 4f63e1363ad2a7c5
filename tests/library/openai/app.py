"""An app that uses the openai SDK, in its sync and its async way, driven from one and the same test."""

from __future__ import annotations

from typing import Any

import openai
from driving import AsyncDriver, SyncDriver, tls

__all__ = ["App", "AsyncApp", "SyncApp"]


class SyncApp(SyncDriver):
    """`openai.OpenAI`."""

    stream_type = openai.Stream

    def __init__(self, url: str, **options: Any) -> None:
        http = openai.DefaultHttpxClient(verify=tls())
        self.client = openai.OpenAI(
            **{"api_key": "sk-test", "base_url": url, "max_retries": 0, "http_client": http, **options}
        )


class AsyncApp(AsyncDriver):
    """`openai.AsyncOpenAI` on one asyncio loop."""

    stream_type = openai.AsyncStream

    def __init__(self, url: str, **options: Any) -> None:
        super().__init__()
        http = openai.DefaultAsyncHttpxClient(verify=tls())
        self.client = openai.AsyncOpenAI(
            **{"api_key": "sk-test", "base_url": url, "max_retries": 0, "http_client": http, **options}
        )


App = SyncApp | AsyncApp
