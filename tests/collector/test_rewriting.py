"""The file shrinks while it is asked and written; wherever the process is killed, nothing is lost by it."""

from __future__ import annotations

import random
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from collector.ageing import CHAT, DAY, MB, bodies, chat, keep, of_random_text, on_disk, rows, run
from collector.exports import PROTOBUF, ids, put, request, span

import otelllm
import otelllm_collector
from otelllm_collector.questions import SpanFilter
from otelllm_collector.retention import Ages, Retention
from otelllm_collector.stores.duckdb import open_store

if TYPE_CHECKING:
    from collector.process import Collector, Start

pytestmark = pytest.mark.slow


def test_bytes_go_back_to_the_disk(tmp_path: Path) -> None:
    store = open_store(tmp_path, retention=Retention(content_days=Ages(7)))
    for _ in range(4):
        keep(store, *of_random_text(9, 2500))
        keep(store, *of_random_text(1, 1000))
    store.tidy()
    before = on_disk(tmp_path)
    done = run(store)
    assert done["content"] == 10_000
    assert done["bytes_after"] < done["bytes_before"]
    store.tidy()
    assert before > 12 * MB
    assert on_disk(tmp_path) < 0.45 * before
    state: Any = store.state()
    assert state["bytes_on_disk"] == on_disk(tmp_path)
    assert state["longest_hold_s"] < 5
    counts = "select count(*), sum(input_tokens), count(input_messages) from spans"
    assert rows(store, counts) == [(14_000, 98_000, 4000)]
    assert len(rows(store, "select distinct hash from messages limit 1000")) == 1000
    store.close()
    again = open_store(tmp_path)
    assert rows(again, counts) == [(14_000, 98_000, 4000)]
    assert rows(again, "select count(*) from messages") == [8000]
    again.close()


def test_what_comes_while_the_file_is_rewritten_is_in_both(tmp_path: Path) -> None:
    """Late spans, fuller versions and summaries, behind and before the place that the copy has come to."""
    store = open_store(tmp_path, retention=Retention(content_days=Ages(7)))
    for _ in range(4):
        keep(store, *of_random_text(9, 2500))
    growing = [span(CHAT, trace_id=ids()[0], start_time_unix_nano=time.time_ns() - days * DAY) for days in (9, 5, 1)]
    for one in growing:
        keep(store, one)
    store.tidy()  # into the file: what is in its log only has never made it larger
    done = store.retain()
    step = late = 0
    while (wait_s := store.upkeep()) is not None:
        time.sleep(wait_s)
        step += 1
        if step % 2:
            late += 1
            keep(store, chat(random.choice([10, 8.5, 3, 0]), f"late {late}", "the same"))
            for one in growing:
                more = {"trace_id": one.trace_id, "start_time_unix_nano": one.start_time_unix_nano + step}
                keep(store, span(CHAT, **more))
                put(one, {f"more {step}": 1})
                keep(store, one)
    assert done.result(0)["bytes_after"] < done.result(0)["bytes_before"]
    assert rows(store, "select count(*) from spans") == [10_003 + 4 * late]
    assert rows(store, "select count(*) from spans where attributes->>'more 1' = '1'") == [3]
    assert rows(store, "select sum(spans), sum(input_tokens) from traces") == [
        (10_003 + 4 * late, 7 * (10_003 + 4 * late))
    ]
    assert {f"late {number}" for number in range(1, late + 1)} <= bodies(store)
    assert rows(store, "select count(distinct (trace_id, span_id)) from spans") == [10_003 + 4 * late]
    named = "select distinct unnest(input_messages) as message_id from spans"
    assert rows(store, f"select count(*) from ({named}) anti join messages using (message_id)") == [0]
    store.close()


def test_questions_during_the_swap_are_answered(tmp_path: Path) -> None:
    store = open_store(tmp_path, retention=Retention(content_days=Ages(7)))
    for _ in range(4):
        keep(store, *of_random_text(9, 2500))
    store.tidy()
    is_over = threading.Event()
    answered: list[float] = []
    failed: list[Exception] = []

    def ask() -> None:
        while not is_over.is_set():
            began = time.monotonic()
            try:
                assert rows(store, "select count(*) from spans") == [10_000]
                assert sum(len(batch.spans) for batch in store.batches(SpanFilter(end=1))) == 0
            except Exception as error:
                failed.append(error)
            answered.append(time.monotonic() - began)
            is_over.wait(0.005)  # somebody who asks all the time leaves no gap

    askers = [threading.Thread(target=ask) for _ in range(2)]
    for asker in askers:
        asker.start()
    try:
        done = run(store)
    finally:
        is_over.set()
        for asker in askers:
            asker.join()
    assert "bytes_after" in done
    assert failed == []
    assert len(answered) > 10
    assert max(answered) < 5
    store.close()


CHILD = """
import os, signal, sys, time
from otelllm_collector.retention import Ages, Retention
from otelllm_collector.stores.duckdb import open_store

folder, last = sys.argv[1], int(sys.argv[2])
seen = 0

def watch(event, arguments):
    global seen
    if event in ("open", "os.rename", "os.remove", "os.rmdir", "os.mkdir", "shutil.rmtree", "fcntl.flock"):
        if folder in str(arguments[0]) or event == "fcntl.flock":
            seen += 1
            if seen == last:
                os.kill(os.getpid(), signal.SIGKILL)

sys.addaudithook(watch)
store = open_store(__import__("pathlib").Path(folder), retention=Retention(content_days=Ages(7)))
done = store.retain()
while (wait_s := store.upkeep()) is not None:
    time.sleep(wait_s)
assert "bytes_after" in done.result(0)
store.close()
print(seen)
"""


@pytest.mark.thorough
def test_kill_9_at_every_step_of_the_swap_leaves_a_whole_database(tmp_path: Path) -> None:
    """A process of its own is killed just before its first, second, … use of a file in the folder."""
    store = open_store(tmp_path / "prepared")
    for _ in range(4):
        keep(store, *of_random_text(9, 2500))
    store.close()
    places = ":".join(str(Path(module.__file__ or "").parents[1]) for module in (otelllm, otelllm_collector))
    outcomes = []
    for last in range(1, 60):
        folder = tmp_path / f"killed {last}"
        shutil.copytree(tmp_path / "prepared", folder)
        command = [sys.executable, "-c", CHILD, str(folder), str(last)]
        paths = {"PYTHONPATH": places}
        child = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, env=paths)
        left = {path.name for path in folder.iterdir()}
        again = open_store(folder)
        assert rows(again, "select count(*), sum(input_tokens) from spans") == [(10_000, 70_000)], last
        assert rows(again, "select count(*) from traces") == [10_000]
        keep(again, chat(0, "it goes on"))
        again.close()
        assert {path.name for path in folder.iterdir() if path.stem != "calendar"} == {"otelllm.duckdb"}
        outcomes.append((child.returncode, on_disk(folder) > 5 * MB, "otelllm.swap" in left))
        shutil.rmtree(folder)
        if child.returncode == 0:
            break
        assert child.returncode == -9, child.stderr
    assert outcomes[-1][0] == 0
    kinds = {(is_large, has_marker) for _, is_large, has_marker in outcomes}
    assert kinds >= {(True, False), (False, True), (False, False)}  # before, in the middle, after
    assert (True, True) not in kinds  # once the marker is there, it is the new file that opens


@pytest.mark.thorough
def test_kill_9_of_a_collector_that_rewrites_under_load_loses_nothing(tmp_path: Path, start: Start) -> None:
    store = open_store(tmp_path)
    for _ in range(8):
        keep(store, *of_random_text(9, 2500))
    store.close()
    acknowledged: set[str] = set()
    for pause_s in (0.3, 0.8, 1.5, 3.0):
        running = start(tmp_path, "--retention-content-days", "7", "--retention-every", "0.2")
        senders = [threading.Thread(target=send_until_killed, args=(running, acknowledged)) for _ in range(2)]
        for sender in senders:
            sender.start()
        senders[0].join(pause_s)  # a moment at random: the process is killed wherever it is by then
        running.kill()
        for sender in senders:
            sender.join()
    running = start(tmp_path)
    found = [row[0] for row in running.sql("select trace_id from spans where name = 'under load'")]
    assert len(acknowledged) > 100
    assert acknowledged <= set(found)
    assert len(found) == len(set(found))
    assert running.sql("select count(*) from spans where name != 'under load'") == [[20_000]]
    assert running.stop() == 0


def send_until_killed(running: Collector, acknowledged: set[str]) -> None:
    with httpx.Client(base_url=running.url, timeout=10, trust_env=False) as client:
        while True:
            spans = [span(CHAT, name="under load") for _ in range(8)]
            try:
                answer = client.post("/v1/traces", content=request(*spans).SerializeToString(), headers=PROTOBUF)
            except httpx.TransportError:
                return
            if answer.status_code == 200:
                acknowledged.update(one.trace_id.hex() for one in spans)
