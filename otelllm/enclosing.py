"""One call, one span: what is around an SDK's call, and what it tells that call.

A call inside another SDK's sending is that same call, seen a second time (`CALL_OPEN`). A framework's model call is
told by its own events; where an SDK's call below has a span, the framework's adds what it knows and makes none.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar

from opentelemetry.context import Context, create_key, get_value, set_value

from . import semconv
from .call import Value

__all__ = ["CALL_OPEN", "Enclosing", "apart", "enclosing", "within"]

CALL_OPEN = create_key("otelllm-call-open")
"""In the context in which an SDK sends: True where the call has a span, False where it has none (suppressed)."""

_slot: ContextVar[Enclosing | None] = ContextVar("otelllm-enclosing", default=None)
_KEY = create_key("otelllm-enclosing")
_APART = {semconv.EMBEDDINGS, semconv.RERANK}


def enclosing() -> Enclosing | None:
    """The framework's model call around what runs now."""
    found = _slot.get()
    if found is None:
        found = get_value(_KEY)  # type: ignore[assignment]  # ours alone
    return found


def within(call: Enclosing, context: Context) -> Context:
    """`context` below `call`, for a framework that carries OpenTelemetry's context to where it sends, and no more."""
    return set_value(_KEY, call, context)


@contextmanager
def apart() -> Iterator[None]:
    """For what a framework runs inside a model call that is none of that call: a tool, and the calls in it."""
    token = _slot.set(None)
    try:
        yield
    finally:
        _slot.reset(token)


class Enclosing:
    """A model call as a framework sees it. A child task or thread has a copy of the context, but this same object:
    what is counted below is seen above.
    """

    __slots__ = ("_before", "_outer", "attributes", "calls", "operation")

    def __init__(self, operation: str, attributes: Mapping[str, Value] | None = None) -> None:
        self.operation = operation
        self.attributes = dict(attributes or {})
        """What the framework knows and the SDK's call lacks: put on the span below, where that says nothing itself."""
        self.calls = 0
        """SDK calls of this kind below, each with a span of its own."""
        self._outer = _slot.get()
        self._before: Enclosing | None = None

    def saw(self, operation: str) -> None:
        """A call of `operation` below made a span: count it, for every framework around it."""
        one: Enclosing | None = self
        while one is not None:
            if operation == one.operation or not {operation, one.operation} & _APART:
                one.calls += 1
            one = one._outer

    def within(self, outer: Enclosing) -> None:
        """Count for `outer` too: one SDK call may be of several that the framework tells of."""
        self._outer = outer

    @contextmanager
    def around(self) -> Iterator[None]:
        """For work in one frame."""
        token = _slot.set(self)
        try:
            yield
        finally:
            _slot.reset(token)

    def enter(self) -> bool:
        """For a start event, whose end event may come in another context: no token is kept. False where it was there
        already; who got that has nothing to leave.
        """
        current = _slot.get()
        if current is self:
            return False
        self._before = current
        _slot.set(self)
        return True

    def leave(self) -> None:
        """For the end event: put back what was there, if what is there is still this."""
        if _slot.get() is self:
            _slot.set(self._before)
