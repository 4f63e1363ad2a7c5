"""Protobuf bodies as OTLP/JSON, for backends that take nothing else. Ids are hexadecimal there, not base64."""

from __future__ import annotations

import base64
from typing import Any

import orjson
from google.protobuf.json_format import MessageToDict  # type: ignore[import-untyped]  # protobuf publishes no types

from ..decode.wire import REQUESTS

__all__ = ["as_json"]

_IDS = ("traceId", "spanId", "parentSpanId")


def as_json(signal: str, body: bytes) -> bytes:
    """One export request as OTLP/JSON."""
    made = MessageToDict(REQUESTS[signal].FromString(body), use_integers_for_enums=True)
    _spell_ids(made)
    return orjson.dumps(made)


def _spell_ids(value: Any) -> None:
    if isinstance(value, list):
        for one in value:
            _spell_ids(one)
    elif isinstance(value, dict):
        for name, inner in value.items():
            if name in _IDS and isinstance(inner, str):
                value[name] = base64.b64decode(inner).hex()
            elif name != "attributes":  # in which nothing is an id
                _spell_ids(inner)
