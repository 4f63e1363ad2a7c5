"""A user's own SQL: exactly one statement, and it can only read our relations.

Four walls, each enough for its own kind of harm: the parsed statement is a select over known relations and functions,
the transaction is read-only, the instance has no access to files, network or settings, and time is limited.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import duckdb
import orjson

from ...questions import BadQuestion

__all__ = ["check"]

RELATIONS = {
    "spans", "traces", "messages", "events", "links", "metrics", "logs", "scores", "resources", "prompt_breaks",
}  # fmt: skip

TABLE_FUNCTIONS = {"generate_series", "json_each", "json_tree", "range", "repeat", "unnest"}
"""Those that make rows of their arguments. All others read files, settings, catalogues, or run SQL out of a text."""

FORBIDDEN_FUNCTIONS = {
    "current_query",
    "current_setting",
    "currval",
    "getenv",
    "getvariable",
    "nextval",
    "sleep_ms",
    "txid_current",
    "write_log",
}
"""Scalar functions that write, wait, or tell about the process."""

NODES = {"SELECT_NODE", "SET_OPERATION_NODE", "CTE_NODE", "RECURSIVE_CTE_NODE"}
"""Since 2.0 a common table expression may insert, update or delete: those nodes are not here."""

WAY_OUT = f"ask one select over {', '.join(sorted(RELATIONS))}"


def check(cursor: duckdb.DuckDBPyConnection, query: str) -> None:
    """Raise `BadQuestion` unless the text is one statement that only reads."""
    try:
        statements = duckdb.extract_statements(query)
    except duckdb.Error as error:
        raise BadQuestion(f"the SQL can't be read: {error}") from error
    if len(statements) != 1:
        raise BadQuestion(f"{len(statements)} statements where one belongs; {WAY_OUT}")
    if statements[0].type is not duckdb.StatementType.SELECT:
        raise BadQuestion(f"{statements[0].type.name} is not allowed here; {WAY_OUT}")
    row = cursor.execute("select json_serialize_sql($query)", {"query": statements[0].query}).fetchone()
    tree = orjson.loads(row[0]) if row else {"error": True}
    if tree.get("error"):
        raise BadQuestion(f"the SQL can't be read: {tree.get('error_message', 'no tree')}; {WAY_OUT}")
    objects = list(_objects(tree))
    own_names = {entry["key"] for found in objects if "cte_map" in found for entry in found["cte_map"]["map"]}
    if clash := sorted(name for name in own_names if name.lower().startswith(("pg_", "duckdb_", "sqlite_"))):
        raise BadQuestion(f"{clash[0]!r} is a catalogue's name; give your WITH another name")
    for found in objects:
        _check_object(found, {name.lower() for name in own_names})


def _check_object(found: dict[str, Any], own_names: set[str]) -> None:
    kind = found.get("type")
    if isinstance(kind, str) and kind.endswith("_NODE") and kind not in NODES:
        raise BadQuestion(f"{kind.removesuffix('_NODE').replace('_', ' ').lower()} is not allowed; {WAY_OUT}")
    if kind == "BASE_TABLE":
        _check_relation(found, own_names)
    elif kind == "TABLE_FUNCTION":
        name = str(found["function"].get("function_name", "")).lower()
        if name not in TABLE_FUNCTIONS:
            raise BadQuestion(f"the table function {name!r} is not allowed; {WAY_OUT}")
    elif found.get("class") in ("FUNCTION", "WINDOW"):
        name = str(found.get("function_name", "")).lower()
        if name in FORBIDDEN_FUNCTIONS:
            raise BadQuestion(f"the function {name!r} is not allowed")


def _check_relation(found: dict[str, Any], own_names: set[str]) -> None:
    catalog, schema, name = (str(found.get(key, "")).lower() for key in ("catalog_name", "schema_name", "table_name"))
    if not catalog and not schema and name in own_names:
        return
    if catalog not in ("", "otelllm") or schema not in ("", "main") or name not in RELATIONS:
        shown = ".".join(filter(None, (catalog, schema, name)))
        raise BadQuestion(f"there is no relation {shown!r}; {WAY_OUT}")


def _objects(tree: Any) -> Iterator[dict[str, Any]]:
    """Every object of a parsed statement, whatever holds it."""
    waiting = [tree]
    while waiting:
        found = waiting.pop()
        if isinstance(found, dict):
            yield found
            waiting.extend(found.values())
        elif isinstance(found, list):
            waiting.extend(found)
