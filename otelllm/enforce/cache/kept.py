"""A store as calls use it: asked without blocking an event loop, written to by a thread of ours where it may block."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from functools import partial
from queue import SimpleQueue
from threading import Thread
from typing import Any, TypeVar

from ...safely import safely
from ...steps import Io, Steps
from .flights import Flights
from .store import Away, Found, Store

__all__ = ["Kept"]

T = TypeVar("T")

QUEUED = 1000
"""Records that wait to be written; more are let go."""
REMEMBERED = 4096
CLOSE_S = 2.0


class Kept:
    """One store, its writer, and the calls of this process that are on their way to fill it."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.flights = Flights()
        self._pending: dict[bytes, tuple[bytes, tuple[bytes, ...]]] = {}
        # Simple queues may be put into by a finaliser, in the middle of being put into; pools may not.
        self._queue: SimpleQueue[tuple[Callable[[], Any], Future[Any]] | None] = SimpleQueue()
        self._writer: Thread | None = None
        self._hits: OrderedDict[str, str] = OrderedDict()

    def renew(self) -> None:
        """In a forked child: threads, and what they had to do, are the parent's."""
        self.store.renew()
        self.flights.renew()
        self._pending, self._writer, self._queue = {}, None, SimpleQueue()

    def look_up(self, key: bytes, tags: Sequence[str]) -> Steps[Found]:
        """What is kept, or about to be. Raises Away."""
        if not self.store.blocks:
            return self.store.look_up(key, tags)
        look = partial(self.store.look_up, key, tags)
        pending = self._pending.get(key)  # first: it may be written, and no longer pending, while we look
        found: Found = yield Io(look, partial(_in_thread, look))
        if found.record is None and pending is not None and pending[1] == found.marks:
            return Found(pending[0], found.marks)
        return found

    def put(self, key: bytes, record: bytes, found: Found, tags: Sequence[str], *, ttl_s: float, span: str) -> None:
        """Keep it, now or soon: never waits."""
        if not self.store.blocks:
            self.store.put(key, record, found, tags, ttl_s=ttl_s, span=span)
        elif len(self._pending) < QUEUED:
            write = partial(self.store.put, key, record, found, tags, ttl_s=ttl_s, span=span)
            self._pending[key] = record, found.marks
            self._in_turn(partial(self._write, key, write))

    def _write(self, key: bytes, write: Callable[[], None]) -> None:
        with safely("keeping an answer"):
            try:
                write()
            except Away:
                return
            finally:
                self._pending.pop(key, None)

    def _in_turn(self, work: Callable[[], T]) -> Future[T]:
        told: Future[T] = Future()
        self._queue.put((work, told))
        if self._writer is None:
            self._writer = Thread(target=_work, args=(self._queue,), name="otelllm-cache", daemon=True)
            self._writer.start()
        return told

    def noted(self, span: str, stored_by: str) -> None:
        """The call with the id `span` got what the other one had stored."""
        self._hits[span] = stored_by
        if len(self._hits) > REMEMBERED:
            self._hits.popitem(last=False)

    def invalidate(self, tag: str) -> None:
        """From now on nothing is found that depends on `tag`. Raises Away."""
        self.store.invalidate(tag)

    def expel(self, span: str) -> bool:
        """Drop what the call `span` stored, or was given. Raises Away."""
        stored_by = self._hits.get(span, span)
        if self._writer is None:
            return self.store.expel(stored_by)
        expelled: bool = self._in_turn(partial(self.store.expel, stored_by)).result()  # after what waits to be written
        return expelled

    def close(self) -> None:
        """Write what waits, and let go."""
        writer, self._writer = self._writer, None
        if writer is not None:
            self._queue.put(None)
            writer.join(CLOSE_S)
        self.store.close()


def _work(queue: SimpleQueue[tuple[Callable[[], Any], Future[Any]] | None]) -> None:
    while (task := queue.get()) is not None:
        work, told = task
        try:
            told.set_result(work())
        except BaseException as error:
            told.set_exception(error)


async def _in_thread(look: Callable[[], T]) -> T:
    from anyio import to_thread  # noqa: PLC0415  comes with every async provider SDK; not needed by sync apps

    return await to_thread.run_sync(look)
