"""A database of every earlier schema is opened, with all its rows and what later versions add."""

from __future__ import annotations

import json
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

import duckdb
import pytest
from collector.upkeep import drive

from otelllm_collector.encode import encode_spans
from otelllm_collector.questions import Page, SpanFilter
from otelllm_collector.stores.duckdb import migrations, open_store
from otelllm_collector.stores.duckdb import store as store_file
from otelllm_collector.stores.duckdb.changed_hours import KEPT
from otelllm_collector.stores.duckdb.database import FILE_NAME
from otelllm_collector.stores.duckdb.migrations import MIGRATIONS, advance

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.slow

VERSIONS = range(1, len(MIGRATIONS) + 1)
MADE_ANEW = ("text_sketches", "hour_sums")
"""By each start for messages that are there; behind the writer, as sums of users went elsewhere."""
ROWS = 3
TRACE = "0123456789abcdef0123456789abcdef"


def value_of(column: str, kind: str, row: int) -> Any:
    """Something that a column of this name and type holds."""
    if kind.endswith("[]"):
        return [value_of(column, kind.removesuffix("[]"), row)]
    if column in ("events", "links", "made"):
        return '{"columns": [], "attributes": {}}' if column == "made" else "[]"
    return {"UUID": TRACE, "VARCHAR": "{}", "BOOLEAN": True, "DOUBLE": 0.5, "BLOB": b""}.get(kind, 1_000 + row)


def columns_of(connection: duckdb.DuckDBPyConnection, table: str) -> dict[str, str]:
    return {row[0]: row[1] for row in connection.execute(f"describe {table}").fetchall()}


def filled(folder: Path, version: int) -> dict[str, dict[str, str]]:
    """A database as a collector of this schema left it: each table with some rows. Returns the tables' columns."""
    folder.mkdir()
    tables = {}
    with duckdb.connect(str(folder / FILE_NAME)) as connection:
        connection.execute("create schema raw")
        for files in MIGRATIONS[:version]:
            advance(connection, files)
        connection.execute("insert into raw.version values ($version)", {"version": version})
        found = connection.execute("select table_name from duckdb_tables() where schema_name = 'raw'").fetchall()
        for (name,) in found:
            if name != "version":
                tables[name] = columns_of(connection, f"raw.{name}")
                values = [[value_of(*column, row) for column in tables[name].items()] for row in range(ROWS)]
                marks = ", ".join("?" for _ in tables[name])
                connection.executemany(f"insert into raw.{name} values ({marks})", values)
    return tables


@pytest.mark.parametrize("version", VERSIONS)
def test_a_database_of_an_earlier_schema_is_opened_with_all_that_is_in_it(tmp_path: Path, version: int) -> None:
    tables = filled(tmp_path / "data", version)
    newest = filled(tmp_path / "newest", len(MIGRATIONS))
    store = open_store(tmp_path / "data")
    assert store.sql("select count(*) from spans", 1, 5).rows == [(ROWS,)]
    [trace, *_] = store.traces(SpanFilter(), Page(10))
    assert trace["trace_id"] == TRACE
    span = store.span(TRACE, f"{1000:016x}")
    assert span is not None
    assert span["vocabulary"] == ("{}" if "vocabulary" in tables["spans"] else None)
    assert len(next(store.batches(SpanFilter())).spans) == ROWS
    store.close()
    with duckdb.connect(str(tmp_path / "data" / FILE_NAME)) as connection:
        for name, columns in newest.items():
            assert columns_of(connection, f"raw.{name}") == columns
            if name not in tables or name in MADE_ANEW:
                continue
            kept = ", ".join(column for column in tables[name] if column in columns)
            rows = connection.execute(f"select {kept} from raw.{name}").fetchall()
            assert len(rows) == ROWS, name
            assert all(None not in row for row in rows), name
        assert connection.execute("select version from raw.version").fetchall() == [(len(MIGRATIONS),)]


@pytest.mark.parametrize("version", VERSIONS)
def test_spans_of_an_earlier_schema_are_summed(tmp_path: Path, version: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever that schema kept of sums."""
    monkeypatch.setattr(store_file, "IDLE_S", 0.0)
    filled(tmp_path / "data", version)
    with duckdb.connect(str(tmp_path / "data" / FILE_NAME)) as connection:
        connection.execute("update raw.spans set operation = 'chat', user_id = 'ann'")
        for (name,) in connection.execute(
            "select table_name from duckdb_tables() where schema_name = 'raw'"
        ).fetchall():
            if name in KEPT:
                connection.execute(f"delete from raw.{name} where {'true' if name == 'summed' else 'false'}")
    store = open_store(tmp_path / "data")
    drive(store)
    for by in ("user", "model"):
        [sums] = store.aggregates(by, "none", SpanFilter(), 10, percentiles=False)
        assert (sums["calls"], sums["cost_usd"]) == (ROWS, ROWS / 2)
    assert store._writer.execute("select start_ns, hours from raw.summed").fetchall() == [(0, 1)]
    store.close()


def test_a_migration_that_breaks_off_has_changed_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    filled(tmp_path / "data", 1)
    with monkeypatch.context() as patched:
        patched.setattr(migrations, "MIGRATIONS", [*MIGRATIONS, ("no_such_file",)])
        with pytest.raises(FileNotFoundError):
            open_store(tmp_path / "data")
    store = open_store(tmp_path / "data")
    assert store.sql("select count(*) from spans", 1, 5).rows == [(ROWS,)]
    store.close()


BY_HASH = MIGRATIONS.index(next(files for files in MIGRATIONS if "message_ids" in files))
"""The last version whose spans named messages by hash."""

BODIES = [json.dumps({"role": "user", "parts": [{"type": "text", "content": f"m{n}"}]}) for n in range(6)]
KEYS = [blake2b(body.encode(), digest_size=16).hexdigest() for body in BODIES]
GONE = "ab" * 16
LISTS = [[], None, KEYS[:1], KEYS[:4], [KEYS[3], KEYS[0], KEYS[3]], [KEYS[1], GONE], [*KEYS[4:], *KEYS[:3]]]


def put_again(connection: duckdb.DuckDBPyConnection, table: str, *rows: dict[str, Any]) -> None:
    """In place of a table's rows copies of one of them, each with some other values."""
    connection.execute(f"create temp table one as select * from raw.{table} limit 1")
    connection.execute(f"delete from raw.{table}")
    for row in rows:
        replaced = ", ".join(f"${column} as {column}" for column in row)
        connection.execute(f"insert into raw.{table} select * replace ({replaced}) from one", row)
    connection.execute("drop table one")


def filled_by_hash(folder: Path) -> None:
    """Spans that name messages by hash in all the ways there are."""
    filled(folder, BY_HASH)
    forgotten_once = (KEYS[0], BODIES[0])
    plain = {"kind": "client", "status": "ok", "made": None, "content_forms": None, "tools_hash": None}
    spans = [
        plain | {"span_id": 1000 + n, "start_ns": 1000 + n, "end_ns": 1001 + n, "input_hashes": hashes,
                 "output_hashes": hashes and hashes[:1], "system_hash": hashes[0] if hashes else None}
        for n, hashes in enumerate(LISTS)
    ]  # fmt: skip
    beside = {"span_id": 1001, "input_hashes": KEYS[2:4], "output_hashes": None, "system_hash": None}
    with duckdb.connect(str(folder / FILE_NAME)) as connection:
        messages = [*zip(KEYS, BODIES, strict=True), forgotten_once]
        put_again(connection, "messages", *({"hash": key, "body": body} for key, body in messages))
        put_again(connection, "spans", *spans)
        put_again(connection, "contents", beside)
        put_again(connection, "traces", {"start_ns": 1000, "end_ns": 2000})


def test_spans_that_named_messages_by_hash_say_the_same_by_number(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In slices of two rows; lists in order, with messages that are there twice, or not at all."""
    monkeypatch.setattr(migrations, "ROWS_A_SLICE", 2)
    filled_by_hash(tmp_path / "data")
    store = open_store(tmp_path / "data")
    [batch] = store.batches(SpanFilter())
    given = encode_spans(batch).resource_spans[0].scope_spans[0].spans
    for number, hashes in enumerate(LISTS):
        span = store.span(TRACE, f"{1000 + number:016x}")
        assert span is not None
        said = [json.loads(BODIES[KEYS.index(key)]) for key in hashes or () if key != GONE]
        assert span["input_messages"] == (said if hashes is not None else [json.loads(body) for body in BODIES[2:4]])
        assert span["output_messages"] == (None if hashes is None else said[:1])
        sent = {one.key: one.value.string_value for one in given[number].attributes}.get("gen_ai.input.messages")
        assert sent is None if hashes is None or GONE in hashes else json.loads(sent or "") == said
    ids = "select count(*), count(distinct message_id), min(message_id) > 0, count(distinct hash) from messages"
    assert store.sql(ids, 1, 5).rows == [(7, 7, True, 6)]
    store.close()
