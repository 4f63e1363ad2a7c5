"""An app that uses the cohere SDK, in its sync and its async way, driven from one and the same test."""

from __future__ import annotations

import inspect
from typing import Any

import cohere
import httpx
from driving import AsyncDriver, SyncDriver, tls

__all__ = ["MODEL", "QUESTION", "App", "AsyncApp", "LegacyAsyncApp", "LegacySyncApp", "SyncApp"]

MODEL = "command-a-03-2025"
QUESTION = [{"role": "user", "content": "When was the lighthouse at Skagen lit?"}]


def _options(url: str, http: Any, given: dict[str, Any]) -> dict[str, Any]:
    # The version is in the path of each of the SDK's requests, and retries are its own default.
    more = {"max_retries": 0} if "max_retries" in inspect.signature(cohere.Client.__init__).parameters else {}
    return {"api_key": "co-test", "base_url": url.removesuffix("/v1"), "httpx_client": http, **more, **given}


class SyncApp(SyncDriver):
    """`cohere.ClientV2`."""

    make: Any = cohere.ClientV2

    def __init__(self, url: str, **options: Any) -> None:
        self.http = httpx.Client(verify=tls(), timeout=60)
        self.client = self.make(**_options(url, self.http, options))

    def stop(self) -> None:
        """Close the HTTP client: the SDK's own has no close."""
        self.http.close()


class AsyncApp(AsyncDriver):
    """`cohere.AsyncClientV2` on one asyncio loop."""

    make: Any = cohere.AsyncClientV2

    def __init__(self, url: str, **options: Any) -> None:
        super().__init__()
        self.http = httpx.AsyncClient(verify=tls(), timeout=60)
        self.client = self.make(**_options(url, self.http, options))

    def call(self, method: Any, **arguments: Any) -> Any:
        """The result of one call; a stream is a generator at once, with nothing to await."""
        result = method(**arguments)
        return self._await(result) if hasattr(result, "__await__") else result

    def close(self, stream: Any) -> None:
        """Close the generator."""
        self._await(stream.aclose())

    def stop(self) -> None:
        """Close the HTTP client and the loop."""
        self._await(self.http.aclose())
        self.runner.close()


class LegacySyncApp(SyncApp):
    """`cohere.Client`, of version 1 of the API."""

    make = cohere.Client


class LegacyAsyncApp(AsyncApp):
    """`cohere.AsyncClient`, of version 1 of the API."""

    make = cohere.AsyncClient


App = SyncApp | AsyncApp
"""The app of this folder, in its sync and its async way; a test that takes `app` runs as both (see ../conftest.py)."""
