"""Rows to OTLP: the way back of `decode`. Pure; what was made of a span at intake is left out."""

from __future__ import annotations

import base64
from typing import Any

import orjson
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, InstrumentationScope
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import ScopeSpans, Span

from .content_forms import written
from .normalise.genai import COLUMNS, CONTENT, TEXT_CONTENT
from .rows import Batch, ResourceRow, ScopeRow, SpanRow

__all__ = ["encode_spans"]

_KINDS = {"unspecified": 0, "internal": 1, "server": 2, "client": 3, "producer": 4, "consumer": 5}
_STATUSES = {"unset": 0, "ok": 1, "error": 2}


def encode_spans(batch: Batch) -> ExportTraceServiceRequest:
    """One export request of the batch's spans, as they came: every attribute, event and link, and who sent them.

    A resource or a scope that the batch has no row of is left empty, and so is content that has no message any more.
    """
    request = ExportTraceServiceRequest()
    scopes: dict[tuple[int, int], ScopeSpans] = {}
    resources: dict[int, Any] = {}
    for row in batch.spans:
        key = (row.resource_id, row.scope_id)
        if key not in scopes:
            if row.resource_id not in resources:
                resources[row.resource_id] = request.resource_spans.add()
                _put_resource(resources[row.resource_id], batch.resources.get(row.resource_id))
            scopes[key] = resources[row.resource_id].scope_spans.add()
            _put_scope(scopes[key], batch.scopes.get(row.scope_id))
        _put_span(scopes[key].spans.add(), row, batch)
    return request


def _put_resource(target: Any, row: ResourceRow | None) -> None:
    target.resource.SetInParent()
    if row is not None:
        if row.rest:
            target.resource.CopyFrom(Resource.FromString(base64.b64decode(row.rest)))
        _put_attributes(target.resource, orjson.loads(row.attributes))
        target.schema_url = row.schema_url or ""


def _put_scope(target: ScopeSpans, row: ScopeRow | None) -> None:
    target.scope.SetInParent()
    if row is not None:
        if row.rest:
            target.scope.CopyFrom(InstrumentationScope.FromString(base64.b64decode(row.rest)))
        target.scope.name, target.scope.version = row.name, row.version
        _put_attributes(target.scope, orjson.loads(row.attributes))
        target.schema_url = row.schema_url or ""


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
    _put_attributes(span, _attributes(row, forms, batch))
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
    _put_attributes(made, event["attributes"])


def _put_link(span: Span, link: dict[str, Any]) -> None:
    made = span.links.add(trace_id=bytes.fromhex(link["trace_id"]), span_id=bytes.fromhex(link["span_id"]))
    made.trace_state, made.flags = link.get("trace_state", ""), link.get("flags", 0)
    made.dropped_attributes_count = link.get("dropped_attributes", 0)
    _put_attributes(made, link["attributes"])


def _put_attributes(target: Any, attributes: dict[str, Any]) -> None:
    for key, value in attributes.items():
        _put_value(target.attributes.add(key=key).value, value)


def _put_value(target: AnyValue, value: Any) -> None:
    if isinstance(value, str):
        target.string_value = value
    elif isinstance(value, bool):
        target.bool_value = value
    elif isinstance(value, int):
        target.int_value = value
    elif isinstance(value, float):
        target.double_value = value
    elif isinstance(value, list):
        target.array_value.SetInParent()
        for item in value:
            _put_value(target.array_value.values.add(), item)
    elif isinstance(value, dict):
        _put_mapping(target, value)
    else:
        target.SetInParent()


def _put_mapping(target: AnyValue, value: dict[str, Any]) -> None:
    """A map, or what stands for a value that JSON has no spelling for (see decode/values.py)."""
    tag = next(iter(value)) if len(value) == 1 else None
    if tag == "$bytes":
        target.bytes_value = base64.b64decode(value["$bytes"])
    elif tag == "$double":
        target.double_value = float(value["$double"])
    else:
        target.kvlist_value.SetInParent()
        for key, item in (value["$kvlist"] if tag == "$kvlist" else value).items():
            _put_value(target.kvlist_value.values.add(key=key).value, item)
