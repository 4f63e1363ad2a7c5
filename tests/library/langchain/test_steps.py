"""Tools, retrievers, vector stores, embeddings and rerankers: what their spans say, and what nests below them."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import pytest
from langchain_core.documents import BaseDocumentCompressor, Document
from langchain_core.embeddings import Embeddings
from langchain_core.messages import ToolMessage
from langchain_core.retrievers import BaseRetriever
from langchain_core.tools import BaseTool, ToolException, tool
from langchain_core.vectorstores import InMemoryVectorStore
from wire.files import body
from wire.server import whole

import otelllm
from otelllm import semconv

from .apps import attributes, content, loop, named, run, tree

if TYPE_CHECKING:
    from telemetry import Telemetry
    from wire.server import Provider

WAYS = ["sync", "async"]


@otelllm.tool
def own(a: int) -> int:
    return a


@tool
def add(a: int, b: int) -> int:
    """Adds two numbers."""
    return own(a) + b


@tool
async def add_later(a: int, b: int) -> int:
    """Adds two numbers."""
    await asyncio.sleep(0)
    return own(a) + b


@pytest.mark.parametrize(("way", "which"), [("sync", add), ("async", add), ("async", add_later)])
def test_a_tool_that_a_model_called(full: Telemetry, way: str, which: BaseTool) -> None:
    call = {"name": which.name, "args": {"a": 1, "b": 2}, "id": "c1", "type": "tool_call"}
    message = run(way, which, call)
    assert isinstance(message, ToolMessage)
    assert tree(full) == [f"execute_tool {which.name}", "  execute_tool own"]
    found = attributes(named(full, f"execute_tool {which.name}"))
    assert found[semconv.TOOL_NAME] == which.name
    assert found[semconv.TOOL_DESCRIPTION] == "Adds two numbers."
    assert found[semconv.TOOL_CALL_ID] == "c1"
    span = named(full, f"execute_tool {which.name}")
    assert content(span, semconv.TOOL_CALL_ARGUMENTS) == {"a": 1, "b": 2}
    assert content(span, semconv.TOOL_CALL_RESULT) == "3"
    assert full.metrics()[semconv.METRIC_TOOL_DURATION]


@pytest.mark.parametrize("way", WAYS)
def test_a_tool_that_raises(otel: Telemetry, way: str) -> None:
    error = RuntimeError("secret")

    @tool
    def fails() -> None:
        """Fails."""
        raise error

    with pytest.raises(RuntimeError) as raised:
        run(way, fails, {})
    assert raised.value is error
    assert otel.attributes[semconv.ERROR_TYPE] == "RuntimeError"
    assert not otel.span.status.is_unset
    assert "secret" not in otel.everything()


def test_a_tool_that_says_that_it_failed(otel: Telemetry) -> None:
    @tool
    def fails() -> None:
        """Fails."""
        raise ToolException("no")

    fails.handle_tool_error = True
    message = fails.invoke({"name": "fails", "args": {}, "id": "c1", "type": "tool_call"})
    assert message.status == "error"
    assert otel.attributes[semconv.ERROR_TYPE] == "tool_error"


def test_a_tool_that_is_cancelled_is_told_of_by_nobody_else(otel: Telemetry) -> None:
    @tool
    async def waits() -> None:
        """Waits."""
        await asyncio.Event().wait()

    async def go() -> None:
        job = asyncio.create_task(waits.ainvoke({}))
        for _ in range(20):
            await asyncio.sleep(0)
        job.cancel()
        with pytest.raises(asyncio.CancelledError):
            await job

    loop(go())
    assert otel.attributes[semconv.ERROR_TYPE] == "cancelled"


class Words(Embeddings):
    """Embeddings in this process."""

    model = "words-1"

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        return [[float(len(text)), 1.0] for text in texts]

    def embed_query(self, text: str) -> list[float]:
        return self.embed_documents([text])[0]


@pytest.mark.parametrize("way", ["sync", "async"])
def test_embeddings_in_this_process(otel: Telemetry, way: str) -> None:
    words = Words()
    vector = words.embed_query("four") if way == "sync" else loop(words.aembed_query("four"))
    assert vector == [4.0, 1.0]
    assert otel.span.name == "embeddings words-1"
    assert otel.attributes[semconv.PROVIDER] == "words"
    assert otel.attributes[semconv.EMBEDDINGS_DIMENSIONS] == 2


@pytest.mark.filterwarnings("ignore:The `dict` method is deprecated")  # older langchain_openai's own
def test_embeddings_of_an_sdk_have_its_span(otel: Telemetry, provider: Provider) -> None:
    from langchain_openai import OpenAIEmbeddings

    model = OpenAIEmbeddings(
        model="text-embedding-3-small", api_key="sk", base_url=provider.url, check_embedding_ctx_length=False
    )  # type: ignore[call-arg,arg-type]
    provider.reply(whole(body("openai/embeddings_float.json")))
    model.embed_documents(["a"])
    assert otel.span.name == "embeddings text-embedding-3-small"
    assert otel.attributes[semconv.USAGE_INPUT] > 0
    model.client._client.close()


def test_failed_embeddings(otel: Telemetry) -> None:
    class Broken(Words):
        def embed_documents(self, texts: list[str]) -> list[list[float]]:
            raise ValueError("secret")

    with pytest.raises(ValueError, match="secret"):
        Broken().embed_documents(["a"])
    assert otel.attributes[semconv.ERROR_TYPE] == "ValueError"


def store() -> InMemoryVectorStore:
    """Three documents; their making is not what is tested."""
    made = InMemoryVectorStore(Words())
    made.add_documents([Document(text, id=text) for text in ("a", "bb", "ccc")])
    return made


@pytest.mark.parametrize("way", WAYS)
def test_a_retriever_and_what_is_below_it(full: Telemetry, way: str) -> None:
    retriever = store().as_retriever(search_kwargs={"k": 2})
    full.clear()
    found = run(way, retriever, "dd")
    assert [it.id for it in found] == ["bb", "ccc"]
    assert tree(full) == ["retrieval VectorStoreRetriever", "  embeddings words-1"]
    span = named(full, "retrieval VectorStoreRetriever")
    assert attributes(span)[semconv.RETRIEVAL_COUNT] == 2
    assert attributes(span)[semconv.RETRIEVAL_TOP_K] == 2
    assert attributes(span)[semconv.RETRIEVAL_QUERY] == "dd"
    first = content(span, semconv.RETRIEVAL_DOCUMENTS)[0]
    assert (first["id"], first["content"]) == ("bb", "bb")
    assert first["score"] == pytest.approx(1.0)


@pytest.mark.parametrize("way", WAYS)
def test_a_search_of_a_vector_store_that_no_callback_tells_of(full: Telemetry, way: str) -> None:
    searched = store()
    full.clear()
    if way == "sync":
        found = searched.similarity_search_with_score("dd", k=1)
    else:
        found = loop(searched.asimilarity_search_with_score("dd", k=1))
    assert found[0][0].id == "bb"
    assert tree(full) == ["retrieval InMemoryVectorStore", "  embeddings words-1"]
    span = named(full, "retrieval InMemoryVectorStore")
    assert attributes(span)[semconv.RETRIEVAL_COUNT] == 1
    assert attributes(span)[semconv.RETRIEVAL_TOP_K] == 1
    assert attributes(span)[semconv.RETRIEVAL_QUERY] == "dd"
    assert content(span, semconv.RETRIEVAL_DOCUMENTS)[0]["score"] == pytest.approx(1.0)


def test_a_search_by_one_method_through_others_is_one_retrieval(otel: Telemetry) -> None:
    searched = store()
    otel.clear()
    searched.search("dd", "similarity")
    searched.similarity_search_by_vector([1.0, 1.0])
    assert [it for it in tree(otel) if "retrieval" in it] == ["retrieval InMemoryVectorStore"] * 2


class Lost(BaseRetriever):
    """A retriever that fails."""

    error: Any

    def _get_relevant_documents(self, query: str, *, run_manager: Any) -> list[Document]:
        raise self.error


@pytest.mark.parametrize(
    ("way", "error"), [("sync", ValueError("x")), ("async", ValueError("x")), ("sync", KeyboardInterrupt())]
)
def test_a_retriever_that_fails(otel: Telemetry, way: str, error: BaseException) -> None:
    with pytest.raises(type(error)):
        run(way, Lost(error=error), "q")
    assert otel.attributes[semconv.ERROR_TYPE] == type(error).__name__


def test_reranking_compressors_have_a_span(full: Telemetry) -> None:
    class ShortestRerank(BaseDocumentCompressor):
        def compress_documents(
            self, documents: Sequence[Document], query: str, callbacks: Any = None
        ) -> Sequence[Document]:
            best = min(documents, key=lambda it: len(it.page_content))
            return [Document(best.page_content, metadata={"relevance_score": 0.9})]

    class Compressor(ShortestRerank):
        """Not by its name."""

    documents = [Document("long"), Document("s")]
    assert ShortestRerank().compress_documents(documents, "q")[0].page_content == "s"
    found = full.attributes
    assert found[semconv.OPERATION] == "rerank"
    assert (found[semconv.RERANK_IN], found[semconv.RERANK_OUT]) == (2, 1)
    assert full.messages(semconv.RETRIEVAL_DOCUMENTS) == [{"score": 0.9, "content": "s"}]
    assert Compressor.__dict__.get("compress_documents") is None


def test_classes_are_left_as_they_were() -> None:
    before = {name: Words.__dict__[name] for name in ("embed_documents", "embed_query")}
    otelllm.instrument(capture="off")
    assert Words.__dict__["embed_query"] is not before["embed_query"]
    otelllm.uninstrument()
    assert {name: Words.__dict__[name] for name in before} == before
    assert "__init_subclass__" not in Embeddings.__dict__
    assert "__init_subclass__" not in BaseDocumentCompressor.__dict__
