"""What a call's arguments say, as far as its surfaces share it. On raw clients what the app left out is `...`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ... import semconv
from ...call import Request, Value
from ...fields import field, plain
from ...sampling import FLOATS, read_numbers, read_stops

__all__ = ["asked", "finish_reason", "read_common"]

_FLOATS = {**FLOATS, "p": semconv.REQUEST_TOP_P, "k": semconv.REQUEST_TOP_K}
_INTEGERS = {"max_tokens": semconv.REQUEST_MAX_TOKENS, "seed": semconv.REQUEST_SEED}
_FINISH = {
    "COMPLETE": "stop",
    "STOP_SEQUENCE": "stop",
    "MAX_TOKENS": "length",
    "ERROR_LIMIT": "length",
    "TOOL_CALL": "tool_call",
    "ERROR_TOXIC": "content_filter",
    "ERROR": "error",
    "TIMEOUT": "error",
}


def finish_reason(own: str) -> str:
    """The conventions' word for a finish reason."""
    return _FINISH.get(own, own)


def asked(kwargs: Mapping[str, Any]) -> dict[str, Any]:
    """The body's parameters as they will be sent, without those that the app left out."""
    more = field(kwargs.get("request_options"), "additional_body_parameters")
    found = {name: value for name, value in kwargs.items() if value is not ... and value is not None}
    return {**found, **more} if isinstance(more, Mapping) else found


def read_common(given: Mapping[str, Any], *, stream: bool = False) -> Request:
    """Model and the parameters that have the same name everywhere; `given` as `asked` gives it."""
    request = Request(model=plain(given.get("model")), stream=stream)
    found: dict[str, Value] = request.attributes
    read_numbers(found, given.get, _FLOATS, _INTEGERS)
    read_stops(found, given.get("stop_sequences"))
    if mode := plain(field(given.get("thinking"), "type")):
        found[semconv.REQUEST_REASONING_LEVEL] = mode
    kind = {"text": "text", "json_object": "json"}.get(field(given.get("response_format"), "type") or "")
    if kind:
        found[semconv.OUTPUT_TYPE] = kind
    return request
