"""Rerank: a query and documents in, the best of them by score out; billed by tokens."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ... import semconv
from ...call import Reading, Request
from ...fields import plain
from ...openai_format.chat import read_attributes
from ...openai_format.usage import merge_usage, read_usage
from ...reranking import read_asked, read_given, read_order
from ...stainless import merged, read_error_body
from ...whole import Whole

__all__ = ["RERANK"]


class _Rerank(Whole):
    operation = semconv.RERANK

    def read_request(self, kwargs: Mapping[str, Any]) -> Request:
        given = merged(kwargs)
        request = Request(model=plain(given.get("model")))
        read_asked(request, given)
        return request

    def read_input(self, request: Request, kwargs: Mapping[str, Any]) -> None:
        read_given(request, merged(kwargs))

    def read_response(self, reading: Reading, body: Any, captures: bool) -> None:
        read_attributes(reading, body)
        results = getattr(body, "results", None)
        if not results:
            read_error_body(reading, body)
        merge_usage(reading, read_usage(getattr(body, "usage", None)))
        read_order(reading, results, captures)


RERANK = _Rerank()
