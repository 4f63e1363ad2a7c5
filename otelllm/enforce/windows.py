"""The time within which a budget is counted: an hour, day, week or month of the calendar, or the last so many hours."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from time import time
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from . import values
from .values import Keys, Wrong

__all__ = ["Period", "Window", "read"]

_STEPS = ("hour", "day", "week", "month")


@dataclass(frozen=True, slots=True)
class Period:
    """One window of the calendar, or a rolling one, which has no end."""

    label: str
    """Tells it from the windows before and after: "2026-11-24"."""
    begins_at: float
    """In seconds since the epoch, as the next."""
    ends_at: float


ROLLING = Period("", 0.0, float("inf"))


@dataclass(slots=True)
class Window:
    """How a budget's time is counted. `now` gives seconds since the epoch."""

    text: str
    """As the policy says it: "day", "rolling 24h"."""
    zone: ZoneInfo | None
    width_s: float = 0.0
    """Of a rolling window; 0 for the calendar's."""
    now: Callable[[], float] = time
    _current: Period = field(default_factory=lambda: Period("", 0.0, 0.0))

    def period(self) -> Period:
        """The window that is open now; worked out when the last one ends, so no job has to open one."""
        if self.width_s:
            return ROLLING
        now = self.now()
        if not self._current.begins_at <= now < self._current.ends_at:
            self._current = self._at(now)
        return self._current

    def _at(self, now: float) -> Period:
        assert self.zone is not None
        local = datetime.fromtimestamp(now, self.zone)
        day = local.replace(hour=0, minute=0, second=0, microsecond=0)
        if self.text == "hour":
            # By the clock's own hours: the one that a change to winter time repeats is two windows.
            begun = now - (local.minute * 60 + local.second + local.microsecond / 1e6)
            return Period(f"{local:%Y-%m-%dT%H%z}", begun, begun + 3600)
        if self.text == "day":
            return Period(f"{local:%Y-%m-%d}", day.timestamp(), (day + timedelta(days=1)).timestamp())
        if self.text == "week":
            monday = day - timedelta(days=local.weekday())
            return Period(f"{local:%G-W%V}", monday.timestamp(), (monday + timedelta(days=7)).timestamp())
        first = day.replace(day=1)
        return Period(f"{local:%Y-%m}", first.timestamp(), (first + timedelta(days=32)).replace(day=1).timestamp())


def read(per: object, timezone: object, path: Keys) -> Window:
    """The window of `per` = "hour", "day", "week", "month" or "rolling 24h", in `timezone`."""
    said = values.text(per, (*path, "per"))
    if (rolling := re.fullmatch(r"rolling (.+)", said)) is not None:
        return Window(said, None, values.duration_s(rolling[1], (*path, "per")))
    if said not in _STEPS:
        raise Wrong((*path, "per"), f'budgets.per = {said!r} is none of {", ".join(_STEPS)}, "rolling 24h"')
    name = values.text(timezone, (*path, "timezone"))
    try:
        return Window(said, ZoneInfo(name))
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise Wrong(
            (*path, "timezone"), f'budgets.timezone = {name!r} is not known here; write one such as "Europe/Berlin"'
        ) from error
