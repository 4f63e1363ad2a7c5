"""Records of the API, made by hand for tests of pure functions."""

from __future__ import annotations

from typing import Any, cast

from otelllm_dashboard.client import Aggregate, Span, SpanDetail

_NOTHING: dict[str, Any] = dict.fromkeys(
    (*Span.__annotations__, *SpanDetail.__annotations__, "parent_span_id", "operation", "error_type"), None
)


def span(span_id: str, parent: str | None = None, ms: tuple[float, float] = (0, 10), **fields: Any) -> Span:
    """A span from `ms[0]` to `ms[1]` after the epoch's first second."""
    start, end = (1_000_000_000 + int(at * 1e6) for at in ms)
    own = {
        "trace_id": "a" * 32, "span_id": span_id, "parent_span_id": parent, "name": span_id, "kind": "internal",
        "service": "shop", "start_ns": start, "end_ns": end, "duration_ms": ms[1] - ms[0], "finish_reasons": [],
        "status": "unset",
    }  # fmt: skip
    return cast(Span, {**_NOTHING, **own, **fields})


def detail(**fields: Any) -> SpanDetail:
    """A chat span with content."""
    own = {"attributes": {}, "resource": {}, "scope": {}, "events": [], "links": [], "scores": []}
    return cast(SpanDetail, {**span("b" * 16, operation="chat"), **own, **fields})


def aggregate(bucket_ns: int | None = None, **fields: Any) -> Aggregate:
    """A row of sums."""
    row: dict[str, Any] = dict.fromkeys(Aggregate.__annotations__)
    return cast(Aggregate, {**row, "bucket_ns": bucket_ns, "calls": 1, "errors": 0, "unpriced_calls": 0, **fields})
