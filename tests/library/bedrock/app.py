"""An app that uses boto3's or aiobotocore's bedrock-runtime, sync and async, driven from one and the same test."""

from __future__ import annotations

from contextlib import AsyncExitStack
from functools import cache
from itertools import islice
from typing import Any

import pytest
from botocore.config import Config
from botocore.session import Session
from driving import AsyncDriver, SyncDriver

__all__ = ["MODEL", "QUESTION", "App", "AsyncApp", "SyncApp"]

MODEL = "us.anthropic.claude-sonnet-4-5-20250929-v1:0"
QUESTION = "When was the lighthouse at Skagen lit?"
# One of each for all clients: it keeps the service's description, which takes 60 ms to read, and its exceptions.
_session = Session()


@cache
def _async_session() -> Any:
    return pytest.importorskip("aiobotocore.session").AioSession()


def _options(url: str, config: Any, *, service: str = "bedrock-runtime", **options: Any) -> dict[str, Any]:
    return {
        "service_name": service, "region_name": "us-east-1", "endpoint_url": url.removesuffix("/v1"),
        "aws_access_key_id": "test", "aws_secret_access_key": "test",
        "config": config(**{"retries": {"total_max_attempts": 1}, **options}),
    }  # fmt: skip


class SyncApp(SyncDriver):
    """A client of botocore's, as `boto3.client` makes it."""

    def __init__(self, url: str, **options: Any) -> None:
        self.url = url
        self.client = self.again(**options)

    def again(self, **options: Any) -> Any:
        """Another client, for settings that a call can't have, or of another `service`."""
        client = _session.create_client(**_options(self.url, Config, **options))
        client.app = self
        return client

    def asking(self, method: Any, name: str) -> Any:
        """A method that gives the stream in what `method` gives."""
        return lambda **asked: method(**asked)[name]

    def reading(self, method: Any) -> Any:
        """A method that gives what `method` gives, its body read."""
        return lambda **asked: _read(method(**asked))

    def take(self, stream: Any, count: int) -> list[Any]:
        """That many events: the stream itself is no iterator."""
        return list(islice(iter(stream), count))


def _read(response: Any) -> Any:
    return {**response, "body": response["body"].read()}


class AsyncApp(AsyncDriver):
    """A client of aiobotocore's, on one asyncio loop."""

    def __init__(self, url: str, **options: Any) -> None:
        super().__init__()
        self.url = url
        self._open = AsyncExitStack()
        self.client = self.again(**options)

    def again(self, **options: Any) -> Any:
        """Another client, for settings that a call can't have, or of another `service`."""
        config = pytest.importorskip("aiobotocore.config").AioConfig
        made = _async_session().create_client(**_options(self.url, config, **options))
        client = self._run(self._open.enter_async_context(made))
        client.app = self
        return client

    def asking(self, method: Any, name: str) -> Any:
        """A method that gives the stream in what `method` gives."""

        async def ask(**asked: Any) -> Any:
            return (await method(**asked))[name]

        return ask

    def reading(self, method: Any) -> Any:
        """A method that gives what `method` gives, its body read."""

        async def ask(**asked: Any) -> Any:
            response = await method(**asked)
            return {**response, "body": await response["body"].read()}

        return ask

    def take(self, stream: Any, count: int) -> list[Any]:
        """That many events; the generator that each `async for` makes is closed, the stream is not."""

        async def go() -> list[Any]:
            events = aiter(stream)
            taken = [await anext(events) for _ in range(count)]
            await events.aclose()
            return taken

        return self._run(go())

    def close(self, stream: Any) -> None:
        """Close the stream, which is no coroutine function there."""

        async def go() -> None:
            stream.close()

        self._run(go())

    def stop(self) -> None:
        """Close the client and its loop."""
        self._run(self._open.aclose())
        self.runner.close()


App = SyncApp | AsyncApp


def knows(client: Any, shape: str, member: str) -> bool:
    """Whether this botocore's description of the service has the member; what it lacks is dropped by its parser."""
    model = client.meta.service_model
    return shape in model.shape_names and member in model.shape_for(shape).members
