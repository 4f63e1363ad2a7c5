"""Embeddings: texts in, vectors out; no stream and no output tokens."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .. import semconv
from ..call import Reading, Request
from ..fields import plain
from ..parts import as_list, text
from ..stainless import merged, read_error_body
from ..whole import Whole
from .chat import read_attributes
from .parameters import LEFT_OUT, read_common
from .usage import merge_usage, read_usage

__all__ = ["EMBEDDINGS"]


class Embeddings(Whole):
    operation = semconv.EMBEDDINGS
    left_out = LEFT_OUT

    def read_request(self, kwargs: Mapping[str, Any]) -> Request:
        kwargs = merged(kwargs)
        request = read_common(kwargs)
        # The SDK asks for base64 by itself and decodes it: only what the app asked for is the app's format.
        if encoding := plain(kwargs.get("encoding_format")):
            request.attributes[semconv.REQUEST_ENCODING_FORMATS] = [encoding]
        dimensions = kwargs.get("dimensions")
        if isinstance(dimensions, int):
            request.attributes[semconv.EMBEDDINGS_DIMENSIONS] = dimensions
        return request

    def read_input(self, request: Request, kwargs: Mapping[str, Any]) -> None:
        given = merged(kwargs).get("input")
        texts = [given] if isinstance(given, str) else [one for one in as_list(given) if isinstance(one, str)]
        request.messages = [{"role": "user", "parts": [text(one)]} for one in texts]

    def read_response(self, reading: Reading, body: Any, captures: bool) -> None:
        read_attributes(reading, body)
        merge_usage(reading, read_usage(getattr(body, "usage", None)))
        if reading.usage is not None:
            reading.usage.output = None  # llama.cpp writes completion_tokens 0 here; there is no output to count
        data = as_list(getattr(body, "data", None))
        if not data:
            read_error_body(reading, body)
            return
        vector = getattr(data[0], "embedding", None)
        if isinstance(vector, list):
            reading.attributes[semconv.EMBEDDINGS_DIMENSIONS] = len(vector)


EMBEDDINGS = Embeddings()
