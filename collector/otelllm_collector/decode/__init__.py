"""OTLP bytes to rows. Pure: a body that is no OTLP raises `Undecodable`, a bad record in a good body is counted."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import orjson
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]  # protobuf publishes no types

from otelllm import semconv

from ..native import compiled_first
from ..questions import Signal
from ..rows import Batch

__path__ = compiled_first(__path__, "decode")

from .logs import read_logs
from .mending import without_unreadable
from .metrics import read_metrics
from .spans import read_spans
from .values import to_json
from .wire import REQUESTS, Undecodable, parse

__all__ = ["Decoded", "Signal", "Undecodable", "as_protobuf", "decode", "decode_whole"]

_READERS: dict[str, Callable[[Any, Batch, int], None]] = {"metrics": read_metrics, "logs": read_logs}


class Decoded(NamedTuple):
    """One export request."""

    batch: Batch
    body: bytes
    """As protobuf, without the records that nobody can read: decoded again it gives the same rows."""


def decode(signal: Signal, body: bytes, *, is_json: bool, now_ns: int, project: str | None = None) -> Batch:
    """Rows of one export request; `now_ns` is when it came, `project` goes onto its resources."""
    return decode_whole(signal, body, is_json=is_json, now_ns=now_ns, project=project).batch


def decode_whole(signal: Signal, body: bytes, *, is_json: bool, now_ns: int, project: str | None = None) -> Decoded:
    """The same, with the body as protobuf."""
    decoded = _decode(signal, body, is_json=is_json, now_ns=now_ns, project=project)
    if project is not None:  # which a score has nowhere else: it is kept without its sender
        for score in decoded.batch.scores:
            score.attributes = to_json({**orjson.loads(score.attributes), semconv.PROJECT: project})
    return decoded


def _decode(signal: Signal, body: bytes, *, is_json: bool, now_ns: int, project: str | None) -> Decoded:
    batch = Batch(project=project)
    if not is_json and signal == "traces":
        try:
            read_spans(body, batch, now_ns)
        except (ValueError, IndexError, DecodeError):  # no protobuf, or some that only its own parser understands
            batch = Batch(project=project)
        else:
            return Decoded(batch, body)
        body = _mended(body, batch)
    request = parse(REQUESTS[signal], body, is_json=is_json, refuse=batch.refuse)
    if is_json:
        body = request.SerializeToString()
    if signal == "traces":
        request.DiscardUnknownFields()
        read_spans(body if is_json else request.SerializeToString(), batch, now_ns)
    else:
        _READERS[signal](request, batch, now_ns)
    return Decoded(batch, body)


def _mended(body: bytes, batch: Batch) -> bytes:
    """The body without the spans that are no protobuf, counted; as it is where that saves nothing."""
    try:
        mended, unreadable = without_unreadable(body)
        spans = parse(REQUESTS["traces"], mended, is_json=False, refuse=batch.refuse).resource_spans
    except (ValueError, IndexError, Undecodable):  # broken around the spans
        return body
    if not unreadable or not any(scope.spans for of_resource in spans for scope in of_resource.scope_spans):
        return body
    for _ in range(unreadable):
        batch.refuse("the span is no protobuf, or nested too deep")
    return mended


def as_protobuf(signal: Signal, body: bytes) -> bytes:
    """OTLP/JSON as protobuf; records that JSON spells wrongly are left out, as `decode` leaves them out."""
    encoded: bytes = parse(REQUESTS[signal], body, is_json=True, refuse=lambda _: None).SerializeToString()
    return encoded
