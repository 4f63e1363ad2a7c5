"""What users and scorers think of an answer: a `gen_ai.evaluation.result` event on its span."""

from __future__ import annotations

from opentelemetry import trace
from opentelemetry.trace import NonRecordingSpan, Span, SpanContext, TraceFlags

from . import emit, semconv
from .errors import BadConfig
from .safely import safely

__all__ = ["feedback"]


def feedback(
    *,
    score: float | bool | None = None,
    name: str = "feedback",
    label: str | None = None,
    comment: str | None = None,
    trace_id: str | None = None,
    span_id: str | None = None,
) -> None:
    """Score the current span, or the one of `trace_id` and `span_id` (hex, as the explorer shows them).

    `score` is a number (True is 1, False 0), `label` a word for it; `comment` is kept as the explanation.
    Raises `BadConfig` for ids that are none; does nothing where otelllm is off.
    """
    span = _named(trace_id, span_id) if trace_id is not None or span_id is not None else trace.get_current_span()
    emitter = emit.active()
    if emitter is None or emitter.events is None:
        return
    attributes: dict[str, str | float] = {semconv.EVALUATION_NAME: name}
    if score is not None:
        attributes[semconv.EVALUATION_SCORE] = float(score)
    if label is not None:
        attributes[semconv.EVALUATION_LABEL] = label
    if comment is not None:
        attributes[semconv.EVALUATION_EXPLANATION] = comment
    with safely("writing feedback"):
        emitter.events.write(semconv.EVENT_EVALUATION, attributes, span)


def _named(trace_id: str | None, span_id: str | None) -> Span:
    try:
        context = SpanContext(
            int(trace_id or "", 16), int(span_id or "", 16), is_remote=True, trace_flags=TraceFlags(1)
        )
    except ValueError:
        context = None
    if context is None or not context.is_valid:
        raise BadConfig(f"trace_id {trace_id!r} and span_id {span_id!r} are not 32 and 16 hex digits; give both")
    return NonRecordingSpan(context)
