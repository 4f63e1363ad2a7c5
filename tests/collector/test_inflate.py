"""Compressed bodies: whole, cut, lying, and far bigger than they look."""

from __future__ import annotations

import gzip
import tracemalloc
import zlib

import pytest

from otelllm_collector.decode import Undecodable
from otelllm_collector.decode.inflate import TooLarge, inflate

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
    ],
    ids=["identity", "gzip", "gzip of two members", "zlib", "bare deflate"],
)
def test_a_body_comes_back_as_it_was(body: bytes, encoding: str) -> None:
    assert inflate(body, encoding, 64 * MB) == TEXT


def test_an_empty_text_inflates_to_nothing() -> None:
    assert inflate(gzip.compress(b""), "gzip", MB) == b""


@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\x1f",
        gzip.compress(TEXT, mtime=0)[:-9],
        gzip.compress(TEXT, mtime=0)[:20],
        zlib.compress(TEXT)[:-1],
        b"plain text",
        TEXT,
    ],
)
def test_a_cut_or_false_body_is_undecodable(body: bytes, encoding: str) -> None:
    with pytest.raises(Undecodable):
        inflate(body, encoding, 64 * MB)


def test_the_limit_is_exact() -> None:
    assert len(inflate(gzip.compress(bytes(MB)), "gzip", MB)) == MB
    with pytest.raises(TooLarge, match="1 MB"):
        inflate(gzip.compress(bytes(MB + 1)), "gzip", MB)


def test_a_bomb_is_refused_before_it_is_unpacked() -> None:
    bomb = gzip.compress(bytes(300 * MB), 1)
    tracemalloc.start()
    with pytest.raises(TooLarge):
        inflate(bomb, "gzip", 8 * MB)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 12 * MB
