"""Transcriptions and translations: a sound in, its text out; billed by tokens or by seconds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .. import semconv
from ..call import Reading, Request
from ..fields import members, plain
from ..parts import text
from ..spec import Delta
from ..stainless import merged, read_error_body
from .dialects import read_x_groq
from .parameters import read_common
from .uploads import upload_parts
from .usage import merge_usage, read_seconds, read_usage

__all__ = ["TRANSCRIPTIONS"]


class Transcriptions:
    operation = semconv.TRANSCRIPTION
    takes_bytes = True

    def read_request(self, kwargs: Mapping[str, Any]) -> Request:
        return read_common(merged(kwargs))

    def read_input(self, request: Request, kwargs: Mapping[str, Any]) -> None:
        kwargs = merged(kwargs)
        parts = upload_parts(kwargs.get("file"), "audio") + upload_parts(kwargs.get("url"), "audio")
        if prompt := plain(kwargs.get("prompt")):
            parts.append(text(prompt))
        request.messages = [{"role": "user", "parts": parts}]

    def read_response(self, reading: Reading, body: Any, captures: bool) -> None:
        said = _text(body)
        if said is None:
            reading.request_id = plain(getattr(body, "_request_id", None)) or reading.request_id
            said = plain(getattr(body, "text", None))
            _read_usage(reading, body)
            if (extra := members(body).get("x_groq")) is not None:
                read_x_groq(reading, extra)
            if said is None:
                read_error_body(reading, body)
        if captures and said:
            reading.messages = [{"role": "assistant", "parts": [text(said)]}]

    def fold_chunk(self, reading: Reading, chunk: Any, captures: bool) -> Delta:
        kind = getattr(chunk, "type", None)
        if kind == "transcript.text.delta":
            reading.unfinished = True
            return _keep(reading, getattr(chunk, "delta", None), captures)
        if kind == "transcript.text.segment":  # of a diarized one; the text comes in deltas too
            return 0
        if kind == "transcript.text.done":
            reading.unfinished = False
            _read_usage(reading, chunk)
            whole = plain(getattr(chunk, "text", None))
            if captures and whole:
                reading.partial = [whole]
        else:
            read_error_body(reading, chunk)
        return 0

    def finish(self, reading: Reading, captures: bool) -> None:
        pieces: list[str] = reading.partial or []
        reading.partial = None
        if captures and pieces:
            reading.messages = [{"role": "assistant", "parts": [text("".join(pieces))]}]

    def answer(self, request: Request, text: str) -> bytes | None:
        return None


def _text(body: Any) -> str | None:
    """The body itself where a text was asked for (text, srt, vtt)."""
    if isinstance(body, str):
        return body
    content = body if isinstance(body, bytes) else getattr(body, "content", None)
    return content.decode("utf-8", "replace") if isinstance(content, bytes) else None


def _keep(reading: Reading, piece: Any, captures: bool) -> Delta:
    if not isinstance(piece, str) or not piece:
        return 0
    if captures:
        if reading.partial is None:
            reading.partial = []
        reading.partial.append(piece)
    return 2


def _read_usage(reading: Reading, body: Any) -> None:
    usage = getattr(body, "usage", None)
    # Without a usage the sound's own length is what older answers give; where tokens are billed it is not.
    seconds = getattr(body, "duration", None) if usage is None else getattr(usage, "seconds", None)
    merge_usage(reading, read_usage(usage) or read_seconds(seconds))


TRANSCRIPTIONS = Transcriptions()
