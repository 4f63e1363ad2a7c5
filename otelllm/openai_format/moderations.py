"""Moderations: texts and pictures in, a verdict on each out; no usage, nothing is billed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .. import semconv
from ..call import Part, Reading, Request
from ..parts import as_list, plain_data
from ..stainless import merged, read_error_body
from ..whole import Whole
from .chat import read_attributes
from .messages import content_parts
from .parameters import read_common

__all__ = ["MODERATIONS"]


class Moderations(Whole):
    operation = semconv.MODERATION

    def read_request(self, kwargs: Mapping[str, Any]) -> Request:
        return read_common(merged(kwargs))

    def read_input(self, request: Request, kwargs: Mapping[str, Any]) -> None:
        parts = content_parts(merged(kwargs).get("input"))
        request.messages = [{"role": "user", "parts": parts}]

    def read_response(self, reading: Reading, body: Any, captures: bool) -> None:
        read_attributes(reading, body)
        results = as_list(getattr(body, "results", None))
        if not results:
            read_error_body(reading, body)
        if captures:
            reading.messages = [{"role": "assistant", "parts": [_verdict(one)]} for one in results]


def _verdict(result: Any) -> Part:
    """Whether it was flagged, for what, and the score of each category."""
    said = plain_data(result)
    flags = said.get("categories") or {}
    return {
        "type": "moderation",
        "flagged": said.get("flagged"),
        "categories": [name for name, is_flagged in flags.items() if is_flagged],
        "scores": said.get("category_scores") or {},
    }


MODERATIONS = Moderations()
