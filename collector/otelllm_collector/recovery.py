"""The journal's way into the store: what was acknowledged and is not stored when the process starts, and what can't be.

A body that the store can't keep, now or later, was acknowledged all the same: it is put into a folder beside, as it
came, and counted.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from concurrent.futures import TimeoutError as TooLong
from contextlib import suppress
from pathlib import Path
from typing import cast

from .commits import Commits, Journaled
from .decode import Signal, Undecodable, decode
from .journal import STORE, Entry, Journal
from .prices import with_costs
from .questions import Busy
from .rows import Batch, TooMany

__all__ = ["Following", "recover"]

log = logging.getLogger(__name__)

_AT_ONCE = 8 * 1024 * 1024
_PATIENCE_S = 60.0


class Following:
    """Tells the journal how far the store is, and keeps what the store can't."""

    def __init__(self, journal: Journal, folder: Path, count: Callable[[str, int], None]) -> None:
        """`count` is told the signal and number of records of what is set aside."""
        self._journal, self._folder, self._count = journal, folder, count

    def stored(self, number: int) -> None:
        """Everything up to this number is in the store."""
        self._journal.stored(number)

    def set_aside(self, number: int, why: str) -> None:
        """Keep a body in a file of its own; `OSError` where it can't be."""
        for entry in self._journal.read(number - 1, 1):
            if entry.number == number:
                self._write(entry, why)

    def _write(self, entry: Entry, why: str) -> None:
        self._folder.mkdir(mode=0o700, exist_ok=True)
        path = self._folder / f"{self._journal.identity}-{entry.number}.{entry.signal}.pb"
        with path.open("wb") as file:
            file.write(entry.body)
            file.flush()
            os.fsync(file.fileno())
        self._count(entry.signal, entry.records)
        log.error(
            "%s: %d records that were acknowledged are in %s; they can be sent again as a request's body",
            why, entry.records, path,
        )  # fmt: skip


def recover(journal: Journal, commits: Commits, stored: int) -> int:
    """Give the writer what is in the journal behind the number `stored`, or behind its own note of that; how many
    bodies that were.
    """
    number, bodies = max(stored, journal.place(STORE)), 0
    while entries := journal.read(number, _AT_ONCE):
        for entry in entries:
            commits.accept(_decoded(entry, commits), Journaled(entry.number, entry.records, len(entry.body)))
        number = entries[-1].number
        bodies += len(entries)
        # On a full disk it goes on all the same: there is no more of it than may be behind.
        with suppress(Busy, TooLong):
            if (room := commits.room()) is not None:
                room.result(_PATIENCE_S)
    commits.catch_up(_PATIENCE_S)  # the first question is to find it
    return bodies


def _decoded(entry: Entry, commits: Commits) -> Batch:
    signal = cast("Signal", entry.signal)
    try:
        return with_costs(decode(signal, entry.body, is_json=False, now_ns=entry.received_ns, project=entry.project))
    except (Undecodable, TooMany) as error:  # an older collector could read it
        commits.spine.set_aside(entry.number, f"a body of the journal can't be read ({error})")
        return Batch()
