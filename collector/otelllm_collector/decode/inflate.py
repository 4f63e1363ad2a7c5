"""Inflate a request's body, never holding more than the limit."""

from __future__ import annotations

import sys
import zlib
from typing import Any

from .wire import Undecodable

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

__all__ = ["ENCODINGS", "TooLarge", "inflate", "zstd"]

ENCODINGS = ("identity", "gzip", "deflate", "zstd")
STEP = 1024 * 1024

_ZSTD: dict[int, int] = {zstd.DecompressionParameter.window_log_max: 23}
"""A frame says how much of itself the decoder must keep; 8 MB is what RFC 9659 allows for Content-Encoding."""


class TooLarge(Exception):  # noqa: N818  says what happened, as the library's own do
    """The body is bigger than the collector takes; nothing of it is kept."""


def inflate(body: bytes, encoding: str, limit: int) -> bytes:
    """The body as it was before Content-Encoding; stops at `limit` bytes, however much more there is."""
    if encoding == "identity":
        return body
    if not body:
        raise Undecodable("the compressed body is empty; send it again, whole")
    pieces: list[bytes] = []
    size = 0
    rest = body
    try:
        while rest:  # gzip and zstd bodies may hold several members, one after the other
            stream = _decompressor(body, encoding)
            while not stream.eof:
                piece = stream.decompress(rest, min(STEP, limit - size + 1))
                # zlib gives back what it did not look at, zstd keeps it and asks when it has need of more
                rest = getattr(stream, "unconsumed_tail", b"")
                size += len(piece)
                if size > limit:
                    raise TooLarge(f"the body inflates to more than {limit // STEP} MB; send smaller batches")
                if not piece and not rest and not stream.eof and getattr(stream, "needs_input", True):
                    raise Undecodable("the compressed body ends too early; send it again, whole")
                pieces.append(piece)
            rest = stream.unused_data
    except (zlib.error, zstd.ZstdError) as error:
        raise Undecodable(f"the body is not what Content-Encoding says ({error}); send it plain or as gzip") from error
    return b"".join(pieces)


def _decompressor(body: bytes, encoding: str) -> Any:
    if encoding == "zstd":
        return zstd.ZstdDecompressor(options=_ZSTD)
    if encoding == "gzip":
        return zlib.decompressobj(31)
    # RFC 9110 means zlib by deflate, but some clients send it bare; a zlib header tells itself by its checksum.
    is_zlib = len(body) >= 2 and body[0] & 15 == 8 and int.from_bytes(body[:2]) % 31 == 0
    return zlib.decompressobj(15 if is_zlib else -15)
