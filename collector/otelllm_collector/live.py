"""What was just committed, for those who watch: the newest batches, numbered, of which each reader has a position.

The writer's thread only puts batches in; it never waits for a reader. A reader that falls behind what is held finds a
gap in the numbers, and is told how many spans it did not see.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections import OrderedDict, deque
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping, Sequence
from typing import NamedTuple

from .packed import span_rows, text_of
from .questions import Busy
from .rows import Batch, MessageRow
from .span_row import SpanRow

__all__ = ["Beat", "Event", "Live", "Matches", "Seen", "Skipped"]

READERS = 64
"""Each costs its filter on every span that comes."""

IDLE_ROWS, IDLE_TEXT = 2_048, 8 * 1024 * 1024
"""What is held while nobody watches, in spans and in characters of text: for readers that come back."""

WATCHED_ROWS, WATCHED_TEXT = 32_768, 64 * 1024 * 1024
"""And while somebody does: two full commits."""

AT_ONCE = 256
"""Spans that are filtered before others on the loop get a turn."""

REMEMBERED = 4_096
"""Spans of which a reader knows that it has been sent them: exporters send again what was not answered in time."""

Messages = dict[bytes, MessageRow]
Matches = Callable[[SpanRow, Messages], bool]
"""Whether a reader wants a span; the messages are those of the span's batch, by their hash."""


class Seen(NamedTuple):
    """A span that a reader wants."""

    number: int
    span: SpanRow


class Skipped(NamedTuple):
    """Spans that a reader has missed, wanted or not."""

    number: int
    spans: int


class Beat(NamedTuple):
    """Nothing for a while."""

    number: int


Event = Seen | Skipped | Beat


class _Published:
    """The last spans of a batch. Columns become rows where somebody wants them."""

    def __init__(self, first: int, batch: Batch, number: int) -> None:
        self.first, self.number, self.messages = first, number, batch.messages
        self.projects = {key: project for key, row in batch.resources.items() if (project := row.project) is not None}
        self._spans, self._columns = batch.spans[-number:] if number else [], batch.columns
        self.size = sum(len(message.body) for message in batch.messages.values())
        self.size += sum(map(text_of, self._spans)) if self._columns is None else self._columns.text

    @property
    def last(self) -> int:
        return self.first + self.number - 1

    @property
    def spans(self) -> list[SpanRow]:
        if self._columns is not None:
            self._spans = span_rows(self._columns, list(self.messages))[-self.number :]
            self._columns = None
        return self._spans


class _Step(NamedTuple):
    """Some spans, for a reader."""

    first: int
    spans: list[SpanRow]
    messages: Messages
    projects: Mapping[int, str] = {}
    """Of the batch's resources those that have one."""
    skipped: int = 0
    """How many before these it has missed."""

    @property
    def last(self) -> int:
        return self.first + len(self.spans) - 1


class Live:
    """Holds the newest batches; `publish` may be called from any thread, everything else on the event loop."""

    def __init__(self) -> None:
        self.life = f"{time.time_ns():x}"
        """Tells this process's numbers from those of the one before."""
        self._lock = threading.Lock()
        self._held: deque[_Published] = deque()
        self._rows = self._size = self._last = 0
        self._readers: set[asyncio.Event] = set()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._is_open = True

    def publish(self, batches: Sequence[Batch]) -> None:
        """What was committed, in order."""
        with self._lock:
            most, text = (WATCHED_ROWS, WATCHED_TEXT) if self._readers else (IDLE_ROWS, IDLE_TEXT)
            for batch in batches:
                if batch.span_count:
                    self._hold(batch, most)
            while self._held and (self._rows > most or self._size > text):
                gone = self._held.popleft()
                self._rows -= gone.number
                self._size -= gone.size
        if self._loop is not None and self._readers:
            with contextlib.suppress(RuntimeError):  # the loop has ended: so have its readers
                self._loop.call_soon_threadsafe(self._wake)

    def _hold(self, batch: Batch, most: int) -> None:
        came = len(batch.spans) if batch.columns is None else batch.columns.rows
        self._last += came
        number = min(came, most)
        self._held.append(_Published(self._last - number + 1, batch, number))
        self._rows += number
        self._size += self._held[-1].size

    async def watch(
        self, matches: Matches, after: int | None, beat_s: float, project: str | None = None
    ) -> AsyncGenerator[list[Event]]:
        """What comes after a number (None: from now on), in lists that are never empty; until `close`.

        With a project only its spans, whatever matches.

        `Busy` where too many watch already.
        """
        if len(self._readers) >= READERS or not self._is_open:
            raise Busy(f"{len(self._readers)} readers watch already; end one of them, or come again")
        self._loop = asyncio.get_running_loop()
        position = self._last if after is None else min(after, self._last)
        come = asyncio.Event()
        self._readers.add(come)
        known: OrderedDict[tuple[object, ...], None] = OrderedDict()
        try:
            yield [Beat(position)]
            told_at = self._loop.time()
            while self._is_open:
                come.clear()
                async for step in self._new(position):
                    position = step.last
                    wanted = _wanted(step, matches, known, project)
                    if wanted or self._loop.time() - told_at >= beat_s:
                        yield wanted or [Beat(position)]
                        told_at = self._loop.time()
                if not await _within(come, told_at + beat_s - self._loop.time()):
                    yield [Beat(position)]
                    told_at = self._loop.time()
        finally:
            self._readers.discard(come)

    async def _new(self, position: int) -> AsyncIterator[_Step]:
        """What is held after a position, a few spans at a time."""
        for published in self._after(position):
            begin = max(position + 1 - published.first, 0)
            for start in range(begin, published.number, AT_ONCE) or (begin,):
                first, spans = published.first + start, published.spans[start : start + AT_ONCE]
                yield _Step(first, spans, published.messages, published.projects, max(first - 1 - position, 0))
                position = first + len(spans) - 1
                await asyncio.sleep(0)

    def _after(self, position: int) -> list[_Published]:
        with self._lock:
            found = []
            for published in reversed(self._held):
                if published.last <= position:
                    break
                found.append(published)
            if not found and self._last > position:  # one batch was more than may be held
                found = [_Published(self._last + 1, Batch(), 0)]
        return found[::-1]

    def close(self) -> None:
        """End all readers; their answers end as answers do."""
        self._is_open = False
        self._wake()

    def _wake(self) -> None:
        for reader in self._readers:
            reader.set()


async def _within(event: asyncio.Event, seconds: float) -> bool:
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        return False
    return True


def _wanted(
    step: _Step, matches: Matches, known: OrderedDict[tuple[object, ...], None], project: str | None
) -> list[Event]:
    found: list[Event] = [Skipped(step.first - 1, step.skipped)] if step.skipped else []
    for offset, span in enumerate(step.spans):
        is_seen = project is None or step.projects.get(span.resource_id) == project
        if is_seen and matches(span, step.messages) and _is_new(span, known):
            found.append(Seen(step.first + offset, span))
    return found


def _is_new(span: SpanRow, known: OrderedDict[tuple[object, ...], None]) -> bool:
    """Whether this version of a span was not sent to the reader yet."""
    key = (span.trace_id, span.span_id, span.parts, span.end_ns)
    if key in known:
        return False
    known[key] = None
    if len(known) > REMEMBERED:
        known.popitem(last=False)
    return True
