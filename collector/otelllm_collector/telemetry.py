"""The collector's own metrics: at GET /metrics for Prometheus, and as OTLP where the environment names a receiver.

Counts, sizes and times by signal, transport and outcome: nothing of what was sent, no name of a key.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from opentelemetry.exporter.prometheus import PrometheusMetricReader
from opentelemetry.metrics import CallbackOptions, Observation
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import MetricReader, PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource

from otelllm.version import __version__

from .commits import Commits, Write
from .exporter_status import Status
from .rows import Batch

__all__ = ["Telemetry", "otlp_readers", "prometheus_reader"]

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
SHUTDOWN_MS = 1000


class Telemetry:
    """The instruments. Without readers they cost next to nothing and tell nobody."""

    def __init__(self, readers: Sequence[MetricReader] = ()) -> None:
        resource = Resource.create({"service.name": "otelllm-collector", "service.version": __version__})
        self._provider = MeterProvider(readers, resource, shutdown_on_exit=False)
        meter = self._provider.get_meter("otelllm_collector", __version__)
        self._meter = meter
        self._requests = meter.create_counter(
            "otelllm.collector.requests", "{request}", "OTLP requests by signal, transport and outcome"
        )
        self._records = meter.create_counter(
            "otelllm.collector.records", "{record}", "Spans, data points and log records, accepted or refused"
        )
        self._bytes = meter.create_counter(
            "otelllm.collector.received", "By", "Bytes of bodies as they came, by signal and transport"
        )
        self._refused_keys = meter.create_counter(
            "otelllm.collector.unauthorized", "{request}", "Calls without a key that is good for them, by reason"
        )
        self._stored = meter.create_counter(
            "otelllm.collector.stored", "{record}", "Records of committed batches by signal"
        )
        self._set_aside = meter.create_counter(
            "otelllm.collector.set_aside", "{record}", "Records acknowledged that the store can't keep: in set-aside/"
        )
        self._commit = meter.create_histogram(
            "otelllm.collector.commit.duration", "s", "One transaction, by outcome",
            explicit_bucket_boundaries_advisory=SECONDS,
        )  # fmt: skip

    def request(self, signal: str, transport: str, outcome: str, accepted: int = 0, refused: int = 0) -> None:
        """Count one OTLP request and its records."""
        labels = {"signal": signal, "transport": transport}
        self._requests.add(1, labels | {"outcome": outcome})
        if accepted:
            self._records.add(accepted, labels | {"outcome": "accepted"})
        if refused:
            self._records.add(refused, labels | {"outcome": "refused"})

    def received(self, signal: str, transport: str, size: int) -> None:
        """Count the bytes of one body."""
        self._bytes.add(size, {"signal": signal, "transport": transport})

    def unauthorized(self, reason: str) -> None:
        """Count one call that was turned away for its key."""
        self._refused_keys.add(1, {"reason": reason})

    def timed(self, write: Write) -> Write:
        """A store's `write`, of which each transaction's time is kept."""

        def timed_write(batches: Sequence[Batch], upto: int | None = None) -> None:
            began, outcome = time.perf_counter(), "failed"
            try:
                write(batches, upto)
                outcome = "ok"
            finally:
                self._commit.record(time.perf_counter() - began, {"outcome": outcome})
            stored = {
                "traces": sum(batch.span_count for batch in batches),
                "metrics": sum(len(batch.metrics) for batch in batches),
                "logs": sum(len(batch.logs) for batch in batches),
            }
            for signal, number in stored.items():
                if number:
                    self._stored.add(number, {"signal": signal})

        return timed_write

    def set_aside(self, signal: str, records: int) -> None:
        """Count records that were acknowledged and that the store can't keep."""
        self._set_aside.add(records, {"signal": signal})

    def watch(self, in_flight: Callable[[], int], commits: Commits, data: Path) -> None:
        """Gauges of what is there when they are asked for."""
        self._gauge("in_flight", "By", "Bytes in hand that are not acknowledged yet", in_flight)
        self._gauge("queue", "{batch}", "Batches that wait for a commit", lambda: commits.waiting)
        self._gauge("behind", "By", "Bytes acknowledged and not yet stored", lambda: commits.bytes_behind)
        self._gauge("store.size", "By", "The database's files on disk", lambda: _size(data))

    def watch_exporters(self, statuses: Callable[[], Sequence[Status]]) -> None:
        """Gauges and counts of each exporter."""

        def add(name: str, unit: str, text: str, value: Callable[[Status], float], *, counts: bool = False) -> None:
            def observe(_: CallbackOptions) -> Iterable[Observation]:
                return [Observation(value(one), {"exporter": one.name}) for one in statuses()]

            make = self._meter.create_observable_counter if counts else self._meter.create_observable_gauge
            make(f"otelllm.collector.exporter.{name}", [observe], unit, text)

        add("lag", "{record}", "Records that wait for it", lambda one: one.lag.records)
        add("lag.size", "By", "Bytes that wait for it", lambda one: one.lag.size)
        add("lag.age", "s", "Age of the oldest that waits for it", lambda one: one.lag.age_s)
        add("sent", "{record}", "Records that its backend took", lambda one: one.sent.total(), counts=True)
        add("refused", "{record}", "Records that its backend will never take", lambda one: one.refused, counts=True)
        add("skipped", "{record}", "Records beyond the journal's bounds", lambda one: one.lag.skipped, counts=True)

    def close(self) -> None:
        """Tell the last figures; a receiver that is gone must not hold up the end."""
        self._provider.shutdown(timeout_millis=SHUTDOWN_MS)

    def _gauge(self, name: str, unit: str, text: str, value: Callable[[], int]) -> None:
        def observe(_: CallbackOptions) -> Iterable[Observation]:
            yield Observation(value())

        self._meter.create_observable_gauge(f"otelllm.collector.{name}", [observe], unit, text)


def otlp_readers(environ: Mapping[str, str] = os.environ) -> list[MetricReader]:
    """What sends the metrics on, by OpenTelemetry's own variables; nothing where they name no receiver."""
    names = ("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
    if not any(environ.get(name) for name in names) or environ.get("OTEL_METRICS_EXPORTER") == "none":
        return []
    protocol = environ.get("OTEL_EXPORTER_OTLP_METRICS_PROTOCOL") or environ.get("OTEL_EXPORTER_OTLP_PROTOCOL")
    # Loaded where they are used: each brings an HTTP client or gRPC.
    if protocol == "grpc":
        from opentelemetry.exporter.otlp.proto.grpc.metric_exporter import OTLPMetricExporter as ByGrpc  # noqa: PLC0415

        return [PeriodicExportingMetricReader(ByGrpc())]
    from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter as ByHttp  # noqa: PLC0415

    return [PeriodicExportingMetricReader(ByHttp())]


def prometheus_reader() -> MetricReader:
    """What GET /metrics shows, beside the process's own memory, CPU and files. One a process: its registry is one."""
    return PrometheusMetricReader(scope_info_enabled=False)


def _size(folder: Path) -> int:
    """Bytes that the database's files take on disk."""
    size = 0
    for path in folder.rglob("*.duckdb*"):
        with contextlib.suppress(OSError):  # gone in between
            found = path.stat()
            size += getattr(found, "st_blocks", found.st_size // 512) * 512
    return size
