"""Imagen: pictures made from a prompt, edited, enlarged, put into another scene; billed by the picture."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from ... import semconv
from ...call import Message, Part, Reading, Request, Usage
from ...capture import blob
from ...sampling import read_numbers
from ...whole import Whole
from .generate import short_model
from .values import as_list, item, word

__all__ = ["IMAGES"]


class _Images(Whole):
    operation = semconv.IMAGE_GENERATION

    def read_request(self, kwargs: Mapping[str, Any]) -> Request:
        request = Request(model=short_model(kwargs.get("model")))
        config = kwargs.get("config")
        request.attributes[semconv.OUTPUT_TYPE] = "image"
        count = item(config, "number_of_images")
        if isinstance(count, int) and count != 1:
            request.attributes[semconv.REQUEST_CHOICE_COUNT] = count
        read_numbers(request.attributes, partial(item, config), {}, {"seed": semconv.REQUEST_SEED})
        return request

    def read_input(self, request: Request, kwargs: Mapping[str, Any]) -> None:
        source = kwargs.get("source")
        given = [kwargs.get("image"), item(source, "person_image")]
        given += [item(one, "reference_image") for one in as_list(kwargs.get("reference_images"))]
        given += [item(one, "product_image") for one in as_list(item(source, "product_images"))]
        parts = [part for one in given if (part := _picture(one)) is not None]
        if prompt := word(kwargs.get("prompt")) or word(item(source, "prompt")):
            parts.append({"type": "text", "content": prompt})
        request.messages = [{"role": "user", "parts": parts}]

    def read_response(self, reading: Reading, body: Any, captures: bool) -> None:
        # Among them may be one that is none: what is said of the prompt; and those that were filtered out.
        made = as_list(getattr(body, "generated_images", None))
        images = [one for one in made if _picture(getattr(one, "image", None)) is not None]
        if made or images:
            reading.usage = Usage(other={"images": len(images)})
        if captures:
            reading.messages = [_message(one) for one in images]


def _picture(image: Any) -> Part | None:
    mime = word(item(image, "mime_type")) or "image/png"
    data = item(image, "image_bytes")
    if isinstance(data, str | bytes) and data:
        return blob(mime, "image", data)
    uri = word(item(image, "gcs_uri"))
    return {"type": "uri", "modality": "image", "mime_type": mime, "uri": uri} if uri else None


def _message(made: Any) -> Message:
    """A picture, and the prompt as the provider rewrote it."""
    found = _picture(made.image)
    parts: list[Part] = [found] if found is not None else []
    if better := word(getattr(made, "enhanced_prompt", None)):
        parts.append({"type": "text", "content": better})
    return {"role": "assistant", "parts": parts}


IMAGES = _Images()
