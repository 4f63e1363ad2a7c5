"""Turns of reading messages: so many at a time, shared between those who send at once and those who keep us waiting.

gRPC holds a message until it is whole, so only so many may be under way. Who sends nothing holds a turn all the same: a
hundred such streams would keep everybody else out until their time is over.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

__all__ = ["Readers"]

GRACE_S = 1.0
"""So long a turn is left to its holder, whoever waits. 16 MB over loopback take 30 ms."""


class Readers:
    """Turns, `limit` at a time, a quarter of them for one peer. While somebody waits, those that are held end soon."""

    def __init__(self, limit: int) -> None:
        self._limit, self._of_peer = limit, max(1, limit // 4)
        self._turns: dict[asyncio.Timeout, str] = {}
        """And whose."""
        self._waiting: list[asyncio.Future[None]] = []

    @asynccontextmanager
    async def turn(self, peer: str, timeout_s: float) -> AsyncIterator[None]:
        """`TimeoutError` where the turn is over before the block; `timeout_s` is of the turn and of the wait for it."""
        deadline = asyncio.get_running_loop().time() + timeout_s
        async with asyncio.timeout_at(deadline):
            while not self._has_room(peer):
                self._hasten(peer)
                await self._change()
        async with asyncio.timeout_at(deadline) as turn:
            self._turns[turn] = peer
            if self._waiting:
                self._hasten(peer)
            try:
                yield
            finally:
                del self._turns[turn]
                for waiting in self._waiting:
                    if not waiting.done():
                        waiting.set_result(None)

    def _has_room(self, peer: str) -> bool:
        return len(self._turns) < self._limit and list(self._turns.values()).count(peer) < self._of_peer

    def _hasten(self, peer: str) -> None:
        """Let turns be over soon: a peer's own, or where none is free, everybody's."""
        soon = asyncio.get_running_loop().time() + GRACE_S
        is_full = len(self._turns) >= self._limit
        for turn, whose in self._turns.items():
            when = turn.when()
            if (is_full or whose == peer) and when is not None and when > soon:
                turn.reschedule(soon)

    async def _change(self) -> None:
        waiting = asyncio.get_running_loop().create_future()
        self._waiting.append(waiting)
        try:
            await waiting
        finally:
            self._waiting.remove(waiting)
