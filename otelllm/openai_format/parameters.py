"""What an OpenAI call's keyword arguments say, as far as all its surfaces share it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .. import semconv
from ..call import Request, Value
from ..fields import plain
from ..sampling import FLOATS, read_numbers

__all__ = ["LEFT_OUT", "read_common"]

_INTEGERS = {
    "max_tokens": semconv.REQUEST_MAX_TOKENS,
    "max_completion_tokens": semconv.REQUEST_MAX_TOKENS,
    "max_output_tokens": semconv.REQUEST_MAX_TOKENS,
    "seed": semconv.REQUEST_SEED,
    "random_seed": semconv.REQUEST_SEED,
}

LEFT_OUT = frozenset(
    {"user", "safety_identifier", "metadata", "prompt_cache_key", "prompt_cache_options", "prompt_cache_retention"}
)
"""Whose a request is, and how it is filed: nothing that the model sees."""


def read_common(kwargs: Mapping[str, Any]) -> Request:
    """Model, stream, tier, user and the parameters that have the same name everywhere."""
    request = Request(model=plain(kwargs.get("model")), stream=kwargs.get("stream") is True)
    found: dict[str, Value] = request.attributes
    read_numbers(found, kwargs.get, FLOATS, _INTEGERS)
    tier = plain(kwargs.get("service_tier"))
    if tier:
        found[semconv.OPENAI_REQUEST_SERVICE_TIER] = tier
        request.tier = tier
    request.user = plain(kwargs.get("safety_identifier")) or plain(kwargs.get("user"))
    return request
