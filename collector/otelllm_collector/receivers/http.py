"""OTLP over HTTP: https://opentelemetry.io/docs/specs/otlp/#otlphttp. An answer of 200 means: committed to disk."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from concurrent.futures import Executor
from typing import Any, NamedTuple

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceResponse
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceResponse
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from ..answers import RETRY_AFTER, answer
from ..commits import Commits, Rejected
from ..decode import Signal, Undecodable, decode
from ..decode.inflate import ENCODINGS, TooLarge, inflate
from ..questions import Busy
from ..rows import Batch, TooMany

__all__ = ["OtlpHttp"]

log = logging.getLogger(__name__)

PROTOBUF = "application/x-protobuf"
JSON = "application/json"

_RESPONSES: dict[Signal, tuple[Callable[[], Any], str, str]] = {
    "traces": (ExportTraceServiceResponse, "rejected_spans", "rejectedSpans"),
    "metrics": (ExportMetricsServiceResponse, "rejected_data_points", "rejectedDataPoints"),
    "logs": (ExportLogsServiceResponse, "rejected_log_records", "rejectedLogRecords"),
}


class _Refused(Exception):  # noqa: N818  a refusal is no error of ours
    """A request that is answered with an error."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class _Form(NamedTuple):
    """How the body is written."""

    is_json: bool
    encoding: str


class OtlpHttp:
    """The three OTLP routes."""

    def __init__(
        self,
        commits: Commits,
        decoding: Executor,
        *,
        body_limit: int,
        in_flight_limit: int,
        now_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        self._commits, self._decoding = commits, decoding
        self._body_limit, self._in_flight_limit = body_limit, in_flight_limit
        self._now_ns = now_ns
        self._in_flight = 0

    @property
    def routes(self) -> list[Route]:
        """One route a signal."""
        return [
            Route(f"/v1/{signal}", self._receiver(signal), methods=["POST"], name=f"otlp-{signal}")
            for signal in _RESPONSES
        ]

    def _receiver(self, signal: Signal) -> Callable[[Request], Any]:
        async def receive(request: Request) -> Response:
            held = [0]
            is_json = _media_type(request) == JSON
            try:
                form = _read_form(request)
                batch = await self._keep(signal, request, form, held)
                return _accepted(signal, batch, is_json=form.is_json)
            except _Refused as error:
                return _failed(error.status, str(error), is_json=is_json)
            except ClientDisconnect:
                return _failed(400, "the sender hung up before the body was whole", is_json=is_json)
            finally:
                self._in_flight -= held[0]

        return receive

    async def _keep(self, signal: Signal, request: Request, form: _Form, held: list[int]) -> Batch:
        body = await self._read_body(request, held)
        loop = asyncio.get_running_loop()
        try:
            if form.encoding != "identity":
                body = await loop.run_in_executor(self._decoding, inflate, body, form.encoding, self._body_limit)
                self._hold(len(body), held)
            batch = await loop.run_in_executor(
                self._decoding, lambda: decode(signal, body, is_json=form.is_json, now_ns=self._now_ns())
            )
            if batch.size:
                await asyncio.wrap_future(self._commits.submit(batch))
        except (TooLarge, TooMany) as error:
            raise _Refused(413, str(error)) from error
        except Undecodable as error:
            raise _Refused(400, str(error)) from error
        except Rejected as error:
            raise _Refused(400, str(error)) from error
        except Busy as error:
            raise _Refused(503, str(error)) from error
        return batch

    async def _read_body(self, request: Request, held: list[int]) -> bytes:
        too_large = f"the body is larger than {self._body_limit // 2**20} MB; send smaller batches"
        declared = request.headers.get("content-length", "")
        if declared.isdigit() and int(declared) > self._body_limit:
            raise _Refused(413, too_large)
        pieces: list[bytes] = []
        async for piece in request.stream():
            self._hold(len(piece), held)
            if held[0] > self._body_limit:
                raise _Refused(413, too_large)
            pieces.append(piece)
        return b"".join(pieces)

    def _hold(self, size: int, held: list[int]) -> None:
        """Count bytes that are accepted and not yet committed; senders wait with them, not we."""
        if held[0] + size < self._in_flight + size > self._in_flight_limit:
            raise _Refused(503, "the collector has more in hand than it can write; send this again in a second")
        self._in_flight += size
        held[0] += size


def _read_form(request: Request) -> _Form:
    media_type = _media_type(request)
    if media_type not in (PROTOBUF, JSON):
        raise _Refused(415, f"Content-Type {media_type!r} is not taken; send {PROTOBUF} or {JSON}")
    encoding = request.headers.get("content-encoding", "identity").strip().lower() or "identity"
    if encoding not in ENCODINGS:
        raise _Refused(415, f"Content-Encoding {encoding!r} is not taken; send one of {', '.join(ENCODINGS)}")
    return _Form(media_type == JSON, encoding)


def _media_type(request: Request) -> str:
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


def _accepted(signal: Signal, batch: Batch, *, is_json: bool) -> Response:
    kind, field, json_field = _RESPONSES[signal]
    count = sum(batch.refused.values())
    message = "; ".join(f"{number} x {reason}" for reason, number in sorted(batch.refused.items()))
    if is_json:
        return answer({"partialSuccess": {json_field: str(count), "errorMessage": message}} if count else {})
    response = kind()
    if count:
        setattr(response.partial_success, field, count)
        response.partial_success.error_message = message
    return Response(response.SerializeToString(), media_type=PROTOBUF)


def _failed(status: int, message: str, *, is_json: bool) -> Response:
    """The body is a google.rpc.Status, as OTLP has it; its code is left out, for the HTTP status says it."""
    headers = RETRY_AFTER if status in (429, 503) else None
    if is_json:
        return answer({"message": message, "error": message}, status, headers)
    text = message.encode()
    return Response(b"\x12" + _varint(len(text)) + text, status, headers, media_type=PROTOBUF)


def _varint(number: int) -> bytes:
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    return bytes([*out, number])
