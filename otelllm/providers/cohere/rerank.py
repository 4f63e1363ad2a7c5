"""Rerank of both versions: a query and documents in, their places in a new order out; billed by searches."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ... import semconv
from ...call import Reading, Request
from ...fields import members, plain
from ...reranking import read_asked, read_given, read_order
from ...whole import Whole
from .parameters import asked, read_common
from .usage import read_usage

__all__ = ["RERANK"]


class _Rerank(Whole):
    operation = semconv.RERANK

    def read_request(self, kwargs: Mapping[str, Any]) -> Request:
        given = asked(kwargs)
        request = read_common(given)
        read_asked(request, given)
        return request

    def read_input(self, request: Request, kwargs: Mapping[str, Any]) -> None:
        read_given(request, asked(kwargs))

    def read_response(self, reading: Reading, body: Any, captures: bool) -> None:
        said = members(body)
        reading.id = plain(said.get("id"))
        read_usage(reading, said.get("meta"))
        read_order(reading, said.get("results"), captures)


RERANK = _Rerank()
