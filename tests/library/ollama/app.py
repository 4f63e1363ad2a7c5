"""An app that uses the ollama SDK, in its sync and its async way, driven from one and the same test."""

from __future__ import annotations

from typing import Any

import ollama
from driving import AsyncDriver, SyncDriver, tls

__all__ = ["MODEL", "QUESTION", "App", "AsyncApp", "SyncApp"]

MODEL = "llama3.2:3b"
QUESTION = [{"role": "user", "content": "When was the lighthouse at Skagen lit?"}]


class SyncApp(SyncDriver):
    """`ollama.Client`."""

    def __init__(self, url: str, **options: Any) -> None:
        self.client = ollama.Client(**{"host": url.removesuffix("/v1"), "verify": tls(), **options})

    def stop(self) -> None:
        """Close the client; older ones have no way to."""
        self.client._client.close()


class AsyncApp(AsyncDriver):
    """`ollama.AsyncClient` on one asyncio loop."""

    def __init__(self, url: str, **options: Any) -> None:
        super().__init__()
        self.client = ollama.AsyncClient(**{"host": url.removesuffix("/v1"), "verify": tls(), **options})

    def close(self, stream: Any) -> None:
        """Close the generator."""
        self._await(stream.aclose())

    def stop(self) -> None:
        """Close the client and its loop."""
        self._await(self.client._client.aclose())
        self.runner.close()


App = SyncApp | AsyncApp
"""The app of this folder, in its sync and its async way; a test that takes `app` runs as both (see ../conftest.py)."""
