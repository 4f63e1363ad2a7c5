"""OTLP/JSON onto protobuf messages: ids in hex, 64-bit integers as text or numbers, enums by name or number.

Protobuf's own json_format costs 400 µs a span and reads ids as base64 (COLLECTOR measurements); this walks plain dicts.
https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding
"""

from __future__ import annotations

import base64
from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple

from google.protobuf.descriptor import Descriptor, FieldDescriptor  # type: ignore[import-untyped]  # protobuf publishes no types
from google.protobuf.message import Message  # type: ignore[import-untyped]  # protobuf publishes no types

__all__ = ["BadJson", "fill"]

Refuse = Callable[[str], None]

HEX_FIELDS = {"trace_id", "span_id", "parent_span_id"}
RECORDS = {
    "opentelemetry.proto.trace.v1.Span",
    "opentelemetry.proto.logs.v1.LogRecord",
    "opentelemetry.proto.metrics.v1.Metric",
}
"""A fault inside one of these costs this record, not its neighbours."""

ATTRIBUTE = "opentelemetry.proto.common.v1.KeyValue"

MAX_DEPTH = 100
"""Protobuf's own parser stops at this depth too."""


class BadJson(Exception):  # noqa: N818  says what happened, as the library's own do
    """A value that is not what OTLP/JSON has in this place."""


class _Field(NamedTuple):
    name: str
    is_repeated: bool
    convert: Callable[[Any], Any] | None
    """None for messages."""
    is_record: bool
    is_attributes: bool


def fill(message: Message, source: object, refuse: Refuse, depth: int = 0) -> None:
    """Set the message's fields from a JSON object; unknown names are passed over, null is absent."""
    if not isinstance(source, dict):
        raise BadJson(f"{message.DESCRIPTOR.name} is {_kind(source)}, not an object")
    if depth > MAX_DEPTH:
        raise BadJson(f"nested deeper than {MAX_DEPTH}")
    fields = _fields(message.DESCRIPTOR)
    for key, value in source.items():
        field = fields.get(key)
        if field is None or value is None:
            continue
        try:
            _set(message, field, value, refuse, depth)
        except (TypeError, ValueError, OverflowError) as error:
            raise BadJson(f"{field.name}: {error}") from error


def _set(message: Message, field: _Field, value: Any, refuse: Refuse, depth: int) -> None:
    if field.is_repeated:
        if not isinstance(value, list):
            raise BadJson(f"{field.name} is {_kind(value)}, not a list")
        target = getattr(message, field.name)
        if field.convert is not None:
            target.extend([field.convert(item) for item in value])
        elif field.is_attributes:
            _add_attributes(target, value, refuse, depth)
        elif field.is_record:
            _add_records(target, value, refuse, depth)
        else:
            for item in value:
                fill(target.add(), item, refuse, depth + 1)
    elif field.convert is None:
        target = getattr(message, field.name)
        target.SetInParent()  # an empty object is there all the same: an AnyValue may hold an empty list
        fill(target, value, refuse, depth + 1)
    else:
        setattr(message, field.name, field.convert(value))


def _add_attributes(target: Any, items: list[Any], refuse: Refuse, depth: int) -> None:
    """Key and one plain value, as nearly all are, go straight in: half of a span's time else."""
    for item in items:
        pair = target.add()
        if (
            isinstance(item, dict)
            and len(item) == 2
            and isinstance(item.get("value"), dict)
            and len(item["value"]) == 1
        ):
            ((kind, value),) = item["value"].items()
            if "key" in item and kind in _PLAIN and value is not None:
                name, convert = _PLAIN[kind]
                pair.key = item["key"]
                setattr(pair.value, name, convert(value))
                continue
        fill(pair, item, refuse, depth + 1)


def _add_records(target: Any, items: list[Any], refuse: Refuse, depth: int) -> None:
    for item in items:
        try:
            fill(target.add(), item, refuse, depth + 1)
        except BadJson as error:
            del target[-1]
            refuse(str(error))


@cache
def _fields(descriptor: Descriptor) -> dict[str, _Field]:
    fields = {}
    for field in descriptor.fields:
        kind = field.message_type.full_name if field.message_type is not None else ""
        entry = _Field(field.name, _is_repeated(field), _converter(field), kind in RECORDS, kind == ATTRIBUTE)
        fields[field.json_name] = fields[field.name] = entry
    return fields


def _is_repeated(field: FieldDescriptor) -> bool:
    # Protobuf before 6.31 has only the label, and those after warn of it.
    if hasattr(field, "is_repeated"):
        return bool(field.is_repeated)
    return bool(field.label == FieldDescriptor.LABEL_REPEATED)


def _converter(field: FieldDescriptor) -> Callable[[Any], Any] | None:
    kind = field.cpp_type
    if kind == FieldDescriptor.CPPTYPE_MESSAGE:
        return None
    if field.type == FieldDescriptor.TYPE_BYTES:
        return _hexadecimal if field.name in HEX_FIELDS else _base64
    if kind == FieldDescriptor.CPPTYPE_ENUM:
        numbers = {name: value.number for name, value in field.enum_type.values_by_name.items()}
        return lambda value: numbers.get(value) if isinstance(value, str) else _integer(value)
    if kind in (FieldDescriptor.CPPTYPE_DOUBLE, FieldDescriptor.CPPTYPE_FLOAT):
        return _number
    if kind in (FieldDescriptor.CPPTYPE_BOOL, FieldDescriptor.CPPTYPE_STRING):
        return _identity
    return _integer


def _identity(value: Any) -> Any:
    return value  # protobuf's own setter refuses what is no bool or text


def _integer(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        raise BadJson(f"{_kind(value)} where an integer belongs")
    if isinstance(value, float) and not value.is_integer():
        raise BadJson(f"{value!r} where an integer belongs")
    return int(value)


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        raise BadJson(f"{_kind(value)} where a number belongs")
    return float(value)  # JSON has no NaN and Infinity: they come as text


def _hexadecimal(value: Any) -> bytes:
    try:
        return bytes.fromhex(value)
    except (TypeError, ValueError) as error:
        raise BadJson("an id is not hexadecimal") from error


def _base64(value: Any) -> bytes:
    try:
        # Both alphabets are allowed by protobuf's JSON mapping, with or without padding.
        standard = value.replace("-", "+").replace("_", "/").rstrip("=")
        return base64.b64decode(standard + "=" * (-len(standard) % 4), validate=True)
    except (AttributeError, ValueError) as error:
        raise BadJson("bytes are not base64") from error


def _kind(value: object) -> str:
    names = {dict: "an object", list: "a list", str: "text", bool: "a boolean", type(None): "null"}
    return names.get(type(value), "a number")


_PLAIN: dict[str, tuple[str, Callable[[Any], Any]]] = {
    "stringValue": ("string_value", _identity),
    "intValue": ("int_value", _integer),
    "doubleValue": ("double_value", _number),
    "boolValue": ("bool_value", _identity),
}
