"""The file that a host's processes share: where it is, who waits for whom, and what befalls it."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import stat
import threading

import pytest

from otelllm.state.opening import open_state
from otelllm.state.spec import Bucket, Claim, Lease, StateAway
from otelllm.state.sqlite import Sqlite
from otelllm.state.sqlite_file import place_for
from otelllm.steps import adrive, drive

TOKENS = Claim(Bucket("tokens", "rate", 1000, per_s=1e-9), 1)
SLOT = Claim(Bucket("slots", "slots", 2), 1)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "counters.sqlite"


@pytest.fixture
def state(path):
    it = Sqlite(path)
    yield it
    it.close()


def steps_of(generator) -> list[object]:
    """The steps that it yields, each performed."""
    seen: list[object] = []
    try:
        step = next(generator)
        while True:
            seen.append(step)
            step = generator.send(step.sync())
    except StopIteration:
        return seen


@pytest.mark.parametrize("url", ["memory:", "sqlite:"])
def test_where_nobody_else_writes_nothing_has_to_wait(url, tmp_path):
    """So an event loop is not left, and a sync call enters no other function."""
    state = open_state(url, "app", tmp_path)
    drive(state.acquire([TOKENS], 60), None)  # the first one opens, or makes, the file
    assert steps_of(state.acquire([TOKENS, SLOT], 60)) == []
    assert steps_of(state.read([TOKENS.bucket])) == []
    state.close()


def test_an_event_loop_goes_on_while_another_process_writes(state, path):
    """Who is in the file keeps it for microseconds; where it takes longer, a thread waits and not the loop."""
    drive(state.acquire([TOKENS], 60), None)
    other = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    other.execute("begin immediate")

    async def app() -> tuple[object, int]:
        task = asyncio.create_task(adrive(state.acquire([TOKENS], 60), None))
        turns = 0
        while turns < 20:
            await asyncio.sleep(0.001)
            turns += 1
        assert not task.done()
        other.execute("commit")
        return await task, turns

    lease, _ = asyncio.run(app())
    assert lease.used == [pytest.approx(2)]
    other.close()


def test_a_cancelled_caller_leaves_nothing_taken(state, path):
    other = sqlite3.connect(path, isolation_level=None)
    drive(state.acquire([TOKENS], 60), None)
    other.execute("begin immediate")

    async def app() -> None:
        task = asyncio.create_task(adrive(state.acquire([TOKENS, SLOT], 60), None))
        await asyncio.sleep(0.01)
        task.cancel()
        await asyncio.sleep(0)
        other.execute("commit")
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(app())
    assert state.flush(5.0)
    assert drive(state.read([TOKENS.bucket, SLOT.bucket]), None) == [pytest.approx(1), 0]
    other.close()


def test_settling_waits_for_nobody(state, path):
    """Where another process is writing, the thread beside settles as soon as it can."""
    lease = drive(state.acquire([SLOT], 60), None)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("begin immediate")
    state.settle(lease, [1])
    other.execute("commit")
    other.close()
    assert state.flush(5.0)
    assert drive(state.read([SLOT.bucket]), None) == [0]


@pytest.mark.parametrize(
    ("spoil", "way_out"),
    [
        (
            lambda path: path.write_bytes(b"no database at all" * 100),
            "it is no SQLite file; name another, or delete it",
        ),
        (lambda path: path.mkdir(), "it can't be opened; see to its folder's permissions"),
    ],
    ids=["damaged", "a folder"],
)
def test_a_file_that_cannot_be_used_is_told_once_with_the_way_out(path, spoil, way_out, caplog):
    clock = [0.0]
    spoil(path)
    state = Sqlite(path)
    state._outage._clock = lambda: clock[0]
    for _ in range(3):
        with pytest.raises(StateAway, match=f"{path.name}.*{way_out}"):
            drive(state.acquire([TOKENS], 60), None)
        clock[0] += 0.7
    assert len(caplog.records) == 1
    path.rmdir() if path.is_dir() else path.unlink()
    clock[0] += 5
    assert type(drive(state.acquire([TOKENS], 60), None)) is Lease
    state.close()


def test_after_a_reboot_rates_are_full_and_nobody_holds_anything(path):
    """The monotonic clock has begun anew; what a budget has used is still used."""
    day = Claim(Bucket("day", "sum", 1.0), 0.5)
    first = Sqlite(path)
    spent = drive(first.acquire([day], 60), None)
    first.settle(spent, [0.4])
    drive(first.acquire([TOKENS, SLOT, day], 60), None)
    first.close()
    with sqlite3.connect(path) as file:
        file.execute("update facts set value = 'the boot before' where name = 'boot'")
    file.close()
    second = Sqlite(path)
    assert drive(second.read([TOKENS.bucket, SLOT.bucket, day.bucket]), None) == [0, 0, 0.4]
    second.close()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
@pytest.mark.slow
def test_a_forked_child_counts_by_connections_of_its_own(state):
    """It counts in the same file, and neither settles nor renews what its parent holds."""
    lease = drive(state.acquire([TOKENS, SLOT], 60), None)
    state._quick.lock.acquire()  # as a thread of the parent may hold it in that moment
    child = os.fork()
    if child == 0:
        try:
            mine = drive(state.acquire([TOKENS, SLOT], 60), None)
            state.settle(mine, [1, 1])
            os._exit(0 if state.flush(5.0) else 3)
        except BaseException:
            os._exit(4)
    state._quick.lock.release()
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert drive(state.read([TOKENS.bucket, SLOT.bucket]), None) == [pytest.approx(2), 1]
    state.settle(lease, [1, 1])
    assert drive(state.read([SLOT.bucket]), None) == [0]


def test_the_file_is_the_users_own(tmp_path):
    place = place_for("my shop/api", tmp_path / "state")
    assert stat.S_IMODE((tmp_path / "state").stat().st_mode) == 0o700
    assert (place.parent, place.suffix) == (tmp_path / "state", ".sqlite")
    assert place != place_for("my shop_api", tmp_path / "state")
    (tmp_path / "open").mkdir(mode=0o777)
    assert place_for("app", tmp_path / "open").name == "app.sqlite"
    assert stat.S_IMODE((tmp_path / "open").stat().st_mode) == 0o700


def test_where_the_users_folder_cannot_be_written_it_is_one_of_the_temporary_folder(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.gettempdir", lambda: str(tmp_path))
    (tmp_path / "file").write_text("")
    place = place_for("app", tmp_path / "file" / "state")
    assert place.parent.parent == tmp_path
    assert stat.S_IMODE(place.parent.stat().st_mode) == 0o700


def test_many_threads_of_one_process_share_a_connection(state):
    claim = Claim(Bucket("hundred", "rate", 100, per_s=1e-9), 1)
    got: list[object] = []

    def take() -> None:
        got.extend(drive(state.acquire([claim], 60), None) for _ in range(20))

    threads = [threading.Thread(target=take) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(type(one) is Lease for one in got) == 100
