"""Cross-encoders and embedders, real ones of random weights, in the app's own process."""

from __future__ import annotations

import inspect
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from typing import TYPE_CHECKING, Any

import pytest

pytest.importorskip("sentence_transformers")
from opentelemetry.trace import SpanKind, StatusCode

import otelllm
from otelllm import enclosing, semconv

if TYPE_CHECKING:
    from telemetry import Telemetry

QUERY = "when was the lighthouse lit"
DOCUMENTS = ["dunes", "in 1858", "the lighthouse"]


def test_ranking(otel: Telemetry, reranker: Any) -> None:
    """One span for the ranking and the prediction inside it, with what the app got."""
    otel.instrument(capture="full")
    with otel.tracer.start_as_current_span("app") as above:
        ranked = reranker.rank(QUERY, DOCUMENTS, top_k=2)
    span, found = otel.span, otel.attributes
    assert (span.name, span.kind) == ("rerank tiny-reranker", SpanKind.INTERNAL)
    assert span.parent is not None
    assert span.parent.span_id == above.get_span_context().span_id
    assert (found[semconv.PROVIDER], found[semconv.REQUEST_MODEL]) == ("sentence_transformers", "tiny-reranker")
    assert (found[semconv.RERANK_IN], found[semconv.RERANK_OUT], found[semconv.RETRIEVAL_TOP_K]) == (3, 2, 2)
    assert found[semconv.RETRIEVAL_QUERY] == QUERY
    assert otel.messages(semconv.RETRIEVAL_DOCUMENTS) == [
        {"id": str(one["corpus_id"]), "score": float(one["score"]), "content": DOCUMENTS[one["corpus_id"]]}
        for one in ranked
    ]
    assert semconv.COST_STATUS not in found


def test_predicting_for_one_query(otel: Telemetry, reranker: Any) -> None:
    """Pairs of one query are a ranking; the scores stand in the pairs' order."""
    otel.instrument(capture="full")
    scores = reranker.predict([(QUERY, one) for one in DOCUMENTS])
    assert (otel.attributes[semconv.RERANK_IN], otel.attributes[semconv.RERANK_OUT]) == (3, 3)
    documents = otel.messages(semconv.RETRIEVAL_DOCUMENTS)
    assert [one["score"] for one in documents] == [float(score) for score in scores]
    assert [one["content"] for one in documents] == DOCUMENTS


def test_one_pair(otel: Telemetry, reranker: Any) -> None:
    """Without a list around it."""
    otel.instrument(capture="full")
    reranker.predict([QUERY, "dunes"])
    assert (otel.attributes[semconv.RERANK_IN], otel.attributes[semconv.RERANK_OUT]) == (1, 1)


def test_tensors_are_not_waited_for(otel: Telemetry, reranker: Any) -> None:
    """Scores that may be on a device stay there."""
    otel.instrument(capture="full")
    reranker.predict([(QUERY, one) for one in DOCUMENTS], convert_to_tensor=True)
    assert [sorted(one) for one in otel.messages(semconv.RETRIEVAL_DOCUMENTS)] == [["content", "id"]] * 3


def test_pairs_of_several_queries_are_no_ranking(otel: Telemetry, reranker: Any) -> None:
    """Scores of pairs as such have no name in the conventions."""
    assert len(reranker.predict([("dunes", "lit"), ("in", "1858")])) == 2
    assert otel.spans == []


def test_embedding(otel: Telemetry, embedder: Any) -> None:
    """One span for an encoding, whichever of its names the app calls."""
    otel.instrument(capture="full")
    for name in ("encode", "encode_query", "encode_document"):
        otel.clear()
        vectors = getattr(embedder, name)(DOCUMENTS)
        assert (otel.span.name, otel.span.kind) == ("embeddings tiny-embedder", SpanKind.INTERNAL)
        assert otel.attributes[semconv.EMBEDDINGS_DIMENSIONS] == vectors.shape[1] == 8
        texts = [message["parts"][0]["content"] for message in otel.messages(semconv.INPUT_MESSAGES)]
        assert texts == DOCUMENTS
        assert semconv.USAGE_INPUT not in otel.attributes


@pytest.mark.parametrize("asked", [{}, {"convert_to_numpy": False}, {"convert_to_tensor": True}], ids=str)
def test_embedding_one_text(otel: Telemetry, embedder: Any, asked: dict[str, Any]) -> None:
    """In each of the result's types."""
    embedder.encode("dunes", **asked)
    assert otel.attributes[semconv.EMBEDDINGS_DIMENSIONS] == 8


def test_nothing_is_kept_where_capture_is_off(otel: Telemetry, reranker: Any, embedder: Any) -> None:
    """Counts are no content."""
    reranker.rank(QUERY, DOCUMENTS)
    embedder.encode(DOCUMENTS)
    assert [it.name for it in otel.spans] == ["rerank tiny-reranker", "embeddings tiny-embedder"]
    assert "lighthouse" not in otel.everything()


def test_errors(otel: Telemetry, reranker: Any) -> None:
    """The package's own, as the same object; its words are content."""
    with pytest.raises(TypeError):
        reranker.rank(QUERY, None)
    assert otel.attributes[semconv.ERROR_TYPE] == "TypeError"
    assert otel.span.status.status_code is StatusCode.ERROR
    assert otel.span.status.description is None


def test_the_same_as_bare(otel: Telemetry, reranker: Any, embedder: Any) -> None:
    """Results, signatures and kinds."""
    seen = [reranker.rank(QUERY, DOCUMENTS, return_documents=True), embedder.encode(DOCUMENTS).tolist()]
    signature = inspect.signature(type(reranker).rank)
    otelllm.uninstrument()
    assert seen == [reranker.rank(QUERY, DOCUMENTS, return_documents=True), embedder.encode(DOCUMENTS).tolist()]
    assert inspect.signature(type(reranker).rank) == signature


def test_a_framework_above(otel: Telemetry, reranker: Any) -> None:
    """Its call is this same one: it is told that there is a span, and what it knows goes on that."""
    outer = enclosing.Enclosing(semconv.RERANK, {semconv.CONVERSATION_ID: "thread-1"})
    with outer.around():
        reranker.rank(QUERY, DOCUMENTS)
    assert outer.calls == 1
    assert otel.attributes[semconv.CONVERSATION_ID] == "thread-1"


def test_threads(otel: Telemetry, reranker: Any) -> None:
    """Several at once are several calls."""
    with ThreadPoolExecutor(3) as pool:
        list(pool.map(lambda _: copy_context().run(reranker.rank, QUERY, DOCUMENTS), range(3)))
    assert [it.name for it in otel.spans] == ["rerank tiny-reranker"] * 3
