"""What an OpenAI call's keyword arguments say, as far as all its surfaces share it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .. import semconv
from ..call import Request, Value
from ..stainless import plain

__all__ = ["read_common"]

_NUMBERS = {
    "temperature": semconv.REQUEST_TEMPERATURE,
    "top_p": semconv.REQUEST_TOP_P,
    "top_k": semconv.REQUEST_TOP_K,
    "frequency_penalty": semconv.REQUEST_FREQUENCY_PENALTY,
    "presence_penalty": semconv.REQUEST_PRESENCE_PENALTY,
}
_INTEGERS = {
    "max_tokens": semconv.REQUEST_MAX_TOKENS,
    "max_completion_tokens": semconv.REQUEST_MAX_TOKENS,
    "max_output_tokens": semconv.REQUEST_MAX_TOKENS,
    "seed": semconv.REQUEST_SEED,
    "random_seed": semconv.REQUEST_SEED,
}


def read_common(kwargs: Mapping[str, Any]) -> Request:
    """Model, stream, tier, user and the parameters that have the same name everywhere."""
    request = Request(model=plain(kwargs.get("model")), stream=kwargs.get("stream") is True)
    found: dict[str, Value] = request.attributes
    for name in kwargs:
        if name in _NUMBERS:
            value = kwargs[name]
            if isinstance(value, (int, float)) and not isinstance(value, bool):
                found[_NUMBERS[name]] = float(value)
        elif name in _INTEGERS:
            value = kwargs[name]
            if isinstance(value, int) and not isinstance(value, bool):
                found[_INTEGERS[name]] = value
    tier = plain(kwargs.get("service_tier"))
    if tier:
        found[semconv.OPENAI_REQUEST_SERVICE_TIER] = tier
        request.tier = tier
    request.user = plain(kwargs.get("safety_identifier")) or plain(kwargs.get("user"))
    return request
