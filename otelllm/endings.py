"""Ways in which a read ends that are told by how Python looks at that moment."""

from __future__ import annotations

from inspect import CO_ASYNC_GENERATOR, CO_COROUTINE
from types import FrameType

__all__ = ["is_cancellation", "is_unawaited"]


def is_cancellation(error: BaseException) -> bool:
    """Whether `error` is asyncio's or trio's cancellation; told by name, for importing either costs 15 ms and more."""
    return type(error).__name__ in {"CancelledError", "Cancelled"} and not isinstance(error, Exception)


def is_unawaited(frame: FrameType | None) -> bool:
    """Whether the async frames from `frame` upwards end in a generator that nobody awaits: the event loop closes it,
    for it was collected. (`frame` is of the async function that asks, or of one that it awaits in.)
    """
    last = None
    while frame is not None and frame.f_code.co_flags & (CO_COROUTINE | CO_ASYNC_GENERATOR):
        last, frame = frame, frame.f_back
    if last is None:
        return False
    module = last.f_globals.get("__name__", "")
    return bool(last.f_code.co_flags & CO_ASYNC_GENERATOR) or module.split(".")[0] in {"asyncio", "trio"}
