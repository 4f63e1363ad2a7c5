"""The hook on an HTTP response: its close tells the relay, and what the app reads of it as bytes is seen.

The response gets a subclass of its own type: an attribute on it would tie it into a cycle, and a proxy would miss
the SDK's own closes.
"""

from __future__ import annotations

import sys
import weakref
from functools import cache
from typing import Any

from .bodies import Body
from .call import Tape
from .endings import is_unawaited
from .errors import Blocked
from .relay import CLOSERS, Relay
from .safely import safely
from .taps import AsyncTap, Tap, tap

__all__ = ["attach", "hand_over", "relay_of"]

_RELAY = "_otelllm_relay"
_NEXT = "_otelllm_next"


def attach(relay: Relay, stream: Any, response: Any) -> None:
    """Let `relay` see the chunks of `stream` (None for a raw view) and the close of `response`."""
    if stream is not None:
        tap(stream, relay)
    if response is not None:
        response.__dict__[_RELAY] = relay
        relay.response = weakref.ref(response)
        kind: Any = type(response)
        response.__class__ = _hooked(kind)


def hand_over(relay: Relay, response: Any) -> None:
    """The answer comes from `response` now; to close the one before, which the app's stream knows, closes this one."""
    before = relay.response() if relay.response is not None else None
    attach(relay, None, response)
    if before is not None:
        before.__dict__.pop(_RELAY, None)
        before.__dict__[_NEXT] = response


def _next_of(response: Any, caller: str) -> Any:
    """What is closed with `response`, where a function of the app's closes it, and not its own iterator at its end."""
    return response.__dict__.pop(_NEXT, None) if caller in CLOSERS else None


def relay_of(response: Any) -> Relay | None:
    """The relay that `attach` left on `response`."""
    relay = getattr(response, "__dict__", {}).get(_RELAY)
    return relay if isinstance(relay, Relay) else None


class _ByteTap(Tap):
    """Stands in for the bytes of a body. That it was dropped says nothing: the response's close tells the end."""

    __slots__ = ("_body",)

    reads_bytes = True

    def __init__(self, source: Any, relay: Relay, body: Body) -> None:
        super().__init__(source, relay)
        self._body = body

    def __next__(self) -> Any:
        relay = self._relay
        relay.reading = True
        try:
            piece = self._next()
        except BaseException as error:
            if (refusal := _stop(relay, self._body, error)) is not None:
                raise refusal from error
            raise
        _keep(relay, self._body, piece)
        return piece

    def __del__(self) -> None:
        pass


class _AsyncByteTap(AsyncTap):
    """The same for an async response."""

    __slots__ = ("_body",)

    reads_bytes = True

    def __init__(self, source: Any, relay: Relay, body: Body) -> None:
        super().__init__(source, relay)
        self._body = body

    async def __anext__(self) -> Any:
        relay = self._relay
        relay.reading = True
        try:
            piece = await self._next()
        except BaseException as error:
            if (refusal := _stop(relay, self._body, error)) is not None:
                raise refusal from error
            raise
        _keep(relay, self._body, piece)
        return piece

    def __del__(self) -> None:
        pass


def _keep(relay: Relay, body: Body, piece: bytes) -> None:
    relay.reading = False
    with safely("reading a body's bytes"):
        for chunk in body.feed(piece):
            relay.keep(chunk)


def _stop(relay: Relay, body: Body, error: BaseException) -> Blocked | None:
    if isinstance(error, StopIteration | StopAsyncIteration):
        with safely("reading a raw body"):
            relay.read(body.whole())
    return relay.stop(error)


class _Taped:
    """The bytes of a body on their way to the SDK, noted on a tape."""

    __slots__ = ("_pieces", "_tape")

    def __init__(self, pieces: Any, tape: Tape) -> None:
        self._pieces, self._tape = pieces, tape

    def __iter__(self) -> _Taped:
        return self

    def __aiter__(self) -> _Taped:
        return self

    def __next__(self) -> bytes:
        self._tape.awaits = True
        piece: bytes = next(self._pieces)
        self._note(piece)
        return piece

    async def __anext__(self) -> bytes:
        self._tape.awaits = True
        piece: bytes = await self._pieces.__anext__()
        self._note(piece)
        return piece

    def _note(self, piece: bytes) -> None:
        with safely("recording an answer"):
            self._tape.piece(piece)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._pieces, name)


def _seen(response: Any, pieces: Any) -> Any:
    """`pieces`, as they come; through a tap where nothing else sees this body, and over the tape where there is one."""
    with safely("reading a raw view"):
        relay = relay_of(response)
        tape = relay.call.tape if relay is not None else None
        if relay is not None and not relay.tapped and relay.is_open and "_content" not in response.__dict__:
            pieces = _tapped(relay, response, pieces)
        if tape is not None and tape.takes_pieces:
            pieces = _Taped(pieces, tape)
    return pieces


def _tapped(relay: Relay, response: Any, pieces: Any) -> Any:
    with safely("tapping a raw view"):
        takes_bytes = getattr(relay.surface, "takes_bytes", False)
        body = Body(response.headers.get("content-type") or "", takes_bytes=takes_bytes)
        relay.watched = True
        relay.call.request.stream = relay.call.request.stream or body.is_events or body.is_binary
        made = (_AsyncByteTap if hasattr(pieces, "__anext__") else _ByteTap)(pieces, relay, body)
        relay.tapped_by(made)
        relay.tapped = body.is_events
        return made
    return pieces


def _told(response: Any, caller: str, *, is_collected: bool = False) -> None:
    with safely("seeing a response close"):
        relay = relay_of(response)
        if relay is None:
            return
        content = getattr(response, "__dict__", {}).get("_content")
        if isinstance(content, bytes):
            with safely("reading a raw body"):
                relay.read(content)
        relay.closed(caller, is_collected=is_collected)


@cache
def _hooked(kind: Any) -> Any:
    """A subclass of a response's class whose close tells the relay: no cycle, and the real close is always called."""

    class Hooked(kind):  # type: ignore[misc]  # whichever response class the SDK's HTTP client has
        def close(self, *args: Any, **kwargs: Any) -> Any:
            caller = sys._getframe(1).f_code.co_name
            try:
                return super().close(*args, **kwargs)
            finally:
                _told(self, caller)
                if (following := _next_of(self, caller)) is not None:
                    following.close()

        async def aclose(self, *args: Any, **kwargs: Any) -> Any:
            frame = sys._getframe(1)
            caller, is_collected = frame.f_code.co_name, is_unawaited(frame)
            del frame
            try:
                return await super().aclose(*args, **kwargs)
            finally:
                _told(self, caller, is_collected=is_collected)
                if (following := _next_of(self, caller)) is not None:
                    await following.aclose()

        if hasattr(kind, "iter_bytes"):

            def iter_bytes(self, *args: Any, **kwargs: Any) -> Any:
                return _seen(self, super().iter_bytes(*args, **kwargs))

            def aiter_bytes(self, *args: Any, **kwargs: Any) -> Any:
                return _seen(self, super().aiter_bytes(*args, **kwargs))

    Hooked.__name__, Hooked.__qualname__, Hooked.__module__ = kind.__name__, kind.__qualname__, kind.__module__
    return Hooked
