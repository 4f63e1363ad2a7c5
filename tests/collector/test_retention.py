"""What is too old goes, content first; its bytes go back to the disk; and nothing else is lost by it, ever."""

from __future__ import annotations

import json
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
from collector.exports import PROTOBUF, any_value, ids, put, request, span
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest

import otelllm
import otelllm_collector
from otelllm_collector.config import BadSetting, read_settings
from otelllm_collector.decode import decode
from otelllm_collector.questions import Page, SpanFilter
from otelllm_collector.retention import Ages, Retention, read_retention
from otelllm_collector.stores.duckdb import open_store

if TYPE_CHECKING:
    from collections.abc import Iterable

    from collector.process import Collector, Start
    from opentelemetry.proto.trace.v1.trace_pb2 import Span

    from otelllm_collector.stores.duckdb import DuckDBStore

DAY = 86_400_000_000_000
MB = 1024 * 1024
ALL = SpanFilter()
CHAT = {"gen_ai.operation.name": "chat", "gen_ai.request.model": "gpt-5", "gen_ai.usage.input_tokens": 7}


def messages(*texts: str) -> str:
    return json.dumps(
        [{"role": "user", "parts": [{"type": "text", "content": text}]} for text in texts], separators=(",", ":")
    )


def chat(days: float, *texts: str, **more: Any) -> Span:
    """A call that began so many days ago."""
    begin = time.time_ns() - int(days * DAY) - 10**9
    return span(CHAT | {"gen_ai.input.messages": messages(*texts)} | more, start_time_unix_nano=begin)


def keep(store: DuckDBStore, *spans: Span, service: str = "shop") -> None:
    body = request(*spans, service=service).SerializeToString()
    store.write([decode("traces", body, is_json=False, now_ns=spans[0].start_time_unix_nano)])


def drive(store: DuckDBStore) -> None:
    """Do what is to be done; this thread is the writer here."""
    while (wait_s := store.upkeep()) is not None:
        time.sleep(wait_s)


def run(store: DuckDBStore) -> Any:
    done = store.retain()
    drive(store)
    return done.result(0)


def rows(store: DuckDBStore, query: str) -> list[Any]:
    return [row[0] if len(row) == 1 else row for row in store.sql(query, 1000, 5).rows]


def bodies(store: DuckDBStore) -> set[str]:
    found = (json.loads(body) for body in rows(store, "select body from messages"))
    return {part["content"] for body in found for part in body["parts"]}


def on_disk(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


def of_random_text(days: float, number: int) -> Iterable[Span]:
    """Calls whose text no compression makes smaller; so many seconds apart."""
    for second in range(number):
        yield chat(days - second / 86400, *(random.randbytes(400).hex() for _ in range(2)))


def test_content_goes_first_and_the_numbers_stay(tmp_path: Path) -> None:
    store = open_store(tmp_path, retention=Retention(content_days=Ages(7)))
    old = chat(8, "old", "shared", **{"app.note": "stays", "gen_ai.tool.call.arguments": '{"secret": 1}'})
    old.status.code, old.status.message = 2, "secret"
    put(old.events.add(name="exception"), {"exception.type": "ValueError", "exception.message": "secret"})
    keep(store, old)
    keep(store, chat(6, "young", "shared"))
    before = store.traces(ALL, Page(10))
    done = run(store)
    assert (done["content"], done["messages"]) == (1, 1)
    assert bodies(store) == {"young", "shared"}
    assert store.traces(ALL, Page(10)) == before
    found: Any = store.span(old.trace_id.hex(), old.span_id.hex())
    assert "secret" not in json.dumps(found)
    assert "old" not in json.dumps(found["input_messages"])
    assert (found["input_tokens"], found["attributes"]["app.note"], found["status"]) == (7, "stays", "error")
    assert [(event["name"], event["attributes"]) for event in found["events"]] == [
        ("exception", {"exception.type": "ValueError"})
    ]
    assert run(store) == {}
    keep(store, chat(0, "old"))  # it is gone, so it has to be written again
    assert bodies(store) == {"young", "shared", "old"}
    store.close()


def test_foreign_content_goes_whatever_its_name_is(tmp_path: Path) -> None:
    store = open_store(tmp_path, retention=Retention(content_days=Ages(7)))
    foreign = {
        "openinference.span.kind": "LLM", "llm.model_name": "gpt-5", "llm.token_count.prompt": 7,
        "llm.input_messages.0.message.role": "user", "llm.input_messages.0.message.content": "secret",
        "output.value": "secret", "a name that nobody knows": "secret", "tags": ["secret"], "session.id": "s",
    }  # fmt: skip
    old = span(foreign, start_time_unix_nano=time.time_ns() - 8 * DAY)
    put(old.events.add(name="gen_ai.content.prompt"), {"gen_ai.prompt": "secret"})
    keep(store, old)
    run(store)
    found: Any = store.span(old.trace_id.hex(), old.span_id.hex())
    assert "secret" not in json.dumps(found)
    assert (found["input_tokens"], found["request_model"], found["session_id"]) == (7, "gpt-5", "s")
    assert found["attributes"]["llm.token_count.prompt"] == 7
    assert bodies(store) == set()
    store.close()


def test_records_beside_spans_lose_their_content_with_them(tmp_path: Path) -> None:
    store = open_store(tmp_path, retention=Retention(content_days=Ages(7), days=Ages(30)))
    for days in (40, 8, 6):
        trace_id, span_id = ids()
        at_ns = time.time_ns() - days * DAY
        keep(store, span(CHAT, trace_id=trace_id, span_id=span_id, start_time_unix_nano=at_ns))
        message = ExportLogsServiceRequest()
        records = message.resource_logs.add().scope_logs.add().log_records
        identity = {"trace_id": trace_id, "span_id": span_id, "time_unix_nano": at_ns + 1}
        record = records.add(event_name="gen_ai.client.inference.operation.details", **identity)
        put(record, {"gen_ai.input.messages": messages(f"{days} days"), "gen_ai.request.model": "m"})
        record = records.add(event_name="app.prompted", body=any_value(f"secret {days}"), **identity)
        put(record, {"prompt": f"secret {days}", "length": 3})
        score = {"gen_ai.evaluation.name": "good", "gen_ai.evaluation.explanation": f"secret {days}"}
        put(records.add(event_name="gen_ai.evaluation.result", **identity), score)
        store.write([decode("logs", message.SerializeToString(), is_json=False, now_ns=at_ns)])
    done = run(store)
    assert {key: done[key] for key in ("spans", "traces", "contents", "scores")} == {
        "spans": 1, "traces": 1, "contents": 2, "scores": 1,
    }  # fmt: skip
    assert bodies(store) == {"6 days"}
    assert rows(store, "select explanation from scores order by time_ns") == [None, "secret 6"]
    logs = rows(store, "select body, attributes from logs where event_name = 'app.prompted' order by time_ns")
    assert [(body, json.loads(attributes)) for body, attributes in logs] == [
        (None, {"length": 3}), ('"secret 6"', {"prompt": "secret 6", "length": 3}),
    ]  # fmt: skip
    assert run(store) == {}
    store.close()


def test_services_may_differ(tmp_path: Path) -> None:
    ages = Ages(30, {"short": 7, "ever": None})
    store = open_store(tmp_path, retention=Retention(days=ages))
    for service in ("shop", "short", "ever"):
        for days in (40, 10, 1):
            keep(store, chat(days, f"{service} {days}"), service=service)
    run(store)
    expected = [("ever", 3), ("shop", 2), ("short", 1)]
    assert rows(store, "select service_name, count(*) from spans group by 1 order by 1") == expected
    assert rows(store, "select service_name, count(*) from traces group by 1 order by 1") == expected
    assert len(bodies(store)) == 6
    store.close()


def test_a_trace_stays_while_a_span_of_it_does(tmp_path: Path) -> None:
    store = open_store(tmp_path, retention=Retention(days=Ages(7)))
    trace_id, _ = ids()
    begin = time.time_ns() - 7 * DAY
    for offset in (-3600, 3600):
        keep(store, span(CHAT, trace_id=trace_id, start_time_unix_nano=begin + offset * 10**9))
    run(store)
    assert rows(store, "select count(*) from spans") == [1]
    assert store.trace(trace_id.hex()) is not None
    store.close()


@pytest.mark.slow
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


@pytest.mark.slow
def test_by_size_the_older_content_goes_and_then_the_oldest_data(tmp_path: Path) -> None:
    limit = 16 * MB
    store = open_store(tmp_path, retention=Retention(size=limit))
    for days in range(12, 0, -1):
        keep(store, *of_random_text(days, 2000))
    store.tidy()
    assert on_disk(tmp_path) > 1.3 * limit
    run(store)
    store.tidy()
    assert on_disk(tmp_path) < 1.1 * limit
    [(spans, with_content)] = rows(store, "select count(*), count(input_messages) from spans")
    assert spans == 24_000
    assert 6_000 <= with_content < 15_000
    [first] = rows(store, "select min(start_ns) from spans where input_messages is not null")
    [last] = rows(store, "select max(start_ns) from spans where input_messages is null")
    assert last < first
    store.close()
    smaller = open_store(tmp_path, retention=Retention(size=limit // 4))
    for _ in range(4):  # what is dropped at a time is an estimate
        run(smaller)
    smaller.tidy()
    assert 1.1 * limit // 4 > on_disk(tmp_path) > 0.3 * limit // 4
    [(spans, with_content)] = rows(smaller, "select count(*), count(input_messages) from spans")
    assert 0 < with_content < spans < 24_000
    assert rows(smaller, "select min(start_ns) > 0 from spans") == [True]
    smaller.close()


@pytest.mark.slow
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


@pytest.mark.slow
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
        assert {path.name for path in folder.iterdir()} == {"otelllm.duckdb"}
        outcomes.append((child.returncode, on_disk(folder) > 5 * MB, "otelllm.swap" in left))
        shutil.rmtree(folder)
        if child.returncode == 0:
            break
        assert child.returncode == -9, child.stderr
    assert outcomes[-1][0] == 0
    kinds = {(is_large, has_marker) for _, is_large, has_marker in outcomes}
    assert kinds >= {(True, False), (False, True), (False, False)}  # before, in the middle, after
    assert (True, True) not in kinds  # once the marker is there, it is the new file that opens


@pytest.mark.slow
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


def test_a_collector_does_it_by_itself_and_when_told(tmp_path: Path, start: Start) -> None:
    running = start(tmp_path, OTELLLM_RETENTION_DAYS="30,short=1", OTELLLM_RETENTION_EVERY="3600")
    running.send(request(chat(10, "a"), service="short"))
    running.send(request(chat(10, "b"), service="long"))
    token = (tmp_path / "operate.token").read_text().strip()
    answer = running.client.post("/api/maintenance/retention", headers={"authorization": f"Bearer {token}"})
    assert answer.json().get("spans", 0) in (0, 1)  # it may have come to it by itself before
    assert running.sql("select service_name from spans") == [["long"]]
    assert running.get("/api/maintenance")["last"]["retention"] == answer.json()
    assert running.client.post("/api/maintenance/retention").status_code in (401, 403)


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("days", "30", Ages(30)),
        ("days", "0.5, checkout=7,a=b=90,c=off", Ages(0.5, {"checkout": 7, "a=b": 90, "c": None})),
        ("content-days", "shop=1", Ages(None, {"shop": 1})),
        ("size", "20GB", 20_000_000_000),
        ("size", "1.5 GiB", 1_610_612_736),
    ],
)
def test_settings(name: str, text: str, expected: object) -> None:
    found = read_retention(read_settings([f"--retention-{name}", text], {}))
    assert getattr(found, name.replace("-", "_")) == expected
    variable = f"OTELLLM_RETENTION_{name.replace('-', '_').upper()}"
    assert read_retention(read_settings([], {variable: text})) == found


@pytest.mark.parametrize(
    ("name", "text"),
    [("days", "a month"), ("days", "=3"), ("content-days", "-1"), ("size", "1MB"), ("size", "much"), ("every", "0")],
)
def test_a_wrong_setting_is_named(name: str, text: str) -> None:
    with pytest.raises(BadSetting, match=rf"--retention-{name} .*try"):
        read_retention(read_settings([f"--retention-{name}={text}"], {}))


def test_all_is_kept_where_nothing_is_said() -> None:
    assert read_retention(read_settings([], {})).is_all_kept
