"""Sampling parameters, by the names that Converse and the models' own bodies have for them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ... import semconv
from ...call import Value
from ...parts import as_list
from ...stainless import plain

__all__ = ["read_parameters", "tier_of"]

_NUMBERS = {
    "temperature": semconv.REQUEST_TEMPERATURE,
    "topP": semconv.REQUEST_TOP_P,
    "top_p": semconv.REQUEST_TOP_P,
    "p": semconv.REQUEST_TOP_P,
    "topK": semconv.REQUEST_TOP_K,
    "top_k": semconv.REQUEST_TOP_K,
    "k": semconv.REQUEST_TOP_K,
    "frequency_penalty": semconv.REQUEST_FREQUENCY_PENALTY,
    "presence_penalty": semconv.REQUEST_PRESENCE_PENALTY,
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
    for name, value in config.items():
        if isinstance(value, int | float) and not isinstance(value, bool):
            if name in _NUMBERS:
                found[_NUMBERS[name]] = float(value)
            elif name in _INTEGERS and isinstance(value, int):
                found[_INTEGERS[name]] = value
        elif name in _STOPS and (stops := as_list(value)) and all(isinstance(one, str) for one in stops):
            found[semconv.REQUEST_STOP_SEQUENCES] = list(stops)


def tier_of(service_tier: Any, latency: Any) -> str | None:
    """What the price goes by: optimised latency is dearer, whichever tier it is in."""
    return "optimized" if latency == "optimized" else plain(service_tier) or plain(latency)
