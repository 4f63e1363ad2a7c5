"""Files that the app sends along, as parts: their bytes only where they are bytes, a file object is never read."""

from __future__ import annotations

from os import PathLike, fspath
from typing import Any

from ..call import Part
from ..capture import blob
from .messages import data_url

__all__ = ["mime_type_of", "picture_type_of", "upload_parts"]

_TYPES = {
    "png": "image/png", "jpg": "image/jpeg", "jpeg": "image/jpeg", "webp": "image/webp", "gif": "image/gif",
    "svg": "image/svg+xml", "mp3": "audio/mpeg", "mpga": "audio/mpeg", "mpeg": "audio/mpeg", "mp4": "audio/mp4",
    "m4a": "audio/mp4", "wav": "audio/wav", "webm": "audio/webm", "ogg": "audio/ogg", "opus": "audio/opus",
    "flac": "audio/flac", "aac": "audio/aac", "pcm": "audio/L16",
}  # fmt: skip


# How a picture's base64 begins.
_PICTURES = {"iVBOR": "image/png", "/9j/": "image/jpeg", "UklGR": "image/webp", "R0lGO": "image/gif"}


def picture_type_of(data: str, kind: Any = None) -> str:
    """The type of a picture in base64: the `kind` that is said of it, else by its first bytes."""
    if kind:
        return mime_type_of(kind, "image")
    return next((mime for beginning, mime in _PICTURES.items() if data.startswith(beginning)), "image/*")


def mime_type_of(name: Any, modality: str) -> str:
    """The type that a file's name, or a format's, tells; `image/*` and the like where it tells none."""
    ending = name.rpartition(".")[2].lower() if isinstance(name, str) else ""
    return _TYPES.get(ending, f"{modality}/*")


def upload_parts(given: Any, modality: str) -> list[Part]:
    """A file or a list of them, in each shape that SDKs take: bytes, path, URL, file object, a tuple of name and it."""
    if isinstance(given, list):
        return [part for one in given for part in upload_parts(one, modality)]
    if isinstance(given, str):
        return [data_url(given, modality)] if given else []
    name, content, kind = None, given, None
    if isinstance(given, tuple):
        name, content, kind = (*given, None, None, None)[:3]
    if name is None:
        name = fspath(content) if isinstance(content, PathLike) else getattr(content, "name", None)
    name = name.replace("\\", "/").rpartition("/")[2] if isinstance(name, str) else None
    mime = kind if isinstance(kind, str) else mime_type_of(name, modality)
    if isinstance(content, bytes | bytearray):
        return [blob(mime, modality, bytes(content))]
    if content is None:
        return []
    part: Part = {"type": "file", "mime_type": mime, "modality": modality}
    if name:
        part["name"] = name
    return [part]
