"""Usage as Anthropic counts it: its input leaves out what was read from and written to the cache, ours holds both."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from ...call import Reading, Usage
from ...fields import count, field, members, plain
from ...parts import as_list

__all__ = ["Counts", "merge", "read_apart", "read_counts", "tier_of", "usage_of"]

Counts = dict[str, int]
"""The provider's own fields as it said them last, by their own names; server tools as `server_tool.NAME`."""

_PLAIN = ("input_tokens", "cache_read_input_tokens", "cache_creation_input_tokens", "output_tokens")
_INNER = (
    ("cache_creation", "ephemeral_5m_input_tokens"),
    ("cache_creation", "ephemeral_1h_input_tokens"),
    ("output_tokens_details", "thinking_tokens"),
)
_SERVER = "server_tool."
_APART = {"advisor_message": "advisor", "compaction": "compaction"}


def _keep(counts: Counts, name: str, value: Any) -> None:
    if (told := count(value)) is not None:
        counts[name] = told


def read_counts(usage: Any) -> Counts:
    """What a `usage` says; what it leaves out or says null is not there."""
    counts: Counts = {}
    for name in _PLAIN:
        _keep(counts, name, field(usage, name))
    for group, name in _INNER:
        if (inner := field(usage, group)) is not None:
            _keep(counts, name, field(inner, name))
    if (tools := field(usage, "server_tool_use")) is not None:
        for name, value in members(tools).items():
            if name.endswith("_requests"):
                _keep(counts, _SERVER + name.removesuffix("_requests"), value)
    return counts


def read_apart(reading: Reading, usage: Any) -> None:
    """What the provider used on its own account, and leaves out of its totals: an advisor's model that it asked, and
    what it summed up of the conversation. Each has a price, and a count of its own.
    """
    apart: list[tuple[str | None, str, Usage]] = []
    for entry in as_list(field(usage, "iterations")):
        kind = _APART.get(str(field(entry, "type")))
        if kind is not None and (used := usage_of(read_counts(entry))) is not None:
            apart.append((plain(field(entry, "model")) or reading.model, kind, used))
    if not apart or reading.usage is None:
        return
    own = reading.usage
    shares = [(reading.model, replace(own, other=None)), *((model, used) for model, _, used in apart)]
    reading.shares = [(model, used) for model, used in shares if model is not None]
    counts = dict(own.other or {})
    for _, kind, used in apart:
        for side, tokens in (("input_tokens", used.input), ("output_tokens", used.output)):
            counts[f"{kind}.{side}"] = counts.get(f"{kind}.{side}", 0) + (tokens or 0)
    own.other = counts


def merge(counts: Counts, later: Counts) -> None:
    """Keep what each field said last: a stream's counts are cumulative, so they are never added up.

    Some servers end with zeros for the input that they had counted at the start: those erase nothing.
    """
    for name, value in later.items():
        if value or not counts.get(name) or name in {"output_tokens", "thinking_tokens"}:
            counts[name] = value


def usage_of(counts: Counts) -> Usage | None:
    """The totals and subsets of the conventions; None where nothing was counted."""
    if not counts:
        return None
    hour = counts.get("ephemeral_1h_input_tokens")
    write = counts.get("cache_creation_input_tokens")
    if write is None and (hour is not None or "ephemeral_5m_input_tokens" in counts):
        write = (hour or 0) + counts.get("ephemeral_5m_input_tokens", 0)
    read = counts.get("cache_read_input_tokens")
    plain = counts.get("input_tokens")
    other: dict[str, float] = {name: count for name, count in counts.items() if name.startswith(_SERVER)}
    return Usage(
        input=None if plain is None else plain + (read or 0) + (write or 0),
        output=counts.get("output_tokens"),
        cache_read=read,
        cache_write=write,
        cache_write_1h=hour,
        reasoning=counts.get("thinking_tokens"),
        other=other or None,
    )


def tier_of(usage: Any) -> str | None:
    """What the call is billed as: a speed with a price of its own, else the service tier."""
    for name in ("speed", "service_tier"):
        value = field(usage, name)
        if isinstance(value, str) and value and not (name == "speed" and value == "standard"):
            return value
    return None
