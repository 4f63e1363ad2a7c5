"""Group commit: one thread takes what waits and writes it in one transaction, in whole row groups where much comes.

What comes from the journal was acknowledged when it was durable there; the store's place in the journal is written in
the same transaction, so that each body is stored once. What comes without the journal is acknowledged here.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import NamedTuple, Protocol

from .priority import step_back
from .questions import Busy
from .rows import Batch

__all__ = ["Commits", "Journaled", "Rejected", "Spine"]

log = logging.getLogger(__name__)

ROWS_A_COMMIT = 16_384
"""One row group: it is compressed once and written straight into the file; of less, twice, here and at a checkpoint."""

LINGER_S = 0.5
"""So long after a commit the next one waits for a whole row group, unless somebody asks for what is in it."""

IDLE_S = 5.0
"""After this long without work the file is put in order."""

RETRY_S = 1.0
"""After this long what could not be written, as on a full disk, is tried again."""

BYTES_A_COMMIT = 48 * 1024 * 1024
"""Of large records a transaction takes fewer."""

ROWS_BEHIND, BYTES_BEHIND = ROWS_A_COMMIT * 5 // 2, 2 * BYTES_A_COMMIT
"""What may be acknowledged and not yet stored, one transaction being written: beyond that, answers wait."""

ROWS_WORTH_WAITING = 4_096
"""A question waits for what was acknowledged before it, unless that is more: then the store is at its limit, and the
question would wait for half a second."""


class Rejected(Exception):  # noqa: N818  says what happened, as the library's own do
    """The store can't keep this batch, now or later."""


class Journaled(NamedTuple):
    """Where a batch comes from in the journal, its records, and the bytes of its body."""

    number: int
    rows: int
    size: int


class Spine(Protocol):
    """What the journal is told."""

    def stored(self, number: int) -> None:
        """Everything up to this number is in the store."""

    def set_aside(self, number: int, why: str) -> None:
        """The store can't keep this body, now or later: keep it elsewhere."""


class _NoJournal:
    def stored(self, number: int) -> None:
        """Nobody wants to know."""

    def set_aside(self, number: int, why: str) -> None:
        """There is nothing to be set aside."""


class Write(Protocol):
    """A store's `write`."""

    def __call__(self, batches: Sequence[Batch], upto: int | None = None) -> None:
        """Keep all, and note that the journal is stored up to this number."""


class _Waiting(NamedTuple):
    batch: Batch
    done: Future[None] | None
    journaled: Journaled | None


class Commits:
    """Gives batches to a store's `write`, one transaction at a time; `tidy` is called when nothing waits.

    `publish` is given what was committed, after its senders have their answer. It MUST NOT wait, nor raise.
    `upkeep` is a store's: a short step between two commits.
    """

    def __init__(
        self,
        write: Write,
        tidy: Callable[[], None],
        publish: Callable[[Sequence[Batch]], None] = lambda _: None,
        upkeep: Callable[[], float | None] = lambda: None,
    ) -> None:
        self._write, self._tidy, self._publish, self._upkeep = write, tidy, publish, upkeep
        self.spine: Spine = _NoJournal()
        self._waiting: deque[_Waiting] = deque()
        self._changed = threading.Condition()
        self._closing = self._nudged = False
        self._rows = self._bytes = self._direct = 0
        """Of what waits."""
        self._rows_behind = self._bytes_behind = 0
        """Of the journal: what waits or is being written."""
        self._accepted = self._committed = self._wanted = 0
        self._may_begin = 0.0
        self._room: list[Future[None]] = []
        self._trouble: str | None = None
        self._thread = threading.Thread(target=self._run, name="otelllm-writer")
        self._thread.start()

    def submit(self, batch: Batch) -> Future[None]:
        """Done once the batch is durable; `Busy` or `Rejected` where it can't be."""
        done: Future[None] = Future()
        done.set_running_or_notify_cancel()  # a sender that hangs up can't call its batch back
        with self._changed:
            if self._closing:
                raise Busy("the collector is stopping")
            self._add(_Waiting(batch, done, None))
        return done

    def accept(self, batch: Batch, journaled: Journaled) -> None:
        """Take what is durable in the journal, in the order of its numbers."""
        with self._changed:
            self._accepted = journaled.number
            self._rows_behind += journaled.rows
            self._bytes_behind += journaled.size
            self._add(_Waiting(batch, None, journaled))

    def _add(self, waiting: _Waiting) -> None:
        self._waiting.append(waiting)
        self._count(waiting, 1)
        self._changed.notify_all()

    def _count(self, waiting: _Waiting, by: int) -> None:
        self._rows += by * waiting.batch.size
        self._bytes += by * (waiting.journaled.size if waiting.journaled else 0)
        self._direct += by * (waiting.done is not None)

    @property
    def waiting(self) -> int:
        """Batches that no transaction has begun with."""
        return len(self._waiting)

    @property
    def bytes_behind(self) -> int:
        """Bytes of bodies that were acknowledged and are not stored yet."""
        return self._bytes_behind

    def room(self) -> Future[None] | None:
        """None where the store keeps up; else what is done once it may. `Busy` where it can't be written at all."""
        with self._changed:
            if self._trouble is not None:
                raise Busy(self._trouble)
            if self._closing or (self._rows_behind < ROWS_BEHIND and self._bytes_behind < BYTES_BEHIND):
                return None
            self._room.append(Future())
            return self._room[-1]

    def catch_up(self, within_s: float, most_rows: int | None = None) -> bool:
        """Wait until what has been acknowledged so far can be asked for, unless it is more rows than so many; whether
        it can.
        """
        with self._changed:
            upto = self._accepted
            if self._committed < upto and (most_rows is None or self._rows_behind <= most_rows):
                self._wanted = upto
                self._changed.notify_all()
                self._changed.wait_for(lambda: self._committed >= upto or self._trouble is not None, within_s)
            return self._committed >= upto

    def close(self) -> None:
        """Commit what waits and end the thread."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        self._thread.join()

    def nudge(self) -> None:
        """Let the store's upkeep have its turn now, and not only when the next idle moment comes."""
        with self._changed:
            self._nudged = True
            self._changed.notify_all()

    def _run(self) -> None:
        step_back()
        wait_s: float | None = None
        while True:
            with self._changed:
                is_told = self._wait(IDLE_S if wait_s is None else wait_s)
                taken = self._take() if is_told and not self._nudged else []
                self._nudged = False
                is_over = self._closing and not taken
            if is_over:
                return
            if taken:
                self._commit(taken)
                self._may_begin = time.monotonic() + LINGER_S
            elif not is_told and wait_s is None:
                self._tidy_up()
            wait_s = self._upkeep()

    def _wait(self, patience_s: float) -> bool:
        """Until there is something to be done, or for so long; whether there is."""
        until = time.monotonic() + patience_s
        while not (self._closing or self._nudged or self._is_due()):
            end = min(until, self._may_begin) if self._waiting else until
            if (left_s := end - time.monotonic()) <= 0:
                return self._is_due()
            self._changed.wait(left_s)
        return True

    def _is_due(self) -> bool:
        return bool(self._waiting) and (
            self._direct > 0
            or self._rows >= ROWS_A_COMMIT
            or self._bytes >= BYTES_A_COMMIT
            or self._wanted > self._committed
            or time.monotonic() >= self._may_begin
        )

    def _tidy_up(self) -> None:
        try:
            self._tidy()
        except Exception:  # untidy is not unsafe; the next idle moment tries again
            log.warning("the database can't be put in order", exc_info=True)

    def _take(self) -> list[_Waiting]:
        taken: list[_Waiting] = []
        rows = size = 0
        while self._waiting and rows < ROWS_A_COMMIT and size < BYTES_A_COMMIT:
            one = self._waiting.popleft()
            self._count(one, -1)
            rows += one.batch.size
            size += one.journaled.size if one.journaled else 0
            taken.append(one)
        return taken

    def _commit(self, taken: list[_Waiting]) -> None:
        numbers = [one.journaled.number for one in taken if one.journaled is not None]
        batches = [one.batch for one in taken]
        try:
            if numbers:
                self._write(batches, numbers[-1])
            else:
                self._write(batches)
        except Busy as error:
            self._put_back(taken, error)
        except Exception as error:
            if len(taken) > 1:  # one of them can't be written: its neighbours must not suffer
                for one in taken:
                    self._commit([one])
            else:
                self._give_up(taken[0], error)
        else:
            for one in taken:
                if one.done is not None:
                    one.done.set_result(None)
            self._settle(taken, numbers)
            self._publish(batches)

    def _settle(self, taken: list[_Waiting], numbers: list[int]) -> None:
        with self._changed:
            self._trouble = None
            self._rows_behind -= sum(one.journaled.rows for one in taken if one.journaled is not None)
            self._bytes_behind -= sum(one.journaled.size for one in taken if one.journaled is not None)
            if numbers:
                self._committed = numbers[-1]
            room, self._room = self._room, []
            self._changed.notify_all()
        for waiter in room:
            if waiter.set_running_or_notify_cancel():
                waiter.set_result(None)
        if numbers:
            self.spine.stored(numbers[-1])

    def _put_back(self, taken: list[_Waiting], error: Busy) -> None:
        """Not now: who waits for an answer is told so, what has been acknowledged is tried again."""
        for one in taken:
            if one.done is not None:
                one.done.set_exception(error)
        owed = [one for one in taken if one.journaled is not None]
        if not owed:
            return
        with self._changed:
            self._trouble = str(error)
            if self._closing:  # they are in the journal, for the next start
                owed = []
            for one in reversed(owed):
                self._waiting.appendleft(one)
                self._count(one, 1)
            room, self._room = self._room, []
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._closing, RETRY_S)
        for waiter in room:
            if waiter.set_running_or_notify_cancel():
                waiter.set_result(None)

    def _give_up(self, one: _Waiting, error: Exception) -> None:
        why = f"the store can't keep this batch ({type(error).__name__})"
        log.error("a batch of %d records can't be written", one.batch.size, exc_info=error)
        if one.done is not None:
            one.done.set_exception(Rejected(why))
        if one.journaled is not None:
            try:
                self.spine.set_aside(one.journaled.number, why)
            except OSError as failure:
                self._put_back([one], Busy(f"{why}, nor can it be set aside ({failure.strerror})"))
            else:
                self._commit([one._replace(batch=Batch())])
