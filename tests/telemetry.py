"""What a test reads of the telemetry that the library wrote: real OpenTelemetry SDK providers, exporters in memory."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs import export as log_export
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

if TYPE_CHECKING:
    from collections.abc import Mapping

    from opentelemetry.sdk.trace import ReadableSpan

__all__ = ["Telemetry"]

# Both classes changed their names in 1.39; the older ones are in every release that we support below it.
_LogExporter: Any = getattr(log_export, "InMemoryLogRecordExporter", None) or log_export.InMemoryLogExporter  # type: ignore[attr-defined]


class Telemetry:
    """Fresh providers, and what came out of them. `instrument` gives them to otelllm; the fixture undoes it."""

    def __init__(self) -> None:
        self._spans = InMemorySpanExporter()
        self._metrics = InMemoryMetricReader()
        self._logs = _LogExporter()
        self.tracer_provider = TracerProvider()
        self.tracer_provider.add_span_processor(SimpleSpanProcessor(self._spans))
        self.meter_provider = MeterProvider(metric_readers=[self._metrics])
        self.logger_provider = LoggerProvider()
        self.logger_provider.add_log_record_processor(log_export.SimpleLogRecordProcessor(self._logs))
        self.tracer = self.tracer_provider.get_tracer("app")

    def instrument(self, **settings: Any) -> None:
        """Instrument anew with these settings; capture is off unless they say otherwise."""
        import otelllm

        otelllm.uninstrument()
        providers = {
            "tracer_provider": self.tracer_provider,
            "meter_provider": self.meter_provider,
            "logger_provider": self.logger_provider,
        }
        otelllm.instrument(**{**providers, "capture": "off", **settings})

    @property
    def spans(self) -> list[ReadableSpan]:
        """Every ended span of the library, in the order of their ends; the app's own spans are left out."""
        return [it for it in self._spans.get_finished_spans() if it.instrumentation_scope.name != "app"]

    @property
    def all_spans(self) -> list[ReadableSpan]:
        """Every ended span, the app's own too."""
        return list(self._spans.get_finished_spans())

    @property
    def span(self) -> ReadableSpan:
        """The one span of the library that there must be."""
        spans = self.spans
        assert len(spans) == 1, f"expected one span, got {[it.name for it in spans]}"
        return spans[0]

    @property
    def attributes(self) -> Mapping[str, Any]:
        """The attributes of that one span."""
        return self.span.attributes or {}

    def messages(self, name: str) -> Any:
        """A content attribute of that one span, parsed."""
        return json.loads(str(self.attributes[name]))

    def metrics(self) -> dict[str, list[Any]]:
        """Data points of every metric so far, by its name."""
        data = self._metrics.get_metrics_data()
        points: dict[str, list[Any]] = {}
        for resource in data.resource_metrics if data else ():
            for scope in resource.scope_metrics:
                for metric in scope.metrics:
                    points.setdefault(metric.name, []).extend(metric.data.data_points)
        return points

    @property
    def logs(self) -> list[Any]:
        """Every log record so far."""
        return [getattr(it, "log_record", it) for it in self._logs.get_finished_logs()]

    def everything(self) -> str:
        """All that was exported, as one text: a secret must not be in it."""
        spans = [it.to_json() for it in self.all_spans]
        logs = [it.to_json() if hasattr(it, "to_json") else repr(it) for it in self._logs.get_finished_logs()]
        return "\n".join([*spans, *logs, repr(self.metrics())])

    def clear(self) -> None:
        """Forget what was exported so far (metrics excepted)."""
        self._spans.clear()
        self._logs.clear()

    def shutdown(self) -> None:
        """Shut the providers down."""
        self.tracer_provider.shutdown()
        self.meter_provider.shutdown()
        self.logger_provider.shutdown()
