"""Large binary content (images, sounds, files) stored apart from the spans, where a setting says so.

A span holds type, size and hash of it in any case. Files are named by their hash: what comes twice is stored once.
"""

from __future__ import annotations

import logging
import mimetypes
import os
import queue
import threading
import time
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

from .errors import BadConfig

__all__ = ["Blobs", "kept_in", "use"]

log = logging.getLogger(__name__)

MOST_BYTES = 64 << 20
"""Waiting to be written, at most: what comes on top is left out, and counted."""

_blobs: Blobs | None = None


def use(blobs: Blobs | None) -> None:
    """Store blobs there from now on; None: nowhere."""
    global _blobs  # noqa: PLW0603  one a process, as the capture rules are
    _blobs = blobs


def kept_in() -> Blobs | None:
    """Where blobs are stored."""
    return _blobs


class Blobs:
    """A folder, or any place that fsspec knows (`s3://bucket/path`). Written by a thread of ours, not by the app's."""

    def __init__(self, place: str) -> None:
        """Raises `BadConfig` where the place can't be used."""
        self.place = place.rstrip("/")
        self._write: Callable[[str, bytes], None] = _filesystem(place) if "://" in place else _folder(place)
        self._waiting: queue.SimpleQueue[tuple[str, bytes]] = queue.SimpleQueue()
        self._bytes = 0
        self._lock = threading.Lock()
        self._seen: set[str] = set()
        self._writer: threading.Thread | None = None
        self._process = os.getpid()
        self.left_out = 0
        """Blobs that were not stored: too many at once, or the place refused them."""

    def keep(self, digest: str, data: bytes, mime_type: str) -> str | None:
        """Where `data`, whose SHA-256 is `digest`, is going to be; None where it is left out."""
        name = digest + (mimetypes.guess_extension(mime_type or "") or ".bin")
        uri = f"{self.place}/{name}" if "://" in self.place else (Path(self.place).absolute() / name).as_uri()
        if self._process != os.getpid():  # a forked child: the thread stayed with the parent
            self._renew()
        with self._lock:
            if name in self._seen:
                return uri
            if self._bytes + len(data) > MOST_BYTES:
                self.left_out += 1
                return None
            self._bytes += len(data)
            if len(self._seen) > 100_000:
                self._seen.clear()
            self._seen.add(name)
            if self._writer is None:
                self._writer = threading.Thread(target=self._run, name="otelllm-blobs", daemon=True)
                self._writer.start()
        self._waiting.put((name, data))
        return uri

    def flush(self, seconds: float) -> bool:
        """Wait until all is written; whether it was within `seconds`."""
        until = time.monotonic() + seconds
        while self._bytes:
            if time.monotonic() >= until:
                return False
            time.sleep(0.005)
        return True

    def _renew(self) -> None:
        self._lock, self._waiting = threading.Lock(), queue.SimpleQueue()
        self._bytes, self._writer, self._process = 0, None, os.getpid()

    def _run(self) -> None:
        while True:
            name, data = self._waiting.get()
            try:
                self._write(name, data)
            except Exception as error:  # a full disk, a network away: the app's answer does not depend on it
                self.left_out += 1
                if self.left_out == 1:
                    log.warning("otelllm could not store a blob in %s (%s)", self.place, type(error).__qualname__)
            finally:
                with self._lock:
                    self._bytes -= len(data)


def _folder(place: str) -> Callable[[str, bytes], None]:
    folder = Path(place)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BadConfig(f"blobs = {place!r}: the folder can't be made ({error.strerror}); name another") from error

    def write(name: str, data: bytes) -> None:
        target = folder / name
        if not target.exists():
            part = target.with_suffix(f".{os.getpid()}.part")
            part.write_bytes(data)
            part.replace(target)  # whole or not at all

    return write


def _filesystem(place: str) -> Callable[[str, bytes], None]:
    try:
        fsspec: Any = import_module("fsspec")  # not ours to bring: only where a place asks for it
        files, root = fsspec.core.url_to_fs(place)
    except ImportError as error:
        raise BadConfig(
            f"blobs = {place!r} needs {error.name or 'fsspec'}: pip install it, or name a folder"
        ) from error
    except ValueError as error:
        raise BadConfig(f"blobs = {place!r}: {error}") from error

    def write(name: str, data: bytes) -> None:
        path = f"{root.rstrip('/')}/{name}"
        if not files.exists(path):
            files.makedirs(root, exist_ok=True)
            files.pipe_file(path, data)

    return write
