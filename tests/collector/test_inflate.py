"""Compressed bodies: whole, cut, lying, and far bigger than they look."""

from __future__ import annotations

import gzip
import sys
import tracemalloc
import zlib
from typing import TYPE_CHECKING

import pytest

from otelllm_collector.decode import Undecodable
from otelllm_collector.decode.inflate import TooLarge, inflate

if TYPE_CHECKING:
    from collections.abc import Callable

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

TEXT = b"spans and spans " * 100_000
MB = 2**20


def bare_deflate(body: bytes) -> bytes:
    stream = zlib.compressobj(wbits=-15)
    return stream.compress(body) + stream.flush()


@pytest.mark.parametrize(
    ("body", "encoding"),
    [
        (TEXT, "identity"),
        (gzip.compress(TEXT, mtime=0), "gzip"),
        (gzip.compress(TEXT[:50], mtime=0) + gzip.compress(TEXT[50:], mtime=0), "gzip"),
        (zlib.compress(TEXT), "deflate"),
        (bare_deflate(TEXT), "deflate"),
        (zstd.compress(TEXT), "zstd"),
        (zstd.compress(TEXT[:50]) + zstd.compress(TEXT[50:]), "zstd"),
    ],
    ids=["identity", "gzip", "gzip of two members", "zlib", "bare deflate", "zstd", "zstd of two frames"],
)
def test_a_body_comes_back_as_it_was(body: bytes, encoding: str) -> None:
    assert inflate(body, encoding, 64 * MB) == TEXT


def test_an_empty_text_inflates_to_nothing() -> None:
    assert inflate(gzip.compress(b""), "gzip", MB) == b""
    assert inflate(zstd.compress(b""), "zstd", MB) == b""


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "zstd"])
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\x1f",
        gzip.compress(TEXT, mtime=0)[:-9],
        gzip.compress(TEXT, mtime=0)[:20],
        zlib.compress(TEXT)[:-1],
        zstd.compress(TEXT)[:-1],
        zstd.compress(TEXT)[:9],
        zstd.compress(TEXT) + b"more",
        b"plain text",
        TEXT,
    ],
)
def test_a_cut_or_false_body_is_undecodable(body: bytes, encoding: str) -> None:
    with pytest.raises(Undecodable):
        inflate(body, encoding, 64 * MB)


@pytest.mark.parametrize(("compress", "encoding"), [(gzip.compress, "gzip"), (zstd.compress, "zstd")])
def test_the_limit_is_exact(compress: Callable[[bytes], bytes], encoding: str) -> None:
    assert len(inflate(compress(bytes(MB)), encoding, MB)) == MB
    with pytest.raises(TooLarge, match="1 MB"):
        inflate(compress(bytes(MB + 1)), encoding, MB)


@pytest.mark.parametrize(("compress", "encoding"), [(gzip.compress, "gzip"), (zstd.compress, "zstd")])
def test_a_bomb_is_refused_before_it_is_unpacked(compress: Callable[[bytes, int], bytes], encoding: str) -> None:
    bomb = compress(bytes(300 * MB), 1)
    tracemalloc.start()
    with pytest.raises(TooLarge):
        inflate(bomb, encoding, 8 * MB)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 12 * MB


def test_a_frame_that_wants_a_large_window_is_refused() -> None:
    body = zstd.compress(bytes(20 * MB), options={zstd.CompressionParameter.window_log: 27})
    with pytest.raises(Undecodable):
        inflate(body[:30], "zstd", 64 * MB)
    stream = zstd.ZstdCompressor(options={zstd.CompressionParameter.window_log: 27})
    body = stream.compress(bytes(MB)) + stream.flush()
    with pytest.raises(Undecodable, match="Content-Encoding"):
        inflate(body, "zstd", 64 * MB)
