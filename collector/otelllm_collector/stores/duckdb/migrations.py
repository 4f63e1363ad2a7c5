"""The schema of the database file: what each version of it adds, forward only."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from ...config import BadSetting
from ...sql import sql
from .slices import FOREVER, Which, slices

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import duckdb

__all__ = ["MIGRATIONS", "advance", "bring_up_to_date", "stored_version"]

ROWS_A_SLICE = 16_384


class InSlices(NamedTuple):
    """A file that is run for each slice of a table in order of time: all at once would not fit into memory."""

    name: str
    table: str


MIGRATIONS: list[tuple[str | InSlices, ...]] = [
    ("version", "resources", "scopes", "messages", "spans", "traces", "contents", "scores", "logs", "metrics"),
    ("foreign_spans",),
    ("as_it_came",),
    ("feedback",),
    ("signals_as_they_came",),
    (
        "message_ids",
        InSlices("spans_with_ids", "spans"),
        InSlices("contents_with_ids", "contents"),
        "message_ids_only",
    ),
    ("hash_of_body",),
    ("place",),
    ("inferred_sessions",),
    ("text_sketches", "hour_sums"),
    ("sums_of_users",),
]
"""The files that each version of the schema adds, in order; a database's version is how many of these it has."""

VIEWS = (
    "spans", "traces", "messages", "events", "links", "metrics", "logs", "scores", "resources", "prompt_breaks",
)  # fmt: skip
"""What people query; made anew at each start, for they hold no data."""


def advance(connection: duckdb.DuckDBPyConnection, files: Sequence[str | InSlices]) -> None:
    """Run the files of one version, in the caller's transaction."""
    for one in files:
        if isinstance(one, str):
            connection.execute(sql(f"schema/{one}"))
        else:
            for start, end in slices(connection, Which(one.table, FOREVER), ROWS_A_SLICE):
                connection.execute(sql(f"schema/{one.name}"), {"from": start, "to": end})


def stored_version(connection: duckdb.DuckDBPyConnection, path: Path) -> int:
    """Of the database's schema, 0 where it has none yet; `BadSetting` where this otelllm is too old for it."""
    connection.execute("create schema if not exists raw")
    found = connection.execute(
        "select 1 from information_schema.tables where table_catalog = 'otelllm' and table_schema = 'raw' "
        "and table_name = 'version'"
    ).fetchone()
    stored = connection.execute("select version from raw.version").fetchone() if found else None
    version = int(stored[0]) if stored else 0
    if version > len(MIGRATIONS):
        raise BadSetting(
            f"{str(path)!r} was written by a newer otelllm (schema {version}, this one knows up to {len(MIGRATIONS)}); "
            "install that version again, or choose another folder by --data"
        )
    return version


def bring_up_to_date(connection: duckdb.DuckDBPyConnection, version: int) -> None:
    """From this version of the schema to the newest, in one transaction; the views anew."""
    connection.execute("begin")
    for files in MIGRATIONS[version:]:
        advance(connection, files)
    connection.execute("delete from raw.version")
    connection.execute("insert into raw.version values ($version)", {"version": len(MIGRATIONS)})
    for view in VIEWS:
        connection.execute(sql(f"schema/view_{view}"))
    connection.execute("commit")
