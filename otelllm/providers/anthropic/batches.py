"""Batches of messages: begun and looked after. What their messages used is counted by nobody here: results are read
any number of times, by whoever likes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ... import semconv
from ...call import Reading, Request
from ...fields import field, plain
from ...parts import as_list
from ...stainless import merged, read_error_body
from ...whole import Whole

__all__ = ["BATCHES"]


class _Batches(Whole):
    operation = semconv.BATCH

    def read_request(self, kwargs: Mapping[str, Any]) -> Request:
        asked = as_list(merged(kwargs).get("requests"))
        models = {plain(field(field(one, "params"), "model")) for one in asked}
        return Request(model=models.pop() if len(models) == 1 else None, tier="batch")

    def read_input(self, request: Request, kwargs: Mapping[str, Any]) -> None:
        return None  # up to 100,000 prompts: none of them is this call's

    def read_response(self, reading: Reading, body: Any, captures: bool) -> None:
        reading.id = plain(getattr(body, "id", None)) or reading.id
        reading.request_id = plain(getattr(body, "_request_id", None)) or reading.request_id
        if reading.id is None:
            read_error_body(reading, body)


BATCHES = _Batches()
