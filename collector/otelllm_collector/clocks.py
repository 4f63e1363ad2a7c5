"""Clocks that hold when somebody sets the machine's: a wrong date must drop nothing, and hold nothing up."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

__all__ = ["Calendar", "SteadyClock"]

log = logging.getLogger(__name__)

_S = 1_000_000_000
LEAP_S = 86_400
"""The wall clock may be ahead by so much of what it should show, and is believed at once: a night in which nothing ran,
summer time, a machine that slept."""
BELIEVED_AFTER_S = 86_400
"""A greater leap is believed after so many seconds of running with it: time to set the clock right, or nothing lost but
a day where it is."""


class SteadyClock:
    """The date and time of the start, and what has passed since: nobody sets it while the process lives."""

    def __init__(self) -> None:
        self._began = time.time_ns() - _since_boot_ns()

    def __call__(self) -> int:
        """Nanoseconds, on the scale of `time.time_ns`."""
        return self._began + _since_boot_ns()


def _since_boot_ns() -> int:
    """The time in which a laptop sleeps counts, where the system says it."""
    clock = getattr(time, "CLOCK_BOOTTIME", None)
    return time.monotonic_ns() if clock is None else time.clock_gettime_ns(clock)


class Calendar:
    """The date by which ages are told: the wall clock's, but for a leap ahead that nobody has confirmed by waiting.

    What it believes stands in a file, so that a start with a wrong clock is noticed as well. A clock that goes back is
    believed: it only keeps things longer.
    """

    def __init__(
        self, path: Path, wall_ns: Callable[[], int] = time.time_ns, passed_ns: Callable[[], int] = _since_boot_ns
    ) -> None:
        self._path, self._wall_ns, self._passed_ns = path, wall_ns, passed_ns
        self._seen_ns = passed_ns()
        self._doubted_ns = 0
        self._is_told = False
        self._believed_ns = wall_ns()
        with suppress(OSError, ValueError, KeyError, TypeError):  # none yet, or damaged: as at the first start
            found = json.loads(path.read_text(encoding="utf-8"))
            self._believed_ns, self._doubted_ns = int(found["believed_ns"]), int(found["doubted_ns"])

    @property
    def ahead_s(self) -> float:
        """By how much the wall clock is ahead of what is believed; 0 where it is believed."""
        return (self._wall_ns() - self._believed_ns) / _S if self._doubted_ns else 0.0

    def now_ns(self) -> int:
        """Now, as far as it is believed."""
        seen_ns, wall_ns = self._passed_ns(), self._wall_ns()
        passed_ns, self._seen_ns = seen_ns - self._seen_ns, seen_ns
        expected_ns = self._believed_ns + passed_ns
        ahead_s = (wall_ns - expected_ns) / _S
        if ahead_s <= LEAP_S or self._doubted_ns + passed_ns >= BELIEVED_AFTER_S * _S:
            if self._doubted_ns:
                log.warning("the clock is believed again: what is kept is as old as it says")
            self._believed_ns, self._doubted_ns, self._is_told = wall_ns, 0, False
        else:
            if not self._is_told:
                self._is_told = True
                log.warning(
                    "the clock is %.1f days ahead of what it should be: retention counts ages without them for a day "
                    "of running; where the clock is right and that is too long, stop, remove %s, and start",
                    ahead_s / 86_400, self._path,
                )  # fmt: skip
            self._believed_ns, self._doubted_ns = expected_ns, self._doubted_ns + max(passed_ns, 1)
        self._keep()
        return self._believed_ns

    def _keep(self) -> None:
        told = json.dumps({"believed_ns": self._believed_ns, "doubted_ns": self._doubted_ns})
        beside = self._path.with_suffix(".new")
        with suppress(OSError):  # a full disk: the next time
            beside.write_text(told, encoding="utf-8")
            beside.replace(self._path)
