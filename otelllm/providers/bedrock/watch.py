"""Streams and bodies of botocore's and aiobotocore's, watched on the very objects that the app is given.

An `EventStream` looks up `_event_generator` and `_parse_event` on itself for every event, and a body its `read`: each
gets an attribute of its own. None of them holds the object that it is on, or dropping it would no longer end it.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Mapping
from functools import cache
from inspect import iscoroutinefunction
from time import perf_counter_ns as now
from typing import Any

from ...relay import AsyncTap, Relay, Tap
from ...safely import safely
from .metadata import headers_of, read_answered
from .usage import header_counts

__all__ = ["watch_body", "watch_events"]


def watch_events(response: Mapping[str, Any], stream: Any, relay: Relay) -> None:
    """Let `relay` see the events of `stream`, which is in `response`."""
    read_answered(relay.call.reading, response)
    source = stream._event_generator
    is_async = hasattr(source, "__anext__")
    stream._event_generator = _AsyncEvents(source, relay) if is_async else _Events(source, relay)
    awaits = iscoroutinefunction(type(stream)._parse_event)  # in older aiobotocore it is none
    stream._parse_event = (_parser_async if awaits else _parser)(weakref.ref(stream), relay)
    stream.close = _closer(weakref.ref(stream), relay)
    relay.tapped = True


class _Events(Tap):
    """Raw events on their way to be parsed: one that is read here is kept there."""

    __slots__ = ()

    def __next__(self) -> Any:
        relay = self._relay
        relay.reading = True
        try:
            return self._next()
        except BaseException as error:
            relay.stop(error)
            raise


class _AsyncEvents(AsyncTap):
    __slots__ = ()

    async def __anext__(self) -> Any:
        relay = self._relay
        relay.reading = True
        try:
            return await self._next()
        except BaseException as error:
            relay.stop(error)
            raise


# An event that botocore does not know is parsed to nothing, and the app does not see it.
def _parser(stream: Callable[[], Any], relay: Relay) -> Callable[[Any], Any]:
    def parse(event: Any) -> Any:
        owner = stream()
        try:
            parsed = type(owner)._parse_event(owner, event)
        except BaseException as error:
            relay.stop(error)
            raise
        if parsed:
            relay.keep(parsed)
        relay.reading = False
        return parsed

    return parse


def _parser_async(stream: Callable[[], Any], relay: Relay) -> Callable[[Any], Any]:
    async def parse(event: Any) -> Any:
        owner = stream()
        try:
            parsed = await type(owner)._parse_event(owner, event)
        except BaseException as error:
            relay.stop(error)
            raise
        if parsed:
            relay.keep(parsed)
        relay.reading = False
        return parsed

    return parse


def _closer(owner: Callable[[], Any], relay: Relay, name: str = "close") -> Callable[[], Any]:
    """Close `owner()` by its own method; where that is a coroutine function, so is this."""

    def closed() -> None:
        with safely("seeing a close"):
            relay.closed(name)

    if iscoroutinefunction(getattr(type(owner()), name)):

        async def aclose() -> Any:
            it = owner()
            try:
                return await getattr(type(it), name)(it)
            finally:
                closed()

        return aclose

    def close() -> Any:
        it = owner()
        try:
            return getattr(type(it), name)(it)
        finally:
            closed()

    return close


class _Bytes:
    """A body's bytes as the app reads them; read through to its end, they are the answer.

    Entered for each read of the app's: the body's methods call one another, and only the outermost counts.
    """

    __slots__ = ("depth", "expected", "pieces", "relay", "size")

    def __init__(self, relay: Relay, expected: str | None) -> None:
        self.relay = relay
        self.expected = int(expected) if expected is not None and expected.isdecimal() else None
        self.size = 0
        self.pieces: list[bytes] = []
        self.depth = 0

    def __enter__(self) -> None:
        self.depth += 1

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        self.depth -= 1
        if error is not None and not self.depth:
            self.relay.fail(error)

    def got(self, name: str, given: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
        """Keep what the method `name` gave, and give it on."""
        if self.depth:
            return given
        with safely("reading a body"):
            if name == "readlines":
                self._keep(b"".join(given), is_whole=True)
            elif name == "readinto":
                self._keep(bytes(memoryview(args[0])[:given]), is_whole=False)
            elif (amount := args[0] if args else kwargs.get("amt")) != 0:
                self._keep(given, is_whole=name == "read" and (amount is None or amount < 0))
        return given

    def _keep(self, piece: bytes, *, is_whole: bool) -> None:
        self.pieces.append(piece)
        self.size += len(piece)
        if is_whole or not piece or self.size == self.expected:
            self.end()

    def end(self) -> None:
        """The body is read through."""
        content = b"".join(self.pieces)
        self.pieces.clear()
        with safely("reading an answer"):
            self.relay.read(content)
        self.relay.end("complete")


def watch_body(response: Mapping[str, Any], body: Any, relay: Relay) -> None:
    """Let `relay` see the bytes of `body`, which is in `response`: the answer is whole at the provider's by now."""
    reading, headers = relay.call.reading, headers_of(response)
    relay.call.timing.ended = now()
    read_answered(reading, response)
    reading.usage = header_counts(headers)
    bytes_read = _Bytes(relay, headers.get("content-length"))
    kind: Any = type(body)
    is_async = iscoroutinefunction(kind.read)
    for name in ("read", "readinto", "readlines"):
        if hasattr(kind, name):
            setattr(body, name, (_reader_async if is_async else _reader)(weakref.ref(body), name, bytes_read))
    for name in ("close", "aclose"):
        if hasattr(kind, name):
            setattr(body, name, _closer(weakref.ref(body), relay, name))
    # What `with body as raw` gives.
    if not is_async:
        raw: Any = body._raw_stream
        raw.__dict__[_BYTES] = bytes_read
        own: Any = type(raw)
        raw.__class__ = _hooked(own)
    elif (inner := getattr(body, "__wrapped__", None)) is not None:  # a proxy of aiohttp's response, before 3.0
        inner.read = _reader_async(weakref.ref(inner), "read", bytes_read)


def _reader(body: Callable[[], Any], name: str, bytes_read: _Bytes) -> Callable[..., Any]:
    def read(*args: Any, **kwargs: Any) -> Any:
        it = body()
        with bytes_read:
            given = getattr(type(it), name)(it, *args, **kwargs)
        return bytes_read.got(name, given, args, kwargs)

    return read


def _reader_async(body: Callable[[], Any], name: str, bytes_read: _Bytes) -> Callable[..., Any]:
    async def read(*args: Any, **kwargs: Any) -> Any:
        it = body()
        with bytes_read:
            given = await getattr(type(it), name)(it, *args, **kwargs)
        return bytes_read.got(name, given, args, kwargs)

    return read


_BYTES = "_otelllm_bytes"


@cache
def _hooked(kind: Any) -> Any:
    """A subclass of urllib3's response whose reads are seen, where it is not the body's own methods that read."""

    class Hooked(kind):  # type: ignore[misc]
        def read(self, *args: Any, **kwargs: Any) -> Any:
            with self.__dict__[_BYTES]:
                given = super().read(*args, **kwargs)
            return self.__dict__[_BYTES].got("read", given, args, kwargs)

        def read1(self, *args: Any, **kwargs: Any) -> Any:
            with self.__dict__[_BYTES]:
                given = super().read1(*args, **kwargs)
            return self.__dict__[_BYTES].got("read1", given, args, kwargs)

        def read_chunked(self, *args: Any, **kwargs: Any) -> Any:
            for piece in super().read_chunked(*args, **kwargs):
                yield self.__dict__[_BYTES].got("read_chunked", piece, (), {})
            self.__dict__[_BYTES].end()

        def close(self) -> Any:
            try:
                return super().close()
            finally:
                with safely("seeing a close"):
                    self.__dict__[_BYTES].relay.closed("close")

    Hooked.__name__, Hooked.__qualname__, Hooked.__module__ = kind.__name__, kind.__qualname__, kind.__module__
    return Hooked
