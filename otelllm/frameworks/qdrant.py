"""qdrant-client: collections, in this process and over HTTP or gRPC, sync and async."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ..call import Part
from ..parts import as_list
from ..vector_stores import Operation, Server, argument, document, server_of, wrappers

__all__ = ["FRAMEWORK"]


def _server(client: Any) -> Server | None:
    return server_of(getattr(getattr(client, "_client", None), "rest_uri", None))


def _collection(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> str:
    return str(argument(args, kwargs, 1, "collection_name") or "")


def _points(points: Iterable[Any]) -> list[Part]:
    return [document(one.id, one.payload, score=getattr(one, "score", None)) for one in points]


def _query(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Operation:
    most, asked = kwargs.get("limit", 10), argument(args, kwargs, 2, "query")
    text = getattr(asked, "text", None)  # models.Document: embedded by the client, or by the server
    return Operation(
        "query_points", _collection(args, kwargs), True, most, text if isinstance(text, str) else None,
        server=_server(args[0]), found=lambda result: _points(result.points),
    )  # fmt: skip


def _batch(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Operation:
    asked = as_list(argument(args, kwargs, 2, "requests"))
    limits = [one.limit for one in asked if isinstance(getattr(one, "limit", None), int)]
    return Operation(
        "query_batch_points", _collection(args, kwargs), True, max(limits, default=None), server=_server(args[0]),
        found=lambda result: [point for one in result for point in _points(one.points)],
    )  # fmt: skip


def _groups(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Operation:
    return Operation(
        "query_points_groups", _collection(args, kwargs), True, kwargs.get("limit", 10), server=_server(args[0]),
        found=lambda result: [point for group in result.groups for point in _points(group.hits)],
    )  # fmt: skip


def _search(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Operation:
    """Of clients before 1.16."""
    return Operation(
        "search", _collection(args, kwargs), True, kwargs.get("limit", 10), server=_server(args[0]), found=_points
    )


def _other(verb: str) -> Any:
    return lambda args, kwargs: Operation(verb, _collection(args, kwargs), server=_server(args[0]))


_METHODS = {
    "query_points": _query,
    "query_batch_points": _batch,
    "query_points_groups": _groups,
    "search": _search,
    **{verb: _other(verb) for verb in ("scroll", "retrieve", "upsert", "upload_points", "upload_collection", "delete")},
}


class _Qdrant:
    name = "qdrant"
    package = "qdrant-client"
    oldest = "1.12"
    newest = "1.20.0"
    hooks = wrappers(
        "qdrant",
        ("qdrant_client.qdrant_client:QdrantClient", "qdrant_client.async_qdrant_client:AsyncQdrantClient"),
        _METHODS,
        needed="query_points",
    )


FRAMEWORK = _Qdrant()
