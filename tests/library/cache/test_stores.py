"""The contract of a store, run by every one."""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Callable, Iterator
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from otelllm.enforce.cache import places
from otelllm.enforce.cache.memory import Memory
from otelllm.enforce.cache.redis import RedisServer
from otelllm.enforce.cache.sqlite import SqliteFile
from otelllm.enforce.cache.store import Away, Found
from otelllm.state.redis_client import redis_client

if TYPE_CHECKING:
    from otelllm.enforce.cache.store import Store

MANY = 1 << 20
KEY, OTHER = b"k" * 32, b"o" * 32


class Clock:
    """Time that passes when the test says so."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(params=["memory", "sqlite", pytest.param("redis", marks=pytest.mark.slow)])
def make(request: pytest.FixtureRequest, tmp_path: Path, clock: Clock) -> Iterator[Callable[..., Store]]:
    """Makes stores that share what they keep (memory: one)."""
    made: list[Store] = []

    def store(max_bytes: int = MANY) -> Store:
        if request.param == "memory":
            made[:] = made or [Memory(max_bytes, clock)]
        elif request.param == "sqlite":
            made.append(SqliteFile(tmp_path / "folder" / "cache.db", max_bytes, clock))
        else:
            made.append(RedisServer(redis_client(request.getfixturevalue("redis_url"), "where"), max_bytes))
        return made[-1]

    yield store
    for one in made:
        one.close()


@pytest.fixture
def store(make: Callable[..., Store]) -> Store:
    return make()


def put(store: Store, key: bytes, record: bytes, *tags: str, ttl_s: float = 60, span: str = "") -> None:
    store.put(key, record, store.look_up(key, tags), tags, ttl_s=ttl_s, span=span)


def test_what_was_put_is_found_and_nothing_else(store: Store) -> None:
    """Byte for byte, under its own key only."""
    record = bytes(range(256)) * 40
    put(store, KEY, record)
    assert store.look_up(KEY, ()).record == record
    assert store.look_up(OTHER, ()).record is None


def test_a_later_record_takes_the_place_of_the_earlier_one(store: Store) -> None:
    """One key, one record."""
    put(store, KEY, b"first")
    put(store, KEY, b"second")
    assert store.look_up(KEY, ()).record == b"second"


def test_a_record_is_gone_when_its_time_is_over(store: Store, clock: Clock) -> None:
    """To the moment."""
    put(store, KEY, b"short", ttl_s=0.05)
    put(store, OTHER, b"long")
    clock.now += 0.05
    if isinstance(store, RedisServer):
        while store._client.pttl(b"otelllm:cache:" + KEY) != -2:  # the server's clock can't be set
            threading.Event().wait(0.01)
    assert store.look_up(KEY, ()).record is None
    assert store.look_up(OTHER, ()).record == b"long"


def test_invalidating_a_tag_is_in_force_at_once_for_all_that_depends_on_it(make: Callable[..., Store]) -> None:
    """In every process that shares the store; others stay."""
    mine, yours = make(), make()
    put(mine, KEY, b"a", "kb:42", "kb:42@v7")
    put(mine, OTHER, b"b", "kb:43")
    assert yours.look_up(KEY, ("kb:42", "kb:42@v7")).record == b"a"
    yours.invalidate("kb:42")
    assert mine.look_up(KEY, ("kb:42", "kb:42@v7")).record is None
    assert mine.look_up(OTHER, ("kb:43",)).record == b"b"
    put(mine, KEY, b"new", "kb:42", "kb:42@v7")
    assert yours.look_up(KEY, ("kb:42", "kb:42@v7")).record == b"new"


def test_an_answer_that_was_on_its_way_when_its_tag_was_invalidated_is_never_found(store: Store) -> None:
    """It was made of what is no longer true."""
    found = store.look_up(KEY, ("kb:42",))
    store.invalidate("kb:42")
    store.put(KEY, b"stale", found, ("kb:42",), ttl_s=60, span="")
    assert store.look_up(KEY, ("kb:42",)).record is None


def test_invalidating_what_nobody_has_asked_for_yet_is_no_mistake(store: Store) -> None:
    """The tag is then known."""
    store.invalidate("kb:new")
    put(store, KEY, b"a", "kb:new")
    assert store.look_up(KEY, ("kb:new",)).record == b"a"


def test_a_forgotten_tag_gets_a_new_mark(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever a store drops to keep small: what depended on it is asked for again, not served for ever."""
    put(store, KEY, b"a", "kb:42")
    store.invalidate("kb:42")
    if isinstance(store, Memory):
        monkeypatch.setattr("otelllm.enforce.cache.memory.TAGS", 1)
        store.look_up(OTHER, ("another",))
    elif isinstance(store, SqliteFile):
        with store._open() as connection:
            connection.execute("delete from tags")
    else:
        store._client.delete(b"otelllm:cache:tag:kb:42")  # type: ignore[attr-defined]  # the third one
    assert store.look_up(KEY, ("kb:42",)).record is None


def test_a_bad_answer_is_expelled_by_the_span_that_brought_it(make: Callable[..., Store]) -> None:
    """From every process; and only that one."""
    mine, yours = make(), make()
    put(mine, KEY, b"bad", span="00f067aa0ba902b7")
    put(mine, OTHER, b"good", span="00f067aa0ba902b8")
    assert yours.expel("00f067aa0ba902b7") is True
    assert yours.expel("00f067aa0ba902b7") is False
    assert mine.look_up(KEY, ()).record is None
    assert mine.look_up(OTHER, ()).record == b"good"


def test_a_record_that_would_drive_out_the_rest_is_not_kept(make: Callable[..., Store]) -> None:
    """An eighth of the room at most."""
    store = make(80_000)
    put(store, KEY, b"x" * 10_001)
    put(store, OTHER, b"x" * 9_000)
    assert (store.look_up(KEY, ()).record, store.look_up(OTHER, ()).record) == (None, b"x" * 9_000)


def test_many_threads_may_use_it_at_once(store: Store) -> None:
    """Each finds what it put, or nothing."""
    wrong: list[Any] = []

    def work(number: int) -> None:
        for turn in range(50):
            key = bytes([number, turn]) * 16
            put(store, key, key * 10, f"tag:{number}")
            found = store.look_up(key, (f"tag:{number}",)).record
            if found != key * 10:
                wrong.append(found)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert wrong == []


def _in_child(store: Store, told: Any) -> None:
    store.renew()
    found = store.look_up(KEY, ("kb:42",)).record
    store.invalidate("kb:42")
    put(store, OTHER, b"child's", "kb:43")
    told.send(found)
    told.close()


def test_a_forked_child_goes_on_with_it(store: Store) -> None:
    """Whatever of it was open in the parent; what they share, they still share."""
    put(store, KEY, b"parent's", "kb:42")
    ear, mouth = get_context("fork").Pipe()
    child = get_context("fork").Process(target=_in_child, args=(store, mouth))
    child.start()
    mouth.close()
    assert ear.recv() == b"parent's"
    child.join()
    assert child.exitcode == 0
    is_shared = not isinstance(store, Memory)
    assert store.look_up(KEY, ("kb:42",)).record == (None if is_shared else b"parent's")
    assert store.look_up(OTHER, ("kb:43",)).record == (b"child's" if is_shared else None)


def test_memory_drops_what_was_used_longest_ago(clock: Clock) -> None:
    """By bytes."""
    store = Memory(16_000, clock)
    keys = [bytes([number]) * 32 for number in range(12)]
    for key in keys[:9]:
        put(store, key, b"x" * 1_300)
    assert store.look_up(keys[0], ()).record is not None
    put(store, keys[9], b"x" * 1_300)
    put(store, keys[10], b"x" * 1_300)
    kept = [number for number, key in enumerate(keys) if store.look_up(key, ()).record is not None]
    assert kept == [0, 3, 4, 5, 6, 7, 8, 9, 10]


def test_a_file_drops_the_oldest_and_what_is_over(tmp_path: Path, clock: Clock) -> None:
    """It grows by no more than what comes between two sweeps."""
    store = SqliteFile(tmp_path / "cache.db", 100_000, clock)
    put(store, OTHER, b"over", ttl_s=1)
    for number in range(640):
        clock.now += 1
        put(store, number.to_bytes(32, "big"), b"x" * 1_000)
    with store._open() as connection:
        count, first = connection.execute("select count(*), min(put_at) from answers").fetchone()
        assert count <= 100 + 64
        assert first >= clock.now - 200
    assert store.look_up((639).to_bytes(32, "big"), ()).record is not None
    store.close()


def test_a_file_is_for_its_user_only(tmp_path: Path) -> None:
    """Answers are content."""
    store = SqliteFile(tmp_path / "a" / "cache.db", MANY)
    put(store, KEY, b"a")
    files = list((tmp_path / "a").iterdir())
    assert len(files) > 1
    assert {os.stat(file).st_mode & 0o077 for file in files} == {0}
    store.close()


def test_a_file_that_is_none_is_away(tmp_path: Path) -> None:
    """The error names it."""
    path = tmp_path / "cache.db"
    path.write_bytes(b"no database at all, but long enough to be read as one" * 100)
    with pytest.raises(Away, match=r"cache\.db"):
        SqliteFile(path, MANY).look_up(KEY, ())


def test_a_file_that_another_process_holds_is_read_and_not_waited_for(tmp_path: Path) -> None:
    """Reads go on; a write gives up after a tenth of a second."""
    path = tmp_path / "cache.db"
    store = SqliteFile(path, MANY)
    put(store, KEY, b"a")
    holder = sqlite3.connect(path, isolation_level=None)
    holder.execute("begin immediate")
    assert store.look_up(KEY, ()).record == b"a"
    with pytest.raises(Away):
        put(store, OTHER, b"b")
    holder.execute("rollback")
    holder.close()
    put(store, OTHER, b"b")
    store.close()


def test_a_server_that_is_gone_is_asked_once_in_two_seconds(clock: Clock) -> None:
    """A call must not wait for it each time; who invalidates by hand is told each time."""
    asked = []

    class Gone:
        def mget(self, names: Any) -> Any:
            asked.append(names)
            raise OSError("refused")

        def set(self, *args: Any, **kwargs: Any) -> Any:
            asked.append(args)
            raise OSError("refused")

    store = RedisServer(Gone(), MANY, clock)
    for _ in range(3):
        with pytest.raises(Away):
            store.look_up(KEY, ())
    assert len(asked) == 1
    with pytest.raises(Away):
        store.invalidate("kb:42")
    assert len(asked) == 2
    clock.now += 2
    with pytest.raises(Away):
        store.look_up(KEY, ())
    assert len(asked) == 3


def test_an_address_where_nobody_listens_is_away() -> None:
    """The real client's own error, within its short time-out."""
    with pytest.raises(Away, match="ConnectionError"):
        RedisServer(redis_client("redis://127.0.0.1:1/0", "where"), MANY).look_up(KEY, ())


def test_a_fork_of_an_app_renews_what_it_has_open(tmp_path: Path) -> None:
    """Without being told: the hook is the process's own."""
    kept = places.opened(f"sqlite:{tmp_path / 'cache.db'}")
    try:
        kept.put(KEY, b"parent's", Found(None, ()), (), ttl_s=60, span="")
        kept.close()  # what waits is written
        assert kept.store.look_up(KEY, ()).record == b"parent's"
        pid = os.fork()
        if pid == 0:
            found = kept.store.look_up(KEY, ()).record
            kept.put(OTHER, b"child's", Found(None, ()), (), ttl_s=60, span="")
            kept.close()
            os._exit(0 if found == b"parent's" else 1)
        assert os.waitpid(pid, 0)[1] == 0
        assert kept.store.look_up(OTHER, ()).record == b"child's"
    finally:
        places.close_all()
