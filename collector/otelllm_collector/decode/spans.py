"""Spans of an export request to rows."""

from __future__ import annotations

from typing import Any, NamedTuple

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from otelllm import semconv

from ..normalise import Made, normalise
from ..normalise.genai import COLUMNS, CONTENT, TEXT_CONTENT
from ..normalise.spec import Foreign
from ..rows import Batch, SpanRow
from .content import keep_content, move_content, move_text_content
from .scores import read_score
from .senders import Sender, read_resource, read_scope
from .values import plain_attributes, to_json

__all__ = ["MAX_TIME_NS", "read_spans"]

KINDS = {0: "unspecified", 1: "internal", 2: "server", 3: "client", 4: "producer", 5: "consumer"}
STATUSES = {0: "unset", 1: "ok", 2: "error"}

MAX_TIME_NS = 2**63 - 1
"""The year 2262: columns of time are signed."""

_INTEGER_LIMIT = 2**63


def read_spans(request: ExportTraceServiceRequest, batch: Batch, now_ns: int) -> None:
    """Every good span as a row, every other counted by its reason."""
    for of_resource in request.resource_spans:
        sender = read_resource(batch, of_resource.resource, of_resource.schema_url)
        for of_scope in of_resource.scope_spans:
            scope = _Scope(read_scope(batch, of_scope.scope, of_scope.schema_url), of_scope.scope.name)
            batch.expect(len(of_scope.spans))
            for span in of_scope.spans:
                if (reason := _fault(span)) is not None:
                    batch.refuse(reason)
                else:
                    batch.spans.append(_read_span(batch, span, sender, scope, now_ns))


def _fault(span: Span) -> str | None:
    """Why a span can't be kept."""
    if len(span.trace_id) != 16 or not any(span.trace_id):
        return "trace_id is not 16 bytes that are not all zero"
    if len(span.span_id) != 8 or not any(span.span_id):
        return "span_id is not 8 bytes that are not all zero"
    if len(span.parent_span_id) not in (0, 8):
        return "parent_span_id is not 8 bytes"
    start = span.start_time_unix_nano
    if not 0 < start <= MAX_TIME_NS or span.end_time_unix_nano > MAX_TIME_NS:
        return "start or end time is missing or beyond the year 2262"
    if span.end_time_unix_nano < start:
        return "the span ends before it starts"
    return None


class _Scope(NamedTuple):
    scope_id: int
    name: str


def _read_span(batch: Batch, span: Span, sender: Sender, scope: _Scope, now_ns: int) -> SpanRow:
    attributes = plain_attributes(span.attributes)
    row = SpanRow(
        trace_id=span.trace_id,
        span_id=int.from_bytes(span.span_id),
        parent_span_id=int.from_bytes(span.parent_span_id) or None,
        name=span.name,
        kind=KINDS.get(span.kind, str(span.kind)),
        start_ns=span.start_time_unix_nano,
        end_ns=span.end_time_unix_nano,
        resource_id=sender.resource_id,
        scope_id=scope.scope_id,
        received_ns=now_ns,
        service_name=sender.service_name,
        trace_state=span.trace_state or None,
        flags=span.flags,
        dropped_attributes=span.dropped_attributes_count,
        dropped_events=span.dropped_events_count,
        dropped_links=span.dropped_links_count,
        parts=len(attributes) + len(span.events) + len(span.links),
    )
    if span.HasField("status"):
        row.status = STATUSES.get(span.status.code, str(span.status.code))
        row.status_message = span.status.message or None
    events = _read_events(batch, span, row) if span.events else []
    made = normalise(
        Foreign(
            name=span.name,
            scope=scope.name,
            attributes=attributes,
            events=events,
            start_ns=row.start_ns,
            end_ns=row.end_ns,
            is_root=row.parent_span_id is None,
            is_error=row.status == "error",
        )
    )
    if made is None:
        move_content(batch, row, attributes, now_ns)
        move_text_content(row, attributes)
        _fill_columns(row, attributes)
        row.attributes = to_json(attributes)
    else:
        _fill_made(batch, row, attributes, made, now_ns)
    if events:
        row.events = to_json(events)
    if span.links:
        row.links = to_json([_link(link) for link in span.links])
    return row


def _fill_made(batch: Batch, row: SpanRow, attributes: dict[str, Any], made: Made, now_ns: int) -> None:
    """Columns from what foreign names mean, and from the conventions' own where those say nothing else; what came
    stays among the attributes, but for what has moved into a column as it came.
    """
    own = {key: value for key, value in attributes.items() if key not in made.attributes}
    move_content(batch, row, own, now_ns)
    move_text_content(row, own)
    _fill_columns(row, own)
    row.attributes = to_json({key: value for key, value in attributes.items() if key in own or key in made.attributes})
    columns, rest = [], {}
    for name, value in made.attributes.items():
        if value is None:
            continue
        if name in CONTENT:
            keep_content(batch, row, name, value, now_ns)
            columns.append(CONTENT[name])
        elif name in TEXT_CONTENT:
            columns.append(TEXT_CONTENT[name])
            setattr(row, columns[-1], value if isinstance(value, str) else to_json(value))
        elif name in COLUMNS:
            columns.append(COLUMNS[name][0])
            setattr(row, columns[-1], _coerced(value, COLUMNS[name][1]))
        else:
            rest[name] = value
    row.vocabulary = made.vocabulary
    row.made = to_json({"columns": columns, "attributes": rest})


def _fill_columns(row: SpanRow, attributes: dict[str, Any]) -> None:
    for key in COLUMNS.keys() & attributes.keys():
        column, kind = COLUMNS[key]
        value = attributes[key]
        if type(value) is kind and (not isinstance(value, list) or all(isinstance(item, str) for item in value)):
            setattr(row, column, value)
            del attributes[key]
        else:
            setattr(row, column, _coerced(value, kind))


def _coerced(value: Any, kind: type) -> Any:
    """The value as a column's type, or None where it can't be read as that."""
    if isinstance(value, dict) or value is None:
        return None
    if kind is list:
        return [str(item) for item in value] if isinstance(value, list) else [str(value)]
    if kind is str:
        return to_json(value)
    try:
        number = float(value)
        if kind is float:
            return number
        return int(number) if number.is_integer() and abs(number) < _INTEGER_LIMIT else None
    except (TypeError, ValueError, OverflowError):
        return None


def _read_events(batch: Batch, span: Span, row: SpanRow) -> list[dict[str, Any]]:
    events = []
    for event in span.events:
        attributes = plain_attributes(event.attributes)
        if event.name == semconv.EVENT_EVALUATION:
            time_ns = min(event.time_unix_nano, MAX_TIME_NS)
            batch.scores.append(read_score(attributes, span.trace_id, row.span_id, time_ns))
        record: dict[str, Any] = {"name": event.name, "time_ns": event.time_unix_nano, "attributes": attributes}
        if event.dropped_attributes_count:
            record["dropped_attributes"] = event.dropped_attributes_count
        events.append(record)
    return events


def _link(link: Span.Link) -> dict[str, Any]:
    record: dict[str, Any] = {
        "trace_id": link.trace_id.hex(),
        "span_id": link.span_id.hex(),
        "attributes": plain_attributes(link.attributes),
    }
    if link.trace_state:
        record["trace_state"] = link.trace_state
    if link.flags:
        record["flags"] = link.flags
    if link.dropped_attributes_count:
        record["dropped_attributes"] = link.dropped_attributes_count
    return record
