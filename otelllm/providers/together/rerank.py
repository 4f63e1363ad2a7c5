"""Rerank: a query and documents in, the best of them by score out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from ... import semconv
from ...call import Part, Reading, Request
from ...openai_format.chat import read_attributes
from ...openai_format.usage import merge_usage, read_usage
from ...parts import as_list, plain_data
from ...spec import Delta
from ...stainless import merged, plain, read_error_body

__all__ = ["RERANK"]


class _Rerank:
    operation = semconv.RERANK

    def read_request(self, kwargs: Mapping[str, Any]) -> Request:
        kwargs = merged(kwargs)
        request = Request(model=plain(kwargs.get("model")))
        if isinstance(top := kwargs.get("top_n"), int):
            request.attributes[semconv.RETRIEVAL_TOP_K] = top
        if documents := as_list(kwargs.get("documents")):
            request.attributes[semconv.RERANK_IN] = len(documents)
        return request

    def read_input(self, request: Request, kwargs: Mapping[str, Any]) -> None:
        kwargs = merged(kwargs)
        request.query = plain(kwargs.get("query"))
        request.documents = [_shown(one) for one in as_list(kwargs.get("documents"))]

    def read_response(self, reading: Reading, body: Any, captures: bool) -> None:
        read_attributes(reading, body)
        merge_usage(reading, read_usage(getattr(body, "usage", None)))
        results = as_list(getattr(body, "results", None))
        if not results:
            read_error_body(reading, body)
            return
        reading.attributes[semconv.RERANK_OUT] = len(results)
        if captures:
            reading.documents = [_result(one) for one in results]

    def fold_chunk(self, reading: Reading, chunk: Any, captures: bool) -> Delta:
        return 0

    def finish(self, reading: Reading, captures: bool) -> None:
        return None

    def answer(self, request: Request, text: str) -> bytes | None:
        return None


def _shown(document: Any) -> str:
    """A document as a text: it is one, or an object of fields that are ranked by."""
    return document if isinstance(document, str) else orjson.dumps(plain_data(document), default=str).decode()


def _result(result: Any) -> Part:
    found: Part = {"id": getattr(result, "index", None), "score": getattr(result, "relevance_score", None)}
    if content := plain(getattr(getattr(result, "document", None), "text", None)):
        found["content"] = content
    return found


RERANK = _Rerank()
