"""OTLP over HTTP: https://opentelemetry.io/docs/specs/otlp/#otlphttp. An answer of 200 means: committed to disk."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from ..answers import RETRY_AFTER, answer
from ..decode import Signal
from ..decode.inflate import ENCODINGS
from ..decode.wire import RESPONSES
from ..operations import Answer, Body, Operation, Schema
from ..rows import Batch
from .intake import Arrival, Hold, Intake, Refused, Why, refusals

__all__ = ["OtlpHttp"]

PROTOBUF = "application/x-protobuf"
JSON = "application/json"

_BODIES: dict[str, Schema] = {PROTOBUF: {"type": "string", "format": "binary"}, JSON: {"type": "object"}}

_KINDS: dict[Signal, str] = {"traces": "Trace", "metrics": "Metrics", "logs": "Logs"}

_STATUSES: dict[Why, int] = {"bad": 400, "too_large": 413, "slow": 408, "full": 503, "busy": 503}


class _Form(NamedTuple):
    """How the body is written."""

    is_json: bool
    encoding: str


class OtlpHttp:
    """The three OTLP routes; `body_limit` is in bytes, before and after inflating."""

    def __init__(self, intake: Intake, *, body_limit: int) -> None:
        self._intake, self._body_limit = intake, body_limit

    @property
    def routes(self) -> list[Route]:
        """One route a signal."""
        return [
            Operation(
                f"/v1/{signal}",
                self._receiver(signal),
                method="POST",
                tag="otlp",
                about=f"OTLP {signal}, as exporters send them: https://opentelemetry.io/docs/specs/otlp/#otlphttp",
                arguments=None,
                body=Body(f"An Export{kind}ServiceRequest, up to {self._body_limit // 2**20} MB.", _BODIES),
                answers={200: Answer(f"Committed; an Export{kind}ServiceResponse.", _BODIES)},
                refusals=sorted({400, 415, *_STATUSES.values()}),
                errors={PROTOBUF: _BODIES[PROTOBUF]},
                name=f"otlp_{signal}",
            )
            for signal, kind in _KINDS.items()
        ]

    def _receiver(self, signal: Signal) -> Callable[[Request], Any]:
        async def receive(request: Request) -> Response:
            is_json, outcome, count = _media_type(request) == JSON, "failed", (0, 0)
            try:
                batch = await self._keep(signal, request)
                refused, _ = refusals(batch)
                outcome, count = "partial" if refused else "ok", (batch.size, refused)
                return _accepted(signal, batch, is_json=is_json)
            except Refused as error:
                outcome = error.why
                return _failed(_STATUSES[error.why], str(error), is_json=is_json)
            except HTTPException as error:
                outcome = "slow" if error.status_code == 408 else "bad"
                return _failed(error.status_code, error.detail, is_json=is_json, headers=error.headers)
            except ClientDisconnect:
                outcome = "gone"
                return _failed(400, "the sender hung up before the body was whole", is_json=is_json)
            finally:
                self._intake.telemetry.request(signal, "http", outcome, *count)

        return receive

    async def _keep(self, signal: Signal, request: Request) -> Batch:
        form = _read_form(request)
        with self._intake.hold() as hold:
            body = await self._read_body(request, hold)
            self._intake.telemetry.received(signal, "http", len(body))
            arrival = Arrival(signal, body, form.encoding, form.is_json, request.scope.get("otelllm.project"))
            return await self._intake.keep(arrival, self._body_limit, hold)

    async def _read_body(self, request: Request, hold: Hold) -> bytes:
        too_large = f"the body is larger than {self._body_limit // 2**20} MB; send smaller batches"
        declared = request.headers.get("content-length", "")
        if declared.isdigit() and int(declared) > self._body_limit:
            raise Refused("too_large", too_large)
        pieces: list[bytes] = []
        async for piece in request.stream():
            hold.add(len(piece))
            if hold.size > self._body_limit:
                raise Refused("too_large", too_large)
            pieces.append(piece)
        return b"".join(pieces)


def _read_form(request: Request) -> _Form:
    media_type = _media_type(request)
    if media_type not in (PROTOBUF, JSON):
        raise HTTPException(415, f"Content-Type {media_type!r} is not taken; send {PROTOBUF} or {JSON}")
    encoding = request.headers.get("content-encoding", "identity").strip().lower() or "identity"
    if encoding not in ENCODINGS:
        raise HTTPException(415, f"Content-Encoding {encoding!r} is not taken; send one of {', '.join(ENCODINGS)}")
    return _Form(media_type == JSON, encoding)


def _media_type(request: Request) -> str:
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


def _accepted(signal: Signal, batch: Batch, *, is_json: bool) -> Response:
    kind, field, json_field = RESPONSES[signal]
    count, message = refusals(batch)
    if is_json:
        return answer({"partialSuccess": {json_field: str(count), "errorMessage": message}} if count else {})
    response = kind()
    if count:
        setattr(response.partial_success, field, count)
        response.partial_success.error_message = message
    return Response(response.SerializeToString(), media_type=PROTOBUF)


def _failed(status: int, message: str, *, is_json: bool, headers: Any = None) -> Response:
    """The body is a google.rpc.Status, as OTLP has it; its code is left out, for the HTTP status says it."""
    headers = RETRY_AFTER if status in (429, 503) else headers
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
