"""Feedback and evaluation results: `gen_ai.evaluation.result`, from a log record or a span event, and the like."""

from __future__ import annotations

from collections import Counter
from typing import Any

from otelllm import semconv

from ..normalise.judgements import TARGET
from ..rows import ScoreRow
from ..span_row import SpanRow
from .values import to_json

__all__ = ["read_judgements", "read_score"]


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


def read_judgements(judged: list[dict[str, Any]], row: SpanRow) -> list[ScoreRow]:
    """Results that a span says in another vocabulary, about itself, its trace or its session."""
    made = []
    told: Counter[tuple[str, str]] = Counter()
    for one in judged:
        target = one.get(TARGET, "span")
        trace_id = None if target == "session" else row.trace_id
        key = (target, one[semconv.EVALUATION_NAME])
        # Two judges of one thing: by target, name and time a score is told from another.
        made.append(read_score(one, trace_id, row.span_id if target == "span" else None, row.end_ns + told[key]))
        told[key] += 1
    return made


def _text(rest: dict[str, Any], key: str) -> str | None:
    return rest.pop(key) if isinstance(rest.get(key), str) else None
