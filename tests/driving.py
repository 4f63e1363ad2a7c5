"""What an app does with a provider's SDK, in the sync and in the async way, driven from one and the same test."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import ssl
import time
from contextvars import copy_context
from functools import cache
from typing import TYPE_CHECKING, Any

import pytest
from wire import files
from wire.server import sse, whole

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine, Iterator

    from wire.server import Provider

__all__ = ["AsyncDriver", "SyncDriver", "collections_when_asked_for", "replay", "tls"]


@cache
def tls() -> ssl.SSLContext:
    """One for all clients: making it takes 20 to 50 ms, a client without it 1 ms."""
    return ssl.create_default_context()


@pytest.fixture(scope="module", autouse=True)
def collections_when_asked_for() -> Iterator[None]:
    """Dropped streams end in collections: here only where a test asks for one, and without all that was imported.

    With it each takes 60 to 100 ms. One that starts by itself in a thread of the server's would finalise an async
    generator of the SDK's under its running loop ("async generator already executing", with and without us).
    What is frozen stays so: looking through it once a module would take a second or two by the end of a run.
    """
    gc.collect()
    gc.freeze()
    gc.disable()
    yield
    gc.enable()


class SyncDriver:
    """An app with a sync client."""

    kind = "sync"
    client: Any

    def call(self, method: Callable[..., Any], **arguments: Any) -> Any:
        """The result of one call."""
        return method(**arguments)

    def take(self, stream: Any, count: int) -> list[Any]:
        """That many chunks."""
        return [next(stream) for _ in range(count)]

    def read(self, stream: Any) -> list[Any]:
        """The chunks up to the end."""
        return list(stream)

    def leave(self, stream: Any, count: int) -> list[Any]:
        """Break out of a `with` block after that many chunks."""
        chunks: list[Any] = []
        with stream:
            for chunk in stream:
                chunks.append(chunk)
                if len(chunks) == count:
                    break
        return chunks

    def close(self, stream: Any) -> None:
        """Call the stream's own close()."""
        stream.close()

    def enter(self, manager: Any) -> Any:
        """What a manager gives when it is entered; nobody leaves it."""
        return manager.__enter__()

    def within(self, manager: Any, body: Callable[[Any], Any]) -> Any:
        """Enter a manager and return what the body returns."""
        with manager as entered:
            return body(entered)

    def settle(self) -> None:
        """Let anything scheduled happen."""

    def rest(self) -> None:
        """Let other threads run for a moment."""
        time.sleep(0.005)

    def stop(self) -> None:
        """Close the client."""
        self.client.close()


class AsyncDriver:
    """An app with an async client, on one asyncio loop."""

    kind = "async"
    client: Any

    def __init__(self) -> None:
        self.runner = asyncio.Runner()

    def call(self, method: Callable[..., Any], **arguments: Any) -> Any:
        """The result of one call."""

        async def go() -> Any:
            return await method(**arguments)

        return self._run(go())

    def take(self, stream: Any, count: int) -> list[Any]:
        """That many chunks."""

        async def go() -> list[Any]:
            return [await anext(stream) for _ in range(count)]

        return self._run(go())

    def read(self, stream: Any) -> list[Any]:
        """The chunks up to the end."""

        async def go() -> list[Any]:
            return [chunk async for chunk in stream]

        return self._run(go())

    def leave(self, stream: Any, count: int) -> list[Any]:
        """Break out of an `async with` block after that many chunks."""

        async def go() -> list[Any]:
            chunks: list[Any] = []
            async with stream:
                async for chunk in stream:
                    chunks.append(chunk)
                    if len(chunks) == count:
                        break
            return chunks

        return self._run(go())

    def close(self, stream: Any) -> None:
        """Call the stream's own close()."""
        self._await(stream.close())

    def enter(self, manager: Any) -> Any:
        """What a manager gives when it is entered; nobody leaves it."""
        return self._await(manager.__aenter__())

    def within(self, manager: Any, body: Callable[[Any], Any]) -> Any:
        """Enter a manager and return what the body returns (or what its awaitable gives)."""

        async def go() -> Any:
            async with manager as entered:
                result = body(entered)
                return await result if hasattr(result, "__await__") else result

        return self._run(go())

    def rest(self) -> None:
        """Let the loop run for a moment, so that tasks of its own get on."""

        async def go() -> None:
            await asyncio.sleep(0.005)

        self._run(go())

    def settle(self) -> None:
        """Let anything scheduled happen: finalisers of async generators are tasks of the loop."""

        async def go() -> None:
            for _ in range(5):
                await asyncio.sleep(0)

        self._run(go())

    def stop(self) -> None:
        """Close the client and its loop."""
        with contextlib.suppress(Exception):
            self._await(self.client.close())
        self.runner.close()

    def _run(self, steps: Coroutine[Any, Any, Any]) -> Any:
        # In the caller's context as it is now: a runner would keep that of its first use.
        return self.runner.run(steps, context=copy_context())

    def _await(self, awaitable: Awaitable[Any]) -> Any:
        async def go() -> Any:
            return await awaitable

        return self._run(go())


def replay(app: Any, provider: Provider, method: Callable[..., Any], file: str, /, **arguments: Any) -> list[Any]:
    """What the app gets of a call that a wire file answers: a stream's chunks (.sse), or the whole answer alone."""
    if not file.endswith(".sse"):
        provider.reply(whole(files.body(file)))
        return [app.call(method, **arguments)]
    provider.reply(sse(files.events(file)))
    chunks: list[Any] = app.read(app.call(method, **arguments, stream=True))
    return chunks
