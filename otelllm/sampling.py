"""Sampling parameters of a request, by the provider's names for them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from . import semconv
from .call import Value
from .parts import as_list

__all__ = ["FLOATS", "read_numbers", "read_stops"]

FLOATS = {
    "temperature": semconv.REQUEST_TEMPERATURE,
    "top_p": semconv.REQUEST_TOP_P,
    "top_k": semconv.REQUEST_TOP_K,
    "frequency_penalty": semconv.REQUEST_FREQUENCY_PENALTY,
    "presence_penalty": semconv.REQUEST_PRESENCE_PENALTY,
}
"""As most providers name them."""


def read_numbers(
    found: dict[str, Value], get: Callable[[str], Any], floats: Mapping[str, str], integers: Mapping[str, str]
) -> None:
    """Put into `found` what `get` gives by the tables' names (name -> attribute): only what the app set, as numbers."""
    for name, attribute in floats.items():
        value = get(name)
        if isinstance(value, int | float) and not isinstance(value, bool):
            found[attribute] = float(value)
    for name, attribute in integers.items():
        value = get(name)
        if isinstance(value, int) and not isinstance(value, bool):
            found[attribute] = value


def read_stops(found: dict[str, Value], stops: Any) -> None:
    """The stop sequences: a text, or a list of them."""
    given = [stops] if isinstance(stops, str) else as_list(stops)
    if given and all(isinstance(one, str) for one in given):
        found[semconv.REQUEST_STOP_SEQUENCES] = list(given)
