"""Taps: what stands in the place of a stream's inner iterator, and hands on each chunk once its relay has seen it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Any

from .call import Enough
from .errors import Blocked
from .relay import Relay, let_go

__all__ = ["AsyncTap", "Tap", "tap", "tap_body"]


class Tap:
    """Stands in for a sync stream's inner iterator: hands on each chunk, folded and with its moment noted."""

    __slots__ = ("__weakref__", "_next", "_relay", "_source")

    reads_bytes = False
    """What passes are pieces of the body, and not chunks that the SDK made of them."""

    def __init__(self, source: Any, relay: Relay) -> None:
        self._source = source
        self._next = source.__next__
        self._relay = relay

    def __iter__(self) -> Tap:
        return self

    def __next__(self) -> Any:
        relay = self._relay
        relay.reading = True
        try:
            chunk = self._next()
        except BaseException as error:
            if (refusal := relay.stop(error)) is not None:
                raise refusal from error
            raise
        try:
            relay.keep(chunk)
        except Blocked:
            self._source.close()
            raise
        except Enough as enough:
            self._source.close()
            self._next, self._relay = iter(enough.last).__next__, _Over(relay)
        return chunk

    def opens_with(self, chunk: Any) -> None:
        """Raises where the first chunk is an error, which else only who reads it would find out."""

    def close(self) -> None:
        """Close the SDK's generator, as its own `close` would."""
        self._relay.end("closed")
        self._source.close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._source, name)

    def __del__(self) -> None:
        let_go(self._relay)


class AsyncTap:
    """The same for an async stream."""

    __slots__ = ("__weakref__", "_next", "_relay", "_source")

    reads_bytes = False

    def __init__(self, source: Any, relay: Relay) -> None:
        self._source = source
        self._next = source.__anext__
        self._relay = relay

    def __aiter__(self) -> AsyncTap:
        return self

    async def __anext__(self) -> Any:
        relay = self._relay
        relay.reading = True
        try:
            chunk = await self._next()
        except BaseException as error:
            if (refusal := relay.stop(error)) is not None:
                raise refusal from error
            raise
        try:
            relay.keep(chunk)
        except Blocked:
            await self._source.aclose()
            raise
        except Enough as enough:
            await self._source.aclose()
            self._next, self._relay = _given(enough.last).__anext__, _Over(relay)
        return chunk

    def opens_with(self, chunk: Any) -> None:
        """As a sync tap's."""

    async def aclose(self) -> None:
        """Close the SDK's generator, as its own `aclose` would."""
        self._relay.end("closed")
        await self._source.aclose()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._source, name)

    def __del__(self) -> None:
        let_go(self._relay)


async def _given(chunks: Sequence[Any]) -> AsyncIterator[Any]:
    for chunk in chunks:
        yield chunk


class _Over(Relay):
    """The relay of a stream that we ended, while the app reads what we put behind it: nothing ends again."""

    __slots__ = ()

    def __init__(self, before: Relay) -> None:
        super().__init__(before.call, before.surface, before.provider, before._end)
        self._open.clear()

    def keep(self, chunk: Any) -> None:
        """It is ours."""


class _HidingTap(Tap):
    """A tap that keeps from the app what only answers us."""

    __slots__ = ()

    def __next__(self) -> Any:
        while self._relay.is_hidden(chunk := Tap.__next__(self)):
            pass
        return chunk


class _AsyncHidingTap(AsyncTap):
    """The same for an async stream."""

    __slots__ = ()

    async def __anext__(self) -> Any:
        while self._relay.is_hidden(chunk := await AsyncTap.__anext__(self)):
            pass
        return chunk


def tap(stream: Any, relay: Relay) -> None:
    """Put a tap into `stream`, once; its reads then pass through the relay."""
    if relay.tapped:
        return
    source = getattr(stream, relay.provider.iterator)
    taps = (_HidingTap, _AsyncHidingTap) if relay.call.request.asks_usage else (Tap, AsyncTap)
    made = taps[hasattr(source, "__anext__")](source, relay)
    setattr(stream, relay.provider.iterator, made)
    relay.tapped_by(made)


def tap_body(relay: Relay, parsed: Any) -> None:
    """A raw view made its body: tap it where it is a stream. (A whole body is read when the response closes.)"""
    received = relay.provider.receive(parsed)
    if received.kind == "stream":
        tap(received.body, relay)
