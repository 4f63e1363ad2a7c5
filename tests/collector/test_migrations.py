"""A database of every earlier schema is opened, with all its rows and what later versions add."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import duckdb
import pytest

from otelllm_collector.questions import Page, SpanFilter
from otelllm_collector.sql import sql
from otelllm_collector.stores.duckdb import database, open_store
from otelllm_collector.stores.duckdb.database import FILE_NAME, MIGRATIONS

if TYPE_CHECKING:
    from pathlib import Path

VERSIONS = range(1, len(MIGRATIONS) + 1)
ROWS = 3
TRACE = "0123456789abcdef0123456789abcdef"


def value_of(column: str, kind: str, row: int) -> Any:
    """Something that a column of this name and type holds."""
    if kind.endswith("[]"):
        return [value_of(column, kind.removesuffix("[]"), row)]
    if column in ("events", "links", "made"):
        return '{"columns": [], "attributes": {}}' if column == "made" else "[]"
    return {"UUID": TRACE, "VARCHAR": "{}", "BOOLEAN": True, "DOUBLE": 0.5}.get(kind, 1_000 + row)


def columns_of(connection: duckdb.DuckDBPyConnection, table: str) -> dict[str, str]:
    return {row[0]: row[1] for row in connection.execute(f"describe {table}").fetchall()}


def filled(folder: Path, version: int) -> dict[str, dict[str, str]]:
    """A database as a collector of this schema left it: each table with some rows. Returns the tables' columns."""
    folder.mkdir()
    tables = {}
    with duckdb.connect(str(folder / FILE_NAME)) as connection:
        connection.execute("create schema raw")
        for names in MIGRATIONS[:version]:
            for name in names:
                connection.execute(sql(f"schema/{name}"))
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
            kept = ", ".join(tables[name])
            rows = connection.execute(f"select {kept} from raw.{name}").fetchall()
            assert len(rows) == ROWS, name
            assert all(None not in row for row in rows), name
        assert connection.execute("select version from raw.version").fetchall() == [(len(MIGRATIONS),)]


def test_a_migration_that_breaks_off_has_changed_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    filled(tmp_path / "data", 1)
    with monkeypatch.context() as patched:
        patched.setattr(database, "MIGRATIONS", [*MIGRATIONS, ("no_such_file",)])
        with pytest.raises(FileNotFoundError):
            open_store(tmp_path / "data")
    store = open_store(tmp_path / "data")
    assert store.sql("select count(*) from spans", 1, 5).rows == [(ROWS,)]
    store.close()
