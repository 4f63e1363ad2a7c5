"""Rerank of both versions: a query and documents in, their places in a new order out; billed by searches."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from ... import semconv
from ...call import Part, Reading, Request
from ...fields import field, members
from ...parts import as_list
from ...spec import Delta
from .parameters import asked, plain, read_common
from .usage import read_usage

__all__ = ["RERANK"]


class _Rerank:
    operation = semconv.RERANK

    def read_request(self, kwargs: Mapping[str, Any]) -> Request:
        given = asked(kwargs)
        request = read_common(given)
        if isinstance(most := given.get("top_n"), int):
            request.attributes[semconv.RETRIEVAL_TOP_K] = most
        if documents := as_list(given.get("documents")):
            request.attributes[semconv.RERANK_IN] = len(documents)
        return request

    def read_input(self, request: Request, kwargs: Mapping[str, Any]) -> None:
        given = asked(kwargs)
        request.query = plain(given.get("query"))
        named = [one for one in as_list(given.get("rank_fields")) if isinstance(one, str)]
        request.documents = [_text(one, named) for one in as_list(given.get("documents"))]

    def read_response(self, reading: Reading, body: Any, captures: bool) -> None:
        said = members(body)
        reading.id = plain(said.get("id"))
        read_usage(reading, said.get("meta"))
        results = said.get("results")
        if isinstance(results, list):
            reading.attributes[semconv.RERANK_OUT] = len(results)
        if captures:
            reading.documents = [_result(one) for one in as_list(results)]

    def fold_chunk(self, reading: Reading, chunk: Any, captures: bool) -> Delta:
        return 0

    def finish(self, reading: Reading, captures: bool) -> None:
        return None

    def answer(self, request: Request, text: str) -> bytes | None:
        return None


def _text(document: Any, named: list[str]) -> str:
    """What of a document is ranked: its text, or the fields that the app named."""
    if isinstance(document, str):
        return document
    if not named and (said := plain(field(document, "text"))):
        return said
    fields = {name: field(document, name) for name in named} if named else members(document)
    return orjson.dumps(fields, default=str).decode()


def _result(result: Any) -> Part:
    found: Part = {"id": str(field(result, "index"))}
    score = field(result, "relevance_score")
    if isinstance(score, int | float):
        found["score"] = score
    if said := plain(field(field(result, "document"), "text")):
        found["content"] = said
    return found


RERANK = _Rerank()
