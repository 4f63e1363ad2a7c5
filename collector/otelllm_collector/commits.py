"""Group commit: one thread takes every batch that waits, commits them together, then answers all.

A commit costs one fdatasync (3.6 ms at the median) however many requests share it.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import NamedTuple

from .questions import Busy
from .rows import Batch

__all__ = ["Commits", "Rejected"]

log = logging.getLogger(__name__)

ROWS_A_COMMIT = 16_384
"""One row group: more would be compressed twice, once here and once at the checkpoint."""

IDLE_S = 5.0
"""After this long without work the file is put in order."""


class Rejected(Exception):  # noqa: N818  says what happened, as the library's own do
    """The store can't keep this batch, now or later."""


class _Waiting(NamedTuple):
    batch: Batch
    done: Future[None]


class Commits:
    """Gives batches to a store's `write`, one transaction at a time; `tidy` is called when nothing waits.

    `publish` is given what was committed, after its senders have their answer. It MUST NOT wait, nor raise.
    `upkeep` is a store's: a short step between two commits.
    """

    def __init__(
        self,
        write: Callable[[Sequence[Batch]], None],
        tidy: Callable[[], None],
        publish: Callable[[Sequence[Batch]], None] = lambda _: None,
        upkeep: Callable[[], float | None] = lambda: None,
    ) -> None:
        self._write, self._tidy, self._publish, self._upkeep = write, tidy, publish, upkeep
        self._waiting: list[_Waiting] = []
        self._changed = threading.Condition()
        self._closing = self._nudged = False
        self._thread = threading.Thread(target=self._run, name="otelllm-writer")
        self._thread.start()

    def submit(self, batch: Batch) -> Future[None]:
        """Done once the batch is durable; `Busy` or `Rejected` where it can't be."""
        done: Future[None] = Future()
        done.set_running_or_notify_cancel()  # a sender that hangs up can't call its batch back
        with self._changed:
            if self._closing:
                raise Busy("the collector is stopping")
            self._waiting.append(_Waiting(batch, done))
            self._changed.notify()
        return done

    @property
    def waiting(self) -> int:
        """Batches that no transaction has begun with."""
        return len(self._waiting)

    def close(self) -> None:
        """Commit what waits and end the thread."""
        with self._changed:
            self._closing = True
            self._changed.notify()
        self._thread.join()

    def nudge(self) -> None:
        """Let the store's upkeep have its turn now, and not only when the next idle moment comes."""
        with self._changed:
            self._nudged = True
            self._changed.notify()

    def _run(self) -> None:
        wait_s: float | None = None
        while True:
            patience_s = IDLE_S if wait_s is None else wait_s
            with self._changed:
                is_told = self._changed.wait_for(
                    lambda: self._waiting or self._closing or self._nudged, timeout=patience_s
                )
                self._nudged = False
                taken = self._take()
            if taken:
                self._commit(taken)
            elif self._closing:
                return
            elif not is_told and wait_s is None:
                self._tidy_up()
            wait_s = self._upkeep()

    def _tidy_up(self) -> None:
        try:
            self._tidy()
        except Exception:  # untidy is not unsafe; the next idle moment tries again
            log.warning("the database can't be put in order", exc_info=True)

    def _take(self) -> list[_Waiting]:
        taken: list[_Waiting] = []
        rows = 0
        while self._waiting and (not taken or rows + self._waiting[0].batch.size <= ROWS_A_COMMIT):
            rows += self._waiting[0].batch.size
            taken.append(self._waiting.pop(0))
        return taken

    def _commit(self, taken: list[_Waiting]) -> None:
        try:
            self._write([waiting.batch for waiting in taken])
        except Busy as error:
            for waiting in taken:
                waiting.done.set_exception(error)
        except Exception as error:
            if len(taken) > 1:  # one of them can't be written: its neighbours must not suffer
                for waiting in taken:
                    self._commit([waiting])
                return
            log.exception("a batch of %d records can't be written", taken[0].batch.size)
            taken[0].done.set_exception(Rejected(f"the store can't keep this batch ({type(error).__name__})"))
        else:
            for waiting in taken:
                waiting.done.set_result(None)
            self._publish([waiting.batch for waiting in taken])
