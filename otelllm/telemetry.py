"""OpenTelemetry's providers: the app's own where it has them, else ours, with OTEL_* honoured."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from opentelemetry import metrics, trace

from .config import Settings
from .export import Delivery, exporter
from .safely import safely
from .version import __version__

if TYPE_CHECKING:
    from opentelemetry.metrics import Meter, MeterProvider
    from opentelemetry.trace import Tracer, TracerProvider

__all__ = ["Telemetry"]

SCOPE = "otelllm"
EXIT_SECONDS = 2.0
"""How long a collector that is away may delay the end of a program."""


class Telemetry:
    """The providers that we write to, and those among them that we made and must end."""

    def __init__(
        self,
        settings: Settings,
        *,
        service_name: str | None = None,
        endpoint: str | None = None,
        tracer_provider: TracerProvider | None = None,
        meter_provider: MeterProvider | None = None,
        logger_provider: Any = None,
    ) -> None:
        self._settings = settings
        self._service_name = service_name
        self._endpoint = endpoint
        self.delivery = Delivery(endpoint or "the OTLP endpoint of the environment")
        if endpoint is None and not settings.endpoint_named:
            self.delivery.endpoint = "http://localhost:4318"
        self._ours: list[Any] = []
        self._resource_made: Any = None
        self.tracer_provider = tracer_provider or self._global_tracer_provider()
        self.meter_provider = meter_provider or self._global_meter_provider()
        self._logger_provider = logger_provider

    @property
    def tracer(self) -> Tracer:
        """Our tracer."""
        return self.tracer_provider.get_tracer(SCOPE, __version__)

    @property
    def meter(self) -> Meter:
        """Our meter."""
        return self.meter_provider.get_meter(SCOPE, __version__)

    def logger(self) -> Any:
        """Our logger of events; its provider is made at the first one."""
        if self._logger_provider is None:
            self._logger_provider = self._global_logger_provider()
        return self._logger_provider.get_logger(SCOPE, __version__)

    def _resource(self) -> Any:
        if self._resource_made is None:
            from opentelemetry.sdk.resources import Resource  # noqa: PLC0415  only where we make a provider

            # The argument wins over OTEL_SERVICE_NAME, as every argument does.
            given = {"service.name": self._service_name} if self._service_name else {}
            self._resource_made = Resource.create().merge(Resource(given)) if given else Resource.create()
        return self._resource_made

    def _global_tracer_provider(self) -> TracerProvider:
        present = trace.get_tracer_provider()
        if not isinstance(present, trace.ProxyTracerProvider):
            return present
        if self._settings.sdk_disabled:
            return trace.NoOpTracerProvider()
        made = self._exporter("traces", self._settings.traces_exporter)
        from opentelemetry.sdk.trace import TracerProvider as SdkProvider  # noqa: PLC0415  the app has brought none
        from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415

        provider = SdkProvider(resource=self._resource(), shutdown_on_exit=False)
        if made is not None:
            provider.add_span_processor(BatchSpanProcessor(made))
        trace.set_tracer_provider(provider)
        self._ours.append(provider)
        return provider

    def _global_meter_provider(self) -> MeterProvider:
        present = metrics.get_meter_provider()
        if type(present).__name__ != "_ProxyMeterProvider":
            return present
        if self._settings.sdk_disabled:
            return metrics.NoOpMeterProvider()
        made = self._exporter("metrics", self._settings.metrics_exporter)
        from opentelemetry.sdk.metrics import MeterProvider as SdkProvider  # noqa: PLC0415
        from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader  # noqa: PLC0415

        readers = [PeriodicExportingMetricReader(made)] if made is not None else []
        provider = SdkProvider(metric_readers=readers, resource=self._resource(), shutdown_on_exit=False)
        metrics.set_meter_provider(provider)
        self._ours.append(provider)
        return provider

    def _global_logger_provider(self) -> Any:
        from opentelemetry import _logs  # noqa: PLC0415  only where events are written

        present = _logs.get_logger_provider()
        if type(present).__name__ != "ProxyLoggerProvider":
            return present
        if self._settings.sdk_disabled:
            return _logs.NoOpLoggerProvider()
        from opentelemetry.sdk._logs import LoggerProvider as SdkProvider  # noqa: PLC0415
        from opentelemetry.sdk._logs.export import BatchLogRecordProcessor  # noqa: PLC0415

        made = self._exporter("logs", self._settings.logs_exporter)
        provider = SdkProvider(resource=self._resource(), shutdown_on_exit=False)
        if made is not None:
            provider.add_log_record_processor(BatchLogRecordProcessor(made))
        _logs.set_logger_provider(provider)
        self._ours.append(provider)
        return provider

    def _exporter(self, signal: str, kind: str) -> Any:
        return exporter(signal, kind, self._settings.protocol, self._endpoint, self.delivery)

    def flush(self, seconds: float) -> bool:
        """Hand over what is waiting; whether all of it was taken within `seconds`."""
        providers = (self.tracer_provider, self.meter_provider, self._logger_provider)
        failed = self.delivery.failed
        flushes = [one.force_flush for one in providers if hasattr(one, "force_flush")]
        return _together(flushes, seconds) and self.delivery.failed == failed

    def shutdown(self, seconds: float = EXIT_SECONDS) -> None:
        """Flush and end the providers that we made, in at most `seconds`; the app's own are the app's to end."""
        if self._ours and not _together([one.shutdown for one in self._ours], seconds):
            self.delivery.refused()
        self._ours.clear()


def _together(calls: list[Callable[[], Any]], seconds: float) -> bool:
    """Run `calls` side by side for at most `seconds`; whether all came back. Threads: no SDK honours a timeout here."""

    def guarded(call: Callable[[], Any]) -> None:
        with safely("flushing telemetry"):
            call()

    threads = [threading.Thread(target=guarded, args=(call,), daemon=True) for call in calls]
    until = time.monotonic() + seconds
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(max(0.0, until - time.monotonic()))
    return not any(thread.is_alive() for thread in threads)
