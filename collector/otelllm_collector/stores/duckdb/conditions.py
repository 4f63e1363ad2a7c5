"""Filters to SQL conditions: fixed pieces chosen by name, every value bound as a parameter."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import NamedTuple

import orjson

from ...questions import Key, SpanFilter
from ...sql import sql

__all__ = [
    "ALL",
    "BUCKETS",
    "KEYS",
    "Condition",
    "after",
    "either_time",
    "log_condition",
    "metric_condition",
    "named_condition",
    "of_project",
    "own_contents",
    "own_scores",
    "span_condition",
    "trace_condition",
    "with_condition",
]

KEYS = {
    "model": "coalesce(s.response_model, s.request_model)",
    "provider": "s.provider",
    "user": "s.user_id",
    "session": "coalesce(s.session_id, s.inferred_session)",
    "feature": "s.feature",
    "service": "s.service_name",
    "operation": "s.operation",
    "error_type": "s.error_type",
    "name": "s.name",
    "none": "null::varchar",
}
"""What can be grouped by or listed."""

BUCKETS = {
    "none": "null::bigint",
    "minute": "s.start_ns // 60000000000 * 60000000000",
    "hour": "s.start_ns // 3600000000000 * 3600000000000",
    "day": "s.start_ns // 86400000000000 * 86400000000000",
}

# `x in (select unnest($list))` joins and reads every row: 64 ms for the newest 100 of 200,000 spans; this takes 3.
_LISTS = {
    "service": "list_contains($service::varchar[], s.service_name)",
    "provider": "list_contains($provider::varchar[], s.provider)",
    "model": "(list_contains($model::varchar[], s.request_model) "
    "or list_contains($model::varchar[], s.response_model))",
    "operation": "list_contains($operation::varchar[], s.operation)",
    "user": "list_contains($user::varchar[], s.user_id)",
    "session": "list_contains($session::varchar[], coalesce(s.session_id, s.inferred_session))",
    "feature": "list_contains($feature::varchar[], s.feature)",
    "name": "list_contains($name::varchar[], s.name)",
    "trace_id": "list_contains($trace_id::uuid[], s.trace_id)",
}

SKELETON = (
    '[{"role":"system"},{"role":"user"},{"role":"assistant"},{"role":"tool","name":"","finish_reason":"stop","parts":['
    '{"type":"text","content":""},{"type":"reasoning","content":""},{"type":"blob","mime_type":"","modality":"image"},'
    '{"type":"uri","uri":""},{"type":"file","file_id":""},{"type":"tool_call","id":"","name":"","arguments":{}},'
    '{"type":"tool_call_response","id":"","response":""},{"type":"compaction"},{"type":"server_tool_call"}]}]'
)
"""What every message's JSON may hold beside what was said; only a text found in here needs the slow, exact look."""


SCORES_PROJECT = """c.attributes::json ->> '$."otelllm.project"'"""
"""Of the key that a score came with."""


class Condition(NamedTuple):
    """A condition's text and the values that it binds."""

    text: str
    values: dict[str, object]

    def __and__(self, other: Condition) -> Condition:
        return Condition(" and ".join(filter(None, (self.text, other.text))), self.values | other.values)


ALL = Condition("", {})


def with_condition(name: str, condition: Condition) -> str:
    """A read query with the condition in its place."""
    return sql(name).replace("/*condition*/ true", condition.text or "true")


def span_condition(spans: SpanFilter) -> Condition:
    """Which rows of `s`, the spans, are meant."""
    return _time(spans, "s.start_ns") & _own(spans) & _bounds(spans, "s", "s.status = 'error'")


def trace_condition(spans: SpanFilter) -> Condition:
    """Which rows of `t`, the summaries, are meant: times, errors and durations are the trace's, the rest any span's.

    For a project, all but the times is asked of its own spans.
    """
    is_whole = spans.project is None
    condition = _time(spans, "t.start_ns") & (_bounds(spans, "t", "t.errors > 0") if is_whole else _own_bounds(spans))
    own = _own(spans)
    if not own.text:
        return condition
    if spans.start is not None:
        own &= Condition("s.start_ns >= $start", {})
    some_span = f"t.trace_id in (select s.trace_id from raw.spans as s where {own.text})"  # noqa: S608  fixed pieces
    return condition & Condition(some_span, own.values)


def named_condition(spans: SpanFilter) -> Condition:
    """Rows of `s` that may be meant, before the text and what a trace and its spans have each for themselves."""
    return _time(spans, "s.start_ns") & _own(replace(spans, q=None))


def log_condition(spans: SpanFilter) -> Condition:
    """Which rows of `l`, the log records, are meant."""
    condition = _time(spans, "l.time_ns") & of_project(spans, "l.resource_id")
    if spans.trace_id:
        condition &= Condition("list_contains($trace_id::uuid[], l.trace_id)", {"trace_id": list(spans.trace_id)})
    if spans.service:
        condition &= Condition("list_contains($service::varchar[], l.service_name)", {"service": list(spans.service)})
    if spans.q:
        text = "(contains(lower(l.body), lower($q)) or contains(lower(l.event_name), lower($q)))"
        condition &= Condition(text, {"q": _escaped(spans.q)})
    return condition


def metric_condition(spans: SpanFilter) -> Condition:
    """Which rows of `m`, the data points, are meant."""
    condition = _time(spans, "m.time_ns") & of_project(spans, "m.resource_id")
    if spans.service:
        condition &= Condition("list_contains($service::varchar[], m.service_name)", {"service": list(spans.service)})
    return condition


def of_project(spans: SpanFilter, column: str) -> Condition:
    """Which rows with such a column of resources are the project's: all where none is named."""
    if spans.project is None:
        return Condition("", {})
    assert spans.resources is not None, "the store says which resources a project has"
    return Condition(f"list_contains($resources::ubigint[], {column})", {"resources": list(spans.resources)})


def own_contents(spans: SpanFilter) -> Condition:
    """Which rows of `c`, the contents, came in a record of the project's own, and not in another's beside its span."""
    condition = of_project(spans, "l.resource_id")
    if condition.text:
        text = (
            "exists (select 1 from raw.logs as l where l.time_ns = c.time_ns and l.trace_id = c.trace_id "  # noqa: S608  fixed pieces
            f"and l.span_id = c.span_id and {condition.text})"
        )
        condition = Condition(text, condition.values)
    return condition


def own_scores(spans: SpanFilter) -> Condition:
    """Which rows of `c`, the scores, do not come from another project."""
    if spans.project is None:
        return ALL
    text = f"coalesce({SCORES_PROJECT}, $project) = $project"
    return Condition(text, {"project": spans.project})


def after(key: Key | None, alias: str) -> Condition:
    """Only what comes after a page's last record; newest first."""
    if key is None:
        return Condition("", {})
    if alias == "t":
        text = "(t.start_ns, t.trace_id) < ($after_ns::bigint, $after_id::uuid)"
    elif alias == "s":
        text = "(s.start_ns, s.trace_id, s.span_id) < ($after_ns::bigint, $after_id::uuid, $after_span::ubigint)"
        return Condition(text, {"after_ns": key.time_ns, "after_id": key.id[:32], "after_span": int(key.id[32:], 16)})
    else:
        text = "(l.time_ns, l.rowid) < ($after_ns::bigint, $after_id::bigint)"
        return Condition(text, {"after_ns": key.time_ns, "after_id": int(key.id, 16)})
    return Condition(text, {"after_ns": key.time_ns, "after_id": key.id})


def _time(spans: SpanFilter, column: str) -> Condition:
    condition = Condition("", {})
    if spans.start is not None:
        condition &= Condition(f"{column} >= $start", {"start": spans.start})
    if spans.end is not None:
        condition &= Condition(f"{column} < $end", {"end": spans.end})
    return condition


def _bounds(spans: SpanFilter, alias: str, is_error: str) -> Condition:
    condition = Condition("", {})
    if spans.error is not None:
        condition &= Condition(is_error if spans.error else f"not ({is_error})", {})
    if spans.min_ms is not None:
        condition &= Condition(f"({alias}.end_ns - {alias}.start_ns) / 1e6 >= $min_ms", {"min_ms": spans.min_ms})
    if spans.max_ms is not None:
        condition &= Condition(f"({alias}.end_ns - {alias}.start_ns) / 1e6 <= $max_ms", {"max_ms": spans.max_ms})
    return condition


def _own_bounds(spans: SpanFilter) -> Condition:
    """How long a project's part of a trace lasts, and whether something in it failed."""
    bounds = _bounds(spans, "whole", "whole.errors > 0")
    if not bounds.text:
        return bounds
    own = of_project(spans, "s.resource_id")
    text = (
        "t.trace_id in (select whole.trace_id from (select s.trace_id, min(s.start_ns) as start_ns, max(s.end_ns) as "  # noqa: S608  fixed pieces
        "end_ns, count(*) filter (where s.status = 'error') as errors from raw.spans as s "
        f"where {own.text} group by s.trace_id) as whole where {bounds.text})"
    )
    return Condition(text, own.values | bounds.values)


def _own(spans: SpanFilter) -> Condition:
    condition = of_project(spans, "s.resource_id")
    for field, text in _LISTS.items():
        if values := getattr(spans, field):
            condition &= Condition(text, {field: list(values)})
    if spans.q:
        # As text: a bound that is a parameter prunes no row groups where there are several.
        within = "true" if spans.within is None else either_time("s.start_ns", spans.within)
        named = sql("read/with_text").replace("/*within*/ true", within)
        condition &= Condition(f"{within} and s.rowid in ({named})", {"q_start": spans.start or 0})
    return condition


def either_time(column: str, within: Iterable[tuple[int, int | None]]) -> str:
    """Only rows with a time in one of these stretches."""
    stretches = [
        f"{column} >= {start:d}" + ("" if end is None else f" and {column} < {end:d}") for start, end in within
    ]
    return f"({' or '.join(stretches) or 'false'})"


def _escaped(text: str) -> str:
    """Text as it stands inside JSON."""
    return orjson.dumps(text).decode()[1:-1]
