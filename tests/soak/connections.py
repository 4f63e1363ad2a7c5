"""Hundreds of connections that do nothing, or a byte now and then, beside fifty that work."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import grpc
from soak.counted import load_average, memory
from soak.load import Batches, Sender, missing, percentile, senders

from collector import process

if TYPE_CHECKING:
    from collections.abc import Callable

    from collector.process import Collector

__all__ = ["connections"]

TIMEOUT_S = 10
"""The collector's --body-timeout here; by default it is 30."""
HEAD = b"POST /v1/traces HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/x-protobuf\r\ncontent-length: 99\r\n"
HINDERED = 3.0
"""So many times the p99 that good senders have alone, and half a second: the machine is never quite its own."""


def connections(folder: Path, *, idle: int = 500, busy: int = 50, slow: int = 100, seconds: float = 30) -> str:
    """Fifty good senders alone; then beside the idle; then beside slow heads, bodies and gRPC streams as well."""
    batches = Batches()
    with process.starting() as start:
        given = ("--grpc", "127.0.0.1:0", "--body-timeout", str(TIMEOUT_S))
        running = start(folder / "data", *given)
        alone = _work(running, batches, 0, busy, seconds)
        still = [_connect(running) for _ in range(idle)]
        beside = _work(running, batches, 1, busy, seconds)
        crowd = _Slow(running, slow)
        worst = _work(running, batches, 2, busy, seconds)
        ended, kept = crowd.end()
        took = memory(running.process.pid)
        for one in still:
            one.close()
        acked = [number for part in (alone, beside, worst) for one in part for number in one.taken]
        assert missing(running, batches, acked) == ([], 0)
        assert running.stop() == 0
        assert "Traceback" not in running.errors, running.errors[-3000:]
    assert not (refused := [why for part in (alone, beside, worst) for one in part for why in one.refused]), refused[:5]
    assert min(len(one.taken) for one in worst) > 0, "a good sender was shut out"
    figures = [_p99_ms(part) for part in (alone, beside, worst)]
    for hindered in figures[1:]:
        assert all(ms < HINDERED * before + 500 for ms, before in zip(hindered, figures[0], strict=True)), figures
    assert kept == 0, f"{kept} slow connections were not ended"
    rates = [round(sum(len(one.taken) for one in part) / seconds * batches.spans) for part in (alone, beside, worst)]
    alone_ms, idle_ms, slow_ms = (f"{of_http} and {of_grpc} ms" for of_http, of_grpc in figures)
    return (
        f"{busy} good senders: p99 by HTTP and gRPC {alone_ms} alone, {idle_ms} beside {idle} idle connections, "
        f"{slow_ms} beside those and 3 x {slow} slow heads, bodies and gRPC streams, {ended:,} of which were ended at "
        f"{TIMEOUT_S} s; {rates} spans/s; {took}; {load_average()}"
    )


def _work(running: Collector, batches: Batches, part: int, busy: int, seconds: float) -> list[Sender]:
    """Most by HTTP, a fifth by gRPC, for so long."""
    crowd = senders(batches, http=(running.url, busy - busy // 5), grpc=(running.grpc, busy // 5), part=part)
    time.sleep(seconds)
    for one in crowd:
        one.stop()
    for one in crowd:
        one.join(60)
    return crowd


def _p99_ms(crowd: list[Sender]) -> tuple[int, int]:
    """Of those by HTTP, and of those by gRPC, which come last."""
    of_http = len(crowd) - len(crowd) // 5
    return _p99(crowd[:of_http]), _p99(crowd[of_http:])


def _p99(crowd: list[Sender]) -> int:
    return round(1e3 * percentile((waited for one in crowd for _, waited in one.waits), 0.99))


def _connect(running: Collector) -> socket.socket:
    host, port = running.url.removeprefix("http://").split(":")
    return socket.create_connection((host, int(port)), timeout=20)


class _Slow:
    """Senders of a byte a second, who come again each time that they are ended."""

    def __init__(self, running: Collector, number: int) -> None:
        self._running, self._number = running, number
        self._ended = self._late = 0
        self._over = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._all()), daemon=True)
        self._thread.start()

    def end(self) -> tuple[int, int]:
        """How many were ended by the collector, and how many stayed for longer than twice its time."""
        self._over.set()
        self._thread.join()
        return self._ended, self._late

    async def _all(self) -> None:
        address = self._running.grpc.removeprefix("http://")
        async with grpc.aio.insecure_channel(address) as channel:
            export = channel.stream_unary("/opentelemetry.proto.collector.trace.v1.TraceService/Export")
            ways: list[Callable[[], object]] = [self._head, self._body, lambda: self._stream(export)]
            await asyncio.gather(*(self._again(way) for way in ways for _ in range(self._number)))

    async def _again(self, way: Callable[[], object]) -> None:
        while not self._over.is_set():
            began = time.monotonic()
            if await way():  # type: ignore[misc]  # a coroutine
                self._ended += 1
                self._late += time.monotonic() - began > 2 * TIMEOUT_S + 5

    async def _head(self) -> bool:
        return await self._trickle(HEAD[:60], b"x")

    async def _body(self) -> bool:
        return await self._trickle(HEAD + b"\r\n", b"a")

    async def _trickle(self, beginning: bytes, more: bytes) -> bool:
        host, port = self._running.url.removeprefix("http://").split(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        try:
            writer.write(beginning)
            answer = asyncio.ensure_future(reader.read(65_536))
            while not self._over.is_set():
                done, _ = await asyncio.wait([answer], timeout=1)
                if done:
                    answer.exception()  # closed or reset: ended
                    return True
                writer.write(more)
            answer.cancel()
        except ConnectionError:
            return True
        finally:
            writer.close()
        return False

    async def _stream(self, export: Callable[..., object]) -> bool:
        """Headers, and then no message."""
        call = export(timeout=3 * TIMEOUT_S + 5)
        done, _ = await asyncio.wait([asyncio.ensure_future(call.code())], timeout=3 * TIMEOUT_S)  # type: ignore[attr-defined]
        call.cancel()  # type: ignore[attr-defined]
        return bool(done)
