"""Images: made from a prompt, edited, varied; whole, or streamed with pictures that are not finished yet."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .. import semconv
from ..call import Message, Part, Reading, Request, Usage
from ..capture import blob
from ..fields import plain
from ..parts import as_list, text
from ..spec import Delta
from ..stainless import merged, read_error_body
from .parameters import read_common
from .uploads import picture_type_of, upload_parts
from .usage import merge_usage, read_usage

__all__ = ["IMAGES"]


_PICTURES = ("image", "mask", "image_url", "reference_images")
"""Arguments that are pictures, of one provider or the other."""


class Images:
    operation = semconv.IMAGE_GENERATION

    def read_request(self, kwargs: Mapping[str, Any]) -> Request:
        kwargs = merged(kwargs)
        request = read_common(kwargs)
        request.attributes[semconv.OUTPUT_TYPE] = "image"
        if kwargs.get("n") not in (None, 1) and isinstance(kwargs["n"], int):
            request.attributes[semconv.REQUEST_CHOICE_COUNT] = kwargs["n"]
        return request

    def read_input(self, request: Request, kwargs: Mapping[str, Any]) -> None:
        kwargs = merged(kwargs)
        parts = [part for name in _PICTURES for part in upload_parts(kwargs.get(name), "image")]
        if prompt := plain(kwargs.get("prompt")):
            parts.append(text(prompt))
        request.messages = [{"role": "user", "parts": parts}]

    def read_response(self, reading: Reading, body: Any, captures: bool) -> None:
        reading.request_id = plain(getattr(body, "_request_id", None)) or reading.request_id
        reading.id = plain(getattr(body, "id", None)) or reading.id  # compatible servers', like the model
        reading.model = plain(getattr(body, "model", None)) or reading.model
        images = as_list(getattr(body, "data", None))
        if not images:
            read_error_body(reading, body)
        merge_usage(reading, read_usage(getattr(body, "usage", None)))
        _count(reading, len(images))
        if captures:
            kind = getattr(body, "output_format", None)
            reading.messages = [_message(image, kind) for image in images]

    def fold_chunk(self, reading: Reading, chunk: Any, captures: bool) -> Delta:
        kind = str(getattr(chunk, "type", None))
        if kind.endswith(".completed"):
            reading.unfinished = False
            merge_usage(reading, read_usage(getattr(chunk, "usage", None)))
            _count(reading, 1)
            if captures:
                reading.messages.append(_message(chunk, getattr(chunk, "output_format", None)))
            return 2
        if kind.endswith(".partial_image"):
            reading.unfinished = True
            return 2
        read_error_body(reading, chunk)
        return 0

    def finish(self, reading: Reading, captures: bool) -> None:
        return None

    def answer(self, request: Request, text: str) -> bytes | None:
        return None


def _count(reading: Reading, images: int) -> None:
    if not images:
        return
    usage = reading.usage = reading.usage or Usage()
    other = usage.other = usage.other or {}
    other["images"] = other.get("images", 0) + images


def _message(image: Any, kind: Any) -> Message:
    """One picture, by its hash or its address, and the prompt as the provider rewrote it."""
    parts: list[Part] = []
    if data := plain(getattr(image, "b64_json", None)):
        parts.append(blob(picture_type_of(data, kind), "image", data))
    elif url := plain(getattr(image, "url", None)):
        parts.append({"type": "uri", "modality": "image", "uri": url})
    if revised := plain(getattr(image, "revised_prompt", None)):
        parts.append(text(revised))
    return {"role": "assistant", "parts": parts}


IMAGES = Images()
