"""The wall clock of one process, set while it runs: by libfaketime, which its children inherit."""

from __future__ import annotations

from pathlib import Path

__all__ = ["LIBRARY", "MachineClock"]

_PLACES = (
    "/usr/lib/*/faketime/libfaketime.so.1",
    "/usr/lib*/faketime/libfaketime.so.1",
    "/usr/local/lib/faketime/*.so.1",
)
LIBRARY = next((str(path) for place in _PLACES for path in sorted(Path("/").glob(place[1:]))), None)
"""Debian's package libfaketime; None where it isn't installed."""


class MachineClock:
    """Give `environment` to the process; what passes is told by a clock of its own, as on a machine that is set."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / "clock"
        self.set(0)

    @property
    def environment(self) -> dict[str, str]:
        """Variables of the process whose clock this is."""
        assert LIBRARY is not None, "apt-get install libfaketime"
        told = {"FAKETIME_TIMESTAMP_FILE": str(self._file), "FAKETIME_NO_CACHE": "1"}
        # The name of the switch changed between versions.
        return {"LD_PRELOAD": LIBRARY, **told, "FAKETIME_DONT_FAKE_MONOTONIC": "1", "DONT_FAKE_MONOTONIC": "1"}

    def set(self, ahead_s: int) -> None:
        """From now on it is ahead of the true time by so much."""
        beside = self._file.with_suffix(".new")
        beside.write_text(f"{ahead_s:+d}\n")
        beside.replace(self._file)  # who reads it must not find half of it
