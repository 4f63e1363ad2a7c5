"""Usage as Gemini counts it: thoughts outside candidates, tools' prompts outside the prompt, cached inside it."""

from __future__ import annotations

from typing import Any

from ...call import Reading, Usage
from ...fields import count
from .values import as_list, word

__all__ = ["read_usage"]

_TIERS = {
    "ON_DEMAND": "standard", "ON_DEMAND_FLEX": "flex", "ON_DEMAND_PRIORITY": "priority",
    "standard": "standard", "flex": "flex", "priority": "priority",
}  # fmt: skip


def _count(thing: Any, name: str) -> int | None:
    return count(getattr(thing, name, None))


def _sum(*counts: int | None) -> int | None:
    said = [count for count in counts if count is not None]
    return sum(said) if said else None


def read_usage(reading: Reading, usage: Any) -> None:
    """Take `usage` over. A stream's is a running total, said by nearly every chunk: what came last counts."""
    if usage is None:
        return
    found = reading.usage
    if found is None:
        found = reading.usage = Usage()
    prompt = _sum(_count(usage, "prompt_token_count"), _count(usage, "tool_use_prompt_token_count"))
    answer = _count(usage, "candidates_token_count")
    if answer is None:
        answer = _count(usage, "response_token_count")  # the name in embeddings' usage
    thoughts = _count(usage, "thoughts_token_count")
    if prompt is not None:
        found.input = prompt
    # A later chunk that leaves out one of the two says nothing new about it, and their sum never shrinks.
    if (output := _sum(answer, thoughts if thoughts is not None else found.reasoning)) is not None:
        found.output = output if answer is not None else max(output, found.output or 0)
    if thoughts is not None:
        found.reasoning = thoughts
    if (cached := _count(usage, "cached_content_token_count")) is not None:
        found.cache_read = cached
    into = [*as_list(getattr(usage, "prompt_tokens_details", None)),
            *as_list(getattr(usage, "tool_use_prompt_tokens_details", None))]  # fmt: skip
    found.text_input, found.image_input, found.audio_input = _modalities(
        into, found.text_input, found.image_input, found.audio_input
    )
    found.text_output, found.image_output, found.audio_output = _modalities(
        as_list(getattr(usage, "candidates_tokens_details", None)),
        found.text_output, found.image_output, found.audio_output,
    )  # fmt: skip
    found.text_cache_read, found.image_cache_read, found.audio_cache_read = _modalities(
        as_list(getattr(usage, "cache_tokens_details", None)),
        found.text_cache_read, found.image_cache_read, found.audio_cache_read,
    )  # fmt: skip
    said = word(getattr(usage, "traffic_type", None)) or word(getattr(usage, "service_tier", None))
    if said is not None:
        reading.tier = _TIERS.get(said, reading.tier)
    if found == Usage():
        reading.usage = None


def _modalities(
    details: Any, text: int | None, image: int | None, audio: int | None
) -> tuple[int | None, int | None, int | None]:
    """Text, image and audio of `details`; what it leaves out stays as it was."""
    said: dict[str, int] = {}
    for one in details:
        kind, count = word(getattr(one, "modality", None)), _count(one, "token_count")
        if kind is not None and count is not None:
            said[kind] = said.get(kind, 0) + count
    return said.get("TEXT", text), said.get("IMAGE", image), said.get("AUDIO", audio)
