"""Model calls that a framework tells of: a span only where no SDK's call below has one."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from time import perf_counter_ns as now
from time import time_ns

from opentelemetry.context import Context, get_current

from . import emit
from .call import Call, Ending, Request, Value
from .enclosing import Enclosing, enclosing
from .estimate import fill_usage
from .safely import safely
from .scope import current
from .spec import Delta

__all__ = ["ModelCall"]


class ModelCall:
    """One model call, from a framework's start event to its end event.

    What an SDK sends below, inside `around()` (or between `enter()` and `leave()`), has the span, and tokens and cost
    are on that one only. Where nothing was seen below (local, fake and HTTP-only models), the span is made at the
    end, with the time of the start. Nothing here raises.
    """

    def __init__(
        self,
        provider: str,
        operation: str,
        request: Request,
        *,
        attributes: Mapping[str, Value] | None = None,
        parent: Context | None = None,
        server: tuple[str, int | None] | None = None,
        started_ns: int | None = None,
    ) -> None:
        """`attributes` are what the framework knows and an SDK does not (conversation, agent): they go on the span,
        whoever makes it. `parent` is the context above; `started_ns` since the epoch, where it is past.
        """
        self._emitter = emit.active()
        self._context = get_current() if parent is None else parent
        at = now()
        self._started_ns = started_ns or time_ns()
        self._outer = enclosing()
        self.enclosing = Enclosing(operation, attributes)
        self.call = Call(provider, operation, request, current(self._context), server)
        # The wall clock says when, this one how long: the two are read together only for what is past.
        self.call.timing.sent = at if started_ns is None else now() - (time_ns() - started_ns)

    @contextmanager
    def around(self) -> Iterator[None]:
        """For a model that is called in one frame."""
        with self.enclosing.around():
            yield

    def enter(self) -> bool:
        """For a start event: what runs from now on in this context is below the call. False where it was already."""
        return self.enclosing.enter()

    def leave(self) -> None:
        """For the end event, in whichever context it comes."""
        self.enclosing.leave()

    @property
    def is_seen_below(self) -> bool:
        """Whether an SDK's call below has the span: there is nothing to read for ours then."""
        return self.enclosing.calls > 0

    @property
    def captures(self) -> bool:
        """Whether content is worth reading."""
        return self._emitter is not None and self._emitter.capture.mode != "off" and not self.is_seen_below

    def chunk(self, delta: Delta) -> None:
        """A chunk of a streamed answer came: nothing in it (0), a token (1), content (2)."""
        self.call.request.stream = True
        self.call.timing.saw(now(), delta)

    def end(
        self,
        read: Callable[[Call], None] | None = None,
        *,
        error: BaseException | None = None,
        ending: Ending | None = None,
        ended_ns: int | None = None,
    ) -> None:
        """The framework's end event. `read` fills the call's request and reading; asked only where a span is made."""
        emitter, self._emitter = self._emitter, None
        if emitter is None or self.is_seen_below:
            return
        call = self.call
        at = now() if ended_ns is None else now() - (time_ns() - ended_ns)
        ended_ns = ended_ns or time_ns()
        call.timing.ended = max(at, call.timing.sent)
        call.error = error
        with safely("writing a framework's model call"):
            record = emit.Record(emitter, call, context=self._context, started_ns=self._started_ns)
            if self._outer is not None:
                self._outer.saw(call.operation)
            call.reading.attributes.update(self.enclosing.attributes)
            if read is not None:
                with safely("reading a framework's model call"):
                    read(call)
            if call.request.stream:
                call.ending = ending or ("complete" if error is None else "broken")
            fill_usage(call)
            record.keep_input()
            record.end(call, ended_ns)
