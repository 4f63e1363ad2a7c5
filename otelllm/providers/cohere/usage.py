"""Usage: what the model read and wrote, and what is billed, which is less (the SDK's preamble is not) or other units.

The counts are floats on the wire, and -1 where Bedrock did not say.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...call import Reading, Usage
from ...fields import members

__all__ = ["read_usage"]

_UNITS = {"search_units": "searches", "images": "images", "pages": "pages", "classifications": "classifications"}
_BILLED = {"input_tokens": "billed.input_tokens", "output_tokens": "billed.output_tokens"}


def _count(said: Mapping[str, Any], name: str) -> int | None:
    value = said.get(name)
    is_count = isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < float("inf")
    return int(value) if is_count and value is not None else None


def read_usage(reading: Reading, usage: Any) -> None:
    """Keep what `usage` (or `meta`) says; what it does not say stays as it was."""
    if usage is None:
        return
    said = members(usage)
    tokens, billed = members(said.get("tokens")), members(said.get("billed_units"))
    if not tokens and not billed:
        return
    found = reading.usage = reading.usage or Usage()
    paid_in, paid_out = _input(billed), _count(billed, "output_tokens")
    for name, value in (
        ("input", _count(tokens, "input_tokens")),
        ("output", _count(tokens, "output_tokens")),
        ("cache_read", _count(said, "cached_tokens")),
        ("image_input", _count(billed, "image_tokens")),
        ("text_input", _count(billed, "text_tokens")),
    ):
        if value is not None:
            setattr(found, name, value)
    found.input = paid_in if found.input is None else found.input
    found.output = paid_out if found.output is None else found.output
    units = {ours: count for name, ours in _UNITS.items() if (count := _count(billed, name)) is not None}
    shown = {ours: count for name, ours in _BILLED.items() if (count := _count(billed, name)) is not None}
    if (found.input, found.output) == (paid_in, paid_out):
        shown = {}
    found.other = {**(found.other or {}), **units, **shown} or None
    if shown:
        reading.billed = Usage(input=paid_in, output=paid_out, other=dict(units) or None)


def _input(billed: Mapping[str, Any]) -> int | None:
    """All billed input. A total below its parts leaves out pictures, or is not given at all."""
    whole, drawn, written = (_count(billed, name) for name in ("input_tokens", "image_tokens", "text_tokens"))
    if drawn is None and written is None:
        return whole
    parts = (drawn or 0) + (written or 0)
    if whole is None or whole >= parts:
        return parts if whole is None else whole
    return parts if written is not None else whole + parts
