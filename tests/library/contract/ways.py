"""The ways of asking and of ending: what an app does in each, against which bytes, and what the span must say of it."""

from __future__ import annotations

import asyncio
import gc
import re
import traceback
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from wire.server import CUT, RESET, STALL, Gate, Reply, whole

from . import views

if TYPE_CHECKING:
    from collections.abc import Callable

    from wire.server import Provider

    from .row import Row

__all__ = ["PATIENCE_S", "WAYS", "Seen", "Way", "ask"]

PATIENCE_S = (0.06, 0.6, 6.0)
"""How long an app waits where it is to time out; the longer ones only where a busy machine was too slow to answer."""


class OwnError(Exception):
    """What an app's code raises."""


class Seen:
    """What an app can tell of a call: types and contents of what it got, what was raised from where, what was sent."""

    def __init__(self, patience_s: float, row: Row) -> None:
        self.patience_s = patience_s
        self._row = row
        self.things: list[Any] = []
        self.error: BaseException | None = None
        self.sent: list[Any] = []

    def got(self, *things: Any) -> None:
        """Note these objects; none is kept."""
        for thing in things:
            dumped = thing.model_dump() if hasattr(thing, "model_dump") else repr(thing)
            dumped = _without(dumped, self._row.changing_fields)
            names = set(dir(thing)) - {"__slotnames__"}  # copy.copy() leaves it on the class, whenever it comes
            self.things.append((type(thing), self._same(re.sub(r" at 0x\w+", "", repr(dumped))), sorted(names)))

    @property
    def raised(self) -> Any:
        """The exception's type, text and causes, and the frame that its traceback ends in."""
        error = self.error
        if error is None:
            return None
        told = type(error), self._same(str(error)), type(error.__cause__), type(error.__context__)
        if isinstance(error, asyncio.CancelledError):
            return told  # raised wherever the client waits at that moment
        last = traceback.extract_tb(error.__traceback__)[-1]
        return *told, last.filename, last.name

    def _same(self, text: str) -> str:
        return re.sub(self._row.changing_text, "", text) if self._row.changing_text else text


def _without(value: Any, names: tuple[str, ...]) -> Any:
    """`value` without the fields of these names, at any depth."""
    if not names:
        return value
    if isinstance(value, dict):
        return {name: _without(one, names) for name, one in value.items() if name not in names}
    return [_without(one, names) for one in value] if isinstance(value, list) else value


def ask(app: Any, row: Row, *, streamed: bool = False, timeout_s: float | None = None) -> Any:
    method, arguments = row.ask(app.client, streamed=streamed, timeout_s=timeout_s)
    return app.call(method, **arguments)


def _open(app: Any, provider: Provider, row: Row, *steps: Any, timeout_s: float | None = None) -> Any:
    provider.reply(row.reply([*row.events[: row.head], *steps]))
    return ask(app, row, streamed=True, timeout_s=timeout_s)


def answered(app: Any, provider: Provider, row: Row, seen: Seen) -> None:
    provider.reply(whole(row.answer))
    seen.got(ask(app, row))


def refused(app: Any, provider: Provider, row: Row, seen: Seen) -> None:
    status, body = row.refusal
    provider.reply(whole(body, status=status))
    ask(app, row)


def cut(app: Any, provider: Provider, row: Row, seen: Seen) -> None:
    provider.reply(Reply(steps=[row.answer[: len(row.answer) // 2], CUT]))
    ask(app, row)


def timed_out(app: Any, provider: Provider, row: Row, seen: Seen) -> None:
    provider.reply(Reply(steps=[STALL]))
    ask(app, row, timeout_s=seen.patience_s)


async def _until(task: asyncio.Future[Any], is_ready: Callable[[], bool]) -> None:
    """Return once it is so, or the task is over before."""
    while not is_ready() and not task.done():
        await asyncio.sleep(0.001)


async def _reading(stream: Any, chunks: list[Any]) -> None:
    async for chunk in stream:
        chunks.append(chunk)  # noqa: PERF401  the other task watches it grow


def cancelled(app: Any, provider: Provider, row: Row, seen: Seen) -> None:
    provider.reply(Reply(steps=[STALL]))
    asked = len(provider.requests)
    method, arguments = row.ask(app.client, streamed=False, timeout_s=None)

    async def go() -> None:
        task = asyncio.ensure_future(method(**arguments))
        await _until(task, lambda: len(provider.requests) > asked)
        task.cancel()
        await task

    app.runner.run(go())


def read(app: Any, provider: Provider, row: Row, seen: Seen) -> None:
    provider.reply(row.reply(row.events))
    stream = ask(app, row, streamed=True)
    seen.got(stream)
    seen.got(*app.read(stream))
    if app.kind in row.closes:
        app.close(stream)  # a second end changes nothing


def stream_refused(app: Any, provider: Provider, row: Row, seen: Seen) -> None:
    status, body = row.refusal
    provider.reply(whole(body, status=status))
    app.read(ask(app, row, streamed=True))


def stream_cut(app: Any, provider: Provider, row: Row, seen: Seen) -> None:
    gate = Gate()
    stream = _open(app, provider, row, gate, CUT)
    seen.got(*app.take(stream, row.taken))
    gate.open()
    app.read(stream)


def stream_reset(app: Any, provider: Provider, row: Row, seen: Seen) -> None:
    gate = Gate()
    stream = _open(app, provider, row, gate, RESET)
    seen.got(*app.take(stream, row.taken))
    gate.open()
    app.read(stream)


def ended_too_soon(app: Any, provider: Provider, row: Row, seen: Seen) -> None:
    """A body that is whole by HTTP and lacks the provider's own end: most SDKs raise nothing."""
    seen.got(*app.read(_open(app, provider, row)))


def error_event(app: Any, provider: Provider, row: Row, seen: Seen) -> None:
    stream = _open(app, provider, row, row.error_event)
    seen.got(*app.take(stream, row.taken))
    app.read(stream)


def left_by_with(app: Any, provider: Provider, row: Row, seen: Seen) -> None:
    stream = _open(app, provider, row, Gate())
    seen.got(*app.leave(stream, row.taken))
    provider.last.wait_left()


def failed_in_the_block(app: Any, provider: Provider, row: Row, seen: Seen) -> None:
    """The app's own code fails between two chunks: it left the stream, and the provider did nothing wrong."""
    stream = _open(app, provider, row, Gate())

    def work(_: Any) -> Any:
        raise OwnError("the app's own")

    try:
        app.within(stream, work)
    except OwnError as error:
        seen.got(error)


def never_read(app: Any, provider: Provider, row: Row, seen: Seen) -> None:
    stream = _open(app, provider, row, Gate())
    del stream
    _collect(app)


def never_read_but_closed(app: Any, provider: Provider, row: Row, seen: Seen) -> None:
    app.close(_open(app, provider, row, Gate()))


def closed(app: Any, provider: Provider, row: Row, seen: Seen) -> None:
    stream = _open(app, provider, row, Gate())
    seen.got(*app.take(stream, row.taken))
    app.close(stream)
    app.close(stream)
    del stream
    if not provider.last.left.wait(0.2):  # some async SDKs leave the connection to the collector
        _collect(app)
    if row.hangs_up:
        provider.last.wait_left()


def abandoned(app: Any, provider: Provider, row: Row, seen: Seen) -> None:
    stream = _open(app, provider, row, Gate())
    seen.got(*app.take(stream, row.taken))
    del stream
    _collect(app)


def stream_timed_out(app: Any, provider: Provider, row: Row, seen: Seen) -> None:
    stream = _open(app, provider, row, STALL, timeout_s=seen.patience_s)
    seen.got(*app.take(stream, row.taken))
    app.read(stream)


def stream_cancelled_before_it_began(app: Any, provider: Provider, row: Row, seen: Seen) -> None:
    provider.reply(Reply(steps=[STALL]))
    asked = len(provider.requests)
    method, arguments = row.ask(app.client, streamed=True, timeout_s=None)

    async def asking() -> None:
        result = method(**arguments)
        await _reading(await result if hasattr(result, "__await__") else result, seen.things)

    async def go() -> None:
        task = asyncio.ensure_future(asking())
        await _until(task, lambda: len(provider.requests) > asked)
        task.cancel()
        await task

    try:
        app.runner.run(go())
    finally:
        provider.last.wait_left()


def stream_cancelled(app: Any, provider: Provider, row: Row, seen: Seen) -> None:
    stream = _open(app, provider, row, Gate())
    chunks: list[Any] = []

    async def go() -> None:
        task = asyncio.ensure_future(_reading(stream, chunks))
        # Once the last chunk that was sent is here, the reader waits inside the SDK's iterator.
        await _until(task, lambda: len(chunks) >= row.taken)
        task.cancel()
        await task

    try:
        app.runner.run(go())
    finally:
        seen.got(*chunks)


def stopped_by_another_task(app: Any, provider: Provider, row: Row, seen: Seen) -> None:
    """A stop button: one task reads, another closes the stream; whatever the reader is raised, the app closed it."""
    stream = _open(app, provider, row, Gate())
    chunks: list[Any] = []

    async def go() -> Any:
        task = asyncio.ensure_future(_reading(stream, chunks))
        await _until(task, lambda: len(chunks) >= row.taken)
        await stream.close()
        return await asyncio.gather(task, return_exceptions=True)

    (raised,) = app.runner.run(go())
    seen.got(type(raised), str(raised), *chunks)
    provider.last.wait_left()


def _collect(app: Any) -> None:
    """The last reference is gone: some streams sit in cycles of their own, async ones end in a task of the loop."""
    gc.collect()
    app.settle()
    gc.collect()


@dataclass(frozen=True, slots=True)
class Way:
    """One way of asking and ending, and what the span must say of it."""

    act: Callable[[Any, Provider, Row, Seen], None]
    end: str | None = None
    """`otelllm.stream.end`; None for a whole answer."""
    error: str | None = None
    """`error.type`; "refusal" and "event" for the row's own, "raised" for the class of what the bare app sees."""
    saw: str = "none"
    """How much of the answer came: none, some, all."""
    kinds: tuple[str, ...] = ("sync", "async")
    closes: bool = False
    """It is the app that closes the stream."""
    where: Callable[[Row], Any] = bool
    """The rows that have it."""

    def has(self, row: Row, kind: str) -> bool:
        """Whether `row` has this way, in its app of this kind."""
        if self.closes and kind not in row.closes:
            return False
        return bool(row.answer if self.end is None else row.events) and bool(self.where(row))


def _blocks(row: Row) -> bool:
    return row.blocks


def _is_known_to_be_cut(row: Row) -> bool:
    return row.has_last_word and not row.minds_the_end


def _at_once(row: Row) -> bool:
    return row.sends_at_once


def _views_of(row: Row) -> bool:
    return row.views


WAYS = (
    Way(answered, saw="all"),
    Way(refused, error="refusal"),
    Way(cut, error="raised"),
    Way(timed_out, error="timeout"),
    Way(cancelled, error="cancelled", kinds=("async",)),
    Way(read, "complete", saw="all"),
    Way(stream_refused, "broken", "refusal"),
    Way(stream_cut, "broken", "raised", saw="some"),
    Way(stream_reset, "broken", "raised", saw="some"),
    Way(ended_too_soon, "broken", "incomplete", saw="some", where=_is_known_to_be_cut),
    Way(ended_too_soon, "broken", "raised", saw="some", where=lambda row: row.minds_the_end),
    Way(error_event, "broken", "event", saw="some", where=lambda row: row.error_event),
    Way(closed, "closed", saw="some", closes=True),
    Way(left_by_with, "closed", saw="some", where=_blocks),
    Way(failed_in_the_block, "closed", where=_blocks),
    Way(stopped_by_another_task, "closed", saw="some", kinds=("async",), where=_blocks),
    Way(abandoned, "abandoned", saw="some"),
    Way(never_read, "abandoned", where=_at_once),
    Way(never_read_but_closed, "closed", where=_at_once, closes=True),
    Way(stream_timed_out, "broken", "timeout", saw="some"),
    Way(stream_cancelled_before_it_began, "cancelled", "cancelled", kinds=("async",)),
    Way(stream_cancelled, "cancelled", "cancelled", saw="some", kinds=("async",)),
    Way(views.raw, saw="all", where=_views_of),
    Way(views.raw_refused, error="refusal", where=_views_of),
    Way(views.raw_stream, "complete", saw="all", where=_views_of),
    Way(views.raw_stream_never_parsed, "closed", where=lambda row: row.views and row.closes_raw),
    Way(views.view_parsed, saw="all", where=_views_of),
    Way(views.view_of_the_bytes, saw="all", where=_views_of),
    Way(views.view_left_unread, where=_views_of),
    Way(views.view_of_a_stream, "complete", saw="all", where=_views_of),
    Way(views.view_of_a_streams_bytes, "complete", saw="all", where=_views_of),
)
