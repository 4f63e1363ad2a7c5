"""What an OpenAI call's keyword arguments say, as far as all its surfaces share it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ... import semconv
from ...call import Request, Value

__all__ = ["given", "merged", "plain", "read_common"]

_NUMBERS = {
    "temperature": semconv.REQUEST_TEMPERATURE,
    "top_p": semconv.REQUEST_TOP_P,
    "frequency_penalty": semconv.REQUEST_FREQUENCY_PENALTY,
    "presence_penalty": semconv.REQUEST_PRESENCE_PENALTY,
}
_INTEGERS = {
    "max_tokens": semconv.REQUEST_MAX_TOKENS,
    "max_completion_tokens": semconv.REQUEST_MAX_TOKENS,
    "max_output_tokens": semconv.REQUEST_MAX_TOKENS,
    "seed": semconv.REQUEST_SEED,
    "top_k": semconv.REQUEST_TOP_K,
}


def given(value: Any) -> bool:
    """Whether the app set it: the SDK's own sentinels (Omit, NotGiven; older versions NOT_GIVEN) and None are not."""
    return value is not None and type(value).__name__ not in {"Omit", "NotGiven"}


def plain(value: Any) -> str | None:
    """`value` where it is a text with something in it."""
    return value if isinstance(value, str) and value else None


def merged(kwargs: Mapping[str, Any]) -> Mapping[str, Any]:
    """The body's parameters as they will be sent: `extra_body` overrides them."""
    extra = kwargs.get("extra_body")
    return {**kwargs, **extra} if isinstance(extra, Mapping) and extra else kwargs


def read_common(kwargs: Mapping[str, Any]) -> Request:
    """Model, stream, tier, user and the parameters that have the same name everywhere."""
    request = Request(model=plain(kwargs.get("model")), stream=kwargs.get("stream") is True)
    found: dict[str, Value] = request.attributes
    for name in kwargs:
        if name in _NUMBERS:
            value = kwargs[name]
            if isinstance(value, int | float) and not isinstance(value, bool):
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
