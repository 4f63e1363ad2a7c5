"""AWS' event stream, as Bedrock frames its streams: written from the format's description, beside the library's own."""

from __future__ import annotations

import base64
import json
import zlib
from typing import TYPE_CHECKING, Any

from .files import body
from .server import Reply

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .server import Step

__all__ = ["chunk", "events", "exception", "frame", "stream"]


def frame(payload: dict[str, Any], **headers: str) -> bytes:
    """One message: two lengths and their checksum, headers, payload, a checksum of all; numbers have 4 bytes."""
    content = json.dumps(payload).encode()
    told = b"".join(
        bytes([len(name) + 1]) + b":" + name.replace("_", "-").encode() + b"\x07" + _number(len(value), 2)
        + value.encode()
        for name, value in headers.items()
    )  # fmt: skip
    lengths = _number(16 + len(told) + len(content)) + _number(len(told))
    message = lengths + _number(zlib.crc32(lengths)) + told + content
    return message + _number(zlib.crc32(message))


def _number(value: int, size: int = 4) -> bytes:
    return value.to_bytes(size, "big")


def event(kind: str, payload: dict[str, Any]) -> bytes:
    """An event of this kind."""
    return frame(payload, event_type=kind, content_type="application/json", message_type="event")


def exception(kind: str, message: str) -> bytes:
    """An error inside a stream, such as throttlingException."""
    return frame({"message": message}, exception_type=kind, content_type="application/json", message_type="exception")


def chunk(payload: dict[str, Any]) -> bytes:
    """A chunk of InvokeModelWithResponseStream: the model's own JSON, as base64."""
    return event("chunk", {"bytes": base64.b64encode(json.dumps(payload).encode()).decode(), "p": "abcd"})


def events(name: str, *, chunks: bool = False) -> list[bytes]:
    """The frames of a wire file: a JSON object a line, {kind: event}, or with `chunks` the model's own."""
    lines = [json.loads(line) for line in body(name).splitlines() if line.strip()]
    return [chunk(line) if chunks else event(*next(iter(line.items()))) for line in lines]


def stream(steps: Iterable[Step]) -> Reply:
    """A reply of frames."""
    return Reply(
        steps=list(steps), content_type="application/vnd.amazon.eventstream", headers={"x-amzn-requestid": "req_stream"}
    )
