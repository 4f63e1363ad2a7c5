"""Plain values to OTLP's AnyValue: the way back of `decode/values.py`."""

from __future__ import annotations

import base64
from typing import Any

from opentelemetry.proto.common.v1.common_pb2 import AnyValue

__all__ = ["number", "put_attributes", "put_value"]


def put_attributes(target: Any, attributes: dict[str, Any], field: str = "attributes") -> None:
    """Add attributes to whatever has some."""
    pairs = getattr(target, field)
    for key, value in attributes.items():
        put_value(pairs.add(key=key).value, value)


def put_value(target: AnyValue, value: Any) -> None:
    """Let `target` be the value."""
    if isinstance(value, str):
        target.string_value = value
    elif isinstance(value, bool):
        target.bool_value = value
    elif isinstance(value, int):
        target.int_value = value
    elif isinstance(value, float):
        target.double_value = value
    elif isinstance(value, list):
        target.array_value.SetInParent()
        for item in value:
            put_value(target.array_value.values.add(), item)
    elif isinstance(value, dict):
        _put_mapping(target, value)
    else:
        target.SetInParent()


def number(value: Any) -> float:
    """A number, or what stands for one that JSON has no spelling for."""
    return float(value["$double"] if isinstance(value, dict) else value)


def _put_mapping(target: AnyValue, value: dict[str, Any]) -> None:
    """A map, or what stands for a value that JSON has no spelling for (see decode/values.py)."""
    tag = next(iter(value)) if len(value) == 1 else None
    if tag == "$bytes":
        target.bytes_value = base64.b64decode(value["$bytes"])
    elif tag == "$double":
        target.double_value = number(value)
    else:
        target.kvlist_value.SetInParent()
        for key, item in (value["$kvlist"] if tag == "$kvlist" else value).items():
            put_value(target.kvlist_value.values.add(key=key).value, item)
