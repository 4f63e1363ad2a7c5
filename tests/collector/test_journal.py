"""The exporters' journal: durable, in order, bounded; each exporter's place its own."""

from __future__ import annotations

import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from otelllm_collector.journal import Journal, JournalFailed

if TYPE_CHECKING:
    from pathlib import Path

MB = 1024 * 1024


def _journal(folder: Path, *exporters: str, size: int = 64 * MB, age_s: float = 3600) -> Journal:
    return Journal(folder, exporters or ("a",), size=size, age_s=age_s)


def _append(journal: Journal, *bodies: bytes, signal_: str = "traces") -> None:
    for body in bodies:
        journal.append(signal_, body, 1, time.time_ns()).result(10)


def _bodies(journal: Journal, after: int = 0, size: int = 64 * MB) -> list[bytes]:
    return [entry.body for entry in journal.read(after, size)]


def test_bodies_come_back_in_order_after_a_restart(tmp_path: Path) -> None:
    journal = _journal(tmp_path)
    _append(journal, b"one", b"two")
    journal.append("logs", b"three", 7, 5).result(10)
    journal.close()
    journal = _journal(tmp_path)
    found = journal.read(journal.place("a"), 64 * MB)
    assert [(one.signal, one.body, one.records) for one in found] == [
        ("traces", b"one", 1), ("traces", b"two", 1), ("logs", b"three", 7),
    ]  # fmt: skip
    assert found[2].received_ns == 5
    journal.close()


def test_each_exporter_has_its_place_and_what_all_have_is_dropped(tmp_path: Path) -> None:
    journal = _journal(tmp_path, "a", "b")
    _append(journal, b"1", b"2", b"3")
    journal.advance("a", 2)
    assert _bodies(journal, journal.place("a")) == [b"3"]
    assert _bodies(journal, journal.place("b")) == [b"1", b"2", b"3"]
    journal.advance("b", 1)
    assert _bodies(journal) == [b"2", b"3"]
    journal.advance("b", 1)
    journal.close()
    journal = _journal(tmp_path, "a", "b")
    assert (journal.place("a"), journal.place("b")) == (2, 1)
    assert journal.lag("a")[:2] == (1, 1)
    assert journal.lag("b")[:2] == (2, 2)
    journal.close()


def test_one_that_is_new_begins_now_and_one_that_is_gone_holds_nothing_back(tmp_path: Path) -> None:
    journal = _journal(tmp_path, "a")
    _append(journal, b"1", b"2")
    journal.close()
    journal = _journal(tmp_path, "b")
    assert _bodies(journal, journal.place("b")) == []
    _append(journal, b"3")
    journal.advance("b", 3)
    assert _bodies(journal) == []
    journal.close()


def test_a_read_gives_at_least_one_and_no_more_than_was_asked(tmp_path: Path) -> None:
    journal = _journal(tmp_path)
    _append(journal, b"x" * 100, b"y" * 100, b"z" * 100)
    assert len(_bodies(journal, 0, 1)) == 1
    assert len(_bodies(journal, 0, 150)) == 2
    assert journal.read(0, 64 * MB, waited_s=60) == []
    assert len(journal.read(0, 64 * MB, waited_s=0)) == 3
    journal.close()


def test_beyond_its_size_the_oldest_are_skipped_and_counted(tmp_path: Path) -> None:
    """The file stays within its bounds, however long a backend is away, and intake never stops for it."""
    journal = _journal(tmp_path, "slow", "quick", size=4 * MB)
    for number in range(200):
        _append(journal, number.to_bytes(4) + bytes(MB // 4))
        journal.advance("quick", number + 1)
    lag = journal.lag("slow")
    assert lag.skipped == 200 - lag.records
    assert 3 * MB < lag.size <= 4 * MB
    assert journal.lag("quick")[:2] == (0, 0)
    assert journal.lag("quick").skipped == 0
    assert int.from_bytes(_bodies(journal, journal.place("slow"))[0][:4]) == lag.skipped
    assert (tmp_path / "data.mdb").stat().st_size < 40 * MB
    journal.close()


def test_beyond_its_age_too(tmp_path: Path) -> None:
    journal = _journal(tmp_path, age_s=60)
    journal.append("traces", b"old", 3, time.time_ns() - 3600 * 10**9).result(10)
    _append(journal, b"new")
    assert _bodies(journal, journal.place("a")) == [b"new"]
    assert journal.lag("a").skipped == 3
    assert 0 <= journal.lag("a").age_s < 30
    journal.close()


def test_a_start_with_a_clock_that_is_years_off_skips_nothing_and_holds_nothing_up(tmp_path: Path) -> None:
    """What waited before has waited since the start: a year ahead it is not too old, nor a year back still to come."""
    year_ns = 366 * 86_400 * 10**9
    journal = _journal(tmp_path, age_s=60)
    _append(journal, b"before")
    journal.close()
    for leap_ns in (year_ns, -year_ns):
        clock = [time.time_ns() + leap_ns]
        journal = Journal(tmp_path, ("a",), size=64 * MB, age_s=60, now_ns=lambda clock=clock: clock[0])
        _append(journal, b"after")
        assert journal.lag("a").skipped == 0
        assert _bodies(journal, journal.place("a"))[0] == b"before"
        assert journal.read(0, 64 * MB, waited_s=1) == []
        clock[0] += 10**9
        assert journal.read(0, 64 * MB, waited_s=1)[0].body == b"before"
        journal.close()


def test_a_body_larger_than_all_there_may_be(tmp_path: Path) -> None:
    """It is kept until it is sent: alone it is within no bound, and nothing else waits."""
    journal = _journal(tmp_path, size=MB)
    _append(journal, bytes(48 * MB))
    assert len(_bodies(journal, journal.place("a"))[0]) == 48 * MB
    _append(journal, b"next")
    assert journal.lag("a").records == 1
    journal.close()


def test_after_closing_it_takes_nothing(tmp_path: Path) -> None:
    journal = _journal(tmp_path)
    journal.close()
    journal.close()
    with pytest.raises(JournalFailed):
        journal.append("traces", b"late", 1, 1)


WRITER = """
import sys, time
from pathlib import Path
from otelllm_collector.journal import Journal

journal = Journal(Path(sys.argv[1]), ["a"], size=1 << 26, age_s=3600)
number = 0
while True:
    number += 1
    journal.append("traces", number.to_bytes(4) + bytes(2000), 1, time.time_ns()).result(10)
    sys.stdout.buffer.write(number.to_bytes(4))
    sys.stdout.flush()
"""


def test_what_was_told_is_there_after_a_kill(tmp_path: Path) -> None:
    for _ in range(3):
        with subprocess.Popen([sys.executable, "-c", WRITER, tmp_path], stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            told = process.stdout.read(400)
            process.kill()
            told += process.stdout.read()
        journal = _journal(tmp_path)
        found = [int.from_bytes(body[:4]) for body in _bodies(journal, journal.place("a"))]
        last = int.from_bytes(told[len(told) // 4 * 4 - 4 : len(told) // 4 * 4])
        assert found[:last] == list(range(1, last + 1))
        journal.advance("a", journal.read(journal.place("a"), 1 << 40)[-1].number)
        journal.close()
