"""OTLP by gRPC: https://opentelemetry.io/docs/specs/otlp/#otlpgrpc"""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

import grpc
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]  # protobuf publishes no types
from google.rpc.error_details_pb2 import RetryInfo  # type: ignore[import-untyped]  # nor does googleapis
from google.rpc.status_pb2 import Status  # type: ignore[import-untyped]

from ..decode.wire import RESPONSES
from .settings import Destination
from .spec import Delivered, Later, Outcome, Refused

__all__ = ["GrpcSender"]

_AGAIN = frozenset(
    {
        grpc.StatusCode.CANCELLED, grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.ABORTED,
        grpc.StatusCode.OUT_OF_RANGE, grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DATA_LOSS,
    }
)  # fmt: skip
_SERVICES = {"traces": "trace.v1.Trace", "metrics": "metrics.v1.Metrics", "logs": "logs.v1.Logs"}
_TEXT_SHOWN = 200


class GrpcSender:
    """One backend's gRPC address."""

    def __init__(self, to: Destination) -> None:
        self._to = to
        address = urlsplit(to.endpoint)
        place = address.netloc
        compression = grpc.Compression.Gzip if to.compression == "gzip" else grpc.Compression.NoCompression
        options = [("grpc.max_send_message_length", -1), ("grpc.enable_http_proxy", 0)]
        self._channel = (
            grpc.secure_channel(place, grpc.ssl_channel_credentials(), options, compression)
            if address.scheme == "https"
            else grpc.insecure_channel(place, options, compression)
        )
        self._metadata = tuple((name.lower(), value) for name, value in to.headers.items())
        self._calls: dict[str, Any] = {
            signal: self._channel.unary_unary(
                f"/opentelemetry.proto.collector.{service}Service/Export",
                request_serializer=None,  # the body is the message
                response_deserializer=RESPONSES[signal][0].FromString,
            )
            for signal, service in _SERVICES.items()
        }

    def send(self, signal: str, body: bytes) -> Outcome:
        """One call."""
        try:
            answer = self._calls[signal](body, timeout=self._to.timeout_s, metadata=self._metadata)
        except grpc.RpcError as error:
            return self._failed(error)
        partial = answer.partial_success
        return Delivered(int(getattr(partial, RESPONSES[signal][1])), partial.error_message)

    def _failed(self, error: Any) -> Outcome:
        code = error.code()
        reason = f"gRPC {code.name}: {(error.details() or '')[:_TEXT_SHOWN]}"
        after_s = _retry_after_s(error)
        if code in _AGAIN or (code is grpc.StatusCode.RESOURCE_EXHAUSTED and after_s is not None):
            return Later(reason, after_s)
        return Refused(reason)

    def close(self) -> None:
        """Let the channel go."""
        self._channel.close()


def _retry_after_s(error: Any) -> float | None:
    """The delay of a google.rpc.RetryInfo, which alone says that exhausted resources may come back."""
    for name, value in error.trailing_metadata() or ():
        if name != "grpc-status-details-bin":
            continue
        try:
            details = Status.FromString(value).details
        except DecodeError:
            return None
        for detail in details:
            info = RetryInfo()
            if detail.Unpack(info):
                return float(info.retry_delay.seconds + info.retry_delay.nanos / 1e9)
    return None
