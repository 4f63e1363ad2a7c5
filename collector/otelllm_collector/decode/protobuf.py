"""Spans out of protobuf's wire format, straight to plain values: https://protobuf.dev/programming-guides/encoding/

What the collector does once for each attribute is here. `make native` compiles this file by mypyc; uncompiled it gives
the same, slower. Every index is checked in either form: a body can be wrong, it can't reach other memory.

What this reader does not understand (groups, text that is no UTF-8) is a `ValueError` or an `IndexError`; `wire.py`
then lets protobuf's own parser judge. A span beyond our limits is `OverLimit`: it alone is refused.
"""

from __future__ import annotations

import base64
import math
from struct import Struct
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mypy_extensions import i64

__all__ = [
    "ATTRIBUTES_LIMIT",
    "TOO_MANY_ATTRIBUTES",
    "OverLimit",
    "WireSpan",
    "read_attributes",
    "read_fields",
    "read_span",
]

_MAX_DEPTH = 100
"""As deep as protobuf's own parsers go."""

ATTRIBUTES_LIMIT = 10_000
"""Of one span, event, link or map, and events and links of one span. Messages that are told attribute by attribute make
some thousands; an attribute that takes 8 bytes on the wire takes 150 here."""

TOO_MANY_ATTRIBUTES = f"more than {ATTRIBUTES_LIMIT:,} attributes, events or links"

_double = Struct("<d").unpack_from


class OverLimit(Exception):  # noqa: N818  says what happened, as the library's own do
    """One span brings more than is taken of one; the text says what."""


class WireSpan:
    """One span's fields, absent ones as protobuf has them: empty or 0."""

    __slots__ = (
        "attributes", "dropped_attributes", "dropped_events", "dropped_links", "end_ns", "events", "flags", "kind",
        "links", "name", "parent_span_id", "span_id", "start_ns", "status", "status_message", "trace_id", "trace_state",
    )  # fmt: skip

    def __init__(self) -> None:
        self.trace_id: bytes = b""
        self.span_id: bytes = b""
        self.parent_span_id: bytes = b""
        self.name: str = ""
        self.trace_state: str = ""
        self.kind: int = 0
        self.flags: int = 0
        self.start_ns: int = 0
        self.end_ns: int = 0
        self.attributes: dict[str, Any] = {}
        self.events: list[dict[str, Any]] = []
        self.links: list[dict[str, Any]] = []
        self.dropped_attributes: int = 0
        self.dropped_events: int = 0
        self.dropped_links: int = 0
        self.status: int = -1
        """-1 where there is no status at all."""
        self.status_message: str = ""


def _varint(body: bytes, at: i64, end: i64) -> tuple[i64, i64]:
    """A number of 64 bits, the highest of them its sign, and where it ends: before `end`."""
    value: i64 = 0
    shift: i64 = 0
    while shift < 63:
        if at >= end:
            raise ValueError("a number longer than what it is in")
        byte: i64 = body[at]
        at += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, at
        shift += 7
    if at >= end or (byte := body[at]) > 1:
        raise ValueError("a number of more than 64 bits")
    if byte:
        value += -9_223_372_036_854_775_807 - 1
    return value, at + 1


def _size(body: bytes, at: i64, end: i64) -> tuple[i64, i64]:
    """Where a field that says its length begins and where it ends."""
    size, at = _varint(body, at, end)
    if size < 0 or size > end - at:
        raise ValueError("a field longer than what it is in")
    return at, at + size


def _check(tag: i64) -> None:
    if tag < 8 or tag > 0xFFFFFFFF:
        raise ValueError("a field without a number, or of one that is too large")


def _skipped(body: bytes, at: i64, end: i64, tag: i64) -> i64:
    """Where a field that nobody here reads ends."""
    _check(tag)
    kind = tag & 7
    if kind == 0:
        return _varint(body, at, end)[1]
    if kind == 2:
        return _size(body, at, end)[1]
    if kind == 1:
        at += 8
    elif kind == 5:
        at += 4
    else:
        raise ValueError("a group, which OTLP has none of")
    if at > end:
        raise ValueError("a field longer than what it is in")
    return at


def read_fields(body: bytes, at: i64, end: i64, number: i64) -> list[tuple[int, int]]:
    """Where each submessage or text of this field number begins and ends, in order."""
    wanted = number << 3 | 2
    found: list[tuple[int, int]] = []
    while at < end:
        tag, at = _varint(body, at, end)
        if tag == wanted:
            begin, at = _size(body, at, end)
            found.append((begin, at))
        else:
            at = _skipped(body, at, end, tag)
    return found


def read_attributes(body: bytes, at: i64, end: i64, found: dict[str, Any], depth: i64) -> None:
    """Add one KeyValue to `found`; of a key that comes twice the last one counts."""
    key = ""
    value: Any = None
    while at < end:
        tag, at = _varint(body, at, end)
        if tag == 10:
            begin, at = _size(body, at, end)
            key = body[begin:at].decode()
        elif tag == 18:
            begin, at = _size(body, at, end)
            value = _any_value(body, begin, at, depth + 1)
        else:
            at = _skipped(body, at, end, tag)
    found[key] = value
    if len(found) > ATTRIBUTES_LIMIT:
        raise OverLimit(TOO_MANY_ATTRIBUTES)


def _any_value(body: bytes, at: i64, end: i64, depth: i64) -> Any:
    """A value that JSON can hold; what it can't is tagged: {"$bytes": base64}, {"$double": "NaN"}."""
    if depth > _MAX_DEPTH:
        raise OverLimit("a value is nested deeper than protobuf's own parsers go")
    value: Any = None
    while at < end:
        tag, at = _varint(body, at, end)
        if tag == 10:
            begin, at = _size(body, at, end)
            value = body[begin:at].decode()
        elif tag == 24:
            number, at = _varint(body, at, end)
            value = number
        elif tag == 33:
            if at + 8 > end:
                raise ValueError("a field longer than what it is in")
            value = _finite(_double(body, at)[0])
            at += 8
        elif tag == 16:
            number, at = _varint(body, at, end)
            value = number != 0
        elif tag == 42:
            begin, at = _size(body, at, end)
            value = _list(body, begin, at, depth + 1)
        elif tag == 50:
            begin, at = _size(body, at, end)
            value = _mapping(body, begin, at, depth + 1)
        elif tag == 58:
            begin, at = _size(body, at, end)
            value = {"$bytes": base64.b64encode(body[begin:at]).decode()}
        else:
            at = _skipped(body, at, end, tag)
    return value


def _list(body: bytes, at: i64, end: i64, depth: i64) -> list[Any]:
    made: list[Any] = []
    while at < end:
        tag, at = _varint(body, at, end)
        if tag == 10:
            begin, at = _size(body, at, end)
            made.append(_any_value(body, begin, at, depth + 1))
        else:
            at = _skipped(body, at, end, tag)
    return made


def _mapping(body: bytes, at: i64, end: i64, depth: i64) -> dict[str, Any]:
    made: dict[str, Any] = {}
    while at < end:
        tag, at = _varint(body, at, end)
        if tag == 10:
            begin, at = _size(body, at, end)
            read_attributes(body, begin, at, made, depth + 1)
        else:
            at = _skipped(body, at, end, tag)
    if len(made) == 1 and next(iter(made)).startswith("$"):
        return {"$kvlist": made}  # it looks like a tag of ours, and is none
    return made


def _finite(number: float) -> Any:
    if math.isfinite(number):
        return number
    if math.isnan(number):
        return {"$double": "NaN"}
    return {"$double": "Infinity" if number > 0 else "-Infinity"}


def read_span(body: bytes, at: i64, end: i64) -> WireSpan:
    """The span that stands between `at` and `end`."""
    span = WireSpan()
    while at < end:
        tag, at = _varint(body, at, end)
        _check(tag)
        kind = tag & 7
        if kind == 2:
            begin, at = _size(body, at, end)
            _set_sized(span, tag >> 3, body, begin, at)
        elif kind == 1:
            if at + 8 > end:
                raise ValueError("a field longer than what it is in")
            if tag == 57:
                span.start_ns = int.from_bytes(body[at : at + 8], "little")
            elif tag == 65:
                span.end_ns = int.from_bytes(body[at : at + 8], "little")
            at += 8
        elif kind == 0:
            number, at = _varint(body, at, end)
            _set_number(span, tag >> 3, number)
        elif tag == 133:
            if at + 4 > end:
                raise ValueError("a field longer than what it is in")
            span.flags = int.from_bytes(body[at : at + 4], "little")
            at += 4
        else:
            at = _skipped(body, at, end, tag)
    return span


def _set_sized(span: WireSpan, number: i64, body: bytes, at: i64, end: i64) -> None:
    if number == 9:
        read_attributes(body, at, end, span.attributes, 1)
    elif number == 1:
        span.trace_id = body[at:end]
    elif number == 2:
        span.span_id = body[at:end]
    elif number == 4:
        span.parent_span_id = body[at:end]
    elif number == 5:
        span.name = body[at:end].decode()
    elif number == 11:
        span.events.append(_event(body, at, end))
        if len(span.events) > ATTRIBUTES_LIMIT:
            raise OverLimit(TOO_MANY_ATTRIBUTES)
    elif number == 15:
        _set_status(span, body, at, end)
    elif number == 3:
        span.trace_state = body[at:end].decode()
    elif number == 13:
        span.links.append(_link(body, at, end))
        if len(span.links) > ATTRIBUTES_LIMIT:
            raise OverLimit(TOO_MANY_ATTRIBUTES)


def _set_number(span: WireSpan, number: i64, value: i64) -> None:
    if number == 6:
        span.kind = _signed_32(value)
    elif number == 10:
        span.dropped_attributes = value & 0xFFFFFFFF
    elif number == 12:
        span.dropped_events = value & 0xFFFFFFFF
    elif number == 14:
        span.dropped_links = value & 0xFFFFFFFF


def _signed_32(value: i64) -> int:
    """An enum's number, of which protobuf keeps the low 32 bits."""
    low = value & 0xFFFFFFFF
    return low - 0x100000000 if low > 0x7FFFFFFF else low


def _set_status(span: WireSpan, body: bytes, at: i64, end: i64) -> None:
    span.status = max(span.status, 0)
    while at < end:
        tag, at = _varint(body, at, end)
        if tag == 18:
            begin, at = _size(body, at, end)
            span.status_message = body[begin:at].decode()
        elif tag == 24:
            number, at = _varint(body, at, end)
            span.status = _signed_32(number)
        else:
            at = _skipped(body, at, end, tag)


def _event(body: bytes, at: i64, end: i64) -> dict[str, Any]:
    name = ""
    time_ns = 0
    attributes: dict[str, Any] = {}
    dropped = 0
    while at < end:
        tag, at = _varint(body, at, end)
        if tag == 9 and at + 8 <= end:
            time_ns = int.from_bytes(body[at : at + 8], "little")
            at += 8
        elif tag == 18:
            begin, at = _size(body, at, end)
            name = body[begin:at].decode()
        elif tag == 26:
            begin, at = _size(body, at, end)
            read_attributes(body, begin, at, attributes, 2)
        elif tag == 32:
            number, at = _varint(body, at, end)
            dropped = number & 0xFFFFFFFF
        else:
            at = _skipped(body, at, end, tag)
    made: dict[str, Any] = {"name": name, "time_ns": time_ns, "attributes": attributes}
    if dropped:
        made["dropped_attributes"] = dropped
    return made


def _link(body: bytes, at: i64, end: i64) -> dict[str, Any]:
    trace_id = span_id = b""
    trace_state = ""
    attributes: dict[str, Any] = {}
    dropped = flags = 0
    while at < end:
        tag, at = _varint(body, at, end)
        if tag == 10:
            begin, at = _size(body, at, end)
            trace_id = body[begin:at]
        elif tag == 18:
            begin, at = _size(body, at, end)
            span_id = body[begin:at]
        elif tag == 26:
            begin, at = _size(body, at, end)
            trace_state = body[begin:at].decode()
        elif tag == 34:
            begin, at = _size(body, at, end)
            read_attributes(body, begin, at, attributes, 2)
        elif tag == 40:
            number, at = _varint(body, at, end)
            dropped = number & 0xFFFFFFFF
        elif tag == 53 and at + 4 <= end:
            flags = int.from_bytes(body[at : at + 4], "little")
            at += 4
        else:
            at = _skipped(body, at, end, tag)
    made: dict[str, Any] = {"trace_id": trace_id.hex(), "span_id": span_id.hex(), "attributes": attributes}
    if trace_state:
        made["trace_state"] = trace_state
    if flags:
        made["flags"] = flags
    if dropped:
        made["dropped_attributes"] = dropped
    return made
