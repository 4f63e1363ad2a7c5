"""One call that two instrumentations wrote down: a framework's span over the SDK's, a gateway's over its client's.

Both say what was used; summed, every such call would cost twice. The inner one counts, for it is next to the provider,
unless only the outer one knows what was used.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Protocol

from .questions import MODEL_CALLS

__all__ = ["CallLike", "may_repeat", "repeated"]

_FAR = 32
"""How many spans up a call is looked for that this one could be."""


class CallLike(Protocol):
    """What tells two spans of one call: a row that comes in, or one read back."""

    trace_id: bytes
    span_id: int
    parent_span_id: int | None
    start_ns: int
    end_ns: int
    operation: str | None
    request_model: str | None
    response_model: str | None
    response_id: str | None
    input_tokens: int | None
    output_tokens: int | None


def may_repeat(span: CallLike) -> bool:
    """Whether `span` could be one of two: a call of a model."""
    return span.operation in MODEL_CALLS


def repeated(trace: Iterable[CallLike]) -> set[int]:
    """Of one trace's spans those (by span id) that are calls of a model and not to be counted."""
    spans = {span.span_id: span for span in trace}
    inside: dict[int, list[CallLike]] = {}
    for span in spans.values():
        if may_repeat(span) and (outer := _call_above(span, spans)) is not None:
            inside.setdefault(outer.span_id, []).append(span)
    found: set[int] = set()
    for span_id, inner in inside.items():
        outer = spans[span_id]
        same = [span for span in inner if _is_same(outer, span, is_alone=len(inner) == 1)]
        if not same:
            continue
        if any(_knows_usage(span) for span in same) or not _knows_usage(outer):
            found.add(span_id)
        else:
            found.update(span.span_id for span in same)
    return found


def _call_above(span: CallLike, spans: Mapping[int, CallLike]) -> CallLike | None:
    one: CallLike | None = span
    for _ in range(_FAR):
        one = spans.get(one.parent_span_id or 0) if one is not None else None
        if one is None or one is span:
            return None
        if may_repeat(one):
            return one
    return None


def _is_same(outer: CallLike, inner: CallLike, *, is_alone: bool) -> bool:
    if outer.response_id and inner.response_id:
        return outer.response_id == inner.response_id
    return (
        is_alone
        and outer.start_ns <= inner.start_ns
        and inner.end_ns <= outer.end_ns
        and bool(_models(outer) & _models(inner) or not (_models(outer) and _models(inner)))
    )


def _models(span: CallLike) -> set[str]:
    """Its models' names without what gateways put before them ("openai/gpt-4o", "models/gemini-3")."""
    return {name.rpartition("/")[2] for name in (span.request_model, span.response_model) if name}


def _knows_usage(span: CallLike) -> bool:
    return span.input_tokens is not None or span.output_tokens is not None
