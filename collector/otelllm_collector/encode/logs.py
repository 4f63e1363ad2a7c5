"""Log records."""

from __future__ import annotations

import orjson
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord

from ..rows import Batch, LogRow
from .senders import Senders
from .values import put_attributes, put_value

__all__ = ["encode_logs"]


def encode_logs(batch: Batch) -> ExportLogsServiceRequest:
    """One export request of the batch's log records, as they came."""
    request = ExportLogsServiceRequest()
    senders = Senders(batch, request.resource_logs, "scope_logs")
    for row in batch.logs:
        _put_record(senders.scope(row.resource_id, row.scope_id).log_records.add(), row)
    return request


def _put_record(record: LogRecord, row: LogRow) -> None:
    unsaid = (row.unsaid or "").split(",")
    if "time" not in unsaid:
        record.time_unix_nano = row.time_ns
    if "observed" not in unsaid:
        record.observed_time_unix_nano = row.observed_ns
    if "event_name" not in unsaid:
        record.event_name = row.event_name or ""
    record.trace_id = row.trace_id or b""
    record.span_id = b"" if row.span_id is None else row.span_id.to_bytes(8)
    record.severity_number = row.severity_number  # type: ignore[assignment]  # enums are open in proto3
    record.severity_text = row.severity or ""
    if row.body is not None:
        put_value(record.body, orjson.loads(row.body))
    put_attributes(record, orjson.loads(row.attributes))
    record.flags, record.dropped_attributes_count = row.flags, row.dropped_attributes
