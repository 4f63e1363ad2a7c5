"""What was acknowledged is there, however the process ended; and a database has one owner."""

from __future__ import annotations

import contextlib
import resource
import signal
import stat
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import duckdb
import httpx
import pytest
from collector.backends import until
from collector.exports import PROTOBUF, request, span
from collector.process import Collector, Start, run

from otelllm_collector.config import BadSetting
from otelllm_collector.stores.duckdb import open_store

pytestmark = pytest.mark.slow


def load(running: Collector, seconds: float) -> set[str]:
    """Trace ids that were acknowledged while four senders sent until the process ended, or for so long."""
    acknowledged: set[str] = set()
    until = time.monotonic() + seconds

    def send() -> None:
        with httpx.Client(base_url=running.url, timeout=10, trust_env=False) as client:
            while time.monotonic() < until:
                spans = [span() for _ in range(8)]
                content = request(*spans).SerializeToString()
                try:
                    answer = client.post("/v1/traces", content=content, headers=PROTOBUF)
                except httpx.TransportError:
                    return
                if answer.status_code == 200:
                    acknowledged.update(one.trace_id.hex() for one in spans)

    senders = [threading.Thread(target=send) for _ in range(4)]
    for sender in senders:
        sender.start()
    while len(acknowledged) < 200 and time.monotonic() < until:
        time.sleep(0.01)
    running.process.send_signal(signal.SIGKILL if seconds > 5 else signal.SIGTERM)
    for sender in senders:
        sender.join(20)
    return acknowledged


def stored(start: Start, data: Path) -> list[str]:
    again = start(data)
    found = [row[0] for row in again.sql("select trace_id from spans")]
    assert again.stop() == 0
    return found


@pytest.mark.slow
def test_kill_9_under_load_loses_nothing_that_was_acknowledged(tmp_path: Path, start: Start) -> None:
    acknowledged: set[str] = set()
    for _ in range(3):
        running = start(tmp_path)
        acknowledged |= load(running, 20)
        running.kill()
    found = stored(start, tmp_path)
    assert len(acknowledged) >= 600
    assert acknowledged <= set(found)
    assert len(found) == len(set(found))


@pytest.mark.slow
def test_sigterm_under_load_finishes_what_it_accepted_and_exits_in_time(tmp_path: Path, start: Start) -> None:
    running = start(tmp_path)
    acknowledged = load(running, 4)
    began = time.monotonic()
    assert running.stop() == 0
    assert time.monotonic() - began < 5
    assert not (tmp_path / "otelllm.duckdb.wal").exists()
    assert acknowledged <= set(stored(start, tmp_path))


def test_kill_9_right_after_the_answer(tmp_path: Path, start: Start) -> None:
    running = start(tmp_path)
    one = span()
    assert running.send(request(one)).status_code == 200
    running.kill()
    assert stored(start, tmp_path) == [one.trace_id.hex()]


def test_sent_again_after_a_crash_is_stored_once(tmp_path: Path, start: Start) -> None:
    one = span({"gen_ai.input.messages": '[{"role": "user", "parts": []}]'})
    for _ in range(2):
        running = start(tmp_path)
        assert running.send(request(one)).status_code == 200
        running.kill()
    running = start(tmp_path)
    running.send(request(one))
    assert running.sql("select (select count(*) from spans), (select count(*) from traces)") == [[1, 1]]
    assert running.stop() == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_stops_when_told_to_even_with_idle_connections(tmp_path: Path, start: Start, number: signal.Signals) -> None:
    running = start(tmp_path)
    assert running.is_up()  # leaves a connection open
    running.process.send_signal(number)
    assert running.process.wait(5) == 0
    running.stop()


@pytest.mark.skipif(
    not hasattr(resource, "prlimit"), reason="fills the disk by a limit that only Linux sets from outside"
)
def test_a_full_disk_asks_senders_to_come_again_and_loses_nothing(tmp_path: Path, start: Start) -> None:
    running = start(tmp_path)
    unlimited = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
    resource.prlimit(running.process.pid, resource.RLIMIT_FSIZE, (2_000_000, resource.RLIM_INFINITY))
    batches = [[span({"text": f"{number}" * 100_000}) for _ in range(4)] for number in range(10)]
    answers = [running.send(request(*batch)) for batch in batches]
    assert {answer.status_code for answer in answers} == {200, 503}
    assert all(answer.headers["retry-after"] for answer in answers if answer.status_code == 503)
    taken = 4 * sum(answer.status_code == 200 for answer in answers)
    assert len(running.get("/api/traces")["traces"]) <= taken  # the rest of it is in the journal until there is room
    resource.prlimit(running.process.pid, resource.RLIMIT_FSIZE, unlimited)
    until(lambda: len(running.get("/api/traces")["traces"]) == taken)
    for batch in batches:
        assert running.send(request(*batch)).status_code == 200
    running.kill()
    assert sorted(stored(start, tmp_path)) == sorted(one.trace_id.hex() for batch in batches for one in batch)


@contextlib.contextmanager
def no_file_grows_beyond(size: int) -> Iterator[None]:
    """What is started in the block finds no room behind this size; `give_room` makes some."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def give_room(pid: int) -> None:
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))


@pytest.mark.skipif(not hasattr(resource, "prlimit"), reason="fills the disk by a limit that only Linux sets")
def test_a_start_on_a_full_disk_answers_questions_and_takes_again_once_there_is_room(
    tmp_path: Path, start: Start
) -> None:
    running, one, other = start(tmp_path), span(), span()
    assert running.send(request(one)).status_code == 200
    assert len(running.sql("select trace_id from spans")) == 1
    running.kill()
    with no_file_grows_beyond((tmp_path / "otelllm.duckdb.wal").stat().st_size):
        running = start(tmp_path)
    assert running.send(request(other)).status_code == 503
    assert running.sql("select trace_id from spans") == [[one.trace_id.hex()]]
    give_room(running.process.pid)
    assert running.send(request(other)).status_code == 200
    running.kill()
    assert sorted(stored(start, tmp_path)) == sorted([one.trace_id.hex(), other.trace_id.hex()])
    assert "it can be asked" in running.errors


@pytest.mark.skipif(not hasattr(resource, "prlimit"), reason="fills the disk by a limit that only Linux sets")
def test_a_first_start_on_a_full_disk_waits_for_room(tmp_path: Path) -> None:
    with no_file_grows_beyond(4096):
        process = run(tmp_path)
    assert process.stdout is not None
    assert process.stderr is not None
    try:
        told = process.stderr.readline()
        give_room(process.pid)
        assert "ready: " in process.stdout.readline()
    finally:
        process.terminate()
        process.communicate(timeout=20)
    assert process.returncode == 0
    assert "waiting until there is room" in told
    assert str(tmp_path) in told


def test_a_second_collector_on_the_same_folder_is_told_who_has_it(tmp_path: Path, start: Start) -> None:
    running = start(tmp_path)
    other = run(tmp_path)
    _, errors = other.communicate(timeout=20)
    assert other.returncode == 2
    assert str(running.process.pid) in errors
    assert str(tmp_path) in errors
    assert "Traceback" not in errors
    assert running.is_up()
    running.stop()


def test_a_port_that_is_taken_is_named(tmp_path: Path, start: Start) -> None:
    running = start(tmp_path / "one")
    address = running.url.removeprefix("http://")
    other = run(tmp_path / "two", "--http", address)
    _, errors = other.communicate(timeout=20)
    assert other.returncode == 2
    assert address in errors
    assert "Traceback" not in errors
    running.stop()


def test_a_newer_schema_is_refused_with_the_path(tmp_path: Path) -> None:
    open_store(tmp_path).close()
    path = tmp_path / "otelllm.duckdb"
    with duckdb.connect(str(path)) as connection:
        connection.execute("update raw.version set version = 99")
    with pytest.raises(BadSetting, match=r"schema 99") as refused:
        open_store(tmp_path)
    assert str(path) in str(refused.value)


def test_a_file_that_is_no_database_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "otelllm.duckdb"
    path.write_bytes(b"someone's notes " * 1000)
    with pytest.raises(BadSetting, match="can't be opened"):
        open_store(tmp_path)
    assert path.read_bytes().startswith(b"someone's notes")


@pytest.mark.parametrize("size", [0, 100, 4096, 12_287])
def test_a_first_start_that_broke_off_is_begun_anew(tmp_path: Path, size: int) -> None:
    open_store(tmp_path).close()
    path = tmp_path / "otelllm.duckdb"
    path.write_bytes(path.read_bytes()[:size])
    store = open_store(tmp_path)
    assert store.sql("select count(*) from spans", 9, 9).rows == [(0,)]
    store.close()
    path.write_bytes(b"someone's notes ")
    with pytest.raises(BadSetting, match="can't be opened"):
        open_store(tmp_path)
    assert path.read_bytes() == b"someone's notes "


def test_prompts_are_readable_by_their_owner_only(tmp_path: Path, start: Start) -> None:
    data = tmp_path / "data"
    running = start(data)
    running.send(request(span()))
    assert running.sql("select count(*) from spans") == [[1]]
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in [data, *data.rglob("*")]}
    assert (modes.pop("data"), modes.pop("journal")) == (0o700, 0o700)
    assert set(modes) >= {"otelllm.duckdb", "otelllm.duckdb.wal", "operate.token", "data.mdb"}
    assert set(modes.values()) == {0o600}
    running.stop()
