"""LiteLLM's streams: each is its own iterator, and many kinds of them there are. One that we watch gets a subclass of
its own class whose reads tell the relay; the rest of them are as they were.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from ...relay import Relay
from ...safely import safely
from .answers import CACHED, hidden, read_about
from .surfaces import ended

__all__ = ["watch"]

_RELAY = "_otelllm_relay"
_LAST = "_otelllm_last"


def watch(stream: Any, relay: Relay) -> None:
    """See what is read of `stream`. The stream holds the relay, not the other way round: dropped, it ends the call."""
    reading = relay.call.reading
    with safely("reading what LiteLLM says of a stream"):
        inner = getattr(stream, "completion_stream", None)
        told = hidden(stream) or hidden(inner)
        provider = getattr(stream, "custom_llm_provider", None) or getattr(inner, "custom_llm_provider", None)
        about = {"custom_llm_provider": provider, **told}
        if provider == CACHED:
            about["cache_hit"] = True
            relay.call.request.input_chars = None  # nothing was used: there is nothing to estimate
        read_about(reading, about)
    try:
        kind: Any = type(stream)
        stream.__class__ = _watched(kind)
    except TypeError:  # a native object: what it gives is not seen
        relay.end("abandoned")
        return
    stream.__dict__[_RELAY] = relay
    relay.tapped = True


def _stopped(stream: Any, relay: Relay, error: BaseException) -> None:
    if isinstance(error, StopIteration | StopAsyncIteration) and relay.is_open:
        with safely("reading the end of a stream"):
            ended(relay.surface, relay.call.reading, stream, stream.__dict__.pop(_LAST, None))
    relay.stop(error)


@lru_cache(maxsize=64)
def _watched(kind: Any) -> Any:
    class Watched(kind):  # type: ignore[misc]  # whichever stream LiteLLM gave
        if hasattr(kind, "__next__"):

            def __next__(self) -> Any:
                relay: Relay = self.__dict__[_RELAY]
                relay.reading = True
                try:
                    chunk = super().__next__()
                except BaseException as error:
                    _stopped(self, relay, error)
                    raise
                relay.keep(chunk)
                self.__dict__[_LAST] = chunk
                return chunk

        if hasattr(kind, "__anext__"):

            async def __anext__(self) -> Any:
                relay: Relay = self.__dict__[_RELAY]
                relay.reading = True
                try:
                    chunk = await super().__anext__()
                except BaseException as error:
                    _stopped(self, relay, error)
                    raise
                relay.keep(chunk)
                self.__dict__[_LAST] = chunk
                return chunk

        if hasattr(kind, "aclose"):

            async def aclose(self, *args: Any, **kwargs: Any) -> Any:
                with safely("seeing a stream close"):
                    self.__dict__[_RELAY].closed("aclose")
                return await super().aclose(*args, **kwargs)

        if hasattr(kind, "close"):

            def close(self, *args: Any, **kwargs: Any) -> Any:
                with safely("seeing a stream close"):
                    self.__dict__[_RELAY].closed("close")
                return super().close(*args, **kwargs)

    Watched.__name__, Watched.__qualname__, Watched.__module__ = kind.__name__, kind.__qualname__, kind.__module__
    Watched.__doc__ = kind.__doc__
    return Watched
