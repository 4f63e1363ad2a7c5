"""A project's part of what is stored: of a trace that services of several projects share, its own spans and sums."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from ...enrich import summarise
from ...questions import SpanFilter
from ...rows import TraceRow
from ...sql import sql
from ..spec import Record
from .conditions import ALL, SCORES_PROJECT, Condition, of_project, with_condition
from .records import light_spans

if TYPE_CHECKING:
    import duckdb

__all__ = ["of_own_judgement", "of_own_spans", "own_parts", "own_senders", "unshared", "with_resources"]


def with_resources(own: duckdb.DuckDBPyConnection, spans: SpanFilter) -> SpanFilter:
    """The filter with the resources of its project; without one as it is."""
    if spans.project is None:
        return spans
    found = own.execute(sql("read/project_resources"), {"project": spans.project}).fetchall()
    return replace(spans, resources=tuple(row[0] for row in found))


def own_parts(own: duckdb.DuckDBPyConnection, traces: Sequence[Record], spans: SpanFilter) -> list[Record]:
    """Summaries of traces (with their `end_ns`) as the project's spans alone make them.

    The start stays the trace's, for it is its place in the list. A trace without such spans is left out.
    """
    if not traces:
        return []
    condition = of_project(spans, "s.resource_id")
    bounds = {
        "traces": list({str(trace["trace_id"]) for trace in traces}),
        "start": min(int(str(trace["start_ns"])) for trace in traces),
        "end": max(int(str(trace["end_ns"])) for trace in traces),
    }
    rows = light_spans(own, with_condition("read/own_spans", condition), condition.values | bounds)
    sums = summarise(rows)
    parts = []
    for trace in traces:
        summary = sums.get(bytes.fromhex(str(trace["trace_id"])))
        if summary is not None:
            parts.append(trace | _record(summary))
    return parts


def unshared(spans: SpanFilter) -> Condition:
    """Which rows of `t`, the summaries, sum up the project's spans and no others."""
    own = of_project(spans, "s.resource_id")
    if not own.text:
        return ALL
    text = f"t.trace_id not in (select s.trace_id from raw.spans as s where not {own.text})"  # noqa: S608  fixed pieces
    return Condition(text, own.values)


def of_own_spans(spans: SpanFilter) -> Condition:
    """Which rows of `c`, scores or contents, are about spans of the project."""
    own = of_project(spans, "s.resource_id")
    if not own.text:
        return ALL
    spans_of_it = f"select s.trace_id, s.span_id from raw.spans as s where {own.text}"  # noqa: S608  fixed pieces
    return Condition(f"(c.trace_id, c.span_id) in ({spans_of_it})", own.values)


def of_own_judgement(spans: SpanFilter) -> Condition:
    """Which rows of `c`, the scores, came with the project's key, or with nobody's and are about its spans."""
    if spans.project is None:
        return ALL
    own = of_own_spans(spans)
    text = f"({SCORES_PROJECT} = $project or ({SCORES_PROJECT} is null and {own.text}))"
    return Condition(text, own.values | {"project": spans.project})


def own_senders(table: str, spans: SpanFilter) -> Condition:
    """Which rows of `r`, the resources, or of `s`, the scopes, are of the project."""
    if spans.project is None:
        return ALL
    if table == "resources":
        return of_project(spans, "r.resource_id")
    own = of_project(spans, "x.resource_id")
    places = (f"select x.scope_id from raw.{name} as x where {own.text}" for name in ("spans", "logs", "metrics"))  # noqa: S608  fixed pieces
    return Condition(f"s.scope_id in ({' union '.join(places)})", own.values)


def _record(summary: TraceRow) -> Record:
    """As `read/trace_columns.sql` gives it, but for the start."""
    return {
        "name": summary.name,
        "root_span_id": None if summary.root_span_id is None else f"{summary.root_span_id:016x}",
        "service": summary.service_name,
        "end_ns": summary.end_ns,
        "duration_ms": (summary.end_ns - summary.start_ns) / 1e6,
        "spans": summary.spans,
        "calls": summary.calls,
        "errors": summary.errors,
        "input_tokens": summary.input_tokens,
        "output_tokens": summary.output_tokens,
        "cache_read_tokens": summary.cache_read_tokens,
        "cost_usd": summary.cost_usd,
        "unpriced_calls": summary.unpriced_calls,
        "ttft_ms": None if summary.ttft_s is None else summary.ttft_s * 1e3,
        "models": summary.models,
        "users": summary.users,
        "sessions": summary.sessions,
        "features": summary.features,
        "status": "error" if summary.errors else "ok",
    }
