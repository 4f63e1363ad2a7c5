"""LiteLLM's streams: each is its own iterator, and many kinds of them there are. A kind that we come to watch gets
reads and closes that tell the relay of a watched stream; the stream is still of the class that LiteLLM made it of.
"""

from __future__ import annotations

import inspect
import weakref
from collections.abc import Callable
from functools import wraps
from threading import Lock
from typing import Any
from weakref import WeakKeyDictionary

from ...relay import Relay
from ...safely import safely
from ...spec import Received
from ...taps import AsyncTap, Tap
from .answers import CACHED, hidden, read_about
from .surfaces import ended

__all__ = ["follow", "watch"]

_OURS = "_otelllm_hook"
_hooking = Lock()


class _Watched:
    """What is kept beside a stream: on it, the app would see it."""

    __slots__ = ("last", "relay", "source", "tap")

    def __init__(self, relay: Relay, source: Any) -> None:
        self.relay = relay
        self.tap: Any = None
        """What it is read through, once it is read: until then nobody knows in which of its two ways."""
        self.source = source
        """LiteLLM's own stream below it, which has the record of all chunks, where it is another one."""
        self.last: Any = None
        """The last chunk that it gave."""


class _Itself:
    """A stream that is read by its own methods, past the hooks. It is held by the app alone."""

    __slots__ = ("_stream",)

    def __init__(self, stream: Any) -> None:
        self._stream = weakref.ref(stream)

    def __next__(self) -> Any:
        stream: Any = self._stream()
        return type(stream).__next__.__wrapped__(stream)

    async def __anext__(self) -> Any:
        stream: Any = self._stream()
        return await type(stream).__anext__.__wrapped__(stream)


class _Reads(Tap):
    """How a stream is read; what is seen of it is seen by the hooks."""

    __slots__ = ()

    def __del__(self) -> None:
        pass


class _AsyncReads(AsyncTap):
    __slots__ = ()

    def __del__(self) -> None:
        pass


_watched: WeakKeyDictionary[Any, _Watched] = WeakKeyDictionary()
"""By stream, and nothing else holds them: the relay of a stream that is dropped ends the call."""


def watch(stream: Any, relay: Relay) -> None:
    """See what is read of `stream`."""
    reading, inner = relay.call.reading, None
    with safely("reading what LiteLLM says of a stream"):
        inner = _below(stream)
        told = hidden(stream) or hidden(inner)
        provider = getattr(stream, "custom_llm_provider", None) or getattr(inner, "custom_llm_provider", None)
        about = {"custom_llm_provider": provider, **told}
        if provider == CACHED:
            about["cache_hit"] = True
            relay.call.request.input_chars = None  # nothing was used: there is nothing to estimate
        read_about(reading, about)
    try:
        with _hooking:
            _hook(type(stream))
        _watched[stream] = _Watched(relay, _recording(inner))
    except TypeError:  # a native object: what it gives is not seen
        relay.end("abandoned")
        return
    relay.tapped = True


def follow(stream: weakref.ref[Any], later: Received) -> Any:
    """Let `stream`, of which nothing came, be what a later attempt gave; None where that is of another class."""
    first, second = stream(), later.body
    if type(first) is not type(second):
        return None
    vars(first).clear()
    vars(first).update(vars(second))
    vars(second).clear()  # nothing of it is to be closed or logged when it is let go
    if (watched := _watched.get(first)) is not None:
        watched.source = _recording(_below(first))
    return _Itself(first)


def _recording(inner: Any) -> Any:
    return inner if hasattr(inner, "chunks") else None


def _below(stream: Any) -> Any:
    """What `stream` reads: in an async text completion a stream of LiteLLM's, through a generator not begun yet."""
    inner = getattr(stream, "completion_stream", None)
    frame = getattr(inner, "ag_frame", None)
    return inner if frame is None else frame.f_locals.get("response", inner)


def _hook(kind: Any) -> None:
    """Once a class, and for good: of a stream that nobody watches, the hooks call what they stand for."""
    for name, make in _HOOKS.items():
        found = getattr(kind, name, None)
        if found is not None and not hasattr(found, _OURS):
            hook = wraps(found)(make(found))
            setattr(hook, _OURS, True)
            setattr(kind, name, hook)


def _of(stream: Any) -> _Watched | None:
    """What is kept of `stream`, unless it is being read: a class of LiteLLM's may read by that which it is made of."""
    try:
        watched = _watched.get(stream)
    except TypeError:  # of a class made of a hooked one, which can't be kept
        return None
    return None if watched is None or watched.relay.reading else watched


def _tapped(watched: _Watched, stream: Any, kind: type[_Reads | _AsyncReads]) -> Any:
    tap = watched.tap = kind(_Itself(stream), watched.relay)
    watched.relay.tapped_by(tap)
    return tap


def _kept(watched: _Watched, chunk: Any) -> None:
    watched.relay.keep(chunk)
    watched.last = chunk


def _stopped(watched: _Watched, stream: Any, error: BaseException) -> None:
    relay, last = watched.relay, watched.last
    watched.last = None
    if isinstance(error, StopIteration | StopAsyncIteration) and relay.is_open:
        with safely("reading the end of a stream"):
            ended(relay.surface, relay.call, watched.source or stream, last)
    relay.stop(error)


def _next(found: Callable[..., Any]) -> Callable[..., Any]:
    def read(stream: Any) -> Any:
        watched = _of(stream)
        if watched is None:
            return found(stream)
        watched.relay.reading = True
        try:
            chunk = (watched.tap or _tapped(watched, stream, _Reads))._next()
        except BaseException as error:
            _stopped(watched, stream, error)
            raise
        _kept(watched, chunk)
        return chunk

    return read


def _anext(found: Callable[..., Any]) -> Callable[..., Any]:
    async def read(stream: Any) -> Any:
        watched = _of(stream)
        if watched is None:
            return await found(stream)
        watched.relay.reading = True
        try:
            chunk = await (watched.tap or _tapped(watched, stream, _AsyncReads))._next()
        except BaseException as error:
            _stopped(watched, stream, error)
            raise
        _kept(watched, chunk)
        return chunk

    return read


def _closer(name: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    def closed(stream: Any) -> None:
        with safely("seeing a stream close"):
            if (watched := _watched.get(stream)) is not None:
                watched.relay.closed(name)

    def make(found: Callable[..., Any]) -> Callable[..., Any]:
        def close(stream: Any, *args: Any, **kwargs: Any) -> Any:
            closed(stream)
            return found(stream, *args, **kwargs)

        async def aclose(stream: Any, *args: Any, **kwargs: Any) -> Any:
            closed(stream)
            return await found(stream, *args, **kwargs)

        return aclose if inspect.iscoroutinefunction(found) else close

    return make


_HOOKS = {"__next__": _next, "__anext__": _anext, "close": _closer("close"), "aclose": _closer("aclose")}
