"""Sampling parameters, by the names that Converse and the models' own bodies have for them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ... import semconv
from ...call import Value
from ...fields import plain
from ...sampling import FLOATS, read_numbers, read_stops

__all__ = ["read_parameters", "tier_of"]

_FLOATS = {
    **FLOATS,
    "topP": semconv.REQUEST_TOP_P,
    "p": semconv.REQUEST_TOP_P,
    "topK": semconv.REQUEST_TOP_K,
    "k": semconv.REQUEST_TOP_K,
}
_INTEGERS = {
    "seed": semconv.REQUEST_SEED,
    **dict.fromkeys(
        ("maxTokens", "max_tokens", "max_new_tokens", "max_tokens_to_sample", "max_gen_len", "maxTokenCount",
         "maxOutputTokens"),
        semconv.REQUEST_MAX_TOKENS,
    ),
}  # fmt: skip
_STOPS = ("stopSequences", "stop_sequences", "stop")


def read_parameters(found: dict[str, Value], config: Any) -> None:
    """Sampling parameters of `config`, where it is a dict of them."""
    if not isinstance(config, Mapping):
        return
    read_numbers(found, config.get, _FLOATS, _INTEGERS)
    for name in _STOPS:
        read_stops(found, config.get(name))


def tier_of(service_tier: Any, latency: Any) -> str | None:
    """What the price goes by: optimised latency is dearer, whichever tier it is in."""
    return "optimized" if latency == "optimized" else plain(service_tier) or plain(latency)
