"""Embeddings: contents in, vectors out; no stream and no output tokens."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ... import semconv
from ...call import Reading, Request, Usage
from ...whole import Whole
from .contents import input_messages
from .generate import short_model
from .usage import read_usage
from .values import as_list, item

__all__ = ["EMBED"]


class _Embed(Whole):
    operation = semconv.EMBEDDINGS

    def read_request(self, kwargs: Mapping[str, Any]) -> Request:
        request = Request(model=short_model(kwargs.get("model")))
        dimensions = item(kwargs.get("config"), "output_dimensionality")
        if isinstance(dimensions, int):
            request.attributes[semconv.EMBEDDINGS_DIMENSIONS] = dimensions
        return request

    def read_input(self, request: Request, kwargs: Mapping[str, Any]) -> None:
        request.messages = input_messages(kwargs.get("contents"))

    def read_response(self, reading: Reading, body: Any, captures: bool) -> None:
        read_usage(reading, getattr(body, "usage_metadata", None))
        made = as_list(getattr(body, "embeddings", None))
        if reading.usage is None:
            counts: list[Any] = [getattr(getattr(one, "statistics", None), "token_count", None) for one in made]
            if counts and all(isinstance(count, int | float) for count in counts):
                reading.usage = Usage(input=int(sum(counts)))
        else:
            reading.usage.output = None
        characters = getattr(getattr(body, "metadata", None), "billable_character_count", None)
        if isinstance(characters, int) and not isinstance(characters, bool):
            usage = reading.usage = reading.usage or Usage()
            usage.other = {"characters": characters}
        vector = getattr(made[0], "values", None) if made else None
        if isinstance(vector, list):
            reading.attributes[semconv.EMBEDDINGS_DIMENSIONS] = len(vector)


EMBED = _Embed()
