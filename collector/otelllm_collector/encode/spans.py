"""Spans."""

from __future__ import annotations

from typing import Any

import orjson
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from ..content_forms import written
from ..normalise.genai import COLUMNS, CONTENT, TEXT_CONTENT
from ..rows import Batch
from ..span_row import SpanRow
from .senders import Senders
from .values import put_attributes

__all__ = ["encode_spans"]

_KINDS = {"unspecified": 0, "internal": 1, "server": 2, "client": 3, "producer": 4, "consumer": 5}
_STATUSES = {"unset": 0, "ok": 1, "error": 2}


def encode_spans(batch: Batch) -> ExportTraceServiceRequest:
    """One export request of the batch's spans, as they came: every attribute, event and link, and who sent them.

    Content that has no message any more is left empty.
    """
    request = ExportTraceServiceRequest()
    senders = Senders(batch, request.resource_spans, "scope_spans")
    for row in batch.spans:
        _put_span(senders.scope(row.resource_id, row.scope_id).spans.add(), row, batch)
    return request


def _put_span(span: Span, row: SpanRow, batch: Batch) -> None:
    span.trace_id, span.span_id = row.trace_id, row.span_id.to_bytes(8)
    if row.parent_span_id is not None:
        span.parent_span_id = row.parent_span_id.to_bytes(8)
    span.name = row.name
    # Enums are open in proto3: a number that nobody knows is kept as such.
    span.kind = _number(row.kind, _KINDS)  # type: ignore[assignment]
    span.start_time_unix_nano, span.end_time_unix_nano = row.start_ns, row.end_ns
    span.trace_state, span.flags = row.trace_state or "", row.flags
    span.dropped_attributes_count = row.dropped_attributes
    span.dropped_events_count = row.dropped_events
    span.dropped_links_count = row.dropped_links
    forms: dict[str, str] = orjson.loads(row.content_forms or "{}")
    if forms.get("status") != "absent":
        span.status.SetInParent()
        span.status.code = _number(row.status, _STATUSES)  # type: ignore[assignment]
        span.status.message = row.status_message or ""
    put_attributes(span, _attributes(row, forms, batch))
    for event in orjson.loads(row.events or "[]"):
        _put_event(span, event)
    for link in orjson.loads(row.links or "[]"):
        _put_link(span, link)


def _number(name: str, numbers: dict[str, int]) -> int:
    return numbers[name] if name in numbers else int(name)


def _attributes(row: SpanRow, forms: dict[str, str], batch: Batch) -> dict[str, Any]:
    """All that came: those that stayed as they are, and those that moved into columns."""
    attributes: dict[str, Any] = orjson.loads(row.attributes)
    made = frozenset(orjson.loads(row.made)["columns"]) if row.made else frozenset()
    for attribute, (column, _) in COLUMNS.items():
        value = getattr(row, column)
        if value is not None and column not in made:
            attributes.setdefault(attribute, value)
    for attribute, column in TEXT_CONTENT.items():
        value = getattr(row, column)
        if value is not None and column not in made:
            attributes.setdefault(attribute, orjson.loads(value) if column in forms else value)
    for attribute, column in CONTENT.items():
        kept = getattr(row, column)
        if kept is None or column in made or attribute in attributes:
            continue
        is_single = isinstance(kept, bytes)
        found = [batch.messages.get(key) for key in ((kept,) if is_single else kept)]
        bodies = [message.body for message in found if message is not None]
        if len(bodies) == len(found):
            attributes[attribute] = written(forms.get(column), bodies, is_single=is_single)
    return attributes


def _put_event(span: Span, event: dict[str, Any]) -> None:
    made = span.events.add(name=event["name"], time_unix_nano=event["time_ns"])
    made.dropped_attributes_count = event.get("dropped_attributes", 0)
    put_attributes(made, event["attributes"])


def _put_link(span: Span, link: dict[str, Any]) -> None:
    made = span.links.add(trace_id=bytes.fromhex(link["trace_id"]), span_id=bytes.fromhex(link["span_id"]))
    made.trace_state, made.flags = link.get("trace_state", ""), link.get("flags", 0)
    made.dropped_attributes_count = link.get("dropped_attributes", 0)
    put_attributes(made, link["attributes"])
