"""OCR: a document in, its pages as texts out; billed by the page."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ... import semconv
from ...call import Message, Part, Reading, Request, Usage
from ...fields import plain
from ...openai_format.messages import content_parts
from ...parts import as_list, text
from ...speakeasy import as_sent, given
from .whole import Asked, read_head

__all__ = ["OCR"]


class _Ocr(Asked):
    operation = semconv.GENERATE_CONTENT

    def read_request(self, kwargs: Mapping[str, Any]) -> Request:
        request = super().read_request(kwargs)
        asked = kwargs.get("document_annotation_format")
        if asked is not None and given(asked):
            request.attributes[semconv.OUTPUT_TYPE] = "json"
        return request

    def read_input(self, request: Request, kwargs: Mapping[str, Any]) -> None:
        parts = content_parts([as_sent(kwargs.get("document"))])
        if prompt := plain(kwargs.get("document_annotation_prompt")):
            parts.append(text(prompt))
        request.messages = [{"role": "user", "parts": parts}]

    def read_response(self, reading: Reading, body: Any, captures: bool) -> None:
        said = as_sent(body)
        read_head(reading, said)
        pages = (said.get("usage_info") or {}).get("pages_processed")
        if isinstance(pages, int) and not isinstance(pages, bool):
            reading.usage = Usage(other={"pages": pages})
        if captures:
            reading.messages = [_message(said)]


def _message(said: Mapping[str, Any]) -> Message:
    """A part a page; then what was read of the document as a whole, in the app's own schema."""
    texts = [page.get("markdown") for page in as_list(said.get("pages"))]
    parts: list[Part] = [text(one) for one in (*texts, said.get("document_annotation")) if isinstance(one, str)]
    return {"role": "assistant", "parts": parts}


OCR = _Ocr()
