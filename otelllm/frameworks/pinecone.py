"""pinecone: indexes over HTTP, sync and async, and over gRPC."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..call import Part
from ..fields import field
from ..vector_stores import Operation, Server, document, server_of, wrappers

__all__ = ["FRAMEWORK"]


def _server(index: Any) -> Server | None:
    return server_of(getattr(index, "host", None) or getattr(index, "_host", None))


def _name(index: Any) -> str:
    """An index knows its host only: NAME-PROJECT.svc.REGION.pinecone.io."""
    server = _server(index)
    return server.address.split(".")[0].rpartition("-")[0] or server.address if server is not None else ""


def _namespace(kwargs: Mapping[str, Any]) -> str | None:
    namespace = kwargs.get("namespace")
    return namespace if isinstance(namespace, str) and namespace else None


def _query(verb: str) -> Any:
    def describe(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Operation:
        index = args[0]
        return Operation(
            verb, _name(index), True, kwargs.get("top_k"), namespace=_namespace(kwargs), server=_server(index),
            found=lambda result: [document(one.id, one.metadata, score=one.score) for one in result.matches],
        )  # fmt: skip

    return describe


def _search(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Operation:
    index, query = args[0], kwargs.get("query")
    text = field(kwargs.get("inputs"), "text") or field(field(query, "inputs"), "text")
    most = kwargs.get("top_k") or field(query, "top_k")
    return Operation(
        "search", _name(index), True, most, text if isinstance(text, str) else None, _namespace(kwargs),
        _server(index), _hits,
    )  # fmt: skip


def _hits(result: Any) -> list[Part]:
    return [document(hit.id, hit.fields, score=hit.score) for hit in result.result.hits]


def _other(verb: str) -> Any:
    return lambda args, kwargs: Operation(verb, _name(args[0]), namespace=_namespace(kwargs), server=_server(args[0]))


_METHODS = {
    "query": _query("query"),
    "query_namespaces": _query("query_namespaces"),
    "search": _search,
    "search_records": _search,
    **{verb: _other(verb) for verb in ("fetch", "upsert", "upsert_records", "update", "delete")},
}


class _Pinecone:
    name = "pinecone"
    package = "pinecone"
    oldest = "10.0"
    newest = "10.2.0"
    hooks = wrappers(
        "pinecone",
        ("pinecone.index:Index", "pinecone.async_client.async_index:AsyncIndex", "pinecone.grpc:GrpcIndex"),
        _METHODS,
        needed="query",
    )


FRAMEWORK = _Pinecone()
