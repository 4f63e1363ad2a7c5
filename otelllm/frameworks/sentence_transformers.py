"""sentence-transformers: rerankers and embedders that run in the app's own process.

A cross-encoder scores pairs of texts: that is a reranking where all of them have one query, and no call that the
conventions have a name for where they don't.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .. import semconv
from ..call import Part, Value
from ..local_models import Local, observed, read_embedded, read_ranked, short_name
from ..parts import as_list
from ..runs import Run
from ..spec import Wrapper

__all__ = ["FRAMEWORK"]

_PROVIDER = "sentence_transformers"
_RERANKERS = "sentence_transformers.cross_encoder.model:CrossEncoder"
_EMBEDDERS = "sentence_transformers.sentence_transformer.model:SentenceTransformer"
# Before 6.0.
_OLDER_RERANKERS = "sentence_transformers.cross_encoder.CrossEncoder:CrossEncoder"
_OLDER_EMBEDDERS = "sentence_transformers.SentenceTransformer:SentenceTransformer"


def _rank(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Local | None:
    query, given = _argument(args, kwargs, 1, "query"), as_list(_argument(args, kwargs, 2, "documents"))
    facts: dict[str, Value] = {semconv.RERANK_IN: len(given)}
    if isinstance(most := _argument(args, kwargs, 3, "top_k"), int):
        facts[semconv.RETRIEVAL_TOP_K] = most

    def read(run: Run, result: Any) -> None:
        read_ranked(run, query, as_list(result), lambda one: _document(one["corpus_id"], one["score"], given))

    return Local(semconv.RERANK, _PROVIDER, _reranker(args[0]), facts, read)


def _predict(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Local | None:
    given = as_list(_argument(args, kwargs, 1, "inputs", "sentences"))
    pairs = [given] if given and isinstance(given[0], str) else given
    if not pairs or not all(isinstance(pair, list | tuple) and len(pair) == 2 for pair in pairs):
        return None
    query = pairs[0][0]
    if not isinstance(query, str) or any(pair[0] != query for pair in pairs):
        return None
    documents = [pair[1] for pair in pairs]

    def read(run: Run, result: Any) -> None:
        # Asking a tensor for its numbers may wait for a device: only what is in memory as it is.
        is_array = type(result).__module__ == "numpy" and getattr(result, "ndim", None) == 1
        scores: list[Any] = result.tolist() if is_array else [None] * len(documents)
        read_ranked(run, query, range(len(scores)), lambda place: _document(place, scores[place], documents))

    return Local(semconv.RERANK, _PROVIDER, _reranker(args[0]), {semconv.RERANK_IN: len(documents)}, read)


def _encode(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Local | None:
    given = _argument(args, kwargs, 1, "inputs", "sentences")
    inputs = [given] if isinstance(given, str) else as_list(given)
    return Local(
        semconv.EMBEDDINGS, _PROVIDER, _embedder(args[0]), {}, lambda run, result: read_embedded(run, inputs, result)
    )


def _argument(args: tuple[Any, ...], kwargs: dict[str, Any], place: int, *names: str) -> Any:
    """An argument by its name, or one of its older names, or its place."""
    found = next((kwargs[name] for name in names if name in kwargs), None)
    return args[place] if found is None and len(args) > place else found


def _document(place: Any, score: Any, given: Sequence[Any]) -> Part:
    found: Part = {"id": str(place)}
    if isinstance(score, int | float) or hasattr(score, "__float__"):
        found["score"] = float(score)
    if isinstance(place, int) and place < len(given) and isinstance(given[place], str):
        found["content"] = given[place]
    return found


def _reranker(model: Any) -> str:
    return short_name(getattr(getattr(model, "config", None), "_name_or_path", None))


def _embedder(model: Any) -> str:
    card = getattr(getattr(model, "model_card_data", None), "base_model", None)
    return short_name(
        card or getattr(getattr(getattr(model[0], "auto_model", None), "config", None), "_name_or_path", None)
    )


class _SentenceTransformers:
    name = "sentence_transformers"
    package = "sentence-transformers"
    oldest = "5.0"
    newest = "6.2"
    hooks = (
        *(Wrapper(f"{kind}.rank", observed(_rank)) for kind in (_RERANKERS, _OLDER_RERANKERS)),
        *(Wrapper(f"{kind}.predict", observed(_predict)) for kind in (_RERANKERS, _OLDER_RERANKERS)),
        *(Wrapper(f"{kind}.encode", observed(_encode)) for kind in (_EMBEDDERS, _OLDER_EMBEDDERS)),
    )


FRAMEWORK = _SentenceTransformers()
