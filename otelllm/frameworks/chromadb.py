"""chromadb: collections, in this process and over HTTP, sync and async."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import chain
from typing import Any

from ..call import Part
from ..parts import as_list
from ..vector_stores import Operation, Server, argument, document, server_of, wrappers

__all__ = ["FRAMEWORK"]


def _server(collection: Any) -> Server | None:
    client = getattr(collection, "_client", None)
    return server_of(getattr(client, "_api_url", None)) if hasattr(client, "_api_url") else None


def _query(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Operation:
    collection = args[0]
    texts = argument(args, kwargs, 2, "query_texts")
    text = texts if isinstance(texts, str) else next(iter(as_list(texts)), None)
    most = argument(args, kwargs, 6, "n_results", 10)
    return Operation("query", collection.name, True, most, text, server=_server(collection), found=_found)


def _found(result: Any) -> list[Part]:
    """A call asks several questions at once: what was found for each, one after another."""

    def flat(name: str) -> list[Any]:
        return list(chain.from_iterable(result.get(name) or ()))

    ids, distances, texts = flat("ids"), flat("distances"), flat("documents")
    return [
        document(
            own_id,
            None,
            distance=distances[place] if place < len(distances) else None,
            content=texts[place] if place < len(texts) else None,
        )
        for place, own_id in enumerate(ids)
    ]


def _other(verb: str) -> Any:
    return lambda args, kwargs: Operation(verb, args[0].name, server=_server(args[0]))


_METHODS = {"query": _query, **{verb: _other(verb) for verb in ("get", "add", "upsert", "update", "delete")}}


class _Chroma:
    name = "chromadb"
    package = "chromadb"
    oldest = "1.0"
    newest = "1.5.9"
    hooks = wrappers(
        "chroma",
        ("chromadb.api.models.Collection:Collection", "chromadb.api.models.AsyncCollection:AsyncCollection"),
        _METHODS,
        needed="query",
    )


FRAMEWORK = _Chroma()
