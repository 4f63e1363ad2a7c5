"""A disk that fills up under load, of the database and of the exporters' journal, and has room again."""

from __future__ import annotations

import json
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from collector.backends import http_backend, until
from soak.counted import Counting, NotHere, load_average
from soak.load import Batches, Sender, free_ports, missing, senders

from collector import process

if TYPE_CHECKING:
    from collector.process import Collector

__all__ = ["full_disk", "full_journal"]

SMALL_MB, LARGE_MB = 96, 1024
REFUSED = 20
"""So many refusals, and the disk is full: a few more sendings never find room by chance."""


@contextmanager
def _small_disk(place: Path) -> Iterator[None]:
    """A file system of its own at this place."""
    place.mkdir(parents=True, exist_ok=True)
    command = ["mount", "-t", "tmpfs", "-o", f"size={SMALL_MB}m,mode=0700", "none", str(place)]
    if shutil.which("mount") is None or subprocess.run(command, capture_output=True, check=False).returncode:
        raise NotHere("no file system can be mounted here; run this as root, in a container with CAP_SYS_ADMIN")
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(place)], check=True)


def _make_room(place: Path) -> None:
    subprocess.run(["mount", "-o", f"remount,size={LARGE_MB}m", str(place)], check=True)


def full_disk(folder: Path) -> str:
    """Everything on one disk; while it is full the collector is killed, and starts again."""
    return _run(folder, folder / "data", kills=True)


def full_journal(folder: Path) -> str:
    """The journal on a disk of its own, the backend away: the database has room, the exporters' bodies have none."""
    return _run(folder, folder / "data" / "journal", kills=False)


def _run(folder: Path, place: Path, *, kills: bool) -> str:
    batches, backend = Batches(256), Counting()
    ports = free_ports(3)
    config = folder / "collector.toml"
    config.write_text(f"[[exporter]]\nendpoint = {json.dumps(f'http://127.0.0.1:{ports[2]}')}\n")
    addresses = [f"127.0.0.1:{port}" for port in ports[:2]]
    given = ("--http", addresses[0], "--grpc", addresses[1], "--config", str(config), "--journal-size", "4096")
    (folder / "data").mkdir(mode=0o700)
    with _small_disk(place), process.starting() as start:
        running = start(folder / "data", *given)
        crowd = senders(batches, http=(addresses[0], 3), grpc=(addresses[1], 1))
        try:
            until(lambda: _refusals(crowd) >= REFUSED, 120)
            full_at = len(_taken(crowd))
            _look(running, batches, crowd)
            if kills:
                running.kill()
                running = start(folder / "data", *given)
                before = _refusals(crowd)
                until(lambda: _refusals(crowd) >= before + REFUSED or len(_taken(crowd)) > full_at + REFUSED, 60)
                _look(running, batches, crowd)
            full_at = len(_taken(crowd))
            _make_room(place)
            began = time.monotonic()
            until(lambda: len(_taken(crowd)) > full_at + 4, 60)
            back_s = time.monotonic() - began
            time.sleep(3)  # load on a disk with room
        finally:
            for one in crowd:
                one.stop()
        for one in crowd:
            one.join(60)
        acked = _look(running, batches, crowd)
        with http_backend(backend, ports[2]):
            until(lambda: running.get("/api/exporters")["exporters"][0]["waiting_records"] == 0, 120)
        lost = [number for number in acked if len(backend.came.get(number, ())) != batches.spans]
        assert not lost, f"{len(lost)} acknowledged batches did not go onward"
        assert not (refused := [why for one in crowd for why in one.refused]), refused[:5]
        assert running.stop() == 0
    answers: dict[str, int] = {}
    for one in crowd:
        for why, count in one.again.items():
            answers[why] = answers.get(why, 0) + count
    return (
        f"{SMALL_MB} MB full after {full_at * batches.spans:,} spans; while full: "
        f"{', '.join(f'{count} x {why}' for why, count in sorted(answers.items()))}"
        f"{', killed and started again' if kills else ''}; {len(acked) * batches.spans:,} acknowledged in all: 0 lost, "
        f"0 twice, 0 not sent onward; took again {back_s:.1f} s after there was room; {load_average()}"
    )


def _refusals(crowd: list[Sender]) -> int:
    return sum(sum(one.again.values()) for one in crowd)


def _taken(crowd: list[Sender]) -> list[int]:
    return [number for one in crowd for number in list(one.taken)]


def _look(running: Collector, batches: Batches, crowd: list[Sender]) -> list[int]:
    acked = _taken(crowd)
    lost, twice = missing(running, batches, acked)
    assert not lost, f"{len(lost)} of {len(acked)} acknowledged batches are not there"
    assert twice == 0, f"{twice} spans are there twice"
    return acked
