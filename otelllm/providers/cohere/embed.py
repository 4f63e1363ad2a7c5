"""Embeddings of both versions: texts or pictures in, vectors of one or several types out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ... import semconv
from ...call import Message, Reading, Request
from ...fields import field, members, plain
from ...openai_format.messages import content_parts
from ...parts import as_list, text
from ...whole import Whole
from .parameters import asked, read_common
from .usage import read_usage

__all__ = ["EMBED"]

_WHOLE = ("float_", "float", "int8", "uint8")
"""Types that have a number for each dimension; bits are packed by eight, base64 is a text."""


class _Embed(Whole):
    operation = semconv.EMBEDDINGS

    def read_request(self, kwargs: Mapping[str, Any]) -> Request:
        given = asked(kwargs)
        request = read_common(given)
        request.attributes.pop(semconv.REQUEST_MAX_TOKENS, None)  # here it is the most that is read of an input
        if isinstance(dimensions := given.get("output_dimension"), int):
            request.attributes[semconv.EMBEDDINGS_DIMENSIONS] = dimensions
        types = as_list(given.get("embedding_types"))
        if types and all(isinstance(one, str) for one in types):
            request.attributes[semconv.REQUEST_ENCODING_FORMATS] = list(types)
        return request

    def read_input(self, request: Request, kwargs: Mapping[str, Any]) -> None:
        given = asked(kwargs)
        messages: list[Message] = [
            {"role": "user", "parts": [text(one)]} for one in as_list(given.get("texts")) if isinstance(one, str)
        ]
        for url in as_list(given.get("images")):
            picture = {"type": "image_url", "image_url": {"url": url}}
            messages.append({"role": "user", "parts": content_parts([picture])})
        inputs = (content_parts(field(one, "content")) for one in as_list(given.get("inputs")))
        messages += [{"role": "user", "parts": parts} for parts in inputs]
        request.messages = messages

    def read_response(self, reading: Reading, body: Any, captures: bool) -> None:
        said = members(body)
        reading.id = plain(said.get("id"))
        read_usage(reading, said.get("meta"))
        if reading.usage is not None:
            reading.usage.output = None
        vectors = said.get("embeddings")
        if not isinstance(vectors, list):
            kinds = members(vectors)
            vectors = next((found for name in _WHOLE if (found := kinds.get(name))), None)
        first = as_list(vectors)[0] if as_list(vectors) else None
        if isinstance(first, list):
            reading.attributes[semconv.EMBEDDINGS_DIMENSIONS] = len(first)


EMBED = _Embed()
