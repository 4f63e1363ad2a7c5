"""LanceDB: queries where they run (a query that is only built asks nothing), and writes; sync and async."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..call import Part
from ..spec import Wrapper
from ..vector_stores import Operation, document, observed, wrappers

__all__ = ["FRAMEWORK"]

_QUERY = "lancedb.query"
_SEARCHES = ("LanceVectorQueryBuilder", "LanceFtsQueryBuilder", "LanceHybridQueryBuilder")
_ASYNC_SEARCHES = ("AsyncVectorQuery", "AsyncFTSQuery", "AsyncHybridQuery")


def _search(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Operation:
    query = args[0]
    table = getattr(query, "_table", None)
    text = getattr(query, "_str_query", None) or getattr(query, "_query", None)
    most = getattr(query, "_limit", None)
    return Operation(
        "search", str(getattr(table, "name", "") or ""), True, most if isinstance(most, int) else None,
        text if isinstance(text, str) else None, found=_found,
    )  # fmt: skip


def _async_search(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Operation | None:
    if type(args[0]).__name__ not in _ASYNC_SEARCHES:
        return None  # a scan or a take of rows: no search
    return Operation("search", str(getattr(getattr(args[0], "_table", None), "name", "") or ""), True, found=_found)


def _found(result: Any) -> list[Part] | int:
    """Rows of an Arrow table; of batches that are read later nobody knows yet how many."""
    names = getattr(result, "column_names", None)
    if names is None:
        return []
    kept = [name for name in names if not name.startswith("vector")]
    return [
        document(
            row.get("id", row.get("_rowid")),
            row,
            score=row.get("_relevance_score", row.get("_score")),
            distance=row.get("_distance"),
        )
        for row in result.select(kept).to_pylist()
    ]


def _other(verb: str) -> Any:
    return lambda args, kwargs: Operation(verb, str(getattr(args[0], "name", "")))


class _LanceDB:
    name = "lancedb"
    package = "lancedb"
    oldest = "0.25"
    newest = "0.40.0"
    hooks = (
        *(
            Wrapper(f"{_QUERY}:{kind}.to_arrow", observed("lancedb", _search), optional=place > 0)
            for place, kind in enumerate(_SEARCHES)
        ),
        Wrapper(f"{_QUERY}:AsyncQueryBase.to_arrow", observed("lancedb", _async_search), optional=True),
        *wrappers(
            "lancedb",
            ("lancedb.table:LanceTable", "lancedb.table:AsyncTable", "lancedb.remote.table:RemoteTable"),
            {verb: _other(verb) for verb in ("add", "update", "delete")},
        ),
    )


FRAMEWORK = _LanceDB()
