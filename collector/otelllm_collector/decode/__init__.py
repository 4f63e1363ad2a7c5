"""OTLP bytes to rows. Pure: a body that is no OTLP raises `Undecodable`, a bad record in a good body is counted."""

from __future__ import annotations

from typing import Literal

from ..rows import Batch
from .logs import read_logs
from .metrics import read_metrics
from .spans import read_spans
from .wire import REQUESTS, Undecodable, parse

__all__ = ["Signal", "Undecodable", "decode"]

Signal = Literal["traces", "metrics", "logs"]

_READERS = {"traces": read_spans, "metrics": read_metrics, "logs": read_logs}


def decode(signal: Signal, body: bytes, *, is_json: bool, now_ns: int) -> Batch:
    """Rows of one export request; `now_ns` is when it came."""
    batch = Batch()
    request = parse(REQUESTS[signal], body, is_json=is_json, refuse=batch.refuse)
    _READERS[signal](request, batch, now_ns)
    return batch
