"""From the journal into the store: what was acknowledged is stored once, whenever the process ended."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any

import pytest
from collector.backends import until
from collector.exports import request, span
from collector.upkeep import drive

from otelllm_collector.commits import BYTES_BEHIND, ROWS_A_COMMIT, ROWS_WORTH_WAITING, Commits, Journaled
from otelllm_collector.decode import decode
from otelllm_collector.journal import STORE, Journal
from otelllm_collector.questions import Busy
from otelllm_collector.recovery import Following, recover
from otelllm_collector.rows import Batch
from otelllm_collector.stores.duckdb import open_store

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from collector.process import Start

    from otelllm_collector.stores.spec import Store

PATIENCE_S = 20.0


def body(*names: str) -> bytes:
    return request(*(span(name=name) for name in names)).SerializeToString()


def decoded(content: bytes) -> Batch:
    return decode("traces", content, is_json=False, now_ns=1)


def journal_of(folder: Path) -> Journal:
    return Journal(folder / "journal", [STORE], size=1 << 26, age_s=3600)


def names(store: Store) -> list[str]:
    return [str(name) for (name,) in store.sql("select name from spans order by name", 99, 9).rows]


@pytest.fixture
def started(tmp_path: Path, store: Store) -> Iterator[Callable[..., tuple[Journal, Commits]]]:
    """A journal and a writer that takes up what is in it; given again, they begin anew."""
    open_now: list[Any] = []
    counted: list[tuple[str, int]] = []

    def stop() -> None:
        while open_now:
            open_now.pop().close()

    def start(write: Callable[..., None] | None = None) -> tuple[Journal, Commits]:
        stop()
        journal = journal_of(tmp_path)
        stored = store.follow(journal.identity)
        commits = Commits(write or store.write, store.tidy)
        open_now.extend((journal, commits))
        commits.spine = Following(journal, tmp_path / "set-aside", lambda *told: counted.append(told))
        recover(journal, commits, stored)
        return journal, commits

    yield start
    stop()


def append(journal: Journal, *bodies: bytes) -> None:
    """As a process leaves it that ends right after its answer."""
    for one in bodies:
        journal.append("traces", one, 1, 1).result(PATIENCE_S)


def test_what_was_acknowledged_and_not_stored_is_stored_after_a_start(
    tmp_path: Path, store: Store, started: Callable[..., tuple[Journal, Commits]]
) -> None:
    journal = journal_of(tmp_path)
    append(journal, body("a"), body("b", "c"))
    journal.append("traces", body("d"), 1, 7, project="shop").result(PATIENCE_S)
    journal.close()
    _, commits = started()
    assert commits.catch_up(PATIENCE_S)
    assert names(store) == ["a", "b", "c", "d"]
    projects = "select attributes ->> '$.\"otelllm.project\"' from resources order by 1 nulls last"
    assert store.sql(projects, 9, 9).rows[0] == ("shop",)


def test_what_is_stored_is_not_stored_again_whatever_the_journal_knows_of_it(
    tmp_path: Path, store: Store, started: Callable[..., tuple[Journal, Commits]]
) -> None:
    """The store's own word counts: the journal is told of it later."""
    journal = journal_of(tmp_path)
    append(journal, body("a"), body("b"))
    stored = store.follow(journal.identity)
    store.write([decoded(one.body) for one in journal.read(0, 1)], 1)
    assert (stored, store.follow(journal.identity), journal.place(STORE)) == (0, 1, 0)
    journal.close()
    written: list[int | None] = []

    def write(batches: Sequence[Batch], upto: int | None = None) -> None:
        written.append(upto)
        store.write(batches, upto)

    journal, commits = started(write)
    assert commits.catch_up(PATIENCE_S)
    assert (names(store), written) == (["a", "b"], [2])
    until(lambda: journal.place(STORE) == 2)
    assert journal.read(0, 1) == []


def test_the_numbers_of_another_journal_say_nothing(tmp_path: Path, store: Store) -> None:
    journal = journal_of(tmp_path)
    store.follow(journal.identity)
    store.write([decoded(body("a"))], 9)
    assert store.follow("another") == 0
    assert store.follow(journal.identity) == 9
    journal.close()


@pytest.mark.slow
def test_a_rewritten_file_knows_how_far_it_is(tmp_path: Path) -> None:
    from collector.ageing import keep, of_random_text, on_disk

    from otelllm_collector.retention import Ages, Retention

    store = open_store(tmp_path, retention=Retention(content_days=Ages(7)))
    for _ in range(4):
        keep(store, *of_random_text(9, 2500))
    store.follow("journal")
    store.write([decoded(body("a"))], 5)
    store.tidy()
    before = on_disk(tmp_path)
    job = store.retain()
    drive(store)
    assert job.result(0)["bytes_after"] < before  # type: ignore[operator]  # a number
    assert store.follow("journal") == 5
    store.close()


def test_what_the_store_cannot_keep_is_set_aside_and_holds_nothing_up(
    tmp_path: Path, store: Store, started: Callable[..., tuple[Journal, Commits]]
) -> None:
    def write(batches: Sequence[Batch], upto: int | None = None) -> None:
        if any(one.name == "bad" for batch in batches for one in batch.spans):
            raise ValueError("no store keeps this")
        store.write(batches, upto)

    bad = body("bad")
    journal = journal_of(tmp_path)
    append(journal, body("a"), bad, body("c"))
    journal.close()
    journal, commits = started(write)
    assert commits.catch_up(PATIENCE_S)
    assert names(store) == ["a", "c"]
    [path] = (tmp_path / "set-aside").iterdir()
    assert path.read_bytes() == bad
    assert path.name.endswith("-2.traces.pb")
    assert path.stat().st_mode & 0o077 == 0 or path.parent.stat().st_mode & 0o077 == 0
    assert store.follow(journal.identity) == 3


def test_a_store_that_cannot_be_written_is_tried_again_and_takes_nothing_meanwhile(
    store: Store, started: Callable[..., tuple[Journal, Commits]]
) -> None:
    is_full = threading.Event()
    is_full.set()

    def write(batches: Sequence[Batch], upto: int | None = None) -> None:
        if is_full.is_set():
            raise Busy("no space left")
        store.write(batches, upto)

    journal, commits = started(write)

    def accept(name: str) -> None:
        content = body(name)
        journal.append(
            "traces", content, 1, 1, deliver=lambda n: commits.accept(decoded(content), Journaled(n, 1, len(content)))
        ).result(PATIENCE_S)

    accept("a")
    assert not commits.catch_up(PATIENCE_S)
    with pytest.raises(Busy, match="no space left"):
        commits.room()
    with pytest.raises(Busy):  # whoever waits for the store itself is not kept waiting
        commits.submit(decoded(body("direct"))).result(PATIENCE_S)
    accept("b")
    is_full.clear()
    until(lambda: commits.catch_up(PATIENCE_S))  # which does not wait while there is trouble
    until(lambda: names(store) == ["a", "b"])
    assert commits.room() is None


def test_much_is_written_in_whole_row_groups_and_little_at_once() -> None:
    written: list[int] = []
    gate = threading.Event()

    def write(batches: Sequence[Batch], upto: int | None = None) -> None:
        written.append(len(batches))
        gate.wait(PATIENCE_S)

    commits = Commits(write, lambda: None)
    rows = decoded(body("a"))
    rows.spans *= 1024
    commits.accept(rows, Journaled(1, 1024, 1))
    until(lambda: written == [1])
    for number in range(2, 36):
        commits.accept(rows, Journaled(number, 1024, 1))
    gate.set()
    assert commits.catch_up(PATIENCE_S)
    commits.close()
    assert written[:3] == [1, ROWS_A_COMMIT // 1024, ROWS_A_COMMIT // 1024]
    assert sum(written) == 35


def test_answers_wait_for_a_store_that_is_behind_and_questions_do_not() -> None:
    gate = threading.Event()
    commits = Commits(lambda batches, upto=None: bool(gate.wait(PATIENCE_S)) or None, lambda: None)
    commits.accept(decoded(body("a")), Journaled(1, ROWS_WORTH_WAITING + 1, BYTES_BEHIND))
    room = commits.room()
    assert room is not None
    began = time.monotonic()
    assert not commits.catch_up(PATIENCE_S, ROWS_WORTH_WAITING)
    assert time.monotonic() - began < PATIENCE_S / 2
    gate.set()
    room.result(PATIENCE_S)
    assert commits.room() is None
    assert commits.catch_up(PATIENCE_S, ROWS_WORTH_WAITING)
    commits.close()


def test_an_answer_has_what_was_acknowledged_before_the_question(tmp_path: Path, start: Start) -> None:
    running = start(tmp_path)
    for number in range(1, 31):
        assert running.send(request(span())).status_code == 200
        assert running.sql("select count(*) from spans") == [[number]]
    running.stop()
