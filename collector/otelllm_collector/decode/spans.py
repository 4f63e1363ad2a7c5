"""Spans of an export request to rows."""

from __future__ import annotations

from typing import Any, NamedTuple, TypeVar

from google.protobuf.message import Message  # type: ignore[import-untyped]  # protobuf publishes no types
from opentelemetry.proto.common.v1.common_pb2 import InstrumentationScope
from opentelemetry.proto.resource.v1.resource_pb2 import Resource

from otelllm import semconv

from ..normalise import Made, normalise
from ..normalise.genai import COLUMNS, CONTENT, TEXT_CONTENT
from ..normalise.spec import Foreign
from ..rows import Batch
from ..span_row import SpanRow
from .content import keep_content, move_content, move_text_content, note_form
from .protobuf import OverLimit, WireSpan, read_fields, read_span
from .scores import read_judgements, read_score
from .senders import Sender, read_resource, read_scope
from .values import to_json

__all__ = ["MAX_TIME_NS", "fill_made", "read_spans"]

KINDS = {0: "unspecified", 1: "internal", 2: "server", 3: "client", 4: "producer", 5: "consumer"}
STATUSES = {0: "unset", 1: "ok", 2: "error"}

MAX_TIME_NS = 2**63 - 1
"""The year 2262: columns of time are signed."""

_INTEGER_LIMIT = 2**63

# Field numbers of opentelemetry/proto/trace/v1/trace.proto, ours from read_span down.
_RESOURCE_SPANS, _SCOPE_SPANS, _SPANS = 1, 2, 2
_SENDER, _SCHEMA_URL = 1, 3

M = TypeVar("M", bound=Message)


def read_spans(body: bytes, batch: Batch, now_ns: int) -> None:
    """Every good span of a protobuf export request as a row, every other counted by its reason.

    Raises `ValueError` or `IndexError` where the body is no such request, or one that only protobuf itself can read.
    """
    for at, end in read_fields(body, 0, len(body), _RESOURCE_SPANS):
        sender = read_resource(batch, *_sender(body, at, end, Resource))
        for inner, stop in read_fields(body, at, end, _SCOPE_SPANS):
            of_scope, url = _sender(body, inner, stop, InstrumentationScope)
            scope = _Scope(read_scope(batch, of_scope, url), of_scope.name)
            places = read_fields(body, inner, stop, _SPANS)
            batch.expect(len(places))
            for begin, over in places:
                try:
                    span = read_span(body, begin, over)
                except OverLimit as error:
                    batch.refuse(str(error))
                    continue
                if (reason := _fault(span)) is not None:
                    batch.refuse(reason)
                else:
                    batch.spans.append(_read_span(batch, span, sender, scope, now_ns))


def _sender(body: bytes, at: int, end: int, kind: type[M]) -> tuple[M, str]:
    """The resource of a resource's spans, or the scope of a scope's, and its schema's URL."""
    made = kind()
    for begin, over in read_fields(body, at, end, _SENDER):
        made.MergeFromString(body[begin:over])
    urls = read_fields(body, at, end, _SCHEMA_URL)
    return made, body[urls[-1][0] : urls[-1][1]].decode() if urls else ""


def _fault(span: WireSpan) -> str | None:
    """Why a span can't be kept."""
    if len(span.trace_id) != 16 or not any(span.trace_id):
        return "trace_id is not 16 bytes that are not all zero"
    if len(span.span_id) != 8 or not any(span.span_id):
        return "span_id is not 8 bytes that are not all zero"
    if len(span.parent_span_id) not in (0, 8):
        return "parent_span_id is not 8 bytes"
    if not 0 < span.start_ns <= MAX_TIME_NS or span.end_ns > MAX_TIME_NS:
        return "start or end time is missing or beyond the year 2262"
    if span.end_ns < span.start_ns:
        return "the span ends before it starts"
    return None


class _Scope(NamedTuple):
    scope_id: int
    name: str


def _read_span(batch: Batch, span: WireSpan, sender: Sender, scope: _Scope, now_ns: int) -> SpanRow:
    attributes, events = span.attributes, span.events
    row = SpanRow()
    row.trace_id = span.trace_id
    row.span_id = int.from_bytes(span.span_id)
    row.parent_span_id = int.from_bytes(span.parent_span_id) or None
    row.name = span.name
    row.kind = KINDS.get(span.kind) or str(span.kind)
    row.start_ns = span.start_ns
    row.end_ns = span.end_ns
    row.resource_id = sender.resource_id
    row.scope_id = scope.scope_id
    row.received_ns = now_ns
    row.service_name = sender.service_name
    row.trace_state = span.trace_state or None
    row.flags = span.flags
    row.dropped_attributes = span.dropped_attributes
    row.dropped_events = span.dropped_events
    row.dropped_links = span.dropped_links
    row.parts = len(attributes) + len(events) + len(span.links)
    if span.status >= 0:
        row.status = STATUSES.get(span.status, str(span.status))
        row.status_message = span.status_message or None
    else:
        note_form(row, "status", "absent")
    for event in events:
        if event["name"] == semconv.EVENT_EVALUATION:
            time_ns = min(event["time_ns"], MAX_TIME_NS)
            batch.scores.append(read_score(event["attributes"], span.trace_id, row.span_id, time_ns))
    foreign = Foreign(
        name=span.name,
        scope=scope.name,
        attributes=attributes,
        events=events,
        start_ns=row.start_ns,
        end_ns=row.end_ns,
        is_root=row.parent_span_id is None,
        is_error=row.status == "error",
    )
    made = normalise(foreign)
    if made is None:
        move_content(batch, row, attributes, now_ns, foreign.structures)
        move_text_content(row, attributes)
        _fill_columns(row, attributes)
        row.attributes = to_json(attributes)
    else:
        fill_made(batch, row, attributes, made, now_ns)
    if events:
        row.events = to_json(events)
    if span.links:
        row.links = to_json(span.links)
    return row


def fill_made(batch: Batch, row: SpanRow, attributes: dict[str, Any], made: Made, now_ns: int) -> None:
    """Columns from what foreign names mean, and from the conventions' own where those say nothing else; what came
    stays among the attributes, but for what has moved into a column as it came.
    """
    if (judged := made.attributes.pop(semconv.EVENT_EVALUATION, None)) is not None:
        batch.scores.extend(read_judgements(judged, row))
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
    moved: list[str] = []
    for key, value in attributes.items():
        if (found := COLUMNS.get(key)) is None:
            continue
        column, kind = found
        if type(value) is kind and (not isinstance(value, list) or all(isinstance(item, str) for item in value)):
            setattr(row, column, value)
            moved.append(key)
        else:
            setattr(row, column, _coerced(value, kind))
    for key in moved:
        del attributes[key]


def _coerced(value: Any, kind: type) -> Any:
    """The value as a column's type, or None where it can't be read as that."""
    if isinstance(value, dict) or value is None:
        return None
    if kind is list:
        return [str(item) for item in value] if isinstance(value, list) else [str(value)]
    if kind is str:
        return value if isinstance(value, str) else to_json(value)
    try:
        number = float(value)
        if kind is float:
            return number
        return int(number) if number.is_integer() and abs(number) < _INTEGER_LIMIT else None
    except (TypeError, ValueError, OverflowError):
        return None
