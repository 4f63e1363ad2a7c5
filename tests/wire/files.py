"""Wire files: bytes as a provider sends them. The first line of each says where it is from and is not sent."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

__all__ = ["FOLDER", "body", "edited", "event", "events", "lines"]

FOLDER = Path(__file__).parent


def body(name: str) -> bytes:
    """The bytes of a whole answer, such as ``openai/chat.json``."""
    return (FOLDER / name).read_bytes().split(b"\n", 1)[1]


def events(name: str) -> list[bytes]:
    """The server-sent events of a stream, such as ``openai/chat_stream.sse``, each with its blank line."""
    return [block.strip(b"\n") + b"\n\n" for block in body(name).split(b"\n\n") if block.strip()]


def lines(name: str) -> list[bytes]:
    """The JSON objects of a stream of one a line, such as ``ollama/chat_stream.ndjson``, each with its newline."""
    return [line + b"\n" for line in body(name).splitlines() if line]


def event(data: dict[str, Any] | str, kind: str | None = None) -> bytes:
    """One server-sent event."""
    text = data if isinstance(data, str) else json.dumps(data)
    return (f"event: {kind}\n" if kind else "").encode() + b"data: " + text.encode() + b"\n\n"


def edited(name: str, **changes: Any) -> dict[str, Any]:
    """A whole answer with some of its top-level fields replaced."""
    return {**json.loads(body(name)), **changes}
