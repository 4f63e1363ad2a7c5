"""Metrics of an export request to rows, one a data point."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.metrics.v1 import metrics_pb2 as pb

from ..rows import Batch, MetricRow
from .protobuf import ATTRIBUTES_LIMIT, TOO_MANY_ATTRIBUTES
from .senders import Sender, read_resource, read_scope
from .values import finite, plain_attributes, to_json

__all__ = ["read_metrics"]

MAX_TIME_NS = 2**63 - 1
TEMPORALITIES = {0: "unspecified", 1: "delta", 2: "cumulative"}


def read_metrics(request: ExportMetricsServiceRequest, batch: Batch, now_ns: int) -> None:
    """Every good data point as a row, every other counted by its reason."""
    for of_resource in request.resource_metrics:
        sender = read_resource(batch, of_resource.resource, of_resource.schema_url)
        for of_scope in of_resource.scope_metrics:
            scope_id = read_scope(batch, of_scope.scope, of_scope.schema_url)
            for metric in of_scope.metrics:
                for row in _read_points(metric, sender, scope_id, now_ns):
                    batch.expect(1)
                    if row is None:
                        batch.refuse(TOO_MANY_ATTRIBUTES)
                    elif max(row.time_ns, row.start_ns) > MAX_TIME_NS:
                        batch.refuse("the time is beyond the year 2262")
                    else:
                        batch.metrics.append(row)


def _read_points(metric: pb.Metric, sender: Sender, scope_id: int, now_ns: int) -> Iterator[MetricRow | None]:
    kind = metric.WhichOneof("data")
    if kind is None:
        return
    data: Any = getattr(metric, kind)
    for point in data.data_points:
        if len(point.attributes) > ATTRIBUTES_LIMIT:
            yield None
            continue
        row = MetricRow(
            name=metric.name,
            unit=metric.unit,
            description=metric.description,
            kind=kind,
            temporality=_temporality(getattr(data, "aggregation_temporality", 0)),
            is_monotonic=bool(getattr(data, "is_monotonic", False)),
            attributes=to_json(plain_attributes(point.attributes)),
            start_ns=point.start_time_unix_nano,
            time_ns=point.time_unix_nano or now_ns,
            service_name=sender.service_name,
            resource_id=sender.resource_id,
            scope_id=scope_id,
            flags=point.flags,
            metadata=to_json(plain_attributes(metric.metadata)) if metric.metadata else None,
            unsaid=None if point.time_unix_nano else "time",
        )
        _READERS[kind](row, point)
        if exemplars := getattr(point, "exemplars", None):
            row.exemplars = to_json([_exemplar(exemplar) for exemplar in exemplars])
        yield row


def _temporality(number: int) -> str:
    return TEMPORALITIES.get(number, str(number))


def _read_number(row: MetricRow, point: pb.NumberDataPoint) -> None:
    if point.WhichOneof("value") == "as_int":
        row.value_int = point.as_int
        row.value = float(point.as_int)
    elif point.WhichOneof("value") == "as_double":
        row.value = point.as_double


def _read_histogram(row: MetricRow, point: pb.HistogramDataPoint) -> None:
    _read_sums(row, point)
    row.bounds = list(point.explicit_bounds)
    row.bucket_counts = list(point.bucket_counts)


def _read_exponential(row: MetricRow, point: pb.ExponentialHistogramDataPoint) -> None:
    _read_sums(row, point)
    row.detail = to_json(
        {
            "scale": point.scale,
            "zero_count": point.zero_count,
            "zero_threshold": finite(point.zero_threshold),
            "positive": _buckets(point, "positive"),
            "negative": _buckets(point, "negative"),
        }
    )


def _buckets(point: pb.ExponentialHistogramDataPoint, side: Literal["positive", "negative"]) -> dict[str, Any] | None:
    if not point.HasField(side):
        return None
    buckets: pb.ExponentialHistogramDataPoint.Buckets = getattr(point, side)
    return {"offset": buckets.offset, "counts": list(buckets.bucket_counts)}


def _read_summary(row: MetricRow, point: pb.SummaryDataPoint) -> None:
    row.count = point.count
    row.sum = point.sum
    row.detail = to_json(
        {"quantiles": [[finite(value.quantile), finite(value.value)] for value in point.quantile_values]}
    )


def _read_sums(row: MetricRow, point: pb.HistogramDataPoint | pb.ExponentialHistogramDataPoint) -> None:
    row.count = point.count
    row.sum = point.sum if point.HasField("sum") else None
    row.min = point.min if point.HasField("min") else None
    row.max = point.max if point.HasField("max") else None


def _exemplar(exemplar: pb.Exemplar) -> dict[str, Any]:
    which = exemplar.WhichOneof("value")
    value = finite(exemplar.as_double) if which == "as_double" else exemplar.as_int if which else None
    return {
        "time_ns": exemplar.time_unix_nano,
        "value": value,
        "trace_id": exemplar.trace_id.hex(),
        "span_id": exemplar.span_id.hex(),
        "attributes": plain_attributes(exemplar.filtered_attributes),
    }


_READERS: dict[str, Any] = {
    "gauge": _read_number,
    "sum": _read_number,
    "histogram": _read_histogram,
    "exponential_histogram": _read_exponential,
    "summary": _read_summary,
}
