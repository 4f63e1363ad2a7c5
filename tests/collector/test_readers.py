"""Who sends nothing has a turn of reading for a moment, as long as others wait for one."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import grpc
import pytest
from collector.exports import request, span
from collector.process import Start

from otelllm_collector.receivers import readers
from otelllm_collector.receivers.readers import Readers


@pytest.fixture(autouse=True)
def short_grace(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readers, "GRACE_S", 0.1)


async def _held(turns: Readers, peer: str, timeout_s: float = 20) -> str:
    """Holds a turn and sends nothing; how that ended."""
    try:
        async with turns.turn(peer, timeout_s):
            await asyncio.Event().wait()
    except TimeoutError:
        return "over"
    return "whole"


async def _quick(turns: Readers, peer: str) -> float:
    began = time.monotonic()
    async with turns.turn(peer, 20):
        return time.monotonic() - began


def _run(test: Callable[[], Awaitable[None]]) -> None:
    async def within() -> None:
        async with asyncio.timeout(15):
            await test()

    asyncio.run(within())


def test_a_peer_that_holds_its_share_keeps_nobody_else_waiting() -> None:
    async def test() -> None:
        turns = Readers(8)
        slow = [asyncio.create_task(_held(turns, "slow")) for _ in range(30)]
        await asyncio.sleep(0)
        assert await _quick(turns, "good") < 0.05
        for one in slow:
            one.cancel()
        await asyncio.gather(*slow, return_exceptions=True)
        assert await _quick(turns, "slow") < 0.05

    _run(test)


def test_where_no_turn_is_free_those_that_are_held_are_over_soon() -> None:
    async def test() -> None:
        turns = Readers(4)
        slow = [asyncio.create_task(_held(turns, f"slow {number}")) for number in range(4)]
        await asyncio.sleep(0)
        assert 0.05 < await _quick(turns, "good") < 5
        assert await asyncio.gather(*slow) == ["over"] * 4

    _run(test)


def test_nobody_is_hurried_while_nobody_waits() -> None:
    async def test() -> None:
        turns = Readers(4)
        slow = [asyncio.create_task(_held(turns, f"slow {number}", 0.5)) for number in range(3)]
        await asyncio.sleep(0)
        assert await _quick(turns, "good") < 0.05
        done, _ = await asyncio.wait(slow, timeout=0.25)
        assert not done
        assert await asyncio.gather(*slow) == ["over"] * 3

    _run(test)


@pytest.mark.slow
def test_streams_without_a_message_hold_no_good_sender_up(start: Start, tmp_path: Path) -> None:
    """A hundred of them, on one connection: with 10 s to send in, a good one would wait for 10 s."""
    running = start(tmp_path, "--grpc", "127.0.0.1:0", "--body-timeout", "10")
    address = running.grpc.removeprefix("http://")
    of_its_own = [("grpc.use_local_subchannel_pool", 1)]  # or both channels would share one connection
    with grpc.insecure_channel(address) as slow, grpc.insecure_channel(address, of_its_own) as good:
        path = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"
        released = threading.Event()

        def nothing() -> Iterator[bytes]:
            released.wait(30)
            yield b""

        calls = [slow.stream_unary(path).future(nothing(), timeout=30) for _ in range(100)]
        export = good.unary_unary(path)
        waits = []
        for _ in range(5):
            began = time.monotonic()
            export(request(span()).SerializeToString(), timeout=20)
            waits.append(time.monotonic() - began)
        for call in calls:
            call.cancel()
        released.set()
    assert max(waits) < 5, waits
