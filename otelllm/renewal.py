"""Streams that fail before the app got anything of them: the next attempt's chunks come in their place.

The app's stream stays the object that it is. Until its first chunk is there, `Opening` stands where the tap reads from;
after that the tap reads from the SDK's own iterator again, and nothing of this is left.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Any

from .relay import Relay
from .safely import safely
from .steps import Steps, adrive, drive
from .taps import AsyncTap, Tap

__all__ = ["renew"]


def renew(
    tap: Any, relay: Relay, *, again: Callable[[Exception], Steps[Any]], source_of: Callable[[Any], Any], send: Any
) -> None:
    """Let `tap` begin anew where its source fails at once.

    `again` makes the next attempt after an error, or raises one, where there is none; `source_of` gives the iterator of
    what that attempt returned; `send` is the driver's way to send. A stream without a tap is left as it is.
    """
    if isinstance(tap, AsyncTap):
        tap._next = _AsyncOpening(tap, relay, again, source_of, send).read
    elif isinstance(tap, Tap):
        tap._next = _Opening(tap, relay, again, source_of, send).read


class _Opening:
    """The first read of a sync stream: its first chunk, or the error of the last attempt."""

    __slots__ = ("_again", "_relay", "_send", "_source", "_source_of", "_tap")

    def __init__(
        self,
        tap: Any,
        relay: Relay,
        again: Callable[[Exception], Steps[Any]],
        source_of: Callable[[Any], Any],
        send: Any,
    ) -> None:
        self._tap = weakref.ref(tap)  # which holds this
        self._relay, self._again, self._source_of, self._send = relay, again, source_of, send
        self._source = tap._source

    def read(self) -> Any:
        try:
            while True:
                try:
                    return self._seen(self._source.__next__())
                except Exception as error:
                    failed = self._failed(error)
                self._take(failed, drive(self._again(failed), self._send))
        finally:
            self._done("__next__")

    def _seen(self, chunk: Any) -> Any:
        if (tap := self._tap()) is not None:
            tap.opens_with(chunk)
        return chunk

    def _failed(self, error: Exception) -> Exception:
        """`error`, where it may lead to another attempt; raises it where it is a mere end, or was asked for."""
        relay = self._relay
        if isinstance(error, StopIteration | StopAsyncIteration) or relay.stopped or relay.refusal is not None:
            raise error
        return error

    def _take(self, failed: Exception, result: Any) -> None:
        """Read from what the next attempt gave."""
        source = None
        with safely("taking up another attempt's stream"):
            source = self._source_of(result)
        tap = self._tap()
        if source is None or tap is None:
            raise failed
        self._source = tap._source = source

    def _done(self, name: str) -> None:
        """From now on the tap reads by itself: this holds what the app asked."""
        if (tap := self._tap()) is not None:
            tap._next = getattr(self._source, name)


class _AsyncOpening(_Opening):
    """The same of an async stream."""

    __slots__ = ()

    async def read(self) -> Any:
        try:
            while True:
                try:
                    return self._seen(await self._source.__anext__())
                except Exception as error:
                    failed = self._failed(error)
                self._take(failed, await adrive(self._again(failed), self._send))
        finally:
            self._done("__anext__")
