"""Log records of an export request to rows; those that carry a call's content or a score fill their own tables too."""

from __future__ import annotations

from typing import NamedTuple

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord

from otelllm import semconv

from ..content_forms import NOT_SENT
from ..normalise import Made
from ..normalise.coding_agents import SyntheticSpan, made_span
from ..rows import Batch, ContentRow, LogRow
from ..span_row import SpanRow
from .content import move_content
from .message_records import NAMES, MessageRecords
from .protobuf import ATTRIBUTES_LIMIT, TOO_MANY_ATTRIBUTES
from .scores import read_score
from .senders import Sender, read_resource, read_scope
from .spans import fill_made
from .values import plain, plain_attributes, to_json

__all__ = ["read_logs"]

MAX_TIME_NS = 2**63 - 1


def read_logs(request: ExportLogsServiceRequest, batch: Batch, now_ns: int) -> None:
    """Every good record as a row, every other counted by its reason."""
    said = MessageRecords()
    for of_resource in request.resource_logs:
        sender = read_resource(batch, of_resource.resource, of_resource.schema_url)
        for of_scope in of_resource.scope_logs:
            scope_id = read_scope(batch, of_scope.scope, of_scope.schema_url)
            batch.expect(len(of_scope.log_records))
            for record in of_scope.log_records:
                if (reason := _fault(record)) is not None:
                    batch.refuse(reason)
                else:
                    _read_record(batch, record, _From(sender, scope_id, now_ns), said)
    batch.contents.extend(said.rows(batch, now_ns))


class _From(NamedTuple):
    sender: Sender
    scope_id: int
    now_ns: int


def _fault(record: LogRecord) -> str | None:
    if len(record.trace_id) not in (0, 16):
        return "trace_id is not 16 bytes"
    if len(record.span_id) not in (0, 8):
        return "span_id is not 8 bytes"
    if max(record.time_unix_nano, record.observed_time_unix_nano) > MAX_TIME_NS:
        return "the time is beyond the year 2262"
    if len(record.attributes) > ATTRIBUTES_LIMIT:
        return TOO_MANY_ATTRIBUTES
    return None


def _read_record(batch: Batch, record: LogRecord, by: _From, said: MessageRecords) -> None:
    attributes = plain_attributes(record.attributes)
    body = plain(record.body) if record.HasField("body") else None
    observed_ns = record.observed_time_unix_nano or by.now_ns
    time_ns = record.time_unix_nano or observed_ns
    trace_id = record.trace_id if any(record.trace_id) else None
    span_id = int.from_bytes(record.span_id) or None
    name = record.event_name or _named_by_attribute(attributes.get("event.name"))
    if name == semconv.EVENT_EVALUATION:
        batch.scores.append(read_score(attributes, trace_id, span_id, time_ns))
    elif name == semconv.EVENT_DETAILS and trace_id is not None and span_id is not None:
        content = ContentRow(trace_id, span_id, time_ns)
        if move_content(batch, content, attributes, by.now_ns):
            batch.contents.append(content)
    elif name in NAMES and trace_id is not None and span_id is not None:
        said.add((trace_id, span_id), time_ns, name, body, attributes)
    batch.logs.append(
        LogRow(
            time_ns=time_ns,
            observed_ns=observed_ns,
            trace_id=trace_id,
            span_id=span_id,
            severity_number=int(record.severity_number),
            severity=record.severity_text or None,
            event_name=name,
            body=to_json(body) if record.HasField("body") else None,
            attributes=to_json(attributes),
            service_name=by.sender.service_name,
            resource_id=by.sender.resource_id,
            scope_id=by.scope_id,
            flags=record.flags,
            dropped_attributes=record.dropped_attributes_count,
            unsaid=_unsaid(record, name),
        )
    )
    if (made := made_span(name or "", attributes, body, time_ns, trace_id, span_id)) is not None:
        batch.spans.append(_span_row(batch, made, by))


def _unsaid(record: LogRecord, name: str | None) -> str | None:
    has = {
        "time": record.time_unix_nano,
        "observed": record.observed_time_unix_nano,
        "event_name": record.event_name or not name,
    }
    return ",".join(what for what, is_there in has.items() if not is_there) or None


def _span_row(batch: Batch, made: SyntheticSpan, by: _From) -> SpanRow:
    """The row of a span that nobody sent: a record tells of it."""
    row = SpanRow(
        trace_id=made.trace_id,
        span_id=made.span_id,
        parent_span_id=None,
        name=made.name,
        kind="internal" if made.attributes.get(semconv.OPERATION) == semconv.EXECUTE_TOOL else "client",
        start_ns=made.start_ns,
        end_ns=made.end_ns,
        resource_id=by.sender.resource_id,
        scope_id=by.scope_id,
        received_ns=by.now_ns,
        service_name=by.sender.service_name,
        status="error" if made.is_error else "unset",
        status_message=made.error,
        parts=len(made.attributes),
        content_forms=NOT_SENT,
    )
    fill_made(batch, row, {}, Made(made.vocabulary, made.attributes), by.now_ns)
    return row


def _named_by_attribute(name: object) -> str | None:
    """Before OTLP had a field for it, an event's name was an attribute."""
    return name if isinstance(name, str) and name else None
