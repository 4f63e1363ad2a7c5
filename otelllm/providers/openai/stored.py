"""Responses fetched by their id: what they used was counted when they were made, and none of it is counted here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ... import semconv
from ...call import Reading, Request
from ...openai_format.parameters import read_common
from ...openai_format.responses import RESPONSES, TERMINAL
from ...spec import Delta

__all__ = ["STORED"]


class _Stored:
    operation = semconv.FETCH_RESPONSE

    def read_request(self, kwargs: Mapping[str, Any]) -> Request:
        request = read_common(kwargs)
        request.attributes[semconv.OPENAI_API_TYPE] = "responses"
        return request

    def read_input(self, request: Request, kwargs: Mapping[str, Any]) -> None:
        return None  # an id is no content

    def read_response(self, reading: Reading, body: Any, captures: bool) -> None:
        RESPONSES.read_response(reading, body, captures)
        reading.usage = None

    def fold_chunk(self, reading: Reading, chunk: Any, captures: bool) -> Delta:
        delta = RESPONSES.fold_chunk(reading, chunk, captures)
        reading.usage = None
        # The replay may begin anywhere; only its own last event says that it is whole.
        reading.unfinished = getattr(chunk, "type", None) not in TERMINAL
        return delta

    def finish(self, reading: Reading, captures: bool) -> None:
        RESPONSES.finish(reading, captures)

    def answer(self, request: Request, text: str) -> bytes | None:
        return None


STORED = _Stored()
