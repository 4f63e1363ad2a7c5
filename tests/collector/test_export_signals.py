"""Log records and metrics that came in as OTLP are given back as OTLP, just so."""

from __future__ import annotations

import math
import random
from typing import TYPE_CHECKING, Any

import pytest
from collector.exports import any_value, put
from collector.test_decode import random_value
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest

from otelllm_collector.decode import decode
from otelllm_collector.encode import encode_logs, encode_metrics
from otelllm_collector.questions import SpanFilter

if TYPE_CHECKING:
    from collections.abc import Iterator

    from otelllm_collector.questions import Signal
    from otelllm_collector.stores.spec import Store

NOW = 1_795_000_000_000_000_000
EVENTS = ("", "gen_ai.evaluation.result", "gen_ai.user.message", "app.clicked")
KINDS = ("gauge", "sum", "histogram", "exponential_histogram", "summary")
NUMBERS = (0.0, 0.5, -1e300, math.inf, math.nan, 7.0)


def _put_senders(of_resource: Any, source: random.Random, scopes: str) -> Iterator[Any]:
    of_resource.schema_url = source.choice(["", "https://example/1"])
    put(of_resource.resource, {"service.name": source.choice(["a", "b", 3]), "odd": random_value(source)})
    of_resource.resource.dropped_attributes_count = source.choice([0, 4])
    for _ in range(1 + source.randrange(2)):
        of_scope = getattr(of_resource, scopes).add(schema_url=source.choice(["", "https://example/2"]))
        of_scope.scope.name, of_scope.scope.version = source.choice(["", "tests"]), source.choice(["", "1"])
        put(of_scope.scope, {"odd": random_value(source)})
        yield of_scope


def random_logs(source: random.Random) -> ExportLogsServiceRequest:
    """Log records of all shapes."""
    message = ExportLogsServiceRequest()
    for _ in range(1 + source.randrange(3)):
        for of_scope in _put_senders(message.resource_logs.add(), source, "scope_logs"):
            for _ in range(1 + source.randrange(5)):
                _fill_record(of_scope.log_records.add(), source)
    return message


def _fill_record(record: Any, source: random.Random) -> None:
    record.observed_time_unix_nano = NOW + source.randrange(1000)
    record.time_unix_nano = source.choice([0, record.observed_time_unix_nano, NOW + source.randrange(1000)])
    if record.time_unix_nano:
        record.observed_time_unix_nano = source.choice([0, record.observed_time_unix_nano])
    record.event_name = source.choice(EVENTS)
    if source.random() < 0.3:
        put(record, {"event.name": source.choice([*EVENTS, 7])})
    put(record, {f"key {number}": random_value(source) for number in range(source.randrange(4))})
    put(record, {"gen_ai.evaluation.name": "helpful", "gen_ai.evaluation.score.value": 0.5})
    if source.random() < 0.7:
        record.body.CopyFrom(any_value(random_value(source)))
    if source.random() < 0.7:
        record.trace_id, record.span_id = b"\x07" * 16, source.choice([b"", b"\x08" * 8])
    record.severity_number, record.severity_text = source.choice([0, 9, 24, 77]), source.choice(["", "INFO"])
    record.flags, record.dropped_attributes_count = source.choice([0, 1, 2**32 - 1]), source.choice([0, 3])


def random_metrics(source: random.Random) -> ExportMetricsServiceRequest:
    """Metrics of all kinds; each of them has points, for one without is nothing that could be kept."""
    message = ExportMetricsServiceRequest()
    for _ in range(1 + source.randrange(3)):
        for of_scope in _put_senders(message.resource_metrics.add(), source, "scope_metrics"):
            for number in range(1 + source.randrange(4)):
                kind = source.choice(KINDS)
                metric = of_scope.metrics.add(name=f"{kind} {number}", unit=source.choice(["", "s"]))
                metric.description = source.choice(["", "how long"])
                if source.random() < 0.3:
                    metric.metadata.add(key="owner", value=any_value(random_value(source)))
                data = getattr(metric, kind)
                if kind not in ("gauge", "summary"):
                    data.aggregation_temporality = source.choice([0, 1, 2, 9])
                if kind == "sum":
                    data.is_monotonic = source.random() < 0.5
                for _ in range(1 + source.randrange(3)):
                    _fill_point(data.data_points.add(), kind, source)
    return message


def _fill_point(point: Any, kind: str, source: random.Random) -> None:
    point.time_unix_nano = NOW + source.randrange(1000)
    point.start_time_unix_nano, point.flags = source.choice([0, NOW - 7]), source.choice([0, 1])
    put(point, {f"key {number}": random_value(source) for number in range(source.randrange(3))})
    if kind in ("gauge", "sum"):
        _fill_value(point, source)
    elif kind == "summary":
        point.count, point.sum = source.randrange(9), source.choice(NUMBERS)
        for _ in range(source.randrange(3)):
            point.quantile_values.add(quantile=source.choice(NUMBERS), value=source.choice(NUMBERS))
        return
    else:
        point.count = source.randrange(2**64)
        for name in ("sum", "min", "max"):
            if source.random() < 0.6:
                setattr(point, name, source.choice(NUMBERS))
        counts = [source.randrange(2**63) for _ in range(source.randrange(4))]
        if kind == "histogram":
            point.bucket_counts.extend(counts)
            point.explicit_bounds.extend(NUMBERS[: max(len(counts) - 1, 0)])
        else:
            point.scale, point.zero_count = source.randrange(-3, 9), source.randrange(3)
            point.zero_threshold = source.choice(NUMBERS)
            for side in (point.positive, point.negative):
                if source.random() < 0.7:
                    side.offset = source.randrange(-9, 9)
                    side.bucket_counts.extend(counts)
                    side.SetInParent()
    for _ in range(source.randrange(2)):
        exemplar = point.exemplars.add(time_unix_nano=NOW, trace_id=b"\x07" * 16, span_id=b"\x08" * 8)
        _fill_value(exemplar, source)
        exemplar.filtered_attributes.add(key="k", value=any_value(random_value(source)))


def _fill_value(target: Any, source: random.Random) -> None:
    which = source.randrange(5)
    if which < 2:
        target.as_int = source.randrange(-(2**63), 2**63)
    elif which < 4:
        target.as_double = source.choice(NUMBERS)


def records(message: Any) -> list[bytes]:
    """A request's records, each with who sent it and of which metric it is; only the order of things is levelled."""
    found = []
    is_logs = isinstance(message, ExportLogsServiceRequest)
    for of_resource in message.resource_logs if is_logs else message.resource_metrics:
        for of_scope in of_resource.scope_logs if is_logs else of_resource.scope_metrics:
            sender = (_text(of_resource.resource), of_resource.schema_url, _text(of_scope.scope), of_scope.schema_url)
            if is_logs:
                found += [repr((sender, _text(record))).encode() for record in of_scope.log_records]
                continue
            for metric in of_scope.metrics:
                data = getattr(metric, metric.WhichOneof("data"))
                points = list(data.data_points)
                del data.data_points[:]
                found += [repr((sender, _text(metric), _text(point))).encode() for point in points]
                data.data_points.extend(points)
    return sorted(found)


def _text(message: Any) -> bytes:
    alone = type(message)()
    alone.CopyFrom(message)
    if hasattr(alone, "attributes"):
        alone.attributes.sort(key=lambda pair: pair.key)
    encoded: bytes = alone.SerializeToString(deterministic=True)
    return encoded


SIGNALS: dict[Signal, tuple[Any, Any]] = {
    "logs": (random_logs, encode_logs),
    "metrics": (random_metrics, encode_metrics),
}


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("signal", SIGNALS)
def test_random_requests_come_back_as_they_were_sent(store: Store, signal: Signal, seed: int) -> None:
    make, encode = SIGNALS[signal]
    source = random.Random(f"{signal} {seed}")
    sent = [make(source) for _ in range(6)]
    store.write([decode(signal, one.SerializeToString(), is_json=False, now_ns=NOW + 1) for one in sent])
    given = [one for batch in store.batches(SpanFilter(), signal) for one in records(encode(batch))]
    assert sorted(given) == sorted(one for message in sent for one in records(message))
    assert list(store.batches(SpanFilter(start=NOW + 2000), signal)) == []


def test_points_of_one_metric_stand_together_and_more_than_a_window_are_given(store: Store) -> None:
    message = ExportMetricsServiceRequest()
    metric = message.resource_metrics.add().scope_metrics.add().metrics.add(name="used")
    for number in range(1500):
        metric.gauge.data_points.add(time_unix_nano=NOW + number, as_int=number)
    store.write([decode("metrics", message.SerializeToString(), is_json=False, now_ns=NOW)])
    batches = list(store.batches(SpanFilter(), "metrics"))
    assert len(batches) > 1
    points = []
    for batch in batches:
        [of_metric] = encode_metrics(batch).resource_metrics[0].scope_metrics[0].metrics
        points += [point.as_int for point in of_metric.gauge.data_points]
    assert points == list(range(1500))


def test_filters_choose_what_is_given(store: Store) -> None:
    for service in ("a", "b"):
        logs, metrics = ExportLogsServiceRequest(), ExportMetricsServiceRequest()
        put(logs.resource_logs.add().resource, {"service.name": service})
        logs.resource_logs[0].scope_logs.add().log_records.add(time_unix_nano=NOW, severity_text=service)
        put(metrics.resource_metrics.add().resource, {"service.name": service})
        point = metrics.resource_metrics[0].scope_metrics.add().metrics.add(name=service).gauge.data_points.add()
        point.time_unix_nano = NOW
        for signal, message in (("logs", logs), ("metrics", metrics)):
            store.write([decode(signal, message.SerializeToString(), is_json=False, now_ns=NOW)])  # type: ignore[arg-type]  # a signal's name
    [logs_of_a] = store.batches(SpanFilter(service=("a",)), "logs")
    [metrics_of_a] = store.batches(SpanFilter(service=("a",)), "metrics")
    assert ([row.severity for row in logs_of_a.logs], [row.name for row in metrics_of_a.metrics]) == (["a"], ["a"])
