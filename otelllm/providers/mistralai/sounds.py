"""Sound: transcribed, whole and as it is understood; and spoken, whole and in pieces."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ... import semconv
from ...call import Part, Reading, Request
from ...capture import blob
from ...fields import plain
from ...parts import text
from ...speakeasy import as_sent
from ...spec import Delta
from .usage import read_counts
from .whole import Asked, read_head

__all__ = ["SPEECH", "TRANSCRIPTION", "TRANSCRIPTION_STREAM"]


class _Transcriptions(Asked):
    operation = semconv.TRANSCRIPTION

    def __init__(self, *, streamed: bool) -> None:
        self.streamed = streamed

    def read_request(self, kwargs: Mapping[str, Any]) -> Request:
        request = super().read_request(kwargs)
        request.stream = self.streamed
        if isinstance(temperature := kwargs.get("temperature"), int | float):
            request.attributes[semconv.REQUEST_TEMPERATURE] = float(temperature)
        return request

    def read_input(self, request: Request, kwargs: Mapping[str, Any]) -> None:
        request.messages = [{"role": "user", "parts": [_sound(kwargs)]}]

    def read_response(self, reading: Reading, body: Any, captures: bool) -> None:
        said = as_sent(body)
        read_head(reading, said)
        read_counts(reading, said.get("usage"))
        if captures and (heard := plain(said.get("text"))):
            reading.messages = [{"role": "assistant", "parts": [text(heard)]}]

    def fold_chunk(self, reading: Reading, chunk: Any, captures: bool) -> Delta:
        said = as_sent(chunk.data)
        kind = said.get("type")
        if kind == "transcription.text.delta":
            reading.unfinished = True
            piece = plain(said.get("text"))
            if piece and captures:
                if reading.partial is None:
                    reading.partial = []
                reading.partial.append(piece)
            return 2 if piece else 0
        if kind == "transcription.done":
            reading.unfinished = False
            reading.partial = None
            self.read_response(reading, said, captures)
        return 0

    def finish(self, reading: Reading, captures: bool) -> None:
        pieces: list[str] = reading.partial or []
        reading.partial = None
        if pieces:
            reading.messages = [{"role": "assistant", "parts": [text("".join(pieces))]}]


def _sound(kwargs: Mapping[str, Any]) -> Part:
    """The sound by its address or id; its bytes, which may be a file that is read once, are the SDK's to read."""
    if url := plain(kwargs.get("file_url")):
        return {"type": "uri", "modality": "audio", "uri": url}
    if file_id := plain(kwargs.get("file_id")):
        return {"type": "file", "modality": "audio", "file_id": file_id}
    content = (as_sent(kwargs.get("file")) or {}).get("content")
    return blob("audio/*", "audio", content) if isinstance(content, bytes) else {"type": "blob", "modality": "audio"}


class _Speech(Asked):
    operation = semconv.SPEECH

    def read_request(self, kwargs: Mapping[str, Any]) -> Request:
        request = super().read_request(kwargs)
        request.stream = kwargs.get("stream") is True
        request.attributes[semconv.OUTPUT_TYPE] = "speech"
        if said := plain(kwargs.get("input")):
            request.counted = {"characters": len(said)}
        return request

    def read_input(self, request: Request, kwargs: Mapping[str, Any]) -> None:
        if said := plain(kwargs.get("input")):
            request.messages = [{"role": "user", "parts": [text(said)]}]

    def read_response(self, reading: Reading, body: Any, captures: bool) -> None:
        said = as_sent(body)
        read_head(reading, said)
        read_counts(reading, said.get("usage"))
        if captures and (sound := plain(said.get("audio_data"))):
            reading.messages = [{"role": "assistant", "parts": [blob("audio/*", "audio", sound)]}]

    def fold_chunk(self, reading: Reading, chunk: Any, captures: bool) -> Delta:
        said = as_sent(chunk.data)
        if said.get("type") == "speech.audio.delta":
            reading.unfinished = True
            return 2
        if said.get("type") == "speech.audio.done":
            reading.unfinished = False
            read_counts(reading, said.get("usage"))
        return 0


TRANSCRIPTION, TRANSCRIPTION_STREAM = _Transcriptions(streamed=False), _Transcriptions(streamed=True)
SPEECH = _Speech()
