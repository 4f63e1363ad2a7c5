"""A machine whose date leaps, back and ahead, while it runs and between two runs, under load all the time."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

from collector.ageing import chat
from collector.backends import http_backend, until
from collector.exports import request
from collector.machine_clock import LIBRARY, MachineClock
from soak.counted import Counting, NotHere, load_average
from soak.load import Batches, Sender, free_ports, missing, senders

from collector import process

if TYPE_CHECKING:
    from collector.process import Collector

__all__ = ["clocks"]

HOUR, YEAR = 3600, 366 * 86_400
LEAPS = ((0, False), (-HOUR, False), (0, False), (YEAR, False), (YEAR, True), (0, False), (-YEAR, False), (0, True))
"""By how much the clock is ahead from then on, and whether the collector was killed and starts with it."""
SENT_ONWARD_WITHIN_S = 90.0
"""After the backend is there again: an exporter waits 30 s at most, by whichever clock."""


def clocks(folder: Path, *, seconds: float = 5) -> str:
    """At each leap the backend is away; in `seconds` retention runs some times, and what is old goes, and only that."""
    if LIBRARY is None:
        raise NotHere("one process's clock can't be set without libfaketime: apt-get install libfaketime")
    clock, batches, backend = MachineClock(folder), Batches(), Counting()
    ports = free_ports(3)
    config = folder / "collector.toml"
    config.write_text(
        f'[[exporter]]\nendpoint = "http://127.0.0.1:{ports[2]}"\ncompression = "none"\ntimeout_s = 2\n'
        "[exporter.sample]\nrate = 1.0\nwait_s = 1\n"
    )
    addresses = [f"127.0.0.1:{port}" for port in ports[:2]]
    given = ("--http", addresses[0], "--grpc", addresses[1], "--config", str(config), "--retention-days", "30",
             "--retention-every", "1")  # fmt: skip
    onward: list[float] = []
    was_year_back = False
    with process.starting() as start:
        running = start(folder / "data", *given, **clock.environment)
        crowd = senders(batches, http=(addresses[0], 2), grpc=(addresses[1], 1), pause_s=0.2)
        try:
            for ahead_s, is_killed in LEAPS:
                if is_killed:
                    running.kill()
                clock.set(ahead_s)
                if is_killed:
                    running = start(folder / "data", *given, **clock.environment)
                before = len(_taken(crowd))
                assert running.send(request(chat(31, "old"), service="old")).status_code == 200
                time.sleep(seconds)
                until(lambda before=before: len(_taken(crowd)) > before + 2, 60)
                _again(running, batches, _taken(crowd)[:20])
                _look(running, batches, _taken(crowd))
                was_year_back |= ahead_s == -YEAR
                if not was_year_back:  # then nothing is old yet, and that the year is over is not believed at once
                    _wait_until_dropped(running)
                with http_backend(backend, ports[2]):
                    onward.append(_sent_onward_s(running, backend, batches, _taken(crowd)))
        finally:
            for one in crowd:
                one.stop()
        for one in crowd:
            one.join(60)
        acked = _taken(crowd)
        _look(running, batches, acked)
        with http_backend(backend, ports[2]):
            _sent_onward_s(running, backend, batches, acked)
        assert running.get("/api/exporters")["exporters"][0]["skipped_records"] == 0
        assert running.stop() == 0
    assert not (refused := [why for one in crowd for why in one.refused]), refused[:5]
    return (
        f"{len(LEAPS)} leaps (an hour back, a year ahead and back, two of them at a start) while {len(acked):,} "
        f"batches of {batches.spans} spans came: 0 lost, 0 twice though sent again, 0 dropped but for those of 31 days "
        f"ago, 0 skipped onward; onward at most {max(onward):.0f} s after the backend was there again; {load_average()}"
    )


def _wait_until_dropped(running: Collector) -> None:
    until(lambda: running.sql("select count(*) from spans where service_name = 'old'") == [[0]], 60)


def _taken(crowd: list[Sender]) -> list[int]:
    return [number for one in crowd for number in list(one.taken)]


def _again(running: Collector, batches: Batches, numbers: list[int]) -> None:
    """Send what is there already."""
    for number in numbers:
        answer = running.client.post(
            "/v1/traces", content=batches.body(number), headers={"content-type": "application/x-protobuf"}
        )
        assert answer.status_code == 200, answer.text


def _look(running: Collector, batches: Batches, numbers: list[int]) -> None:
    lost, twice = missing(running, batches, numbers)
    assert (lost, twice) == ([], 0), f"{len(lost)} of {len(numbers)} batches are not there, {twice} spans are twice"


def _sent_onward_s(running: Collector, backend: Counting, batches: Batches, numbers: list[int]) -> float:
    """How long it takes until the backend has these."""
    began = time.monotonic()
    while any(len(backend.came.get(number, ())) < batches.spans for number in numbers):
        if time.monotonic() - began > SENT_ONWARD_WITHIN_S:
            told = running.get("/api/exporters")["exporters"]
            raise AssertionError(f"not onward in time: {told}, {len(backend.came)} of {len(numbers)} came")
        time.sleep(0.1)
    assert running.is_up()
    return time.monotonic() - began
