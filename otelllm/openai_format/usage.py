"""Usage as OpenAI counts it: cached tokens inside input, reasoning inside output. Only copied, never computed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields as dataclass_fields
from typing import Any

from ..call import Reading, Usage
from ..fields import members

__all__ = ["merge_usage", "read_seconds", "read_usage"]

_FIELDS = tuple(one.name for one in dataclass_fields(Usage) if one.name not in {"other", "estimated"})
# What a `usage`, and each of its details, may hold -> our field. Later names count where earlier ones are missing.
_TOTALS = (
    ("prompt_tokens", "input"), ("input_tokens", "input"), ("completion_tokens", "output"), ("output_tokens", "output"),
)  # fmt: skip
_UNDETAILED = (("cached_tokens", "cache_read"), ("num_cached_tokens", "cache_read"))  # at some servers
_OF_INPUT = (
    ("cached_tokens", "cache_read"), ("cache_write_tokens", "cache_write"), ("audio_tokens", "audio_input"),
    ("image_tokens", "image_input"), ("text_tokens", "text_input"),
)  # fmt: skip
_OF_CACHED = (
    ("audio_tokens", "audio_cache_read"), ("image_tokens", "image_cache_read"), ("text_tokens", "text_cache_read"),
)  # fmt: skip
_OF_OUTPUT = (
    ("reasoning_tokens", "reasoning"), ("audio_tokens", "audio_output"), ("image_tokens", "image_output"),
    ("text_tokens", "text_output"),
)  # fmt: skip
# The surfaces disagree on plurals: chat, then responses and images, then audio and realtime.
_INTO = ("prompt_tokens_details", "input_tokens_details", "input_token_details")
_OUT = ("completion_tokens_details", "output_tokens_details", "output_token_details")


def _take(found: Usage, said: Mapping[str, Any], names: tuple[tuple[str, str], ...]) -> None:
    for name, ours in names:
        value = said.get(name)
        if type(value) is int and value >= 0 and getattr(found, ours) is None:  # a bool is no count
            setattr(found, ours, value)


def _details(said: Mapping[str, Any], names: tuple[str, ...]) -> Mapping[str, Any]:
    for name in names:
        if (found := said.get(name)) is not None:
            return members(found)
    return {}


def read_usage(usage: Any) -> Usage | None:
    """`usage` of any surface, in any of its vocabularies; None where there is nothing to count."""
    if usage is None:
        return None
    # A dict where the SDK does not declare what the server says: all of it, or its details.
    said, found = members(usage), Usage()
    _take(found, said, _TOTALS)
    into = _details(said, _INTO)
    _take(found, into, _OF_INPUT)
    if (cached := into.get("cached_tokens_details")) is not None:
        _take(found, members(cached), _OF_CACHED)
    _take(found, _details(said, _OUT), _OF_OUTPUT)
    _take(found, said, _UNDETAILED)
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
