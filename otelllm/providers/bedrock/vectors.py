"""Bodies of InvokeModel whose answers are no text: embeddings, rankings, images."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ... import semconv
from ...call import Part, Reading, Request, Usage
from ...capture import blob
from ...fields import count, field, members, plain
from ...parts import as_list, text
from ...reranking import read_asked, read_given, read_order
from ...whole import Whole

__all__ = ["EMBEDDINGS", "IMAGES", "RERANK"]


class _OfModel(Whole):
    """What all of these share."""

    operation: str

    def read_request(self, kwargs: Mapping[str, Any]) -> Request:
        return Request(model=plain(kwargs.get("model")))


class _Embeddings(_OfModel):
    """Titan, Cohere, Nova and TwelveLabs."""

    operation = semconv.EMBEDDINGS

    def read_request(self, kwargs: Mapping[str, Any]) -> Request:
        request = super().read_request(kwargs)
        nova = kwargs.get("singleEmbeddingParams")
        sizes = (
            kwargs.get("dimensions"), kwargs.get("output_dimension"),
            field(kwargs.get("embeddingConfig"), "outputEmbeddingLength"), field(nova, "embeddingDimension"),
        )  # fmt: skip
        if (size := next((one for one in sizes if isinstance(one, int)), None)) is not None:
            request.attributes[semconv.EMBEDDINGS_DIMENSIONS] = size
        formats = as_list(kwargs.get("embedding_types")) or as_list(kwargs.get("embeddingTypes"))
        if formats and all(isinstance(one, str) for one in formats):
            request.attributes[semconv.REQUEST_ENCODING_FORMATS] = list(formats)
        return request

    def read_input(self, request: Request, kwargs: Mapping[str, Any]) -> None:
        nova = field(kwargs.get("singleEmbeddingParams"), "text")
        given = [kwargs.get("inputText"), field(nova, "value"), *as_list(kwargs.get("texts"))]
        parts = [[text(one)] for one in given if isinstance(one, str)]
        if isinstance(image := kwargs.get("inputImage"), str):
            parts.append([blob("image/*", "image", image)])
        parts += [[blob("image/*", "image", one)] for one in as_list(kwargs.get("images")) if isinstance(one, str)]
        request.messages = [{"role": "user", "parts": one} for one in parts]

    def read_response(self, reading: Reading, body: Any, captures: bool) -> None:
        said = members(body)
        reading.id = plain(said.get("id"))
        if (counted := count(said.get("inputTextTokenCount"))) is not None:
            reading.usage = Usage(input=counted)
        if (vector := _vector(said)) is not None:
            reading.attributes[semconv.EMBEDDINGS_DIMENSIONS] = len(vector)


def _vector(said: Mapping[str, Any]) -> list[Any] | None:
    """The first vector of numbers in any of the shapes in which they come."""
    found: Any = said
    for _ in range(4):
        if isinstance(found, list):
            if found and isinstance(found[0], int | float):
                return found
            found = found[0] if found else None
        elif isinstance(found, Mapping):
            # By type (float, int8) the first list is as good as another: packed types are no vector of as many numbers.
            names = ("embedding", "embeddings", "embeddingsByType", "data", "float", "int8", "uint8")
            found = next((found[name] for name in names if found.get(name) is not None), None)
    return found if isinstance(found, list) and found and isinstance(found[0], int | float) else None


class _Rerank(_OfModel):
    """Cohere and Amazon."""

    operation = semconv.RERANK

    def read_request(self, kwargs: Mapping[str, Any]) -> Request:
        request = super().read_request(kwargs)
        read_asked(request, kwargs)
        return request

    def read_input(self, request: Request, kwargs: Mapping[str, Any]) -> None:
        read_given(request, kwargs)

    def read_response(self, reading: Reading, body: Any, captures: bool) -> None:
        said = members(body)
        reading.id = plain(said.get("id"))
        read_order(reading, said.get("results"), captures)


class _Images(_OfModel):
    """Nova Canvas, Titan and Stability."""

    operation = semconv.IMAGE_GENERATION

    def read_input(self, request: Request, kwargs: Mapping[str, Any]) -> None:
        asked = [kwargs.get("prompt")] + [field(one, "text") for one in as_list(kwargs.get("text_prompts"))]
        asked += [field(one, "text") for one in kwargs.values() if isinstance(one, Mapping)]
        parts: list[Part] = [text(one) for one in asked if isinstance(one, str)]
        request.messages = [{"role": "user", "parts": parts}] if parts else []

    def read_response(self, reading: Reading, body: Any, captures: bool) -> None:
        said = members(body)
        images = as_list(said.get("images")) or [field(one, "base64") for one in as_list(said.get("artifacts"))]
        drawn = [one for one in images if isinstance(one, str)]
        reading.usage = reading.usage or Usage()
        reading.usage.other = {"images": len(drawn)}
        if isinstance(error := said.get("error"), str) and not drawn:
            reading.error_type, reading.error_message = "error", error
        if captures and drawn:
            reading.messages = [{"role": "assistant", "parts": [blob("image/*", "image", one) for one in drawn]}]


EMBEDDINGS = _Embeddings()
RERANK = _Rerank()
IMAGES = _Images()
