"""Embeddings: the vectors themselves are looked at by their length alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ... import semconv
from ...call import Reading, Request
from ...fields import fields, members
from ...openai_format.embeddings import Embeddings
from ...parts import as_list, text
from ...speakeasy import as_sent, given
from .usage import read_counts

__all__ = ["EMBEDDINGS"]


class _Embeddings(Embeddings):
    def read_request(self, kwargs: Mapping[str, Any]) -> Request:
        request = super().read_request({name: value for name, value in kwargs.items() if given(value)})
        if isinstance(dimensions := kwargs.get("output_dimension"), int):
            request.attributes[semconv.EMBEDDINGS_DIMENSIONS] = dimensions
        return request

    def read_input(self, request: Request, kwargs: Mapping[str, Any]) -> None:
        said = kwargs.get("inputs")
        texts = [said] if isinstance(said, str) else [one for one in as_list(said) if isinstance(one, str)]
        request.messages = [{"role": "user", "parts": [text(one)]} for one in texts]

    def read_response(self, reading: Reading, body: Any, captures: bool) -> None:
        said = members(body)
        counts = as_sent(said.get("usage")) or {}
        # A 0 of theirs: there is no output to count.
        read_counts(reading, {**counts, "completion_tokens": None})
        vectors = [{"embedding": members(one).get("embedding")} for one in as_list(said.get("data"))[:1]]
        head = {"id": said.get("id"), "model": said.get("model"), "data": vectors}
        super().read_response(reading, fields(head), captures)


EMBEDDINGS = _Embeddings()
