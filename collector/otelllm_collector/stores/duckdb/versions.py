"""A span that was sent more than once."""

from __future__ import annotations

from collections.abc import Iterable

from ...rows import SpanRow

__all__ = ["SpanKey", "fullest"]

SpanKey = tuple[bytes, int]


def fullest(rows: Iterable[SpanRow]) -> dict[SpanKey, SpanRow]:
    """Each span once: of several versions the fullest, the later one of equals."""
    spans: dict[SpanKey, SpanRow] = {}
    for row in rows:
        key = (row.trace_id, row.span_id)
        other = spans.get(key)
        if other is None or (row.parts, row.end_ns) >= (other.parts, other.end_ns):
            spans[key] = row
    return spans
