"""Tokens as Bedrock counts them: its input leaves out what was read from and written to the cache, ours holds both."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...call import Reading, Usage
from ...fields import count
from ...parts import as_list

__all__ = ["fill_usage", "header_counts", "metrics_counts", "read_usage"]

_HEADERS = {
    "input": "x-amzn-bedrock-input-token-count",
    "output": "x-amzn-bedrock-output-token-count",
    "cache_read": "x-amzn-bedrock-cache-read-input-token-count",
    "cache_write": "x-amzn-bedrock-cache-write-input-token-count",
}
_METRICS = {
    "input": "inputTokenCount",
    "output": "outputTokenCount",
    "cache_read": "cacheReadInputTokenCount",
    "cache_write": "cacheWriteInputTokenCount",
}


def _usage(plain: int | None, output: int | None, read: int | None, write: int | None) -> Usage | None:
    if plain is None and output is None and read is None and write is None:
        return None
    total = None if plain is None else plain + (read or 0) + (write or 0)
    return Usage(input=total, output=output, cache_read=read, cache_write=write)


def read_usage(usage: Any) -> Usage | None:
    """`usage` of Converse, or of a Nova model's own body, which names the cache's counts otherwise."""
    if not isinstance(usage, Mapping):
        return None
    read, write = (
        found
        if (found := count(usage.get(name))) is not None
        else count(usage.get(name.replace("Tokens", "TokenCount")))
        for name in ("cacheReadInputTokens", "cacheWriteInputTokens")
    )
    by_ttl = {one.get("ttl"): count(one.get("inputTokens")) for one in as_list(usage.get("cacheDetails"))}
    if write is None and by_ttl:
        write = sum(each or 0 for each in by_ttl.values())
    found_usage = _usage(count(usage.get("inputTokens")), count(usage.get("outputTokens")), read, write)
    if found_usage is not None:
        found_usage.cache_write_1h = by_ttl.get("1h")
    return found_usage


def header_counts(headers: Mapping[str, str]) -> Usage | None:
    """What an InvokeModel's answer says in its headers, whichever model wrote it."""
    counts = {name: headers.get(header, "") for name, header in _HEADERS.items()}
    return _counted({name: int(value) for name, value in counts.items() if value.isdecimal()})


def metrics_counts(metrics: Any) -> Usage | None:
    """The same of a stream, in its last chunk."""
    if not isinstance(metrics, Mapping):
        return None
    return _counted({name: count(metrics.get(own)) for name, own in _METRICS.items()})


def _counted(counts: Mapping[str, int | None]) -> Usage | None:
    return _usage(counts.get("input"), counts.get("output"), counts.get("cache_read"), counts.get("cache_write"))


def fill_usage(reading: Reading, counted: Usage | None) -> None:
    """Where the model's own body counted nothing, or one side only, take what the service counted."""
    if counted is None:
        return
    usage = reading.usage
    if usage is None:
        reading.usage = counted
        return
    if usage.input is None:
        usage.input, usage.cache_read, usage.cache_write = counted.input, counted.cache_read, counted.cache_write
    if usage.output is None:
        usage.output = counted.output
