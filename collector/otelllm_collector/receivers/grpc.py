"""OTLP over gRPC: https://opentelemetry.io/docs/specs/otlp/#otlpgrpc. OK means: committed to disk.

The methods are served as streams of one message, which on the wire is the same: so a key and the room for a message
are asked for before it is read. Messages come as they were sent, without gRPC inflating them: `inflate` stops at the
limit in every version of grpcio, and works beside the event loop.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import grpc
import grpc.aio
from google.protobuf.any_pb2 import Any as AnyMessage  # type: ignore[import-untyped]
from google.protobuf.duration_pb2 import Duration  # type: ignore[import-untyped]
from google.rpc.error_details_pb2 import RetryInfo  # type: ignore[import-untyped]
from google.rpc.status_pb2 import Status  # type: ignore[import-untyped]

from ..auth import Auth, NotAllowed
from ..config import Address, BadSetting, Tls
from ..decode import Signal
from ..decode.wire import RESPONSES
from ..rows import Batch
from .intake import Arrival, Hold, Intake, Refused, Why, refusals
from .readers import Readers

__all__ = ["OtlpGrpc"]

Context = grpc.aio.ServicerContext[bytes, bytes]

_CODES: dict[Why, grpc.StatusCode] = {
    "bad": grpc.StatusCode.INVALID_ARGUMENT,
    "too_large": grpc.StatusCode.INVALID_ARGUMENT,  # RESOURCE_EXHAUSTED would make some clients send it again
    "slow": grpc.StatusCode.DEADLINE_EXCEEDED,
    "full": grpc.StatusCode.RESOURCE_EXHAUSTED,
    "busy": grpc.StatusCode.UNAVAILABLE,
}
_NOT_ALLOWED = {False: grpc.StatusCode.UNAUTHENTICATED, True: grpc.StatusCode.PERMISSION_DENIED}
_AGAIN: frozenset[Why] = frozenset({"full", "busy"})

_SERVICES: dict[Signal, str] = {
    "traces": "opentelemetry.proto.collector.trace.v1.TraceService",
    "metrics": "opentelemetry.proto.collector.metrics.v1.MetricsService",
    "logs": "opentelemetry.proto.collector.logs.v1.LogsService",
}

READERS = 32
"""Messages that are read at a time, each of up to the limit: a message's bytes are counted only once it is whole."""

_GZIP = b"\x1f\x8b"
"""Which no protobuf message begins with: 0x1f would be a field of wire type 7, and there are six."""

_OPTIONS = (
    ("grpc.so_reuseport", 0),  # or a second collector would take half of the first one's connections, without a word
    ("grpc.per_message_decompression", 0),
    ("grpc.compression_enabled_algorithms_bitset", 0b101),  # none and gzip
    ("grpc.max_concurrent_streams", 128),
    ("grpc.max_connection_idle_ms", 600_000),
    ("grpc.keepalive_time_ms", 60_000),
    ("grpc.http2.min_recv_ping_interval_without_data_ms", 10_000),
)


class OtlpGrpc:
    """The three OTLP services on a port of their own; `message_limit` is in bytes, before and after inflating."""

    def __init__(self, intake: Intake, auth: Auth, *, message_limit: int, timeout_s: float) -> None:
        self._intake, self._auth, self._limit, self._timeout_s = intake, auth, message_limit, timeout_s
        self._readers = Readers(READERS)
        self._server = grpc.aio.server(
            options=[
                *_OPTIONS,
                ("grpc.max_receive_message_length", message_limit),
                ("grpc.server_handshake_timeout_ms", int(timeout_s * 1000)),
            ]
        )
        self._server.add_generic_rpc_handlers(
            tuple(
                grpc.method_handlers_generic_handler(
                    service, {"Export": grpc.stream_unary_rpc_method_handler(self._method(signal))}
                )
                for signal, service in _SERVICES.items()
            )
        )

    async def start(self, address: Address, tls: Tls | None) -> Address:
        """Listen; where, with the port that was free."""
        try:
            if tls is None:
                port = self._server.add_insecure_port(str(address))
            else:
                port = self._server.add_secure_port(str(address), _credentials(tls))
        except RuntimeError as error:
            raise BadSetting(
                f"--grpc {address} can't be taken; stop what listens there, choose another port "
                "(0 is any free one), or off for none"
            ) from error
        await self._server.start()
        return Address(address.host, port)

    async def stop(self, within_s: float) -> None:
        """Take no more, and wait for what is in hand."""
        await self._server.stop(within_s)

    def _method(self, signal: Signal) -> Callable[[Any, Context], Awaitable[bytes]]:
        async def export(_: object, context: Context) -> bytes:
            outcome, count = "failed", (0, 0)
            try:
                batch = await self._keep(signal, context)
                refused, _ = refusals(batch)
                outcome, count = "partial" if refused else "ok", (batch.size, refused)
                return _accepted(signal, batch)
            except Refused as error:
                outcome = error.why
                code, message, again = _CODES[error.why], str(error), error.why in _AGAIN
            except NotAllowed as error:
                outcome = "unauthorized"
                code, message, again = _NOT_ALLOWED[error.is_known], str(error), False
            finally:
                self._intake.telemetry.request(signal, "grpc", outcome, *count)
            await _abort(context, code, message, again=again)
            raise AssertionError("abort raises")

        return export

    async def _keep(self, signal: Signal, context: Context) -> Batch:
        project = self._project(context)
        with self._intake.hold() as hold:
            body = await self._read(context, hold)
            self._intake.telemetry.received(signal, "grpc", len(body))
            encoding = "gzip" if body.startswith(_GZIP) else "identity"
            return await self._intake.keep(Arrival(signal, body, encoding, project=project), self._limit, hold)

    def _project(self, context: Context) -> str | None:
        """Of the key that came with the call; `NotAllowed` where one is wanted and missing."""
        found = dict(context.invocation_metadata() or ())
        key = self._auth.check(str(found.get("authorization", "")), str(found.get("x-api-key", "")), "ingest")
        return key.project if key else None

    async def _read(self, context: Context, hold: Hold) -> bytes:
        self._intake.check()
        try:
            async with self._readers.turn(str(context.peer()), self._timeout_s):
                message = await context.read()
        except TimeoutError as error:
            raise Refused("slow", f"the message did not come within {self._timeout_s:g} s; make it smaller") from error
        if not isinstance(message, bytes):
            raise Refused("bad", "there is no message; send one export request")
        hold.add(len(message))
        return message


def _credentials(tls: Tls) -> grpc.ServerCredentials:
    authority = tls.client_ca.read_bytes() if tls.client_ca else None
    pair = (tls.key.read_bytes(), tls.cert.read_bytes())
    return grpc.ssl_server_credentials([pair], authority, require_client_auth=authority is not None)


def _accepted(signal: Signal, batch: Batch) -> bytes:
    kind, field, _ = RESPONSES[signal]
    response = kind()
    count, message = refusals(batch)
    if count:
        setattr(response.partial_success, field, count)
        response.partial_success.error_message = message
    encoded: bytes = response.SerializeToString()
    return encoded


async def _abort(context: Context, code: grpc.StatusCode, message: str, *, again: bool) -> None:
    """End the call. When to come again stands in the status's details, as OTLP has it, and where Python's SDK looks."""
    trailers: list[tuple[str, str | bytes]] = []
    if again:
        retry = RetryInfo(retry_delay=Duration(seconds=1))
        details = AnyMessage()
        details.Pack(retry)
        status = Status(code=code.value[0], message=message, details=[details])
        trailers.append(("grpc-status-details-bin", status.SerializeToString()))
        trailers.append(("google.rpc.retryinfo-bin", retry.SerializeToString()))
    await context.abort(code, message, tuple(trailers))
