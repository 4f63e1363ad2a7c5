"""Embeddings, in their newer form and in the older one, which counts nothing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ... import semconv
from ...call import Reading, Request
from ...parts import as_list, text
from ...whole import Whole
from .parameters import read_parameters
from .wire import read_end, said_by

__all__ = ["EMBED"]


class _Embed(Whole):
    operation = semconv.EMBEDDINGS

    def read_request(self, kwargs: Mapping[str, Any]) -> Request:
        request = read_parameters(kwargs)
        dimensions = kwargs.get("dimensions")
        if isinstance(dimensions, int):
            request.attributes[semconv.EMBEDDINGS_DIMENSIONS] = dimensions
        return request

    def read_input(self, request: Request, kwargs: Mapping[str, Any]) -> None:
        given = kwargs.get("input", kwargs.get("prompt"))
        texts = [given] if isinstance(given, str) else [one for one in as_list(given) if isinstance(one, str)]
        request.messages = [{"role": "user", "parts": [text(one)]} for one in texts]

    def read_response(self, reading: Reading, body: Any, captures: bool) -> None:
        said = said_by(reading, body)
        read_end(reading, said)
        reading.partial = None
        if reading.usage is not None:
            reading.usage.output = None
        vectors = as_list(said.get("embeddings"))
        vector = as_list(vectors[0] if vectors else said.get("embedding"))
        if vector:
            reading.attributes[semconv.EMBEDDINGS_DIMENSIONS] = len(vector)


EMBED = _Embed()
