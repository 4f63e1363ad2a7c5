"""The Responses API as Mistral has it: OpenAI's, through objects of this SDK."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ... import semconv
from ...call import Reading, Request
from ...fields import fields
from ...openai_format.responses import Responses
from ...speakeasy import as_sent, given
from ...spec import Delta

__all__ = ["RESPONSES"]


class _Responses(Responses):
    def read_request(self, kwargs: Mapping[str, Any]) -> Request:
        request = super().read_request(_said(kwargs))
        request.attributes.pop(semconv.OPENAI_REQUEST_SERVICE_TIER, None)
        return request

    def read_input(self, request: Request, kwargs: Mapping[str, Any]) -> None:
        super().read_input(request, _said(kwargs))

    def read_response(self, reading: Reading, body: Any, captures: bool) -> None:
        super().read_response(reading, fields(as_sent(body)), captures)
        reading.attributes.pop(semconv.OPENAI_RESPONSE_SERVICE_TIER, None)

    def fold_chunk(self, reading: Reading, chunk: Any, captures: bool) -> Delta:
        return super().fold_chunk(reading, fields(as_sent(chunk.data)), captures)


def _said(kwargs: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments as they will be sent; a generator among them is the SDK's to consume."""
    said = {name: as_sent(value) for name, value in kwargs.items() if given(value)}
    more = said.pop("additional_properties", None)
    return {**said, **more} if isinstance(more, Mapping) else said


RESPONSES = _Responses(api_type=None)
