"""Frames of AWS' event stream, as a static answer needs them: a length, headers, a payload, each under a checksum."""

from __future__ import annotations

import struct
from binascii import crc32
from collections.abc import Mapping

__all__ = ["frame"]

_TEXT = 7
"""The type of a header whose value is a text."""


def frame(event: str, payload: bytes) -> bytes:
    """One event of this name with a JSON payload."""
    headers = _headers({":event-type": event, ":content-type": "application/json", ":message-type": "event"})
    length = 4 * 4 + len(headers) + len(payload)
    prelude = struct.pack("!II", length, len(headers))
    body = prelude + struct.pack("!I", crc32(prelude)) + headers + payload
    return body + struct.pack("!I", crc32(body))


def _headers(values: Mapping[str, str]) -> bytes:
    return b"".join(
        struct.pack("!B", len(name)) + name.encode() + struct.pack("!BH", _TEXT, len(value)) + value.encode()
        for name, value in values.items()
    )
