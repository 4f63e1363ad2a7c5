"""Vector stores, embeddings and rerankers: what is seen of each call of their methods."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from types import ModuleType
from typing import Any

from opentelemetry.context import Context, create_key, get_value, set_value

from ... import semconv
from ...call import Call, Request, Value
from ...fields import field
from ...method_runs import MethodRun, observed
from ...model_calls import ModelCall
from ...observed import read_documents
from ...runs import IN_RETRIEVAL, Run
from ...safely import safely
from ...wrapping import Observation, Unseen
from .families import family

__all__ = ["Found", "embeddings", "rerankers", "stores"]

_FOUND = create_key("otelllm-langchain-found")
Undo = Callable[[], None]
_MODEL_NAMES = ("model", "model_name", "model_id", "deployment")


def stores(module: ModuleType) -> Undo | str:
    """Watch searches of vector stores; `module` has VectorStore."""
    return _family(module, "VectorStore", r"a?(similarity_search|max_marginal_relevance_search)(_\w+)?", _search)


def embeddings(module: ModuleType) -> Undo | str:
    """Watch embeddings; `module` has Embeddings. A cache in front of another class is none by itself."""
    return _family(module, "Embeddings", r"a?embed_(documents|query)", _embed, classes=r"^(?!CacheBacked)")


def rerankers(module: ModuleType) -> Undo | str:
    """Watch those compressors of documents that rerank them; `module` has BaseDocumentCompressor."""
    return _family(module, "BaseDocumentCompressor", r"a?compress_documents", _rerank, classes="rerank")


def _family(module: ModuleType, name: str, names: str, observe: _Observe, *, classes: str = "") -> Undo | str:
    base = getattr(module, name, None)
    if not isinstance(base, type):
        return f"{name} is not in this version"
    return family(base, names, observed(observe), classes=classes)


_Observe = Callable[[tuple[Any, ...], dict[str, Any]], Observation | None]


class Found:
    """What is seen of one retrieval below it: which documents had which scores, and how many were asked for."""

    __slots__ = ("_scores", "top_k")

    def __init__(self) -> None:
        self._scores: dict[int, tuple[Any, float]] = {}
        self.top_k: int | None = None

    def below(self, context: Context) -> Context:
        """`context`, in which searches tell of what they see."""
        return set_value(_FOUND, self, context)

    def saw(self, result: Any) -> None:
        """A search gave these: (document, score) pairs, or documents only."""
        for one in result if isinstance(result, list) else ():
            if isinstance(one, tuple) and len(one) == 2 and hasattr(one[1], "__float__"):
                self._scores[id(one[0])] = (one[0], float(one[1]))

    def read(self, run: Run, documents: Any) -> None:
        """Keep how many documents came, and which, with their scores where those were told."""
        if self.top_k is not None:
            run.found.setdefault(semconv.RETRIEVAL_TOP_K, self.top_k)
        if not isinstance(documents, Sequence) or isinstance(documents, str):
            return
        shown = [one[0] if isinstance(one, tuple) and one else one for one in documents]
        scored = [self._scores.get(id(one), (None, 0.0)) for one in shown]
        read_documents(
            run, [(one, score) if it is one else one for one, (it, score) in zip(shown, scored, strict=True)]
        )


def _search(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Observation | None:
    query = kwargs.get("query", args[1] if len(args) > 1 else None)
    asked = kwargs.get("k", args[2] if len(args) > 2 else None)
    top_k = asked if isinstance(asked, int) else None
    if get_value(IN_RETRIEVAL):  # a part of that retrieval: only what it adds is seen
        outer = get_value(_FOUND)
        return _Part(outer, top_k) if isinstance(outer, Found) else None
    return _Search(type(args[0]).__name__, query, top_k)


class _Part(Unseen):
    """A search inside a retrieval that has a span."""

    def __init__(self, outer: Found, top_k: int | None) -> None:
        self._outer = outer
        if top_k is not None:
            outer.top_k = top_k

    def returned(self, result: Any) -> None:
        with safely("reading a search's result"):
            self._outer.saw(result)


class _Search(MethodRun):
    """A search of a vector store that nobody above tells of."""

    __slots__ = ("_found",)

    def __init__(self, name: str, query: Any, top_k: int | None) -> None:
        facts: dict[str, Value] = {} if top_k is None else {semconv.RETRIEVAL_TOP_K: top_k}
        super().__init__(Run(semconv.RETRIEVAL, name, facts), self._read_found)
        self._found = Found()
        self.run.context = self._found.below(self.run.context)
        if self.run.content is not None and isinstance(query, str):
            self.run.content.write_text(semconv.RETRIEVAL_QUERY, query)

    def _read_found(self, run: Run, result: Any) -> None:
        self._found.saw(result)
        self._found.read(run, result)


def _embed(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Observation | None:
    return _Embedding(args[0])


class _Model(Unseen):
    """A call of a model class; an SDK's call below has the span."""

    def __init__(self, instance: Any, operation: str) -> None:
        model = next((one for name in _MODEL_NAMES if isinstance(one := getattr(instance, name, None), str)), None)
        self.model_call = ModelCall(_provider(instance), operation, Request(model=model or None))

    def current(self) -> AbstractContextManager[None]:
        return self.model_call.around()

    def returned(self, result: Any) -> None:
        self.model_call.end(lambda call: self.read(call, result))

    def read(self, call: Call, result: Any) -> None:
        raise NotImplementedError

    def end(self, error: BaseException | None = None) -> None:
        self.model_call.end(error=error)


class _Embedding(_Model):
    def __init__(self, instance: Any) -> None:
        super().__init__(instance, semconv.EMBEDDINGS)

    def read(self, call: Call, result: Any) -> None:
        vector = result[0] if isinstance(result, list) and result and isinstance(result[0], list) else result
        if isinstance(vector, list) and vector:
            call.reading.attributes[semconv.EMBEDDINGS_DIMENSIONS] = len(vector)


def _rerank(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Observation | None:
    given = kwargs.get("documents", args[1] if len(args) > 1 else ())
    query = kwargs.get("query", args[2] if len(args) > 2 else None)
    return _Reranking(args[0], given, query)


class _Reranking(_Model):
    def __init__(self, instance: Any, given: Any, query: Any) -> None:
        super().__init__(instance, semconv.RERANK)
        self._given, self._query = given if isinstance(given, Sequence) else (), query

    def read(self, call: Call, result: Any) -> None:
        call.request.attributes[semconv.RERANK_IN] = len(self._given)
        if not isinstance(result, Sequence):
            return
        call.reading.attributes[semconv.RERANK_OUT] = len(result)
        if call.captures:
            call.request.query = self._query if isinstance(self._query, str) else None
            call.reading.documents = [_ranked(one) for one in result]


def _ranked(document: Any) -> dict[str, Any]:
    told: Mapping[str, Any] = field(document, "metadata") or {}
    found = {
        "id": field(document, "id"),
        "score": told.get("relevance_score", told.get("score")),
        "content": field(document, "page_content"),
    }
    return {name: value for name, value in found.items() if value is not None}


def _provider(instance: Any) -> str:
    """By the class's name, for there is nothing else to tell it from."""
    name = type(instance).__name__
    for end in ("Embeddings", "Embedding", "Rerank", "Reranker"):
        name = name.removesuffix(end)
    return name.lower() or type(instance).__name__.lower()
