"""The index of messages' text: made behind the writer, a run of messages at a time, from what is stored.

It says of a block of messages that it can't hold a phrase; what it does not say that of is read. So it may be late, and
it may know words of messages that are gone, but a block that is in it MUST NOT change: ids of messages are given in the
order of writing, and only runs behind the newest message are taken.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable
from concurrent.futures import CancelledError, Executor, Future
from contextlib import AbstractContextManager
from enum import Enum
from itertools import groupby
from typing import TYPE_CHECKING, Any, NamedTuple

import duckdb

from ...decode.inflate import zstd
from ...questions import Busy
from ...sql import sql
from ...text.places import PLACES, mark_words, spaced

if TYPE_CHECKING:
    from .writing import Writing

try:
    from ...native import is_compiled
    from ...text.marks import Sketch
except ImportError:  # librt is not there
    is_compiled = lambda: False  # noqa: E731

__all__ = ["BLOCK", "BLOCKS", "PIECE", "Moment", "TextIndex"]

log = logging.getLogger(__name__)

BLOCK = 2048
"""Messages that are read together: DuckDB unpacks so many texts at a time."""
BLOCKS = 8
"""That make a run: a byte of bits for each place."""
PIECE = 4096
"""Places that are stored together."""

TEXTS_A_STEP = 64
"""How many are looked at with the interpreter's lock held: half a millisecond."""
RUNS_BEHIND = 4
"""While spans come in the index may be so far behind: reading 65,536 messages takes a question 0.2 s."""
LOOK_S = 0.05


class Moment(Enum):
    """What else the collector does."""

    IDLE = 1
    BUSY = 2
    """Spans come in without a pause: the index costs 8 µs of CPU a span, so it may fall behind, but not for ever."""
    TAKEN = 3
    """Another job of upkeep: what reads meanwhile would keep its checkpoints from freeing what was deleted."""


class _Piece(NamedTuple):
    run: int
    piece: int
    bits: bytes


class TextIndex:
    """What is in the index, and its next step. Only the writer's thread comes here."""

    def __init__(self, own: duckdb.DuckDBPyConnection, writing: Writing) -> None:
        self._writing = writing
        self._known = self._complete
        # The newest messages may have been dropped before the last end: then their numbers are given once more.
        own.execute("delete from raw.text_sketches where run >= $run", {"run": self._known})
        found = own.execute("select distinct run from raw.text_sketches order by run").fetchall()
        stored = {run for (run,) in found}
        self._missing = deque(run for run in range(self._known) if run not in stored)
        self._at_work: tuple[int, Future[list[_Piece]]] | None = None

    @property
    def _complete(self) -> int:
        """How many runs there are whose every message is written."""
        return (self._writing.messages.newest + 1) // (BLOCKS * BLOCK)

    @property
    def behind(self) -> int:
        """Messages that are not in the index yet."""
        return len(self._missing) * BLOCKS * BLOCK + (self._writing.messages.newest + 1) % (BLOCKS * BLOCK)

    def step(
        self, cursor: Callable[[], AbstractContextManager[Any]], executor: Executor, moment: Moment
    ) -> float | None:
        """Begin with a run, or store one that is made; seconds until the next step, None where there is none."""
        self._missing.extend(range(self._known, self._complete))
        self._known = self._complete
        if self._at_work is None:
            if moment is Moment.TAKEN or len(self._missing) <= (0 if moment is Moment.IDLE else RUNS_BEHIND):
                return None
            run = self._missing[0]
            self._at_work = run, executor.submit(_sketch, cursor, run)
            return LOOK_S
        run, made = self._at_work
        if not made.done():
            return LOOK_S
        self._at_work = None
        try:
            pieces = made.result()
        except (Busy, CancelledError):  # the collector stops
            return None
        with self._writing.transaction():
            self._writing.insert("text_sketches", pieces)
        self._missing.popleft()
        return 0.0


def _sketch(cursor: Callable[[], AbstractContextManager[Any]], run: int) -> list[_Piece]:
    native = Sketch(PLACES) if is_compiled() else None
    plain = bytearray(0 if native else PLACES)
    is_empty, first = True, run * BLOCKS * BLOCK
    with cursor() as own:
        found = own.execute(sql("read/texts"), {"from": first, "to": first + BLOCKS * BLOCK})
        while rows := found.fetchmany(TEXTS_A_STEP if native else BLOCK):
            is_empty = False
            for block, texts in groupby(rows, lambda row: (int(row[0]) - first) // BLOCK):
                those = [spaced(text) for _, text in texts]
                if native:
                    native.mark(those, 1 << block)
                else:
                    mark_words(plain, those, 1 << block)
    if is_empty:
        return []
    bits = native.taken() if native else bytes(plain)
    return [
        _Piece(run, start // PIECE, zstd.compress(bits[start : start + PIECE], 1)) for start in range(0, PLACES, PIECE)
    ]
