"""Feedback and evaluation results: `gen_ai.evaluation.result`, from a log record or a span event."""

from __future__ import annotations

from typing import Any

from otelllm import semconv

from ..rows import ScoreRow
from .values import to_json

__all__ = ["read_score"]


def read_score(attributes: dict[str, Any], trace_id: bytes | None, span_id: int | None, time_ns: int) -> ScoreRow:
    """One judgement; attributes without a column stay beside it."""
    rest = dict(attributes)
    value = rest.pop(semconv.EVALUATION_SCORE, None)
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        if value is not None:
            rest[semconv.EVALUATION_SCORE] = value
        value = None
    return ScoreRow(
        trace_id=trace_id,
        span_id=span_id,
        response_id=_text(rest, semconv.RESPONSE_ID),
        name=_text(rest, semconv.EVALUATION_NAME),
        value=None if value is None else float(value),
        label=_text(rest, semconv.EVALUATION_LABEL),
        explanation=_text(rest, semconv.EVALUATION_EXPLANATION),
        time_ns=time_ns,
        attributes=to_json(rest),
    )


def _text(rest: dict[str, Any], key: str) -> str | None:
    return rest.pop(key) if isinstance(rest.get(key), str) else None
