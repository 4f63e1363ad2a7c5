"""Answers in Redis or Valkey, which all hosts share: one round trip a look-up."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from time import monotonic
from typing import Any

from .store import Away, Found

__all__ = ["RedisServer"]

PREFIX = b"otelllm:cache:"
REST_S = 2.0
"""After a failure nobody waits for the server again for so long."""
TAG_S = 30 * 86_400
"""A mark that nobody asked for in this time is let go: then what depends on it is asked for anew."""


class RedisServer:
    """Its size is the server's own business (`maxmemory`, any eviction policy): a tag whose mark was dropped gets a
    new one, which no record has. Of the policy's `max_bytes` an eighth is the largest record that is kept.
    """

    blocks = True

    def __init__(self, client: Any, max_bytes: int, clock: Callable[[], float] = monotonic) -> None:
        """`client` is one of redis or valkey that gives bytes, with short time-outs of its own."""
        self._client = client
        self.max_bytes = max_bytes
        self._clock = clock
        self._resting_until = 0.0

    @contextmanager
    def _asking(self, *, by_hand: bool = False) -> Iterator[Any]:
        if self._clock() < self._resting_until and not by_hand:
            raise Away("the cache's server did not answer a moment ago")
        try:
            yield self._client
        except Exception as error:
            # By name: redis and valkey have the same errors, and neither need be installed.
            if not any(kind.__name__ in {"RedisError", "ValkeyError", "OSError"} for kind in type(error).__mro__):
                raise
            self._resting_until = self._clock() + REST_S
            raise Away(f"the cache's server can't be asked ({type(error).__name__})") from error

    def look_up(self, key: bytes, tags: Sequence[str]) -> Found:
        """A second round trip only for tags that are new to the server."""
        with self._asking() as client:
            names = [_tag(tag) for tag in tags]
            record, *marks = client.mget([PREFIX + key, *names])
            if None in marks:
                record, marks = None, self._marked(client, names)
            made = tuple(marks)
            if record is None or not record.startswith(_head(made)):
                return Found(None, made)
            return Found(record[len(_head(made)) :], made)

    def _marked(self, client: Any, names: Sequence[bytes]) -> list[bytes]:
        with client.pipeline(transaction=False) as pipeline:
            for name in names:
                pipeline.set(name, os.urandom(8), nx=True, ex=TAG_S)
            pipeline.mget(names)
            marks: list[bytes] = pipeline.execute()[-1]
        if None in marks:
            raise Away("the cache's server keeps no tags: it is full")
        return marks

    def put(self, key: bytes, record: bytes, found: Found, tags: Sequence[str], *, ttl_s: float, span: str) -> None:
        """One round trip: the record, and by which span it can be expelled."""
        if len(record) > self.max_bytes // 8:
            return
        life_ms = max(1, int(ttl_s * 1000))
        with self._asking() as client, client.pipeline(transaction=False) as pipeline:
            pipeline.set(PREFIX + key, _head(found.marks) + record, px=life_ms)
            if span:
                pipeline.set(_span(span), key, px=life_ms)
            for tag in tags:
                pipeline.expire(_tag(tag), TAG_S)
            pipeline.execute()

    def invalidate(self, tag: str) -> None:
        """In force for whoever asks next."""
        with self._asking(by_hand=True) as client:
            client.set(_tag(tag), os.urandom(8), ex=TAG_S)

    def expel(self, span: str) -> bool:
        """The span's note says which record."""
        with self._asking(by_hand=True) as client:
            key = client.getdel(_span(span))
            return key is not None and client.delete(PREFIX + key) > 0

    def renew(self) -> None:
        """The client's pool sees for itself that it was forked."""

    def close(self) -> None:
        """Its connections; the next call makes new ones."""
        self._client.close()


def _tag(tag: str) -> bytes:
    return PREFIX + b"tag:" + tag.encode("utf-8", "surrogatepass")


def _span(span: str) -> bytes:
    return PREFIX + b"span:" + span.encode()


def _head(marks: tuple[bytes, ...]) -> bytes:
    return b"%d:%b" % (len(marks), b"".join(marks))
