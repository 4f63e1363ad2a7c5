"""Streams: what is told of every chunk (see taps), of the connection's close (see connection), and ends the call once.

A stream is the provider's own object, before and after: its inner iterator is replaced by a `Tap`, and its HTTP
response gets a subclass of its own type whose close tells the `Relay`. A proxy around the stream would miss ends
(openai's helpers close the response directly); an attribute on the response would tie it into a cycle.
"""

from __future__ import annotations

import sys
import weakref
from collections.abc import Callable
from time import perf_counter_ns as now
from typing import Any

from .call import Call, End, Ending, Enough
from .endings import is_cancellation
from .errors import Blocked
from .estimate import OF_TEXT, fill_usage
from .fields import decoded
from .safely import safely, swallow
from .spec import Provider, Surface

__all__ = ["CLOSERS", "Relay", "end_all", "forget_parents", "let_go", "open_relays"]

_live: weakref.WeakSet[Relay] = weakref.WeakSet()
_lineage = 0
"""Counts forks: a child holds copies of its parent's open streams, and must not end the parent's calls again."""


CLOSERS = frozenset({"close", "aclose", "__exit__", "__aexit__"})
"""Functions by which an app closes a stream, through the SDK's."""


class Relay:
    """One streamed (or raw) answer: chunks in, and its call ended exactly once, whichever way it ends."""

    __slots__ = (
        "__weakref__", "_born", "_end", "_fold", "_open", "call", "consumed", "on_tap", "provider", "reading",
        "refusal", "response", "stopped", "surface", "tapped", "watched",
    )  # fmt: skip

    def __init__(self, call: Call, surface: Surface, provider: Provider, end: End) -> None:
        self.call = call
        self.surface = surface
        self.provider = provider
        self._end = end
        # Popping is atomic, with or without the interpreter's lock, and can't deadlock in a finaliser as a lock can.
        self._open = [True]
        self._born = _lineage
        self.reading = False
        """The reader is inside next(): an end seen now is decided by what next() raises."""
        self.stopped = False
        """Somebody else (a stop button's task) closed the stream meanwhile."""
        self.tapped = False
        self.on_tap: Callable[[Relay, Any], None] | None = None
        """Told once of the tap through which all reads of a stream pass. MUST not hold the stream."""
        self.consumed = False
        """A raw body was read to its end, unseen."""
        self.watched = False
        """A raw body is read through a tap of its bytes."""
        self.refusal: Blocked | None = None
        """Why the stream is to end, said from outside."""
        self.response: weakref.ref[Any] | None = None
        """The HTTP response, where one was attached."""
        self._fold = surface.fold_chunk
        _live.add(self)

    @property
    def is_open(self) -> bool:
        """Whether the call has not ended yet."""
        return bool(self._open)

    def tapped_by(self, tap: Any) -> None:
        """All reads pass through `tap` from now on."""
        self.tapped = True
        told, self.on_tap = self.on_tap, None
        if told is not None:
            told(self, tap)

    def read(self, content: bytes) -> None:
        """Read a raw view's whole body from its bytes."""
        if not self._open or self.tapped or not content:
            return
        body = decoded(content)
        if not isinstance(body, bytes) or getattr(self.surface, "takes_bytes", False):
            self.surface.read_response(self.call.reading, body, self.call.captures)

    def end(self, ending: Ending, error: BaseException | None = None) -> None:
        """End the call; whoever comes second comes too late."""
        try:
            self._open.pop()
        except IndexError:
            return
        if self._born != _lineage:
            return
        call = self.call
        call.timing.ended = call.timing.ended or now()
        with safely("finishing a stream"):
            self.surface.finish(call.reading, call.captures or call.keeps_text)
        if ending == "complete" and self.tapped and _is_cut(call):
            call.reading.error_type = "incomplete"
        if call.served == "provider":
            with safely("estimating usage"):
                fill_usage(call)
        if call.request.stream:
            call.ending = "broken" if call.reading.error_type and ending == "complete" else ending
        call.error = error
        if error is not None and ending != "blocked":
            with safely("reading an error"):
                self.provider.read_error(call.reading, error, self.surface, call.captures)
        with safely("ending a call"):
            self._end(call)
        # The app may keep its stream, and the stream this relay, for as long as it likes: not the answer as well.
        call.reading.messages = []
        call.reading.partial = None

    def keep(self, chunk: Any) -> None:
        """The reader got `chunk`: fold it into the call's reading now, while it is warm and as it came.

        Kept to be folded in bulk, 64 chunks cost 4 µs each by the memory that they hold, and the app could change them.
        """
        self.reading = False
        at = now()
        call = self.call
        try:
            delta = self._fold(call.reading, chunk, call.captures or call.keeps_text)
        except Exception as error:  # one chunk that we don't understand must not cost the others
            if not swallow("folding a chunk", error):
                raise
            delta = 0
        call.timing.saw(at, delta)
        if call.on_chunk:
            self._show(chunk)

    def _show(self, chunk: Any) -> None:
        """Let whoever watches the call see `chunk`; a refusal ends the stream here, before the app gets it."""
        for watch in self.call.on_chunk:
            try:
                watch(self.call, chunk)
            except Blocked as refusal:
                self.refuse(refusal)
                raise
            except Enough as enough:
                if (last_words := getattr(self.surface, "last_words", None)) is not None:
                    with safely("ending a stream"):
                        enough.last = last_words(self.call.reading, chunk)
                self.refuse(None)
                raise
            except Exception as error:
                if not swallow("watching a chunk", error):
                    raise

    def interrupt(self, refusal: Blocked) -> None:
        """From another thread: the reader gets `refusal` in place of its next chunk."""
        self.refusal = refusal
        self.call.on_chunk.append(self._interrupted)

    def _interrupted(self, call: Call, chunk: Any) -> None:
        if self.refusal is not None:
            raise self.refusal

    def refuse(self, refusal: Blocked | None) -> None:
        """A rule ends the stream in its middle, with an error or without: what had come was asked for, and is paid."""
        self.call.verdict = "block"
        self.end("blocked", refusal)

    def is_hidden(self, chunk: Any) -> bool:
        """Whether `chunk` only answers what we asked, and the app did not."""
        with safely("hiding a chunk"):
            if self.provider.hides(chunk):
                self.call.timing.chunks -= 1
                return True
        return False

    def stop(self, error: BaseException) -> Blocked | None:
        """The read ended with `error`: the stream's end, or what the provider (or a cancellation) raised. What is to be
        raised in its place, where it was we who ended it.
        """
        self.reading = False
        if self.refusal is not None and self._open and not is_cancellation(error):
            self.refuse(self.refusal)
            return self.refusal
        if isinstance(error, StopIteration | StopAsyncIteration):
            self.end("closed" if self.stopped else "complete")
        else:
            self.fail(error)
        return None

    def fail(self, error: BaseException) -> None:
        """The provider's iterator raised `error` (or was cancelled inside)."""
        if is_cancellation(error):
            self.end("cancelled", error)
        elif self.stopped:
            self.end("closed")
        elif isinstance(error, GeneratorExit):
            self.end("abandoned")
        else:
            self.end("broken", error)

    def closed(self, caller: str, *, is_collected: bool = False) -> None:
        """The response was closed, by a function of the name `caller`; for the event loop, where `is_collected`."""
        if not self._open:
            return
        if self.reading:
            # Not the SDK's own generators: of those the tap sees how the read ends.
            self.stopped = self.stopped or caller in CLOSERS
            return
        if caller in {"iter_raw", "aiter_raw"} and not self.watched:
            # A raw body read to its end, not kept yet. The SDK's manager closes a second time: the call ends then.
            self.consumed = True
            self.call.timing.ended = now()
        elif caller.removesuffix("_async") == self.provider.generator:
            self.end("abandoned")  # nobody closed it: the SDK's generator was collected
        elif self.consumed:
            self.end("complete")
        elif (error := sys.exc_info()[1]) is not None and is_cancellation(error):
            self.end("cancelled", error)
        else:
            self.end("abandoned" if is_collected else "closed")

    def abandon(self) -> None:
        """Nobody holds the stream any more, or the process ends."""
        self.end("complete" if self.consumed else "abandoned")

    def __del__(self) -> None:
        let_go(self)  # a raw view that was dropped unread has no tap


def _is_cut(call: Call) -> bool:
    """Whether the body ended before the provider's last word. HTTP finds it whole then, and the SDK raises nothing."""
    reading = call.reading
    if reading.unfinished and not reading.error_type:
        return True
    has_last_word = reading.finish_reasons or reading.usage is not None or reading.error_type
    return call.operation in OF_TEXT and not has_last_word


def let_go(relay: Relay) -> None:
    """Nobody holds what was read through `relay` any more; harmless in a finaliser, and once it has ended."""
    try:
        if relay._open:
            relay.abandon()
    except BaseException:  # noqa: S110  at interpreter shutdown half the world (contextlib too) is gone
        pass


def forget_parents() -> None:
    """In a forked child: the streams that are open belong to the parent."""
    global _lineage  # noqa: PLW0603  one count a process
    _lineage += 1
    _live.clear()


def open_relays() -> list[Relay]:
    """Every stream that is open now, in this process."""
    while True:
        try:
            return [relay for relay in _live if relay._open and relay._born == _lineage]
        except RuntimeError:  # another thread began or ended one meanwhile
            continue


def end_all() -> None:
    """End the calls of every stream that is still open: the process ends."""
    for relay in list(_live):
        with safely("ending an open stream"):
            relay.abandon()
