"""Inflate a request's body, never holding more than the limit."""

from __future__ import annotations

import zlib

from .wire import Undecodable

__all__ = ["ENCODINGS", "TooLarge", "inflate"]

ENCODINGS = ("identity", "gzip", "deflate")
STEP = 1024 * 1024


class TooLarge(Exception):  # noqa: N818  says what happened, as the library's own do
    """The body is bigger than the collector takes; nothing of it is kept."""


def inflate(body: bytes, encoding: str, limit: int) -> bytes:
    """The body as it was before Content-Encoding; stops at `limit` bytes, however much more there is."""
    if encoding == "gzip":
        return _inflate(body, 31, limit)
    if encoding == "deflate":
        # RFC 9110 means zlib by deflate, but some clients send it bare; a zlib header tells itself by its checksum.
        is_zlib = len(body) >= 2 and body[0] & 15 == 8 and int.from_bytes(body[:2]) % 31 == 0
        return _inflate(body, 15 if is_zlib else -15, limit)
    return body


def _inflate(body: bytes, window: int, limit: int) -> bytes:
    pieces: list[bytes] = []
    size = 0
    rest = body
    try:
        while rest:  # a gzip body may hold several members, one after the other
            stream = zlib.decompressobj(window)
            while not stream.eof:
                piece = stream.decompress(rest, min(STEP, limit - size + 1))
                rest = stream.unconsumed_tail
                size += len(piece)
                if size > limit:
                    raise TooLarge(f"the body inflates to more than {limit // STEP} MB; send smaller batches")
                if not piece and not rest and not stream.eof:
                    raise Undecodable("the compressed body ends too early; send it again, whole")
                pieces.append(piece)
            rest = stream.unused_data
    except zlib.error as error:
        raise Undecodable(f"the body is not what Content-Encoding says ({error}); send it plain or as gzip") from error
    if not body:
        raise Undecodable("the compressed body is empty; send it again, whole")
    return b"".join(pieces)
