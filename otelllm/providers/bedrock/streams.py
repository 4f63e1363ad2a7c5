"""Streams of events, watched on the very object that the app is given.

An `EventStream` looks up `_event_generator` and `_parse_event` on itself for every event: it gets ones of its own, for
as long as it is read.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Coroutine, Mapping
from contextlib import suppress
from inspect import iscoroutinefunction
from types import MethodType
from typing import Any

from ...relay import Relay
from ...safely import safely
from ...spec import Received
from ...taps import AsyncTap, Tap
from .metadata import read_answered

__all__ = ["follow_events", "watch_events"]


def watch_events(response: Mapping[str, Any], stream: Any, relay: Relay) -> None:
    """Let `relay` see the events of `stream`, which is in `response`."""
    read_answered(relay.call.reading, response)
    stream = getattr(stream, "__wrapped__", stream)  # others, who patched before us, stand a proxy around it
    source, kind = stream._event_generator, type(stream)
    tap = (_AsyncEvents if hasattr(source, "__anext__") else _Events)(source, relay)
    tap.stream = weakref.ref(stream)
    stream._event_generator = tap
    awaits = iscoroutinefunction(kind._parse_event)  # in older aiobotocore it is none
    stream._parse_event = MethodType((_parser_async if awaits else _parser)(kind._parse_event, relay), stream)
    stream.close = MethodType(_closer(kind.close, relay), stream)
    relay.tapped_by(tap)


def follow_events(stream: weakref.ref[Any], later: Received) -> Any:
    """The raw events of a later attempt; the app's own stream, when it is closed, closes that one's connection."""
    first = stream()
    if first is not None:
        first._raw_stream.close()
        first._raw_stream = later.body._raw_stream
    return later.body._event_generator


class _Events(Tap):
    """Raw events on their way to be parsed: one that is read here is kept there."""

    __slots__ = ("stream",)

    stream: Callable[[], Any]

    def opens_with(self, chunk: Any) -> None:
        """An event may be an exception, which is raised by who parses it; to parse one twice changes nothing."""
        stream = self.stream()
        type(stream)._parse_event(stream, chunk)

    def __next__(self) -> Any:
        relay = self._relay
        relay.reading = True
        try:
            return self._next()
        except BaseException as error:
            relay.stop(error)
            _let_be(self.stream())
            raise


class _AsyncEvents(AsyncTap):
    __slots__ = ("stream",)

    stream: Callable[[], Any]

    def opens_with(self, chunk: Any) -> None:
        """The same; where it is a coroutine, it waits for nothing."""
        stream = self.stream()
        parsing = type(stream)._parse_event(stream, chunk)
        if isinstance(parsing, Coroutine):
            with suppress(StopIteration):
                parsing.send(None)
            parsing.close()

    async def __anext__(self) -> Any:
        relay = self._relay
        relay.reading = True
        try:
            return await self._next()
        except BaseException as error:
            relay.stop(error)
            _let_be(self.stream())
            raise


def _let_be(stream: Any) -> None:
    """A stream that ended has its own methods again: with ours it is a cycle, which bare it is only until its end."""
    for name in ("_parse_event", "close"):
        vars(stream).pop(name, None)


# An event that botocore does not know is parsed to nothing, and the app does not see it.
def _parser(original: Callable[..., Any], relay: Relay) -> Callable[..., Any]:
    def parse(stream: Any, event: Any) -> Any:
        try:
            parsed = original(stream, event)
        except BaseException as error:
            relay.stop(error)
            raise
        if parsed:
            relay.keep(parsed)
        relay.reading = False
        return parsed

    return parse


def _parser_async(original: Callable[..., Any], relay: Relay) -> Callable[..., Any]:
    async def parse(stream: Any, event: Any) -> Any:
        try:
            parsed = await original(stream, event)
        except BaseException as error:
            relay.stop(error)
            raise
        if parsed:
            relay.keep(parsed)
        relay.reading = False
        return parsed

    return parse


def _closer(original: Callable[..., Any], relay: Relay) -> Callable[..., Any]:
    def close(stream: Any) -> Any:
        try:
            return original(stream)
        finally:
            with safely("seeing a stream close"):
                relay.closed("close")

    return close
