"""A backend on loopback that takes OTLP/HTTP, read with the OpenTelemetry Collector's own protobuf classes."""

from __future__ import annotations

import gzip
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest, ExportLogsServiceResponse
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
    ExportMetricsServiceResponse,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

__all__ = ["Receiver"]

PATIENCE_S = 20.0


class Receiver:
    """Takes what an exporter sends; `spans` are the protobuf spans so far, with their attributes as a dict beside."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self.spans: list[Any] = []
        self.resources: list[dict[str, Any]] = []
        self.metrics: list[Any] = []
        self.logs: list[Any] = []
        self.headers: list[dict[str, str]] = []
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                if self.headers.get("content-encoding") == "gzip":
                    body = gzip.decompress(body)
                receiver.headers.append({name.lower(): value for name, value in self.headers.items()})
                answer = receiver.take(self.path, body).SerializeToString()
                self.send_response(200)
                self.send_header("content-type", "application/x-protobuf")
                self.send_header("content-length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, *_: object) -> None:
                return None

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.endpoint = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        self._thread.start()

    def take(self, path: str, body: bytes) -> Any:
        """Keep one request; the response that OTLP wants."""
        with self._changed:
            self._changed.notify_all()
            if path == "/v1/metrics":
                for resource in ExportMetricsServiceRequest.FromString(body).resource_metrics:
                    self.metrics += [one for scope in resource.scope_metrics for one in scope.metrics]
                return ExportMetricsServiceResponse()
            if path == "/v1/logs":
                for resource in ExportLogsServiceRequest.FromString(body).resource_logs:
                    self.logs += [one for scope in resource.scope_logs for one in scope.log_records]
                return ExportLogsServiceResponse()
            assert path == "/v1/traces", path
            for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
                self.resources.append(attributes(resource.resource))
                self.spans += [one for scope in resource.scope_spans for one in scope.spans]
            return ExportTraceServiceResponse()

    def wait(self, ready: Callable[[], bool]) -> None:
        """Return once `ready()` holds of what has come."""
        with self._changed:
            came = self._changed.wait_for(ready, PATIENCE_S)
        assert came, f"waited in vain; spans so far: {[one.name for one in self.spans]}"

    def close(self) -> None:
        """Stop serving."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def attributes(thing: Any) -> dict[str, Any]:
    """The attributes of a protobuf span, resource or record as plain values."""
    return {one.key: _value(one.value) for one in thing.attributes}


def _value(value: Any) -> Any:
    kind = value.WhichOneof("value")
    if kind == "array_value":
        return [_value(one) for one in value.array_value.values]
    return getattr(value, kind) if kind else None
