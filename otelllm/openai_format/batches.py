"""Batches: begun and looked after. What their calls used is counted by nobody here: a batch is looked at many times."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .. import semconv
from ..call import Reading, Request
from ..stainless import merged, read_error_body
from ..whole import Whole
from .chat import read_attributes
from .parameters import read_common

__all__ = ["BATCHES"]


class Batches(Whole):
    operation = semconv.BATCH

    def read_request(self, kwargs: Mapping[str, Any]) -> Request:
        request = read_common(merged(kwargs))
        request.tier = "batch"
        return request

    def read_input(self, request: Request, kwargs: Mapping[str, Any]) -> None:
        return None  # a file's id is no content

    def read_response(self, reading: Reading, body: Any, captures: bool) -> None:
        read_attributes(reading, body)
        if reading.id is None:
            read_error_body(reading, body)


BATCHES = Batches()
