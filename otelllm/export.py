"""OTLP exporters that an app can bear: rebuilt after a fork, bounded in bytes, one warning if nobody listens."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from importlib import import_module
from typing import Any

from .errors import BadConfig

__all__ = ["Delivery", "exporter"]

log = logging.getLogger(__name__)

BATCH_BYTES = 3_000_000
"""Below the 4 MB that gRPC servers take, and what most back ends' HTTP front doors do."""

_PROTO = "opentelemetry.exporter.otlp.proto"
_SIGNALS = {  # signal: the module below the protocol's package, the class
    "traces": ("trace_exporter", "OTLPSpanExporter"),
    "metrics": ("metric_exporter", "OTLPMetricExporter"),
    "logs": ("_log_exporter", "OTLPLogExporter"),
}
_CONSOLE = {
    "traces": ("opentelemetry.sdk.trace.export", "ConsoleSpanExporter"),
    "metrics": ("opentelemetry.sdk.metrics.export", "ConsoleMetricExporter"),
    "logs": ("opentelemetry.sdk._logs.export", "ConsoleLogRecordExporter"),
}


class Delivery:
    """Whether what we export arrives; says so once when it does not, and again only after it did in between."""

    def __init__(self, endpoint: str) -> None:
        self.endpoint = endpoint
        self.delivered = 0
        self.failed = 0
        self._warned = False
        self._lock = threading.Lock()

    def succeeded(self) -> None:
        """A batch was taken."""
        with self._lock:
            self.delivered += 1
            self._warned = False

    def refused(self) -> None:
        """A batch was not taken, after the SDK's own retries, or before the process had to end."""
        with self._lock:
            self.failed += 1
            first, self._warned = not self._warned, True
        if first:
            log.warning(
                "otelllm can't deliver telemetry to %s; it is dropped, and your app goes on. "
                "Start a collector there (otelllm up), or set OTEL_EXPORTER_OTLP_ENDPOINT.",
                self.endpoint,
            )


class _Quiet(logging.Filter):
    """Hides the exporters' own records, one a batch and a retry: `Delivery` says it once, with the way out."""

    def filter(self, record: logging.LogRecord) -> bool:
        return False


_QUIET = _Quiet()


def exporter(signal: str, kind: str, protocol: str, endpoint: str | None, delivery: Delivery) -> Any | None:
    """The exporter of `signal` (traces, metrics, logs) that OTEL_*_EXPORTER's `kind` asks for; None for "none"."""
    if kind == "none":
        return None
    if kind == "console":
        place, name = _CONSOLE[signal]
        return getattr(import_module(place), name)()
    if kind != "otlp":
        raise BadConfig(f"OTEL_{signal.upper()}_EXPORTER {kind!r} is not one of otlp, console, none")
    module, name = _SIGNALS[signal]
    split = _by_bytes if signal == "traces" else None
    http, grpc = f"{_PROTO}.http.{module}", f"{_PROTO}.grpc.{module}"
    if protocol == "grpc":
        try:
            made = getattr(import_module(grpc), name)
        except ImportError:
            raise BadConfig(
                'OTEL_EXPORTER_OTLP_PROTOCOL "grpc" needs the extra: pip install "otelllm[grpc]"; '
                'or set it to "http/protobuf"'
            ) from None
        for logger in (grpc, f"{_PROTO}.grpc.exporter"):  # the second is all signals'
            logging.getLogger(logger).addFilter(_QUIET)
        return _careful(made, delivery, {"endpoint": endpoint} if endpoint else {}, split)
    if protocol not in {"http/protobuf", "http"}:
        raise BadConfig(f"OTEL_EXPORTER_OTLP_PROTOCOL {protocol!r} is not one of http/protobuf, grpc")
    made = getattr(import_module(http), name)
    logging.getLogger(http).addFilter(_QUIET)
    arguments = {"endpoint": f"{endpoint.rstrip('/')}/v1/{signal}"} if endpoint else {}
    return _careful(made, delivery, arguments, split)


def _careful(
    kind: type, delivery: Delivery, arguments: dict[str, Any], split: Callable[[Any], Iterator[Any]] | None = None
) -> Any:
    class Careful(kind):  # type: ignore[misc]  # whichever signal's exporter
        def __init__(self) -> None:
            super().__init__(**arguments)
            self._made_in = os.getpid()

        def export(self, batch: Any, *args: Any, **kwargs: Any) -> Any:
            if self._made_in != os.getpid():
                self.__init__()  # type: ignore[misc]  # a forked child must not write on its parent's connection
            result = None
            for part in split(batch) if split is not None else (batch,):
                try:
                    result = super().export(part, *args, **kwargs)
                except Exception:  # older exporters raise where newer ones return a failure
                    result = None
                if getattr(result, "name", "") == "SUCCESS":
                    delivery.succeeded()
                else:
                    delivery.refused()
            return result

    Careful.__name__ = kind.__name__
    return Careful()


def _by_bytes(spans: Sequence[Any]) -> Iterator[Sequence[Any]]:
    """`spans` in batches of at most BATCH_BYTES each, or one span; content makes spans of a megabyte."""
    batch: list[Any] = []
    size = 0
    for span in spans:
        weight = 500 + sum(len(value) for value in (span.attributes or {}).values() if isinstance(value, str))
        if batch and size + weight > BATCH_BYTES:
            yield batch
            batch, size = [], 0
        batch.append(span)
        size += weight
    if batch or not spans:
        yield batch
