"""`kill -9` at random moments under load: what was acknowledged is there once, and goes onward at least once."""

from __future__ import annotations

import json
import random
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING

from collector.backends import http_backend, until
from soak.counted import Counting, load_average
from soak.load import Batches, Sender, free_ports, missing, percentile, senders

from collector import process

if TYPE_CHECKING:
    from collector.process import Collector, Start

__all__ = ["kills"]

SAMPLE = 50
"""Batches that are looked for after each kill; all of them at the end."""
STARTS_KILLED = 5
"""Of so many starts one is killed before it is over, too: recovery is as good a moment as any."""


def kills(folder: Path, *, count: int = 50, http: int = 4, grpc: int = 2) -> str:
    """So many kills under the load of so many senders, who go on through all of them."""
    chance = random.Random(count)
    ports = free_ports(2)
    batches, backend = Batches(), Counting()
    with http_backend(backend), process.starting() as start:
        config = folder / "collector.toml"
        config.write_text(f'[[exporter]]\nendpoint = {json.dumps(backend.endpoint)}\ncompression = "none"\n')
        addresses = [f"127.0.0.1:{port}" for port in ports]
        given = ("--http", addresses[0], "--grpc", addresses[1], "--config", str(config), "--journal-size", "4096")
        crowd = senders(batches, http=(addresses[0], http), grpc=(addresses[1], grpc))
        backs: list[float] = []
        try:
            for number in range(count):
                if number % STARTS_KILLED == STARTS_KILLED - 1:
                    _kill_a_start(process.run(folder / "data", *given), chance.uniform(0.05, 1.5))
                running, back_s = _start(start, folder / "data", given, crowd)
                backs.append(back_s)
                _look(running, batches, chance.sample(taken := _taken(crowd), min(SAMPLE, len(taken))))
                time.sleep(chance.uniform(0, 2))  # the random moment
                running.kill()
            running, back_s = _start(start, folder / "data", given, crowd)
            backs.append(back_s)
        finally:
            for one in crowd:
                one.stop()
        for one in crowd:
            one.join(60)
        acked = _taken(crowd)
        _look(running, batches, acked)
        until(lambda: running.get("/api/exporters")["exporters"][0]["waiting_records"] == 0, 120)
        assert running.stop() == 0, running.errors
    lost = [number for number in acked if len(backend.came.get(number, ())) != batches.spans]
    assert not lost, f"{len(lost)} acknowledged batches did not come to the backend"
    assert not (refused := [why for one in crowd for why in one.refused]), refused[:5]
    again = sum(sum(one.again.values()) for one in crowd)
    return (
        f"{count} kills and {count // STARTS_KILLED} of starts, {len(acked) * batches.spans:,} spans acknowledged by "
        f"{http} HTTP and {grpc} gRPC senders ({again:,} sendings again): 0 lost, 0 twice, 0 not sent onward; "
        f"back after {percentile(backs, 0.5):.1f} s (p50), {max(backs):.1f} s (longest); {load_average()}"
    )


def _start(start: Start, data: Path, given: tuple[str, ...], crowd: list[Sender]) -> tuple[Collector, float]:
    """A collector that has taken something, and how long that took from the start of its process."""
    began, before = time.monotonic(), len(_taken(crowd))
    running = start(data, *given)
    until(lambda: len(_taken(crowd)) > before, 60)
    return running, time.monotonic() - began


def _kill_a_start(starting: subprocess.Popen[str], after_s: float) -> None:
    time.sleep(after_s)
    starting.kill()
    starting.communicate()


def _taken(crowd: list[Sender]) -> list[int]:
    return [number for one in crowd for number in list(one.taken)]


def _look(running: Collector, batches: Batches, numbers: list[int]) -> None:
    lost, twice = missing(running, batches, numbers)
    assert not lost, f"{len(lost)} of {len(numbers)} acknowledged batches are not there: {lost[:5]}"
    assert twice == 0, f"{twice} spans are there twice"
