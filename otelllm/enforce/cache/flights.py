"""Single flight: of identical calls that are made at the same time one asks the provider, the others wait for it.

In this process. Sync and async calls fly apart: a sync one that waited for an async one might stop the very loop that
the other runs on.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from time import monotonic

from ...gates import waker
from ...steps import Io, Steps

__all__ = ["Flight", "Flights"]

PATIENCE_S = 60.0
"""Whoever has waited so long asks by itself."""
LOOK_S = 0.25
"""How often it is looked whether the one that asks is still at it."""


def _never() -> bool:
    return False


class Flight:
    """One call that asks for all."""

    __slots__ = ("is_idle", "landed", "leaves_alone", "waiting")

    def __init__(self) -> None:
        self.waiting: list[Callable[[], None]] = []
        """Wakes whoever waits, first come first woken."""
        self.landed = False
        self.leaves_alone = False
        """It has landed with an answer that can't be given to others: each of them asks by itself."""
        self.is_idle: Callable[[], bool] = _never
        """Whether the app has stopped reading the stream that it was given: others must not wait for that."""


class Flights:
    """The calls that are on their way, by their keys."""

    def __init__(self) -> None:
        self.landings = 0
        self._flights: dict[tuple[bytes, bool], Flight] = {}
        # A stream that is collected ends its call, wherever the collector runs: within these locks, too.
        self._lock = threading.RLock()

    def renew(self) -> None:
        """In a forked child: the parent's calls are the parent's."""
        self._flights, self._lock = {}, threading.RLock()

    def board(self, key: bytes, asynchronous: bool) -> tuple[Flight, bool]:
        """The flight under this key, and whether the caller leads it (it was the first)."""
        place = key, asynchronous
        with self._lock:
            flight = self._flights.get(place)
            if flight is not None:
                return flight, False
            flight = self._flights[place] = Flight()
            return flight, True

    def land(self, key: bytes, asynchronous: bool, flight: Flight, *, alone: bool) -> None:
        """The leader's call has ended. Who waits looks again: one of them leads then, unless they are left `alone`."""
        with self._lock:
            if self._flights.get((key, asynchronous)) is flight:
                del self._flights[key, asynchronous]
            flight.landed, flight.leaves_alone = True, alone
            self.landings += 1
            woken, flight.waiting = flight.waiting, []
        for wake in woken:
            wake()

    def wait(self, flight: Flight) -> Steps[bool]:
        """Whether the flight has landed; False where waiting on makes no sense. A caller may be cancelled in here."""
        until = monotonic() + PATIENCE_S
        while not flight.landed:
            if monotonic() >= until or flight.is_idle():
                return False
            yield Io(lambda: self._wait(flight), lambda: self._await(flight))
        return True

    def _wait(self, flight: Flight) -> None:
        event = threading.Event()
        if self._stand_by(flight, event.set):
            try:
                event.wait(LOOK_S)
            finally:
                self._leave(flight, event.set)

    async def _await(self, flight: Flight) -> None:
        import anyio  # noqa: PLC0415  comes with every async provider SDK; not needed by sync apps

        event = anyio.Event()
        wake = waker(event)
        if self._stand_by(flight, wake):
            try:
                with anyio.move_on_after(LOOK_S):
                    await event.wait()
            finally:
                self._leave(flight, wake)

    def _stand_by(self, flight: Flight, wake: Callable[[], None]) -> bool:
        with self._lock:
            if not flight.landed:
                flight.waiting.append(wake)
            return not flight.landed

    def _leave(self, flight: Flight, wake: Callable[[], None]) -> None:
        with self._lock, contextlib.suppress(ValueError):  # it was woken
            flight.waiting.remove(wake)
