"""What a provider's headers say of its own limits: how much is left."""

from __future__ import annotations

from collections.abc import Mapping

__all__ = ["left_of"]

# Header -> the limit that it is about. Anthropic's `tokens` is the tightest of several, OpenAI's is of both directions.
# What a provider calls `limit` and `reset` isn't needed: the policy has a limit, and how a rate fills is known.
LEFT = (
    ("x-ratelimit-remaining-requests", "requests_per_minute"),
    ("x-ratelimit-remaining-tokens", "tokens_per_minute"),
    ("anthropic-ratelimit-requests-remaining", "requests_per_minute"),
    ("anthropic-ratelimit-input-tokens-remaining", "input_tokens_per_minute"),
    ("anthropic-ratelimit-output-tokens-remaining", "output_tokens_per_minute"),
    ("anthropic-ratelimit-tokens-remaining", "tokens_per_minute"),
    ("x-ratelimit-remaining-tokens-minute", "tokens_per_minute"),
)


def left_of(headers: Mapping[str, str]) -> dict[str, float]:
    """What is left, by the names that [[limits]] has for it (`tokens_per_minute`: of either direction)."""
    found: dict[str, float] = {}
    for header, name in LEFT:
        said = headers.get(header)
        if said is None:
            continue
        try:
            left = float(said)
        except ValueError:
            continue
        if 0 <= left < float("inf"):
            found[name] = min(left, found.get(name, left))
    return found
