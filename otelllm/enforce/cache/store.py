"""Where answers are kept: the contract of a store, which every one passes (tests/library/cache/test_stores.py)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

__all__ = ["Away", "Found", "Store"]


class Away(ConnectionError):  # noqa: N818  read as a word: the store is away
    """The store can't be asked now: a miss for whoever looked up, and nothing kept."""


class Found(NamedTuple):
    """What a look-up gave."""

    record: bytes | None
    marks: tuple[bytes, ...]
    """The present mark of each tag. An answer that is on its way meanwhile is kept under these: if a tag is
    invalidated before it comes, it is never found.
    """


class Store(Protocol):
    """MUST give a record only as it was put, under the same key, before its time is over, and only while each of its
    tags has the mark that it had when the call looked up. A tag that a store has forgotten gets a new mark, which none
    has. Bytes in, bytes out: nothing that is read may be executed (no pickle).

    Any method may raise Away, within a second at most, and nothing else. Usable from every thread, and in forked
    children.
    """

    max_bytes: int
    """How much it may take. A record that is larger than an eighth of it is not kept."""
    blocks: bool
    """Whether it may wait, for a disk or a network: it is then kept off event loops."""

    def look_up(self, key: bytes, tags: Sequence[str]) -> Found:
        """The record under `key`, and the marks of `tags`, which are those with which it was put."""

    def put(self, key: bytes, record: bytes, found: Found, tags: Sequence[str], *, ttl_s: float, span: str) -> None:
        """Keep `record` for so long; `found` is what the same call's look-up gave, `span` the id of its span."""

    def invalidate(self, tag: str) -> None:
        """From now on no record with this tag is found, in any process that shares the store."""

    def expel(self, span: str) -> bool:
        """Drop what the call with this span id put; whether there was anything."""

    def renew(self) -> None:
        """In a forked child, before anything else: locks and connections are the parent's."""

    def close(self) -> None:
        """Let go of files and connections; a later call opens them anew."""
