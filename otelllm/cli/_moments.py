"""Moments that people write: 2026-11-24, 2026-11-24T10:00, 7d (ago), or nanoseconds since 1970."""

from __future__ import annotations

import re
import time
from datetime import UTC, datetime

from ._failure import Failure

__all__ = ["nanoseconds", "written"]

_UNITS = {"m": 60, "h": 3600, "d": 86400}


def nanoseconds(option: str, text: str) -> int:
    """Nanoseconds since 1970; a moment without a zone is in UTC, as the collector's own times are."""
    if text.isascii() and text.isdigit() and len(text) > 8:
        return int(text)
    if ago := re.fullmatch(r"([0-9]{1,6})([mhd])", text):
        return time.time_ns() - int(ago[1]) * _UNITS[ago[2]] * 1_000_000_000
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise Failure(f"{option} {text!r} is no moment; try 2026-11-24, 2026-11-24T10:00 or 7d (ago)") from error
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    since = moment - datetime(1970, 1, 1, tzinfo=UTC)
    return (since.days * 86400 + since.seconds) * 1_000_000_000 + since.microseconds * 1000


def written(time_ns: int) -> str:
    """A moment in UTC, to the second."""
    return f"{datetime.fromtimestamp(time_ns / 1e9, UTC):%Y-%m-%dT%H:%M:%SZ}"
