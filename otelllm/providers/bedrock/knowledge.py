"""Knowledge bases of Bedrock and its own reranking: what is looked for, and what is found."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from ... import semconv
from ...call import Part, Reading, Request
from ...fields import field, plain
from ...parts import as_list, text
from ...whole import Whole
from .metadata import read_answered

__all__ = ["GENERATE", "RERANK", "RETRIEVE"]


class _Retrieve(Whole):
    operation = semconv.RETRIEVAL

    def read_request(self, kwargs: Mapping[str, Any]) -> Request:
        base = plain(kwargs.get("knowledgeBaseId"))
        request = Request(subject=base)
        if base is not None:
            request.attributes[semconv.DATA_SOURCE_ID] = request.attributes[semconv.AWS_BEDROCK_KNOWLEDGE_BASE_ID] = (
                base
            )
        searched = kwargs.get("retrievalConfiguration")
        for name in ("vectorSearchConfiguration", "managedSearchConfiguration"):
            if isinstance(most := field(field(searched, name), "numberOfResults"), int):
                request.attributes[semconv.RETRIEVAL_TOP_K] = most
        if guardrail := plain(field(kwargs.get("guardrailConfiguration"), "guardrailId")):
            request.attributes[semconv.AWS_BEDROCK_GUARDRAIL_ID] = guardrail
        request.user = plain(field(kwargs.get("userContext"), "userId"))
        return request

    def read_input(self, request: Request, kwargs: Mapping[str, Any]) -> None:
        request.query = plain(field(kwargs.get("retrievalQuery"), "text"))

    def read_response(self, reading: Reading, body: Any, captures: bool) -> None:
        read_answered(reading, body)
        results = as_list(body.get("retrievalResults"))
        reading.attributes[semconv.RETRIEVAL_COUNT] = len(results)
        if captures:
            reading.documents = [_document(one) for one in results]


class _Rerank(Whole):
    operation = semconv.RERANK

    def read_request(self, kwargs: Mapping[str, Any]) -> Request:
        asked = field(kwargs.get("rerankingConfiguration"), "bedrockRerankingConfiguration")
        request = Request(model=plain(field(field(asked, "modelConfiguration"), "modelArn")))
        request.attributes[semconv.RERANK_IN] = len(as_list(kwargs.get("sources")))
        if isinstance(most := field(asked, "numberOfResults"), int):
            request.attributes[semconv.RETRIEVAL_TOP_K] = most
        return request

    def read_input(self, request: Request, kwargs: Mapping[str, Any]) -> None:
        queries = as_list(kwargs.get("queries"))
        request.query = plain(field(field(queries[0], "textQuery"), "text")) if queries else None
        request.documents = [_source(one) for one in as_list(kwargs.get("sources"))]

    def read_response(self, reading: Reading, body: Any, captures: bool) -> None:
        read_answered(reading, body)
        results = as_list(body.get("results"))
        reading.attributes[semconv.RERANK_OUT] = len(results)
        if captures:
            reading.documents = [_scored(str(field(one, "index")), field(one, "relevanceScore")) for one in results]


class _Generate(Whole):
    """RetrieveAndGenerate: an answer of a model from what it found; its tokens are not told."""

    operation = semconv.CHAT

    def read_request(self, kwargs: Mapping[str, Any]) -> Request:
        asked = kwargs.get("retrieveAndGenerateConfiguration")
        known = field(asked, "knowledgeBaseConfiguration") or field(asked, "externalSourcesConfiguration")
        request = Request(model=plain(field(known, "modelArn")))
        if base := plain(field(known, "knowledgeBaseId")):
            request.attributes[semconv.DATA_SOURCE_ID] = request.attributes[semconv.AWS_BEDROCK_KNOWLEDGE_BASE_ID] = (
                base
            )
        return request

    def read_input(self, request: Request, kwargs: Mapping[str, Any]) -> None:
        if asked := plain(field(kwargs.get("input"), "text")):
            request.messages = [{"role": "user", "parts": [text(asked)]}]

    def read_response(self, reading: Reading, body: Any, captures: bool) -> None:
        read_answered(reading, body)
        reading.conversation = plain(body.get("sessionId"))
        if body.get("guardrailAction") == "INTERVENED":
            reading.finish_reasons, reading.own_finish_reasons = ["content_filter"], ["INTERVENED"]
        said = plain(field(body.get("output"), "text"))
        if captures and said:
            found = [
                one for cited in as_list(body.get("citations")) for one in as_list(field(cited, "retrievedReferences"))
            ]
            part = text(said)
            if citations := [{"source": place} for one in found if (place := _place(one))]:
                part["citations"] = citations
            reading.messages = [{"role": "assistant", "parts": [part]}]


def _document(result: Any) -> Part:
    document = _scored(plain(field(result, "documentId")) or _place(result), field(result, "score"))
    content = field(result, "content")
    if isinstance(said := field(content, "text"), str):
        document["content"] = said
    elif row := as_list(field(content, "row")):
        document["content"] = orjson.dumps(
            {field(one, "columnName"): field(one, "columnValue") for one in row}
        ).decode()
    return document


def _scored(place: str | None, score: Any) -> Part:
    document: Part = {} if place is None else {"id": place}
    return {**document, "score": score} if isinstance(score, int | float) else document


def _place(result: Any) -> str | None:
    """Where something found is from: each kind of source has a location of its own, with one field."""
    location = field(result, "location")
    if not isinstance(location, Mapping):
        return None
    inner = (field(one, name) for one in location.values() for name in ("uri", "url", "id", "query"))
    return next((one for one in inner if isinstance(one, str)), None)


def _source(source: Any) -> str:
    """What of a source is ranked."""
    inline = field(source, "inlineDocumentSource")
    if isinstance(said := field(field(inline, "textDocument"), "text"), str):
        return said
    return str(field(inline, "jsonDocument") or "")


RETRIEVE = _Retrieve()
RERANK = _Rerank()
GENERATE = _Generate()
