"""The SDK's client with its requests answered here: its own parser makes the answer's types."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from importlib import import_module
from typing import Any

__all__ = ["OfflineClient"]


class OfflineClient:
    """Everything of `client`, but each request is answered with `body`, and nothing is sent or authorised."""

    def __init__(self, client: Any, body: bytes) -> None:
        self._client = client
        self._body = body.decode()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    def request(self, *_: Any, **__: Any) -> Any:
        """A whole answer."""
        return import_module("google.genai.types").HttpResponse(headers={}, body=self._body)

    def request_streamed(self, *_: Any, **__: Any) -> Iterator[Any]:
        """A stream of one chunk."""
        yield self.request()

    async def async_request(self, *_: Any, **__: Any) -> Any:
        """A whole answer, awaited."""
        return self.request()

    async def async_request_streamed(self, *_: Any, **__: Any) -> AsyncIterator[Any]:
        """A stream of one chunk, awaited."""

        async def chunks() -> AsyncIterator[Any]:
            yield self.request()

        return chunks()
