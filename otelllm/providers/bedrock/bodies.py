"""Bodies of InvokeModel, which the app reads as it likes: whole, in pieces, in lines, from the response inside.

A body and the HTTP response in it get subclasses of their own types, whose reads and closes are seen. The app may keep
no more of a body than the method that it calls, so attributes of the body's own would have to hold it; it would then no
longer be closed as soon as it is dropped.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import cache
from inspect import iscoroutinefunction
from time import perf_counter_ns as now
from typing import Any

import orjson

from ...relay import Relay
from ...safely import safely
from .metadata import headers_of, read_answered
from .usage import header_counts

__all__ = ["watch_body"]


def watch_body(response: Mapping[str, Any], body: Any, relay: Relay) -> None:
    """Let `relay` see the bytes of `body`, which is in `response`: the answer is whole at the provider's by now."""
    reading, headers = relay.call.reading, headers_of(response)
    relay.call.timing.ended = now()
    read_answered(reading, response)
    reading.usage = header_counts(headers)
    taken = _Bytes(relay, headers.get("content-length"))
    # Before aiobotocore 3 a body is a proxy of aiohttp's response.
    inner = getattr(body, "__wrapped__", None) or getattr(body, "_raw_stream", None)
    if not any([_hook(body, taken), _hook(inner, taken)]):
        relay.end("complete")  # a stub's bytes, a file of its: nothing of ours fits in there


def _hook(one: Any, taken: _Bytes) -> bool:
    """Give `one` the class that tells `taken` of its reads; whether it can have one."""
    kind: Any = type(one)
    try:
        one._self_otelllm_bytes = taken  # a name that a proxy keeps to itself
        _CLASS.__set__(one, _hooked(kind))
    except (AttributeError, TypeError):
        return False
    return True


_CLASS = object.__dict__["__class__"]
"""Sets a proxy's class, not that of what is in it."""


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
        if self.depth:
            return
        content = b"".join(self.pieces)
        self.pieces.clear()
        with safely("reading an answer"):
            self.relay.read(content)
        self.relay.end("complete")

    def close(self) -> None:
        """The body is closed, or dropped. What came may be all of it, where nothing said how long it is."""
        if self.depth:
            return  # some responses close themselves at their end, inside the last read
        with suppress(orjson.JSONDecodeError):
            orjson.loads(b"".join(self.pieces))
            self.end()
        self.relay.closed("close")


@cache
def _hooked(kind: Any) -> Any:
    """A subclass of a body's or a response's class, of the same name."""
    methods: dict[str, Any] = {}
    for name in ("read", "read1", "readinto", "readlines"):
        if (original := getattr(kind, name, None)) is not None:
            methods[name] = (_reader_async if iscoroutinefunction(original) else _reader)(original, name)
    for name in ("close", "aclose"):
        if (original := getattr(kind, name, None)) is not None:
            methods[name] = (_closer_async if iscoroutinefunction(original) else _closer)(original)
    if (original := getattr(kind, "read_chunked", None)) is not None:
        methods["read_chunked"] = _chunks(original)
    return type(kind.__name__, (kind,), {**methods, "__module__": kind.__module__, "__qualname__": kind.__qualname__})


def _reader(original: Callable[..., Any], name: str) -> Callable[..., Any]:
    def read(self: Any, *args: Any, **kwargs: Any) -> Any:
        with self._self_otelllm_bytes:
            given = original(self, *args, **kwargs)
        return self._self_otelllm_bytes.got(name, given, args, kwargs)

    return read


def _reader_async(original: Callable[..., Any], name: str) -> Callable[..., Any]:
    async def read(self: Any, *args: Any, **kwargs: Any) -> Any:
        with self._self_otelllm_bytes:
            given = await original(self, *args, **kwargs)
        return self._self_otelllm_bytes.got(name, given, args, kwargs)

    return read


def _chunks(original: Callable[..., Any]) -> Callable[..., Any]:
    """Of urllib3's response, where the body has no length."""

    def read_chunked(self: Any, *args: Any, **kwargs: Any) -> Any:
        taken: _Bytes = self._self_otelllm_bytes
        for piece in original(self, *args, **kwargs):
            yield taken.got("read_chunked", piece, (), {})
        taken.end()

    return read_chunked


def _closer(original: Callable[..., Any]) -> Callable[..., Any]:
    def close(self: Any) -> Any:
        try:
            return original(self)
        finally:
            _closed(self)

    return close


def _closer_async(original: Callable[..., Any]) -> Callable[..., Any]:
    async def close(self: Any) -> Any:
        try:
            return await original(self)
        finally:
            _closed(self)

    return close


def _closed(body: Any) -> None:
    with safely("seeing a body close"):
        body._self_otelllm_bytes.close()
