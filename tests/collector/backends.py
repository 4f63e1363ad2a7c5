"""A backend on loopback whose answers a test decides; it notes how everything was sent."""

from __future__ import annotations

import gzip
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple

import grpc
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

__all__ = ["PATIENCE_S", "Backend", "Sent", "grpc_backend", "http_backend", "until"]

PATIENCE_S = 20.0


class Sent(NamedTuple):
    """One request as it came."""

    path: str
    headers: dict[str, str]
    body: bytes
    """Inflated."""


class Backend:
    """What came, and what is answered: `answer(sent)` gives a status, headers and a body (HTTP) or raises (gRPC)."""

    def __init__(self) -> None:
        self.endpoint = ""
        self.sent: list[Sent] = []
        self.received = 0
        """Bytes that came over the wire, where they are counted."""
        self.answer: Callable[[Sent], tuple[int, dict[str, str], bytes]] = lambda _: (200, {}, b"")
        self._changed = threading.Condition()

    def take(self, sent: Sent) -> tuple[int, dict[str, str], bytes]:
        """Note it, and answer."""
        with self._changed:
            self.sent.append(sent)
            self._changed.notify_all()
        return self.answer(sent)

    def wait(self, ready: Callable[[], bool]) -> None:
        """Until something has come that makes it so."""
        with self._changed:
            assert self._changed.wait_for(ready, timeout=PATIENCE_S), f"{len(self.sent)} requests came"

    @property
    def spans(self) -> list[Any]:
        """The spans of all that was sent, as protobuf."""
        found: list[Any] = []
        for sent in list(self.sent):
            for one in ExportTraceServiceRequest.FromString(sent.body).resource_spans:
                found += [span for of_scope in one.scope_spans for span in of_scope.spans]
        return found


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._connections: list[socket.socket] = []

    def process_request(self, request: Any, client_address: Any) -> None:
        self._connections.append(request)
        super().process_request(request, client_address)

    def server_close(self) -> None:
        """Those who were connected find nobody there, as if the process had ended."""
        super().server_close()
        for connection in self._connections:
            with suppress(OSError):  # closed by its sender
                connection.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A sender that was killed is no error here."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


@contextmanager
def http_backend(backend: Backend | None = None, port: int = 0) -> Iterator[Backend]:
    """One that takes HTTP; `port` of one that was there before."""
    found = backend or Backend()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            headers = {name.lower(): value for name, value in self.headers.items()}
            if headers.get("content-encoding") == "gzip":
                body = gzip.decompress(body)
            status, more, answer = found.take(Sent(self.path, headers, body))
            self.send_response(status)
            for name, value in {"content-length": str(len(answer)), **more}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_: object) -> None:
            return None

    server = _Server(("127.0.0.1", port), Handler)
    found.endpoint = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield found
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@contextmanager
def grpc_backend() -> Iterator[Backend]:
    """One that takes gRPC; its `answer` may raise what `refuse` makes."""
    found = Backend()

    def handle(method: str) -> Callable[[bytes, Any], bytes]:
        def export(body: bytes, context: grpc.ServicerContext) -> bytes:
            headers = {str(key): str(value) for key, value in context.invocation_metadata()}
            found.take(Sent(method, headers, body))
            return ExportTraceServiceResponse().SerializeToString()

        return export

    class Handler(grpc.GenericRpcHandler):
        def service(self, details: Any) -> Any:
            return grpc.unary_unary_rpc_method_handler(handle(details.method))

    server = grpc.server(ThreadPoolExecutor(2))
    server.add_generic_rpc_handlers((Handler(),))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        with _counted(found, port) as counting:
            found.endpoint = f"http://127.0.0.1:{counting}"
            yield found
    finally:
        server.stop(0).wait()


@contextmanager
def _counted(backend: Backend, port: int) -> Iterator[int]:
    """A port before another one, through which bytes pass and are counted: gRPC tells nobody if it compresses."""
    listener = socket.create_server(("127.0.0.1", 0))

    def pump(source: socket.socket, target: socket.socket, *, counts: bool) -> None:
        with suppress(OSError):
            while piece := source.recv(65_536):
                backend.received += len(piece) if counts else 0
                target.sendall(piece)
            target.shutdown(socket.SHUT_WR)

    def accept() -> None:
        with suppress(OSError):
            while True:
                outer, _ = listener.accept()
                inner = socket.create_connection(("127.0.0.1", port))
                for source, target in ((outer, inner), (inner, outer)):
                    counts = source is outer
                    threading.Thread(target=pump, args=(source, target), kwargs={"counts": counts}, daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield listener.getsockname()[1]
    finally:
        listener.close()


def until(ready: Callable[[], bool], patience_s: float = PATIENCE_S) -> None:
    """Poll for what nobody announces."""
    deadline = time.monotonic() + patience_s
    while not ready():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)
