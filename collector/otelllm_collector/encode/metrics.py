"""Metrics: data points put together again to those that they are of."""

from __future__ import annotations

from typing import Any

import orjson
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.metrics.v1 import metrics_pb2 as pb

from ..rows import Batch, MetricRow
from .senders import Senders
from .values import number, put_attributes

__all__ = ["encode_metrics"]

_TEMPORALITIES = {"unspecified": 0, "delta": 1, "cumulative": 2}


def encode_metrics(batch: Batch) -> ExportMetricsServiceRequest:
    """One export request of the batch's data points, as they came; those of one metric stand together."""
    request = ExportMetricsServiceRequest()
    senders = Senders(batch, request.resource_metrics, "scope_metrics")
    made: dict[tuple[object, ...], Any] = {}
    for row in batch.metrics:
        key = (
            row.resource_id, row.scope_id, row.name, row.unit, row.description, row.kind, row.temporality,
            row.is_monotonic, row.metadata,
        )  # fmt: skip
        if key not in made:
            metric = senders.scope(row.resource_id, row.scope_id).metrics.add()
            made[key] = _put_metric(metric, row)
        _put_point(made[key].data_points.add(), row)
    return request


def _put_metric(metric: pb.Metric, row: MetricRow) -> Any:
    metric.name, metric.unit, metric.description = row.name, row.unit, row.description
    put_attributes(metric, orjson.loads(row.metadata or "{}"), "metadata")
    data = getattr(metric, row.kind)
    data.SetInParent()
    if row.kind in ("sum", "histogram", "exponential_histogram"):
        known = _TEMPORALITIES.get(row.temporality)
        data.aggregation_temporality = int(row.temporality) if known is None else known
    if row.kind == "sum":
        data.is_monotonic = row.is_monotonic
    return data


def _put_point(point: Any, row: MetricRow) -> None:
    put_attributes(point, orjson.loads(row.attributes))
    point.start_time_unix_nano, point.flags = row.start_ns, row.flags
    if row.unsaid != "time":
        point.time_unix_nano = row.time_ns
    if row.kind in ("gauge", "sum"):
        if row.value_int is not None:
            point.as_int = row.value_int
        elif row.value is not None:
            point.as_double = row.value
    elif row.kind == "summary":
        point.count, point.sum = row.count or 0, row.sum or 0.0
        for quantile, value in orjson.loads(row.detail or "{}").get("quantiles", ()):
            point.quantile_values.add(quantile=number(quantile), value=number(value))
    else:
        _put_sums(point, row)
    for exemplar in orjson.loads(row.exemplars or "[]"):
        _put_exemplar(point.exemplars.add(), exemplar)


def _put_sums(point: Any, row: MetricRow) -> None:
    point.count = row.count or 0
    for name in ("sum", "min", "max"):
        if (value := getattr(row, name)) is not None:
            setattr(point, name, value)
    if row.kind == "histogram":
        point.explicit_bounds.extend(row.bounds or ())
        point.bucket_counts.extend(row.bucket_counts or ())
        return
    detail = orjson.loads(row.detail or "{}")
    point.scale, point.zero_count = detail["scale"], detail["zero_count"]
    point.zero_threshold = number(detail["zero_threshold"])
    for side in ("positive", "negative"):
        if (buckets := detail[side]) is not None:
            getattr(point, side).offset = buckets["offset"]
            getattr(point, side).bucket_counts.extend(buckets["counts"])
            getattr(point, side).SetInParent()


def _put_exemplar(target: pb.Exemplar, given: dict[str, Any]) -> None:
    target.time_unix_nano = given["time_ns"]
    value = given["value"]
    if isinstance(value, int):
        target.as_int = value
    elif value is not None:
        target.as_double = number(value)
    target.trace_id, target.span_id = bytes.fromhex(given["trace_id"]), bytes.fromhex(given["span_id"])
    put_attributes(target, given["attributes"], "filtered_attributes")
