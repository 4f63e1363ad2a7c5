"""Usage as OpenAI counts it: cached tokens inside input, reasoning inside output. Only copied, never computed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields as dataclass_fields
from typing import Any

from ..call import Reading, Usage
from ..fields import members

__all__ = ["merge_usage", "read_seconds", "read_usage"]

_FIELDS = tuple(one.name for one in dataclass_fields(Usage) if one.name not in {"other", "estimated"})
# The surfaces disagree on plurals: chat, then responses and images, then audio and realtime.
_INTO = ("prompt_tokens_details", "input_tokens_details", "input_token_details")
_OUT = ("completion_tokens_details", "output_tokens_details", "output_token_details")


def _count(said: Mapping[str, Any], *names: str) -> int | None:
    """The first count that is there under one of `names`."""
    for name in names:
        value = said.get(name)
        if type(value) is int and value >= 0:  # a bool is no count
            return value
    return None


def _details(said: Mapping[str, Any], names: tuple[str, ...]) -> Mapping[str, Any] | None:
    return next((members(found) for name in names if (found := said.get(name)) is not None), None)


def read_usage(usage: Any) -> Usage | None:
    """`usage` of any surface, in any of its vocabularies; None where there is nothing to count."""
    if usage is None:
        return None
    # A dict where the SDK does not declare what the server says: all of it, or its details.
    said = members(usage)
    found = Usage(
        input=_count(said, "prompt_tokens", "input_tokens"), output=_count(said, "completion_tokens", "output_tokens")
    )
    if into := _details(said, _INTO):
        found.cache_read = _count(into, "cached_tokens")
        found.cache_write = _count(into, "cache_write_tokens")
        found.audio_input = _count(into, "audio_tokens")
        found.image_input = _count(into, "image_tokens")
        found.text_input = _count(into, "text_tokens")
        if (details := into.get("cached_tokens_details")) is not None:
            cached = members(details)
            found.audio_cache_read = _count(cached, "audio_tokens")
            found.image_cache_read = _count(cached, "image_tokens")
            found.text_cache_read = _count(cached, "text_tokens")
    if out := _details(said, _OUT):
        found.reasoning = _count(out, "reasoning_tokens")
        found.audio_output = _count(out, "audio_tokens")
        found.image_output = _count(out, "image_tokens")
        found.text_output = _count(out, "text_tokens")
    if found.cache_read is None:  # without details around it, at some servers
        found.cache_read = _count(said, "cached_tokens", "num_cached_tokens")
    return None if found.input is None and found.output is None else found


def read_seconds(seconds: Any) -> Usage | None:
    """Audio that is billed by its length; None where `seconds` is no length."""
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or seconds < 0:
        return None
    return Usage(other={"audio_seconds": seconds})


def merge_usage(reading: Reading, later: Usage | None) -> None:
    """Keep what each field said last: servers send usage cumulatively, so it is never added up."""
    if later is None:
        return
    if reading.usage is None:
        reading.usage = later
        return
    for name in _FIELDS:
        value = getattr(later, name)
        if value is not None:
            setattr(reading.usage, name, value)
