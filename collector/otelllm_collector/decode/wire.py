"""A body's bytes to OTLP's own protobuf messages, from protobuf or from OTLP/JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING

import orjson
from google.protobuf.message import DecodeError, Message  # type: ignore[import-untyped]  # protobuf publishes no types
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import (
    ExportLogsServiceRequest,
    ExportLogsServiceResponse,
)
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
    ExportMetricsServiceResponse,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

from .otlp_json import BadJson, fill

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["REQUESTS", "RESPONSES", "Undecodable", "parse"]

REQUESTS: dict[str, type[Message]] = {
    "traces": ExportTraceServiceRequest,
    "metrics": ExportMetricsServiceRequest,
    "logs": ExportLogsServiceRequest,
}

RESPONSES: dict[str, tuple[type[Message], str, str]] = {
    "traces": (ExportTraceServiceResponse, "rejected_spans", "rejectedSpans"),
    "metrics": (ExportMetricsServiceResponse, "rejected_data_points", "rejectedDataPoints"),
    "logs": (ExportLogsServiceResponse, "rejected_log_records", "rejectedLogRecords"),
}
"""What answers them, and how its partial success calls the records that were thrown away: in protobuf, in JSON."""


class Undecodable(Exception):  # noqa: N818  says what happened, as the library's own do
    """The body is no OTLP; the text says why."""


def parse(kind: type[Message], body: bytes, *, is_json: bool, refuse: Callable[[str], None]) -> Message:
    """One export request; records that OTLP/JSON spells wrongly are counted through `refuse` and left out."""
    request = kind()
    if is_json:
        try:
            fill(request, orjson.loads(body), refuse)
        except orjson.JSONDecodeError as error:
            raise Undecodable(f"the body is not JSON: {error}") from error
        except BadJson as error:
            raise Undecodable(f"the body is not OTLP/JSON: {error}") from error
        return request
    try:
        request.ParseFromString(body)
    except DecodeError as error:
        raise Undecodable(f"the body is not a protobuf {kind.DESCRIPTOR.name}: {error}") from error
    return request
