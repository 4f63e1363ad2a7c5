"""pgvector through psycopg 3: statements that search by distance between vectors; other SQL is left alone."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from ..parts import as_list
from ..spec import Wrapper
from ..vector_stores import Operation, Server, argument, observed

__all__ = ["FRAMEWORK", "reads_vectors"]

_OPERATORS = re.compile(r"<->|<=>|<#>|<\+>|<~>|<%>|\b(?:cosine_distance|l2_distance|inner_product|l1_distance)\s*\(")
_QUOTED = re.compile(r"'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"|--[^\n]*|/\*.*?\*/", re.DOTALL)
_FROM = re.compile(r"\bfrom\s+([\w.\"]+)", re.IGNORECASE)
_LIMIT = re.compile(r"\blimit\s+(\d+)", re.IGNORECASE)
_VECTOR_CAST = re.compile(r"::\s*(?:vector|halfvec|sparsevec|bit)\b", re.IGNORECASE)
_VECTORS = {"Vector", "HalfVector", "SparseVector", "Bit", "ndarray"}


def reads_vectors(statement: str, parameters: Any) -> bool:
    """Whether `statement` is a search by distance. The operators alone don't say so: pg_trgm, PostGIS and text search
    have some of the same names; so there must be a vector too, among the parameters or by a cast.
    """
    bare = _QUOTED.sub("''", statement)
    start = bare.lstrip(" \n\t(").lower()
    if not start.startswith(("select", "with")) or not _OPERATORS.search(bare):
        return False
    return bool(_VECTOR_CAST.search(bare)) or any(_is_vector(one) for one in _values(parameters))


def _values(parameters: Any) -> list[Any]:
    return list(parameters.values()) if isinstance(parameters, Mapping) else list(as_list(parameters))


def _is_vector(value: Any) -> bool:
    if type(value).__name__ in _VECTORS:
        return True
    return isinstance(value, str) and value.startswith("[") and value.endswith("]") and "," in value


def _execute(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Operation | None:
    cursor, query, parameters = args[0], argument(args, kwargs, 1, "query"), argument(args, kwargs, 2, "params")
    statement = query.decode("utf-8", "replace") if isinstance(query, bytes) else query
    if not isinstance(statement, str):
        if not hasattr(query, "as_string"):
            return None
        statement = query.as_string(cursor)  # psycopg.sql's composed statements
    if not reads_vectors(statement, parameters):
        return None
    bare = _QUOTED.sub(lambda quoted: quoted[0] if quoted[0][0] == '"' else "''", statement)
    table, most = _FROM.search(bare), _LIMIT.search(bare)
    info = getattr(cursor.connection, "info", None)
    host = getattr(info, "host", None)
    return Operation(
        "SELECT",
        table[1].replace('"', "") if table is not None else "",
        True,
        int(most[1]) if most is not None else None,
        namespace=getattr(info, "dbname", None),
        server=Server(host, getattr(info, "port", None)) if host else None,
        found=lambda result: max(0, getattr(result, "rowcount", 0)),
    )


class _Pgvector:
    name = "pgvector"
    package = "psycopg"
    oldest = "3.2"
    newest = "3.3.9"
    hooks = (
        Wrapper("psycopg.cursor:Cursor.execute", observed("postgresql", _execute)),
        Wrapper("psycopg.cursor_async:AsyncCursor.execute", observed("postgresql", _execute), optional=True),
    )


FRAMEWORK = _Pgvector()
