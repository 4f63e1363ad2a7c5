"""The real stores: a search is a `retrieval`, a write a database span; what was found is told, vectors never."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import chromadb
import lancedb
import pinecone
import pytest
from opentelemetry.trace import SpanKind, StatusCode
from qdrant_client import AsyncQdrantClient, QdrantClient, models
from wire.server import whole

import otelllm
from otelllm import semconv

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from telemetry import Telemetry
    from wire.server import Provider

# What these packages do to themselves in Python 3.11 is not ours to judge.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")

NOTES = ["Parcels take two days.", "Returns are free.", "We ship to Skagen."]
VECTORS = [[1.0, 0.0], [0.0, 1.0], [0.7, 0.7]]


@pytest.fixture
def full(otel: Telemetry) -> Telemetry:
    otel.instrument(capture="full")
    return otel


def _facts(otel: Telemetry, *names: str) -> list[Any]:
    return [otel.attributes.get(name) for name in names]


COUNTED = (semconv.DB_SYSTEM, semconv.DB_COLLECTION, semconv.RETRIEVAL_TOP_K, semconv.RETRIEVAL_COUNT)


@pytest.fixture
def collection() -> Iterator[Any]:
    client = chromadb.EphemeralClient()
    made = client.create_collection("notes", embedding_function=None)
    made.add(ids=["a", "b", "c"], embeddings=VECTORS, documents=NOTES)
    yield made
    client.delete_collection("notes")


def test_chroma_searches(full: Telemetry, collection: Any) -> None:
    full.clear()
    result = collection.query(query_embeddings=[[1.0, 0.1]], n_results=2)
    assert result["ids"] == [["a", "c"]]
    assert full.span.name == "retrieval notes"
    assert full.span.kind is SpanKind.INTERNAL, "it is in this process"
    assert _facts(full, *COUNTED) == ["chroma", "notes", 2, 2]
    first = full.messages(semconv.RETRIEVAL_DOCUMENTS)[0]
    assert (first["id"], first["content"]) == ("a", NOTES[0])
    assert first["distance"] == pytest.approx(0.01)
    assert "score" not in first, "a distance is no score: lower is nearer"


def test_chroma_writes_without_content(full: Telemetry, collection: Any) -> None:
    full.clear()
    collection.upsert(ids=["d"], embeddings=[[0.5, 0.5]], documents=["A secret."])
    assert full.span.name == "upsert notes"
    assert semconv.OPERATION not in full.attributes
    assert full.attributes[semconv.DB_OPERATION] == "upsert"
    assert "secret" not in full.everything()


def test_without_content_only_numbers_are_told(otel: Telemetry, collection: Any) -> None:
    otel.clear()
    collection.query(query_embeddings=[[1.0, 0.1]], n_results=3)
    assert otel.attributes[semconv.RETRIEVAL_COUNT] == 3
    assert semconv.RETRIEVAL_DOCUMENTS not in otel.attributes
    assert "Parcels" not in otel.everything()


def test_a_search_inside_a_retrieval_is_not_counted_twice(full: Telemetry, collection: Any) -> None:
    @otelllm.retrieval
    def search(query: str) -> list[str]:
        found: list[str] = collection.query(query_embeddings=[[1.0, 0.1]], n_results=1)["documents"][0]
        return found

    full.clear()
    assert search("parcels") == NOTES[:1]
    below, above = full.spans
    assert (below.name, above.name) == ("query notes", "retrieval search")
    assert below.parent is not None
    assert below.parent.span_id == above.context.span_id
    assert semconv.OPERATION not in (below.attributes or {})
    assert (below.attributes or {})[semconv.RETRIEVAL_COUNT] == 1


def test_errors_are_the_stores_own(full: Telemetry, collection: Any) -> None:
    full.clear()
    with pytest.raises(Exception, match="dimension"):
        collection.query(query_embeddings=[[1.0, 0.1, 0.2]], n_results=1)
    assert full.span.status.status_code is StatusCode.ERROR


POINTS = [models.PointStruct(id=number, vector=vector, payload={"text": note, "n": number})
          for number, (vector, note) in enumerate(zip(VECTORS, NOTES, strict=True))]  # fmt: skip
SHAPE = models.VectorParams(size=2, distance=models.Distance.COSINE)


def test_qdrant_searches_and_writes(full: Telemetry) -> None:
    client = QdrantClient(":memory:")
    client.create_collection("notes", vectors_config=SHAPE)
    client.upsert("notes", points=POINTS)
    assert full.span.name == "upsert notes"
    full.clear()
    found = client.query_points("notes", query=[1.0, 0.1], limit=2)
    assert [point.id for point in found.points] == [0, 2]
    assert _facts(full, *COUNTED) == ["qdrant", "notes", 2, 2]
    first = full.messages(semconv.RETRIEVAL_DOCUMENTS)[0]
    assert (first["id"], first["content"]) == ("0", NOTES[0])
    assert first["score"] == pytest.approx(0.995, abs=0.01)
    full.clear()
    client.query_batch_points("notes", requests=[models.QueryRequest(query=[0.0, 1.0], limit=1)] * 2)
    assert full.attributes[semconv.RETRIEVAL_COUNT] == 2
    full.clear()
    groups = client.query_points_groups("notes", group_by="n", query=[0.0, 1.0], limit=2)
    assert len(groups.groups) == full.attributes[semconv.RETRIEVAL_COUNT] == 2
    client.close()


def test_qdrant_async(full: Telemetry) -> None:
    async def go() -> Any:
        client = AsyncQdrantClient(":memory:")
        await client.create_collection("notes", vectors_config=SHAPE)
        await client.upsert("notes", points=POINTS)
        found = await client.query_points("notes", query=[1.0, 0.1], limit=3)
        await client.close()
        return found

    assert len(asyncio.run(go()).points) == 3
    assert [span.name for span in full.spans] == ["upsert notes", "retrieval notes"]


def test_lancedb_searches_where_they_run(full: Telemetry, tmp_path: Path) -> None:
    database = lancedb.connect(tmp_path)
    rows = [{"id": number, "vector": vector, "text": note}
            for number, (vector, note) in enumerate(zip(VECTORS, NOTES, strict=True))]  # fmt: skip
    table = database.create_table("notes", rows)
    full.clear()
    query = table.search([1.0, 0.1]).limit(2)
    assert full.spans == [], "a query that is only built asks nothing"
    assert [row["id"] for row in query.to_list()] == [0, 2]
    assert _facts(full, *COUNTED) == ["lancedb", "notes", 2, 2]
    first = full.messages(semconv.RETRIEVAL_DOCUMENTS)[0]
    assert (first["id"], first["content"]) == ("0", NOTES[0])
    assert first["distance"] == pytest.approx(0.01, abs=0.001)
    assert "vector" not in json.dumps(full.messages(semconv.RETRIEVAL_DOCUMENTS))
    full.clear()
    table.add(rows[:1])
    assert full.span.name == "add notes"


def test_lancedb_async(full: Telemetry, tmp_path: Path) -> None:
    async def go() -> Any:
        database = await lancedb.connect_async(tmp_path)
        rows = [{"id": number, "vector": vector} for number, vector in enumerate(VECTORS)]
        table = await database.create_table("notes", rows)
        return await table.query().nearest_to([1.0, 0.1]).limit(2).to_list()

    full.clear()
    assert [row["id"] for row in asyncio.run(go())] == [0, 2]
    searches = [span for span in full.spans if (span.attributes or {}).get(semconv.OPERATION) == semconv.RETRIEVAL]
    assert len(searches) == 1
    assert (searches[0].attributes or {})[semconv.RETRIEVAL_COUNT] == 2


MATCHES = {
    "matches": [{"id": "a", "score": 0.9, "metadata": {"text": NOTES[0]}}, {"id": "b", "score": 0.4}],
    "namespace": "faq",
    "usage": {"readUnits": 5},
}
HITS = {
    "result": {"hits": [{"_id": "a", "_score": 0.9, "fields": {"chunk_text": NOTES[0]}}]},
    "usage": {"read_units": 1},
}


def test_pinecone_over_http(full: Telemetry, provider: Provider) -> None:
    host = provider.url.removesuffix("/v1")
    index = pinecone.Pinecone(api_key="pc-test").Index(host=host)
    provider.reply(whole(MATCHES))
    found = index.query(vector=[1.0, 0.1], top_k=2, namespace="faq", include_metadata=True)
    assert [match.id for match in found.matches] == ["a", "b"]
    assert full.span.kind is SpanKind.CLIENT
    assert full.attributes[semconv.SERVER_PORT] == int(host.rpartition(":")[2])
    assert full.attributes[semconv.DB_NAMESPACE] == "faq"
    assert _facts(full, *COUNTED)[2:] == [2, 2]
    assert full.messages(semconv.RETRIEVAL_DOCUMENTS)[0] == {"id": "a", "score": 0.9, "content": NOTES[0]}
    full.clear()
    provider.reply(whole(HITS))
    index.search(namespace="faq", top_k=1, inputs={"text": "parcels"})
    assert full.attributes[semconv.RETRIEVAL_QUERY] == "parcels"
    assert full.messages(semconv.RETRIEVAL_DOCUMENTS) == [{"id": "a", "score": 0.9, "content": NOTES[0]}]
    full.clear()
    provider.reply(whole({"upsertedCount": 1}))
    index.upsert(vectors=[("a", [0.1, 0.2])], namespace="faq")
    assert full.attributes[semconv.DB_OPERATION] == "upsert"
    assert "pc-test" not in full.everything()
    index.close()


def test_pinecone_async(full: Telemetry, provider: Provider) -> None:
    async def go() -> Any:
        async with pinecone.AsyncPinecone(api_key="pc-test") as client:
            index = await client.index(host=provider.url.removesuffix("/v1"))
            found = await index.query(vector=[1.0, 0.1], top_k=2)
            await index.close()
            return found

    provider.reply(whole(MATCHES))
    assert len(asyncio.run(go()).matches) == 2
    assert full.attributes[semconv.RETRIEVAL_COUNT] == 2
