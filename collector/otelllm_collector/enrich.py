"""Summaries of traces: from spans, and of two summaries one. Pure; spans may come in any order and number of parts."""

from __future__ import annotations

from collections.abc import Iterable

from .questions import MODEL_CALLS, OWN_STEPS
from .rows import TraceRow
from .span_row import Light

__all__ = ["merge", "summarise"]

LIST_LIMIT = 32
"""Names kept in a summary's lists; a trace with more is still found by the spans' own columns."""


def summarise(spans: Iterable[Light]) -> dict[bytes, TraceRow]:
    """A summary for each trace that the spans belong to."""
    traces: dict[bytes, TraceRow] = {}
    for span in spans:
        known = traces.get(span.trace_id)
        if known is None:
            traces[span.trace_id] = _of_span(span)
        else:
            _add(known, span)
    return traces


def _add(trace: TraceRow, span: Light) -> None:
    """What `merge` of the trace and the span's own summary gives, in place: this is done for every span."""
    is_first = span.start_ns < trace.start_ns
    is_root = span.parent_span_id is None
    if trace.root_start_ns is None:  # the earliest span names it until a root comes
        is_named_by = is_root or is_first
    else:
        is_named_by = is_root and span.start_ns < trace.root_start_ns
    if is_named_by:
        trace.name, trace.service_name = span.name, span.service_name
        trace.root_span_id, trace.root_start_ns = (span.span_id, span.start_ns) if is_root else (None, None)
    trace.start_ns, trace.end_ns = min(trace.start_ns, span.start_ns), max(trace.end_ns, span.end_ns)
    trace.spans += 1
    trace.errors += span.status == "error"
    if _is_call(span):
        _add_call(trace, span)
    model = span.response_model or span.request_model
    if model:
        trace.models = _with(trace.models, model, is_first)
    if span.user_id:
        trace.users = _with(trace.users, span.user_id, is_first)
    if span.session:
        trace.sessions = _with(trace.sessions, span.session, is_first)
    if span.feature:
        trace.features = _with(trace.features, span.feature, is_first)


def _add_call(trace: TraceRow, span: Light) -> None:
    trace.calls += 1
    trace.input_tokens = _sum(trace.input_tokens, span.input_tokens)
    trace.output_tokens = _sum(trace.output_tokens, span.output_tokens)
    trace.cache_read_tokens = _sum(trace.cache_read_tokens, span.cache_read_tokens)
    trace.cost_usd = _cost(trace.cost_usd, span.cost_usd)
    trace.unpriced_calls += _was_used(span) and span.cost_usd is None
    ttft_s = span.ttft_s if span.ttft_s is not None else span.first_chunk_s
    if ttft_s is not None and (trace.ttft_start_ns is None or span.start_ns < trace.ttft_start_ns):
        trace.ttft_s, trace.ttft_start_ns = ttft_s, span.start_ns


def _with(listed: list[str], name: str, is_first: bool) -> list[str]:
    """The list with the name, at its end or, of what began before, at its beginning."""
    if not is_first:
        return listed if name in listed else [*listed, name][:LIST_LIMIT]
    return listed if listed[:1] == [name] else _union([name], listed)


def _is_call(span: Light) -> bool:
    # An app's own embedding or rerank, in its process, has neither provider nor model: no call of a model.
    named = span.operation not in OWN_STEPS or (span.provider or span.request_model) is not None
    return span.counted and span.operation in MODEL_CALLS and named


def _was_used(span: Light) -> bool:
    """What failed before anything was used has no cost to be known."""
    return span.cost_status is not None or span.input_tokens is not None or span.output_tokens is not None


def merge(one: TraceRow, other: TraceRow) -> TraceRow:
    """One summary of the spans of both, which MUST not share a span."""
    first, second = (one, other) if one.start_ns <= other.start_ns else (other, one)
    named = _named(first, second)
    timed = _timed(first, second)
    return TraceRow(
        trace_id=one.trace_id,
        start_ns=first.start_ns,
        end_ns=max(one.end_ns, other.end_ns),
        root_span_id=named.root_span_id,
        root_start_ns=named.root_start_ns,
        name=named.name,
        service_name=named.service_name,
        spans=one.spans + other.spans,
        calls=one.calls + other.calls,
        errors=one.errors + other.errors,
        input_tokens=_sum(one.input_tokens, other.input_tokens),
        output_tokens=_sum(one.output_tokens, other.output_tokens),
        cache_read_tokens=_sum(one.cache_read_tokens, other.cache_read_tokens),
        cost_usd=_cost(one.cost_usd, other.cost_usd),
        unpriced_calls=one.unpriced_calls + other.unpriced_calls,
        ttft_s=timed.ttft_s,
        ttft_start_ns=timed.ttft_start_ns,
        models=_union(first.models, second.models),
        users=_union(first.users, second.users),
        sessions=_union(first.sessions, second.sessions),
        features=_union(first.features, second.features),
    )


def _of_span(span: Light) -> TraceRow:
    is_root = span.parent_span_id is None
    is_call = _is_call(span)
    ttft_s = span.ttft_s if span.ttft_s is not None else span.first_chunk_s
    model = span.response_model or span.request_model
    return TraceRow(
        trace_id=span.trace_id,
        start_ns=span.start_ns,
        end_ns=span.end_ns,
        root_span_id=span.span_id if is_root else None,
        root_start_ns=span.start_ns if is_root else None,
        name=span.name,
        service_name=span.service_name,
        spans=1,
        calls=int(is_call),
        errors=int(span.status == "error"),
        # Some instrumentations repeat the sums of their calls on agents' spans: only the calls themselves count.
        input_tokens=span.input_tokens if is_call else None,
        output_tokens=span.output_tokens if is_call else None,
        cache_read_tokens=span.cache_read_tokens if is_call else None,
        cost_usd=span.cost_usd if is_call else None,
        unpriced_calls=int(is_call and _was_used(span) and span.cost_usd is None),
        ttft_s=ttft_s if is_call else None,
        ttft_start_ns=span.start_ns if is_call and ttft_s is not None else None,
        models=[model] if model else [],
        users=[span.user_id] if span.user_id else [],
        sessions=[span.session] if span.session else [],
        features=[span.feature] if span.feature else [],
    )


def _named(first: TraceRow, second: TraceRow) -> TraceRow:
    """Which of the two gives the trace its name: the earlier root; the earlier span where no root has come."""
    if first.root_start_ns is None or second.root_start_ns is None:
        return second if first.root_start_ns is None and second.root_start_ns is not None else first
    return first if first.root_start_ns <= second.root_start_ns else second


def _timed(first: TraceRow, second: TraceRow) -> TraceRow:
    if first.ttft_start_ns is None or second.ttft_start_ns is None:
        return second if first.ttft_start_ns is None else first
    return first if first.ttft_start_ns <= second.ttft_start_ns else second


def _sum(one: int | None, other: int | None) -> int | None:
    if one is None or other is None:
        return other if one is None else one
    return one + other


def _cost(one: float | None, other: float | None) -> float | None:
    if one is None or other is None:
        return other if one is None else one
    return one + other


def _union(first: list[str], second: list[str]) -> list[str]:
    if not second or first == second:
        return first
    return list(dict.fromkeys([*first, *second]))[:LIST_LIMIT]
