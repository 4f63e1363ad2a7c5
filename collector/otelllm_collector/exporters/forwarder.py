"""One exporter at work: reads the journal behind its position, sends, and goes on. At least once."""

from __future__ import annotations

import logging
import random
import threading
import time
from collections import Counter

from ..exporter_status import Status
from ..journal import Entry, Journal
from .choosing import Summaries, choose, needs_choice
from .settings import Destination
from .spec import Delivered, Later, Sender

__all__ = ["Forwarder"]

log = logging.getLogger(__name__)

FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.5, 30.0
_IDLE_S = 1.0


class Forwarder:
    """A thread that brings the journal's bodies to one backend."""

    def __init__(self, to: Destination, sender: Sender, journal: Journal, summaries: Summaries) -> None:
        self._to, self._sender, self._journal, self._summaries = to, sender, journal, summaries
        self._opens = needs_choice(to)
        self._stopping = threading.Event()
        self._sent: Counter[str] = Counter()
        self._refused = 0
        self._last_error = ""
        self._failing_since: float | None = None
        self._thread = threading.Thread(target=self._run, name=f"otelllm-export-{to.name}")

    def start(self) -> None:
        """Begin where it was left."""
        self._thread.start()

    def stop(self) -> None:
        """Take no more; what was not sent is sent after the next start."""
        self._stopping.set()
        self._journal.nudge()

    def close(self) -> None:
        """End after the request that is under way."""
        self.stop()
        self._thread.join()
        self._sender.close()

    @property
    def status(self) -> Status:
        """As of now."""
        since = self._failing_since
        failing_s = None if since is None else time.monotonic() - since
        lag = self._journal.lag(self._to.name)
        return Status(
            self._to.name, self._to.endpoint, lag, Counter(self._sent), self._refused, self._last_error, failing_s
        )

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                self._step()
            except Exception as error:  # a fault of ours must not end the exporter for good
                self._last_error = type(error).__name__
                log.exception("the exporter %s failed and tries again", self._to.name)
                self._stopping.wait(LONGEST_PAUSE_S)

    def _step(self) -> None:
        place = self._journal.place(self._to.name)
        if not self._journal.wait(place, _IDLE_S, self._stopping.is_set):
            return
        # With a sample a trace is judged once it had time to end.
        waited_s = None if self._to.sample is None else self._to.sample.wait_s
        entries = self._journal.read(place, self._to.batch_bytes, waited_s)
        if not entries:
            self._stopping.wait(_IDLE_S)
            return
        for signal, body, records, last in self._requests(entries):
            if not body or self._deliver(signal, body, records, last):
                self._journal.advance(self._to.name, last)
            else:
                return  # stopping: it is sent after the next start

    def _requests(self, entries: list[Entry]) -> list[tuple[str, bytes, int, int]]:
        """Neighbours of one signal as one request: of two protobuf messages put together the lists are joined."""
        made: list[tuple[str, bytes, int, int]] = []
        for entry in entries:
            body, records = b"", 0
            if entry.signal in self._to.signals:
                body, records = entry.body, entry.records
                if self._opens:
                    body, kept = choose(self._to, entry.signal, body, self._summaries)
                    records = kept or (records if body else 0)
            if (
                made
                and (made[-1][0] == entry.signal or not body)
                and len(made[-1][1]) + len(body) <= self._to.batch_bytes
            ):
                signal, before, count, _ = made[-1]
                made[-1] = (signal, before + body, count + records, entry.number)
            else:
                made.append((entry.signal, body, records, entry.number))
        return made

    def _deliver(self, signal: str, body: bytes, records: int, last: int) -> bool:
        """Send until it is taken, refused, or skipped by the journal's bounds (which counts it); False where the
        collector stops meanwhile.
        """
        pause_s = FIRST_PAUSE_S
        while True:
            outcome = self._sender.send(signal, body)
            if isinstance(outcome, Delivered):
                self._sent[signal] += records - outcome.rejected
                self._failing_since = None
                if outcome.rejected:
                    self._refuse(outcome.rejected, outcome.message)
                return True
            if not isinstance(outcome, Later):
                self._refuse(records, outcome.reason)
                return True
            self._wait_noted(outcome)
            # Somewhere between half and all of it: exporters that failed together come back one by one.
            wait_s = outcome.after_s if outcome.after_s is not None else pause_s * random.uniform(0.5, 1.0)  # noqa: S311  no secret
            if self._stopping.wait(wait_s):
                return False
            if self._journal.place(self._to.name) >= last:
                return True
            pause_s = min(pause_s * 2, LONGEST_PAUSE_S)

    def _wait_noted(self, outcome: Later) -> None:
        self._last_error = outcome.reason
        if self._failing_since is None:
            self._failing_since = time.monotonic()
            log.warning("the exporter %s can't send and goes on trying: %s", self._to.name, outcome.reason)

    def _refuse(self, records: int, reason: str) -> None:
        self._refused += records
        self._last_error = reason
        log.warning("the backend of exporter %s will not take %d records: %s", self._to.name, records, reason)
