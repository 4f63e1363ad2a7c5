"""Batch jobs: begun and looked after. Their answers may come with them; whoever reads those counts nothing here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ... import semconv
from ...call import Reading, Request
from ...whole import Whole
from .generate import short_model
from .values import word

__all__ = ["BATCHES"]


class _Batches(Whole):
    operation = semconv.BATCH

    def read_request(self, kwargs: Mapping[str, Any]) -> Request:
        return Request(model=short_model(kwargs.get("model")), tier="batch")

    def read_input(self, request: Request, kwargs: Mapping[str, Any]) -> None:
        return None  # a file, a table, or a thousand requests: no prompt of this call

    def read_response(self, reading: Reading, body: Any, captures: bool) -> None:
        reading.id = word(getattr(body, "name", None)) or reading.id
        reading.model = short_model(word(getattr(body, "model", None))) or reading.model


BATCHES = _Batches()
