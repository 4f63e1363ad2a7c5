"""What is too old goes, content first, and nothing else is lost by it."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from collector.ageing import ALL, CHAT, DAY, MB, bodies, chat, keep, messages, of_random_text, on_disk, rows, run
from collector.exports import any_value, ids, put, request, span
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest

from otelllm_collector.config import BadSetting, read_settings
from otelllm_collector.decode import decode
from otelllm_collector.questions import Page
from otelllm_collector.retention import Ages, Retention, read_retention
from otelllm_collector.stores.duckdb import open_store

if TYPE_CHECKING:
    from collector.process import Start


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


def test_projects_may_differ_and_their_services_from_them(tmp_path: Path) -> None:
    ages = Ages(30, {"short": 3}, {"quick": 7, "slow": None})
    store = open_store(tmp_path, retention=Retention(days=ages))
    for project in (None, "quick", "slow"):
        for service in ("shop", "short"):
            for days in (40, 10, 5, 1):
                keep(store, chat(days, f"{project} {service} {days}"), service=service, project=project)
    run(store)
    left = "select s.service_name, r.attributes ->> '$.\"otelllm.project\"' as project, count(*) from spans as s "
    left += "join resources as r using (resource_id) group by all order by all"
    assert rows(store, left) == [
        ("shop", "quick", 2), ("shop", "slow", 4), ("shop", None, 3),
        ("short", "quick", 1), ("short", "slow", 1), ("short", None, 1),
    ]  # fmt: skip
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
    assert 6_000 <= with_content < 17_000
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
        ("days", "30,project:shop=7,project:old=off,x=1", Ages(30, {"x": 1}, {"shop": 7, "old": None})),
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
    [
        ("days", "a month"),
        ("days", "=3"),
        ("days", "project:=3"),
        ("content-days", "-1"),
        ("size", "1MB"),
        ("size", "much"),
        ("every", "0"),
    ],
)
def test_a_wrong_setting_is_named(name: str, text: str) -> None:
    with pytest.raises(BadSetting, match=rf"--retention-{name} .*try"):
        read_retention(read_settings([f"--retention-{name}={text}"], {}))


def test_all_is_kept_where_nothing_is_said() -> None:
    assert read_retention(read_settings([], {})).is_all_kept
