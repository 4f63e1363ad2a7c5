"""Rows to OTLP: the way back of `decode`. Pure; what was made of a record at intake is left out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..questions import Signal
from ..rows import Batch
from .logs import encode_logs
from .metrics import encode_metrics
from .spans import encode_spans

__all__ = ["encode", "encode_logs", "encode_metrics", "encode_spans"]

_WRITERS: dict[Signal, Callable[[Batch], Any]] = {
    "traces": encode_spans,
    "logs": encode_logs,
    "metrics": encode_metrics,
}


def encode(signal: Signal, batch: Batch) -> bytes:
    """One export request in protobuf of the batch's records of this signal."""
    body: bytes = _WRITERS[signal](batch).SerializeToString()
    return body
