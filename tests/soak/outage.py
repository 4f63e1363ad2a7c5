"""A backend that is away for the length of a million spans: all of it comes, memory stays, and nobody waits for it."""

from __future__ import annotations

import re
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

from collector.backends import http_backend, until
from soak.counted import Counting, Memory, load_average, memory
from soak.load import Batches, Sender, free_ports, missing, percentile, senders

from collector import process

if TYPE_CHECKING:
    from collector.process import Collector, Start

__all__ = ["outage"]

FLAT_MB = 100.0
"""Between the first and the second half of the outage. Before, the database's own buffers fill, outage or not."""


def outage(folder: Path, *, spans: int = 1_000_000, connections: int = 4) -> str:
    """Load with the backend there, then with it away for so many spans, then what it takes to catch up."""
    with process.starting() as start:
        return _outage(folder, start, spans, connections)


def _outage(folder: Path, start: Start, spans: int, connections: int) -> str:
    batches, backend = Batches(512), Counting()
    [port] = free_ports(1)
    config = folder / "collector.toml"
    config.write_text(f'[[exporter]]\nendpoint = "http://127.0.0.1:{port}"\ncompression = "none"\n')
    given = ("--config", str(config), "--journal-size", "8192")
    running = start(folder / "data", *given)
    watch = _Watch(running)
    try:
        with http_backend(backend, port):
            warm = _load(running, batches, 0, max(spans // 10, 10_000), connections)
            until(lambda: _status(running)["waiting_records"] == 0, 120)
            before = watch.reading()
        away_began = time.monotonic()
        away = _load(running, batches, 1, spans, connections)
        away_between = (away_began, time.monotonic())
        during, lag = watch.reading(), _status(running)
        told = re.search(r"exporter_lag\S*\{[^}]*\} (\S+)", running.client.get("/metrics").text)
        assert told is not None
        assert float(told[1]) == lag["waiting_records"] >= spans, (told[1], lag)
        assert lag["failing_for_s"] is not None
        began = time.monotonic()
        with http_backend(backend, port):
            until(lambda: _status(running)["waiting_records"] == 0, 600)
            caught_s = time.monotonic() - began
            after = watch.reading()
    finally:
        watch.end()
    status = _status(running)
    assert status["skipped_records"] == 0, status
    acked = [number for one in warm + away for number in one.taken]
    lost = [number for number in acked if len(backend.came.get(number, ())) != batches.spans]
    assert not lost, f"{len(lost)} of {len(acked)} batches did not come"
    stored, twice = missing(running, batches, acked)
    assert (stored, twice) == ([], 0)
    quarters = watch.quarters(*away_between)
    grown = max(quarters[2:]) - max(quarters[:2])
    assert grown < FLAT_MB, f"memory grows: {quarters} MB in the quarters of the outage"
    assert after.own < max(quarters) + FLAT_MB, f"{after} after all was sent, {quarters} MB before"
    assert running.stop() == 0
    waits = [_p99(of) for of in (warm, away)]
    return (
        f"{spans:,} spans taken with the backend away ({lag['waiting_bytes'] / 1e6:,.0f} MB waiting): all of "
        f"{len(acked) * batches.spans:,} came ({backend.spans_twice:,} twice), caught up in {caught_s:.0f} s; "
        f"memory {before} before, {quarters} MB in its quarters, {during} at its end, {after} after; "
        f"p99 of sending {waits[0]:.0f} ms before, {waits[1]:.0f} ms during; {load_average()}"
    )


class _Watch:
    """Memory, read twice a second."""

    def __init__(self, running: Collector) -> None:
        self._pid = running.process.pid
        self._readings: list[tuple[float, float]] = []
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def reading(self) -> Memory:
        found = memory(self._pid)
        self._readings.append((time.monotonic(), found.own))
        return found

    def quarters(self, begin: float, end: float) -> list[int]:
        """The highest MB of its own in each quarter of that time."""
        length = (end - begin) / 4
        return [
            round(max(own for at, own in self._readings if 0 <= at - begin - number * length <= length))
            for number in range(4)
        ]

    def _run(self) -> None:
        while not self._over.wait(0.5):
            self.reading()

    def end(self) -> None:
        self._over.set()
        self._thread.join()


def _load(running: Collector, batches: Batches, part: int, spans: int, connections: int) -> list[Sender]:
    """Send so many; intake that stops ends this with the senders' own words."""
    each = -(-spans // (batches.spans * connections))
    crowd = senders(batches, http=(running.url, connections), count=each, part=part)
    for one in crowd:
        one.join(1200)
        assert len(one.taken) == each, (len(one.taken), one.again, one.refused)
    return crowd


def _status(running: Collector) -> dict[str, float]:
    [one] = running.get("/api/exporters")["exporters"]
    return dict(one)


def _p99(crowd: list[Sender]) -> float:
    return 1e3 * percentile((waited for one in crowd for _, waited in one.waits), 0.99)
