"""An export request without the spans in it that nobody can read: one of them must not cost its neighbours.

Protobuf's own parsers refuse a request as a whole for one wrong byte in it. Here only the span in which that stands is
left out, as long as the messages around it say where it ends. What is sent onward has to go without it, too: put
together with others it would cost all of those.
"""

from __future__ import annotations

from google.protobuf.message import DecodeError  # type: ignore[import-untyped]  # protobuf publishes no types
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from .protobuf import OverLimit, read_fields, read_span

__all__ = ["without_unreadable"]

# Field numbers of opentelemetry/proto/collector/trace/v1/trace_service.proto and below.
_RESOURCE_SPANS, _SCOPE_SPANS, _SPANS = 1, 2, 2
_SENDER, _SCHEMA_URL = 1, 3


def without_unreadable(body: bytes) -> tuple[bytes, int]:
    """The request, and how many spans it is without; `ValueError` or `IndexError` where it is broken elsewhere."""
    made, unreadable = bytearray(), 0
    for at, end in read_fields(body, 0, len(body), _RESOURCE_SPANS):
        of_resource = _copied(body, at, end, _SENDER)
        for inner, stop in read_fields(body, at, end, _SCOPE_SPANS):
            of_scope = _copied(body, inner, stop, _SENDER)
            for begin, over in read_fields(body, inner, stop, _SPANS):
                if _is_readable(body, begin, over):
                    of_scope += _field(_SPANS, body[begin:over])
                else:
                    unreadable += 1
            of_resource += _field(_SCOPE_SPANS, of_scope + _copied(body, inner, stop, _SCHEMA_URL))
        made += _field(_RESOURCE_SPANS, of_resource + _copied(body, at, end, _SCHEMA_URL))
    return bytes(made), unreadable


def _is_readable(body: bytes, begin: int, over: int) -> bool:
    try:
        read_span(body, begin, over)
    except OverLimit:
        return False
    except (ValueError, IndexError):
        try:
            Span.FromString(body[begin:over])
        except DecodeError:
            return False
    return True


def _copied(body: bytes, at: int, end: int, number: int) -> bytes:
    return b"".join(_field(number, body[begin:over]) for begin, over in read_fields(body, at, end, number))


def _field(number: int, content: bytes) -> bytes:
    size, length = len(content), bytearray()
    while size > 127:
        length.append(size & 127 | 128)
        size >>= 7
    return bytes([number << 3 | 2, *length, size]) + content
