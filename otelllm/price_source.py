"""genai-prices' data -> our price file: `scripts/prices.py` at release time, `pricing.refresh` at run time."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["convert"]

SIGNS = {"ClauseEquals": "=", "ClauseStartsWith": "^", "ClauseEndsWith": "$", "ClauseContains": "~", "ClauseRegex": "/"}
_DATE = re.compile(r"\b20\d\d-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12]\d|3[01])\b")


def convert(providers: Iterable[Any], *, version: str, today: str) -> dict[str, Any]:
    """The price file's content: what a price needs. Its date is the newest that the data names, `today` at most."""
    providers = list(providers)
    dates = [found for provider in providers for found in _dates(provider) if found <= today]
    return {
        "date": max(dates, default=today),
        "version": version,
        "providers": {provider.id: _provider(provider) for provider in providers},
    }


def _dates(provider: Any) -> Iterable[str]:
    """The days on which somebody checked a price or on which one began."""
    yield from _DATE.findall(provider.price_comments or "")
    for model in provider.models:
        yield from _DATE.findall(model.price_comments or "")
        for step in model.prices if isinstance(model.prices, list) else ():
            if hasattr(step.constraint, "start_date"):
                yield step.constraint.start_date.isoformat()


def _provider(provider: Any) -> dict[str, Any]:
    entry: dict[str, Any] = {}
    if provider.provider_match is not None:
        entry["match"] = _rule(provider.provider_match)
    if provider.model_match is not None:
        entry["owns"] = _rule(provider.model_match)
    if provider.fallback_model_providers:
        entry["fallback"] = provider.fallback_model_providers
    entry["models"] = [_row(provider, model) for model in provider.models]
    return entry


def _row(provider: Any, model: Any) -> list[Any]:
    if isinstance(model.prices, list):
        prices: Any = [[_when(step.constraint), _prices(step.prices)] for step in model.prices]
    else:
        prices = _prices(model.prices)
    # genai-prices has this rule in its code, not in its data: Groq bills ten seconds of audio at least.
    if provider.id == "groq" and model.id in ("whisper-large-v3", "whisper-large-v3-turbo"):
        prices["least_audio_s"] = 10
    variants = [
        [tier, _prices(variant.prices), _when(variant.constraint)]
        for variant in model.price_variants or ()
        if (tier := _tier(variant.when)) is not None
    ]
    return [_rule(model.match), prices, variants] if variants else [_rule(model.match), prices]


def _tier(when: dict[str, str]) -> str | None:
    """Our word for what selects a variant; None for the standard price and for what is no tier (a route)."""
    if when == {"processing": "batch"}:
        return "batch"
    if when == {"speed": "fast"}:
        return "fast"
    tier = when.get("service_tier") if len(when) == 1 else None
    return None if tier == "default" else tier


def _prices(prices: Any) -> dict[str, Any]:
    return {key.removesuffix("_mtok"): _price(value) for key, value in vars(prices).items() if value is not None}


def _price(value: Any) -> Any:
    if hasattr(value, "tiers"):
        return [_number(value.base), *([tier.start, _number(tier.price)] for tier in value.tiers)]
    return _number(value)


def _number(value: Any) -> float:
    number = float(value)
    return int(number) if number.is_integer() else number


def _when(constraint: Any) -> Any:
    if constraint is None:
        return None
    if hasattr(constraint, "start_date"):
        return constraint.start_date.isoformat()
    return [_utc(constraint.start_time), _utc(constraint.end_time)]


def _utc(moment: Any) -> str:
    shift = moment.utcoffset()
    if shift:
        seconds = (moment.hour * 3600 + moment.minute * 60 + moment.second - int(shift.total_seconds())) % 86_400
        return f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"
    return f"{moment:%H:%M:%S}"


def _rule(clause: Any) -> Any:
    kind = type(clause).__name__
    if kind == "ClauseOr":
        return ["|", *map(_rule, clause.or_)]
    if kind == "ClauseAnd":
        return ["&", *map(_rule, clause.and_)]
    sign = SIGNS[kind]
    (value,) = vars(clause).values()
    return sign + (value if sign == "/" else value.lower())
