"""Taps for streams that are bare generators: nothing inside to swap, so the tap stands in for the generator itself.

To `inspect` and `isinstance` it is of the kind that it stands in for; `send`, `throw` and the `gi_` names are the
generator's own. A bare generator is closed by its reader and by the garbage collector in one and the same way: which
of them it was is told by what the reader's frame is doing.
"""

from __future__ import annotations

import dis
import inspect
import sys
from collections.abc import AsyncGenerator, Awaitable, Callable
from time import perf_counter_ns as now
from types import FrameType
from typing import Any

from opentelemetry.context import Context, attach, detach

from .endings import is_unawaited
from .relay import Relay
from .safely import safely
from .taps import AsyncTap, Tap

__all__ = ["AsyncStandIn", "StandIn", "read_on", "stand_in"]


class StandIn(Tap):
    """Stands in for a sync generator; its first read may be what sends the request."""

    __slots__ = ("lead",)

    def __init__(self, source: Any, relay: Relay) -> None:
        super().__init__(source, relay)
        self.lead: Context | None = None
        """The context of the first read: our span is the current one for that long."""

    @property  # type: ignore[misc]  # what isinstance() asks after the real type said no
    def __class__(self) -> Any:
        return type(self._source)

    def __next__(self) -> Any:
        lead, self.lead = self.lead, None
        if lead is None:
            return Tap.__next__(self)
        self._relay.call.timing.sent = now()
        token = attach(lead)
        try:
            return Tap.__next__(self)
        finally:
            detach(token)

    def close(self) -> None:
        """Close the generator: for its reader, or for the garbage collector."""
        with safely("seeing a generator close"):
            self._relay.end("closed" if _is_asked_to_close(sys._getframe(1)) else "abandoned")
        self._source.close()


class AsyncStandIn(AsyncTap):
    """Stands in for an async generator: whoever awaited it has sent the request, or its first read will (`lead`)."""

    __slots__ = ("lead",)

    def __init__(self, source: Any, relay: Relay) -> None:
        super().__init__(source, relay)
        self.lead: Context | None = None

    @property  # type: ignore[misc]
    def __class__(self) -> Any:
        return type(self._source)

    async def __anext__(self) -> Any:
        lead, self.lead = self.lead, None
        if lead is None:
            return await AsyncTap.__anext__(self)
        self._relay.call.timing.sent = now()
        token = attach(lead)
        try:
            return await AsyncTap.__anext__(self)
        finally:
            detach(token)

    async def aclose(self) -> None:
        """Close the generator: for its reader, or for the event loop that found it collected."""
        with safely("seeing a generator close"):
            self._relay.end("abandoned" if is_unawaited(sys._getframe(1)) else "closed")
        await self._source.aclose()


async def read_on(sent: Callable[[], Awaitable[Any]]) -> AsyncGenerator[Any, Any]:
    """The async generator that `sent` gives when it is first read: `yield from`, which async generators lack."""
    stream = await sent()
    read: Callable[..., Awaitable[Any]] = stream.__anext__
    given: tuple[Any, ...] = ()
    while True:
        try:
            chunk = await read(*given)
        except StopAsyncIteration:
            return
        try:
            asked = yield chunk
        except GeneratorExit:
            await stream.aclose()
            raise
        except BaseException as thrown:  # the SDK's generator may handle it
            read, given = stream.athrow, (thrown,)
        else:
            read, given = (stream.__anext__, ()) if asked is None else (stream.asend, (asked,))


def stand_in(source: Any, relay: Relay) -> StandIn | AsyncStandIn:
    """What the app reads in place of `source`."""
    made = AsyncStandIn(source, relay) if hasattr(source, "__anext__") else StandIn(source, relay)
    relay.tapped_by(made)
    return made


def _is_asked_to_close(frame: FrameType | None) -> bool:
    """Whether a `close()` is being called in `frame`, or above the generators that are closed with it."""
    while frame is not None:
        if _calls_close(frame):
            return True
        if not frame.f_code.co_flags & inspect.CO_GENERATOR:
            return False
        frame = frame.f_back
    return False


def _calls_close(frame: FrameType) -> bool:
    asked, doing = "", ""
    for step in dis.get_instructions(frame.f_code):
        if step.offset > frame.f_lasti:
            break
        doing = step.opname
        if doing in {"LOAD_ATTR", "LOAD_METHOD"}:
            asked = str(step.argval)
    return doing.startswith(("CALL", "PRECALL")) and asked == "close"
