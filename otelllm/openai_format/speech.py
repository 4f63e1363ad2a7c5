"""Speech: a text in, its sound out, as it is or as events; billed by characters or by tokens."""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Mapping
from hashlib import sha256
from typing import Any

from .. import semconv
from ..blobs import kept_in
from ..bodies import Body
from ..call import Part, Reading, Request
from ..capture import blob
from ..fields import decoded, plain
from ..parts import text
from ..spec import Delta
from ..stainless import merged, read_error_body
from .parameters import read_common
from .usage import merge_usage, read_usage

__all__ = ["SPEECH"]

_EVENTS = (b"event:", b"data:")
_KINDS = (
    (b"ID3", "audio/mpeg"), (b"RIFF", "audio/wav"), (b"fLaC", "audio/flac"), (b"OggS", "audio/ogg"),
    (b"\xff\xf1", "audio/aac"), (b"\xff\xf9", "audio/aac"), (b"\xff", "audio/mpeg"),
)  # fmt: skip


class Speech:
    operation = semconv.SPEECH
    takes_bytes = True

    def read_request(self, kwargs: Mapping[str, Any]) -> Request:
        kwargs = merged(kwargs)
        request = read_common(kwargs)
        request.attributes[semconv.OUTPUT_TYPE] = "speech"
        if spoken := plain(kwargs.get("input")):
            request.counted = {"characters": len(spoken)}
        return request

    def read_input(self, request: Request, kwargs: Mapping[str, Any]) -> None:
        kwargs = merged(kwargs)
        if spoken := plain(kwargs.get("input")):
            request.messages = [{"role": "user", "parts": [text(spoken)]}]
        if instructions := plain(kwargs.get("instructions")):
            request.system = [text(instructions)]

    def read_response(self, reading: Reading, body: Any, captures: bool) -> None:
        content = body if isinstance(body, bytes) else getattr(body, "content", None)
        if not isinstance(content, bytes):
            read_error_body(reading, body)
        elif not isinstance(said := decoded(content), bytes):
            read_error_body(reading, said)
        else:
            events = Body("text/event-stream" if content.startswith(_EVENTS) else "audio/*", takes_bytes=True)
            for chunk in events.feed(content):
                self.fold_chunk(reading, chunk, captures)
            self.finish(reading, captures)

    def fold_chunk(self, reading: Reading, chunk: Any, captures: bool) -> Delta:
        if isinstance(chunk, bytes):
            _keep(reading, chunk, captures)
            return 2
        kind = getattr(chunk, "type", None)
        if kind == "speech.audio.delta":
            reading.unfinished = True
            _keep(reading, b64decode(getattr(chunk, "audio", None) or "") if captures else b"", captures)
            return 2
        if kind == "speech.audio.done":
            reading.unfinished = False
            merge_usage(reading, read_usage(getattr(chunk, "usage", None)))
        elif isinstance(data := getattr(chunk, "b64", None), str):  # compatible servers' word for a delta
            reading.model = plain(getattr(chunk, "model", None)) or reading.model
            _keep(reading, b64decode(data) if captures else b"", captures)
            return 2
        else:
            read_error_body(reading, chunk)
        return 0

    def finish(self, reading: Reading, captures: bool) -> None:
        sound, reading.partial = reading.partial, None
        if sound is not None and captures:
            reading.messages = [{"role": "assistant", "parts": [sound.part()]}]

    def answer(self, request: Request, text: str) -> bytes | None:
        return None


class _Sound:
    """What came of a sound so far: its kind by its first bytes, its size and hash; itself where it is stored apart."""

    __slots__ = ("_hash", "_kind", "_pieces", "_size")

    def __init__(self, beginning: bytes) -> None:
        self._kind = next((kind for magic, kind in _KINDS if beginning.startswith(magic)), "audio/*")
        self._hash = sha256()
        self._size = 0
        self._pieces: list[bytes] | None = [] if kept_in() is not None else None

    def add(self, piece: bytes) -> None:
        self._hash.update(piece)
        self._size += len(piece)
        if self._pieces is not None:
            self._pieces.append(piece)

    def part(self) -> Part:
        if self._pieces is not None:
            return blob(self._kind, "audio", b"".join(self._pieces))
        told = {"sha256": self._hash.hexdigest(), "size": self._size}
        return {"type": "blob", "mime_type": self._kind, "modality": "audio", **told}


def _keep(reading: Reading, piece: bytes, captures: bool) -> None:
    if captures and piece:
        if reading.partial is None:
            reading.partial = _Sound(piece)
        reading.partial.add(piece)


SPEECH = Speech()
