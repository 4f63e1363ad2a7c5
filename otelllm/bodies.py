"""A body that the app reads as bytes, not through its SDK's stream: events as they come, or the whole at its end."""

from __future__ import annotations

from typing import Any

import orjson

from .fields import fields

__all__ = ["Body"]

MOST = 8 << 20
"""A whole body larger than this is not kept to be read: it is the app's own, and would be in memory twice."""

_SOUND = ("audio/", "video/", "image/", "application/octet-stream")


class Body:
    """What came of one body. Sound and the like is handed on piece by piece, as events are."""

    __slots__ = ("_data", "_line", "_pieces", "_size", "is_binary", "is_events")

    def __init__(self, content_type: str, *, takes_bytes: bool) -> None:
        kind = content_type.strip().lower()
        self.is_events = kind.startswith("text/event-stream")
        self.is_binary = takes_bytes and kind.startswith(_SOUND)
        self._pieces: list[bytes] = []
        self._size = 0
        self._line = b""
        self._data: list[bytes] = []

    def feed(self, piece: bytes) -> list[Any]:
        """The chunks that are whole with `piece`: events as their JSON reads, or a binary body's piece itself."""
        if self.is_binary:
            return [piece]
        if self.is_events:
            return self._events(piece)
        self._size += len(piece)
        if self._size <= MOST:
            self._pieces.append(piece)
        else:
            self._pieces.clear()
        return []

    def whole(self) -> bytes:
        """The body that came in no chunks; nothing of it where it was too large."""
        return b"".join(self._pieces)

    def _events(self, piece: bytes) -> list[Any]:
        found: list[Any] = []
        *lines, self._line = (self._line + piece).split(b"\n")
        for line in lines:
            text = line.rstrip(b"\r")
            if text.startswith(b"data:"):
                self._data.append(text[5:].lstrip(b" "))
            elif not text and self._data:
                data, self._data = b"\n".join(self._data), []
                if data[:1] == b"{":
                    found.append(fields(orjson.loads(data)))
        return found
