"""Reranking, as providers have it alike: a query and documents in, their places in a new order out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from . import semconv
from .call import Part, Reading, Request
from .fields import field, members
from .parts import as_list

__all__ = ["read_asked", "read_given", "read_order"]


def read_asked(request: Request, given: Mapping[str, Any]) -> None:
    """How many documents go in, and how many at most are to come out; `given` is what is sent."""
    if isinstance(most := given.get("top_n"), int):
        request.attributes[semconv.RETRIEVAL_TOP_K] = most
    if documents := as_list(given.get("documents")):
        request.attributes[semconv.RERANK_IN] = len(documents)


def read_given(request: Request, given: Mapping[str, Any]) -> None:
    """The query and the documents' texts: content."""
    if isinstance(query := given.get("query"), str):
        request.query = query
    named = [one for one in as_list(given.get("rank_fields")) if isinstance(one, str)]
    request.documents = [_text(one, named) for one in as_list(given.get("documents"))]


def read_order(reading: Reading, results: Any, captures: bool) -> None:
    """How many came out, and which."""
    if isinstance(results, list):
        reading.attributes[semconv.RERANK_OUT] = len(results)
    if captures:
        reading.documents = [_result(one) for one in as_list(results)]


def _text(document: Any, named: list[str]) -> str:
    """What of a document is ranked: its text, or the fields that the app named."""
    if isinstance(document, str):
        return document
    said = field(document, "text")
    if not named and isinstance(said, str) and said:
        return said
    fields = {name: field(document, name) for name in named} if named else members(document)
    return orjson.dumps(fields, default=str).decode()


def _result(result: Any) -> Part:
    found: Part = {"id": str(field(result, "index"))}
    score = field(result, "relevance_score")
    if isinstance(score, int | float):
        found["score"] = score
    said = field(field(result, "document"), "text")
    if isinstance(said, str) and said:
        found["content"] = said
    return found
