"""A user's own SQL reads our relations and does nothing else."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pyarrow.ipc
import pytest
from collector.exports import request, span

from otelllm.cli import main

if TYPE_CHECKING:
    from pathlib import Path

    from collector.process import Collector

ALLOWED = [
    "select 1",
    "select 1;",
    "with a as (select * from spans) select count(*) from a",
    "with recursive t(n) as (select 1 union all select n + 1 from t where n < 5) select sum(n) from t",
    "from spans select count(*)",
    "select * from (select name from spans) where name in (select name from spans)",
    "select s.name, t.name from main.spans s join otelllm.main.traces t using (trace_id)",
    "select name from spans union all select name from traces",
    "select unnest([1, 2]), range from range(2)",
    "select attributes->>'app.x', quantile_cont(duration_ms, 0.9) over () from spans",
    "select name, count(*) from spans group by all order by all limit 3",
    "select e.value from spans, json_each(attributes) e",
    "describe spans",
    "summarize traces",
    "values (1, 2)",
    "select * from events, links, metrics, logs, scores, resources, messages",
    "-- a comment\nselect 1 /* another */",
    "SELECT 'drop table spans; --'",
    "select start_time + interval 1 day from spans where start_time > now() - interval 1 hour",
]

ATTACKS = [
    "",
    ";",
    "selekt 1",
    "select 1; select 2",
    "select 1; drop view spans",
    "drop table raw.spans",
    "drop view spans",
    "delete from raw.spans",
    "truncate raw.spans",
    "update raw.spans set name = 'x'",
    "insert into raw.version values (9)",
    "create table t (i int)",
    "create temp table t as select 1",
    "create or replace view spans as select 1",
    "create macro f() as 1",
    "alter table raw.spans add column x int",
    "with x as (insert into raw.version values (9) returning *) select * from x",
    "with x as (delete from raw.spans returning *) select * from x",
    "with x as (update raw.spans set name = 'x' returning *) select * from x",
    "select * from (with x as (delete from raw.version returning *) select * from x)",
    "explain analyze insert into raw.version values (9)",
    "prepare p as delete from raw.version",
    "execute p",
    "begin transaction",
    "commit",
    "checkpoint",
    "vacuum",
    "copy spans to '/tmp/stolen.csv'",
    "copy raw.spans from '/tmp/x.csv'",
    "export database '/tmp/stolen'",
    "import database '/tmp/stolen'",
    "attach '/tmp/other.duckdb'",
    "attach ':memory:' as m",
    "detach otelllm",
    "use memory",
    "set threads = 1",
    "set enable_external_access = true",
    "reset lock_configuration",
    "pragma enable_profiling",
    "pragma database_list",
    "call enable_logging()",
    "call pragma_version()",
    "install httpfs",
    "load httpfs",
    "create secret s (type s3)",
    "select * from read_csv('/etc/passwd')",
    "select * from read_text('/etc/passwd')",
    "select * from read_blob('/etc/passwd')",
    "select * from read_json('http://127.0.0.1:1/x')",
    "select * from read_parquet('s3://bucket/x')",
    "select * from '/etc/passwd'",
    "select * from '/tmp/x.csv'",
    "select * from glob('/*')",
    "select * from sniff_csv('/etc/passwd')",
    "select * from query('select 1')",
    "select * from query_table('spans')",
    "select * from json_execute_serialized_sql(json_serialize_sql('select 1'))",
    "select * from checkpoint()",
    "select * from force_checkpoint()",
    "select * from duckdb_settings()",
    "select * from duckdb_secrets()",
    "select * from duckdb_logs()",
    "select * from duckdb_tables()",
    "select * from pg_settings",
    "select * from pg_catalog.pg_settings",
    "select * from information_schema.tables",
    "select * from duckdb_settings",
    "select * from sqlite_master",
    "select * from raw.spans",
    "select * from otelllm.raw.spans",
    "select * from memory.main.x",
    "select * from seq_scan('raw.spans')",
    "select * from pragma_storage_info('raw.spans')",
    "select * from enable_profiling()",
    "select * from arrow_scan(1, 2, 3)",
    "select current_setting('memory_limit')",
    "select CURRENT_SETTING('temp_directory')",
    "select main.current_setting('temp_directory')",
    "select getenv('HOME')",
    "select getvariable('x')",
    "select nextval('x')",
    "select write_log('x')",
    "select sleep_ms(100000)",
    "select name from spans where write_log(name) is null",
    "select [write_log(x) for x in ['a']]",
    "select list_transform(['a'], lambda x: write_log(x))",
    "select * from (with pg_settings as (select 1) select * from pg_settings) a, pg_settings",
    "with pg_settings as (select 1) select * from pg_settings",
    "with a as (select * from pg_settings) select * from a",
    "select (select setting from pg_settings limit 1)",
    "select * from spans, lateral (select * from duckdb_settings())",
    "select exists(from duckdb_settings())",
    "pivot spans on name",
    "show databases; select 1",
    "select * from settings",
    "select * from collector",
    "select * from os",
]


@pytest.fixture(scope="module", autouse=True)
def some_spans(collector: Collector) -> None:
    collector.send(request(span({"app.x": "y"}), span()))


def ask(collector: Collector, query: Any, **more: Any) -> Any:
    return collector.client.post("/api/sql", json={"sql": query} | more)


@pytest.mark.parametrize("query", ALLOWED)
def test_a_query_that_only_reads_is_answered(collector: Collector, query: str) -> None:
    answer = ask(collector, query)
    assert answer.status_code == 200, answer.text
    assert set(answer.json()) == {"columns", "rows", "truncated", "elapsed_ms"}


@pytest.mark.parametrize("query", ATTACKS)
def test_everything_else_is_refused_with_its_reason(collector: Collector, query: str) -> None:
    answer = ask(collector, query)
    assert answer.status_code == 400, answer.text
    assert len(answer.json()["error"]) > 10


def test_nothing_of_it_had_an_effect(collector: Collector) -> None:
    for query in ATTACKS:
        ask(collector, query)
    assert collector.sql("select count(*) from spans") == [[2]]
    assert collector.is_up()
    assert collector.send(request(span())).status_code == 200


def test_the_readmes_query(collector: Collector) -> None:
    query = (
        "select name, request_model, input_tokens, output_tokens, ttft_ms from spans order by start_time desc limit 5"
    )
    answer = ask(collector, query).json()
    assert [column["name"] for column in answer["columns"]] == [
        "name", "request_model", "input_tokens", "output_tokens", "ttft_ms",
    ]  # fmt: skip
    assert len(answer["rows"]) >= 2


def test_rows_are_limited_and_say_so(collector: Collector) -> None:
    cut = ask(collector, "select * from range(50)", limit=10).json()
    whole = ask(collector, "select * from range(10)", limit=10).json()
    assert (len(cut["rows"]), cut["truncated"]) == (10, True)
    assert (len(whole["rows"]), whole["truncated"]) == (10, False)


def test_every_type_has_a_json_form(collector: Collector) -> None:
    query = """
        select 1::hugeint * 10 ** 30 as huge, 1.5::decimal(10, 2) as money,
            uuid '00000000-0000-0000-0000-00000000000a' as id,
            timestamp '2026-01-02 03:04:05' as t, timestamptz '2026-01-02 03:04:05+00' as tz, date '2026-01-02' as d,
            interval 90 second as i, 'ab'::blob as b, [1, null] as l, {'a': 1} as s, map {'k': 1} as m, null as n,
            'nan'::double as nan, 170141183460469231731687303715884105727::hugeint as max, time '10:00' as tt
    """
    row = ask(collector, query).json()["rows"][0]
    assert row[1:4] == [1.5, "00000000-0000-0000-0000-00000000000a", "2026-01-02T03:04:05"]
    assert row[4].startswith("2026-01-02T03:04:05")
    assert row[5:12] == ["2026-01-02", 90.0, "6162", [1, None], {"a": 1}, {"k": 1}, None]
    assert row[13] == "170141183460469231731687303715884105727"


def test_arrow_for_bulk(collector: Collector) -> None:
    answer = collector.client.post(
        "/api/sql",
        json={"sql": "select name, start_time, duration_ms, finish_reasons from spans", "limit": 2},
        headers={"accept": "application/vnd.apache.arrow.stream"},
    )
    assert answer.headers["content-type"] == "application/vnd.apache.arrow.stream"
    table = pyarrow.ipc.open_stream(answer.content).read_all()
    assert table.column_names == ["name", "start_time", "duration_ms", "finish_reasons"]
    assert table.num_rows == 2


def test_arrow_by_command(collector: Collector, tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    arguments = ["query", "--url", collector.url, "--format", "arrow"]
    query = "select range as n, [range, null] as l, 'ü' as s from range(2500)"
    assert main([*arguments, query, "--output", str(tmp_path / "rows")]) == 0
    told = capfdbinary.readouterr()
    assert (told.out, told.err) == (b"", b"")
    assert main([*arguments, query, "--limit", "2048"]) == 0
    told = capfdbinary.readouterr()
    assert b"2048 rows, as many as --limit allows" in told.err
    table = pyarrow.ipc.open_stream(tmp_path / "rows").read_all()
    assert (table.num_rows, table.slice(2499).to_pylist()) == (2500, [{"n": 2499, "l": [2499, None], "s": "ü"}])
    assert pyarrow.ipc.open_stream(told.out).read_all() == table.slice(0, 2048)
    assert main([*arguments, "select 1 as one where false"]) == 0
    empty = pyarrow.ipc.open_stream(capfdbinary.readouterr().out).read_all()
    assert (empty.num_rows, empty.column_names) == (0, ["one"])
    assert main([*arguments, "drop table spans", "--output", str(tmp_path / "none")]) == 1
    assert not (tmp_path / "none").exists()


BREAKS_LATE = "select cast(if(range = 90000, 'x', '1') as int) from range(95000)"


@pytest.mark.parametrize("accept", ["application/json", "application/vnd.apache.arrow.stream"])
def test_a_query_that_fails_after_its_first_rows_is_refused(collector: Collector, accept: str) -> None:
    question = {"sql": BREAKS_LATE, "limit": 100_000}
    answer = collector.client.post("/api/sql", json=question, headers={"accept": accept})
    assert answer.status_code == 400
    assert "'x'" in answer.json()["error"]


@pytest.mark.parametrize("query", ["drop table raw.spans", "select * from pg_settings", "select nonsense"])
def test_arrow_is_no_way_around(collector: Collector, query: str) -> None:
    headers = {"accept": "application/vnd.apache.arrow.stream"}
    answer = collector.client.post("/api/sql", json={"sql": query}, headers=headers)
    assert answer.status_code == 400


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"select 1",
        b"[]",
        b"{}",
        b'{"sql": 1}',
        b'{"sql": "select 1", "limit": 0}',
        b'{"sql": "select 1", "limit": true}',
    ],
)
def test_a_question_of_another_shape_is_refused(collector: Collector, body: bytes) -> None:
    answer = collector.client.post("/api/sql", content=body, headers={"content-type": "application/json"})
    assert answer.status_code == 400
    assert answer.json()["error"]


def test_a_page_of_another_site_cannot_ask(collector: Collector) -> None:
    answer = collector.client.post("/api/sql", content=b'{"sql": "select 1"}', headers={"content-type": "text/plain"})
    assert answer.status_code == 400


def test_a_query_that_takes_too_long_is_ended(store: Any) -> None:
    from otelllm_collector.questions import BadQuestion

    endless = "select count(*) from range(100000000) a, range(100000000) b where a.range + b.range = 7"
    began = time.monotonic()
    for question in (store.sql, store.sql_arrow):
        with pytest.raises(BadQuestion, match=r"longer than 0.3 s"):
            question(endless, 10, 0.3)
    assert time.monotonic() - began < 5
    assert store.sql("select 1", 10, 10).rows == [(1,)]


def test_an_answer_of_gigabytes_is_cut_or_refused(collector: Collector) -> None:
    query = "select repeat('x', 100000) || range as text from range(1000)"
    cut = ask(collector, query).json()
    assert (cut["truncated"], 600 < len(cut["rows"]) < 1000) == (True, True)
    headers = {"accept": "application/vnd.apache.arrow.stream"}
    refused = collector.client.post("/api/sql", json={"sql": query}, headers=headers)
    assert refused.status_code == 400
    assert "larger than 64 MB" in refused.json()["error"]
    assert ask(collector, "select repeat('x', 10000000000)").status_code == 400
    assert collector.is_up()


def test_a_query_that_takes_too_much_memory_is_ended(collector: Collector) -> None:
    answer = ask(collector, "select list(range) from range(400000000)")
    assert answer.status_code == 400
    assert collector.is_up()
