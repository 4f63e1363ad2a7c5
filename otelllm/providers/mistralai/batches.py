"""Batch jobs: begun and looked after. Their answers may come with them; who reads those counts nothing twice here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ... import semconv
from ...call import Reading, Request
from ...fields import plain
from ...speakeasy import as_sent
from .whole import Asked, read_head

__all__ = ["BATCH"]


class _Batch(Asked):
    operation = semconv.BATCH

    def read_request(self, kwargs: Mapping[str, Any]) -> Request:
        request = super().read_request(kwargs)
        request.tier = "batch"
        if agent := plain(kwargs.get("agent_id")):
            request.attributes[semconv.AGENT_ID] = agent
        return request

    def read_input(self, request: Request, kwargs: Mapping[str, Any]) -> None:
        return None  # files' ids, or a thousand requests: no prompt of this call

    def read_response(self, reading: Reading, body: Any, captures: bool) -> None:
        said = {name: as_sent(getattr(body, name, None)) for name in ("id", "model")}
        read_head(reading, said)


BATCH = _Batch()
