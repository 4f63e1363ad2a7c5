"""Streams of interactions: the SDK reads ours through generators of its own, one a request of an answer that goes on.

A stream that the app closes closes those generators first, and lets go of what they read from: whether that is a close
or the garbage collector is told by who is above.
"""

from __future__ import annotations

import sys
from functools import partial
from types import FrameType
from typing import Any

from ...relay import Relay
from ...safely import safely
from ...spec import Received
from ...stainless import decoded
from ...taps import AsyncTap, Tap

__all__ = ["received"]

_STREAMS = {"Stream", "AsyncStream"}
_VIEWS = {"APIResponse", "AsyncAPIResponse", "StreamedAPIResponse", "AsyncStreamedAPIResponse"}
_CLOSERS = {"close", "_close", "__exit__", "__aexit__"}
_HOW_FAR = 12
"""Frames above a tap that is let go of: the SDK has two or three generators between it and its stream's close."""


def received(result: Any) -> Received | None:
    """A stream, or a raw view, of an interaction; None where it is neither."""
    kind = type(result)
    if not kind.__module__.startswith("google.genai._gaos."):
        return None
    if kind.__name__ in _STREAMS:
        return Received("stream", result, result.response, streamed=True, attach=partial(_watch, result))
    if kind.__name__ not in _VIEWS:
        return None
    response = result.http_response
    if isinstance(response.__dict__.get("_content"), bytes):
        return Received("whole", decoded(response), response)
    return Received("raw", result, response, streamed=result._mode == "event_stream")


def _watch(stream: Any, relay: Relay) -> None:
    source = stream.generator
    stream.generator = (_AsyncInner if hasattr(source, "__anext__") else _Inner)(source, relay)
    relay.tapped = True


class _Inner(Tap):
    __slots__ = ()

    def __del__(self) -> None:
        _told(self._relay)


class _AsyncInner(AsyncTap):
    __slots__ = ()

    def __del__(self) -> None:
        _told(self._relay)


def _told(relay: Relay) -> None:
    try:
        with safely("seeing a stream let go"):
            relay.end("closed" if relay.is_open and _is_closing(sys._getframe(2)) else "abandoned")
    except BaseException:  # noqa: S110  at interpreter shutdown half the world is gone
        pass


def _is_closing(frame: FrameType | None) -> bool:
    for _ in range(_HOW_FAR):
        if frame is None:
            return False
        code = frame.f_code
        if code.co_name in _CLOSERS and "genai" in code.co_filename:
            return True
        frame = frame.f_back
    return False
