"""What Mistral's usage says beyond OpenAI's: tokens outside the prompt's, and what is billed apart."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...call import Reading, Usage
from ...fields import count, plain
from ...openai_format.usage import merge_usage, read_usage

__all__ = ["read_counts"]


def read_counts(reading: Reading, counts: Any) -> None:
    """Read `usage`, as it was sent, of any answer or of a stream's last chunk."""
    if not isinstance(counts, Mapping) or not counts:
        return
    merge_usage(reading, read_usage(counts))
    reading.tier = plain(counts.get("service_tier")) or reading.tier
    other = _other(counts)
    if reading.usage is None:
        if not other:
            return
        reading.usage = Usage()
    usage = reading.usage
    _whole_input(usage, counts)
    if usage.cache_read is None:
        # A second spelling of theirs, beside the first.
        usage.cache_read = count((counts.get("prompt_token_details") or {}).get("cached_tokens"))
    if other:
        usage.other = {**(usage.other or {}), **other}


def _whole_input(usage: Usage, counts: Mapping[str, Any]) -> None:
    """`prompt_tokens` are those of the text that was sent. Sound, and what connectors fed to the model, are in the
    total alone (seen: 3 of text, 375 of sound, 41 out, 419 in all).
    """
    apart = (counts.get("prompt_audio_seconds"), counts.get("connector_tokens"), usage.audio_input)
    total = count(counts.get("total_tokens"))
    if total is None or usage.input is None or usage.output is None or not any(apart):
        return
    usage.input = max(usage.input, total - usage.output)


def _other(counts: Mapping[str, Any]) -> dict[str, float]:
    found: dict[str, float] = {}
    for name, ours in (("prompt_audio_seconds", "audio_seconds"), ("connector_tokens", "connector_tokens")):
        if (told := count(counts.get(name))) is not None:
            found[ours] = told
    connectors = counts.get("connectors")
    for name, value in connectors.items() if isinstance(connectors, Mapping) else ():
        if (told := count(value)) is not None:
            found[f"server_tool.{name}"] = told
    return found
