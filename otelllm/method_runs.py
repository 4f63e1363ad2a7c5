"""Steps that are one call of one method each: a run around it, which ends with what it returns."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from . import emit
from .runs import Run
from .safely import safely
from .wrapping import Observation, wrapped

__all__ = ["MethodRun", "observed"]


class MethodRun:
    """An observation (see wrapping): its `run` is where a package's file writes what it reads."""

    __slots__ = ("_inside", "_read", "run")

    def __init__(
        self, run: Run, read: Callable[[Run, Any], None] | None = None, inside: ContextVar[bool] | None = None
    ) -> None:
        """`read` reads the result, where anybody will see it; `inside` is true while the method runs."""
        self.run = run
        self._read = read
        self._inside = inside

    @contextmanager
    def current(self) -> Iterator[None]:
        """Our span is the current one inside."""
        token = None if self._inside is None else self._inside.set(True)
        try:
            with self.run.current():
                yield
        finally:
            if self._inside is not None and token is not None:
                self._inside.reset(token)

    def saw(self, item: Any) -> None:
        """None of these methods gives its results one by one."""

    def returned(self, result: Any) -> None:
        """Read the result, and end the span."""
        if self._read is not None and self.run.is_recording:
            with safely("reading a method's result"):
                self._read(self.run, result)
        self.run.end()

    def end(self, error: BaseException | None = None) -> None:
        """End the span."""
        self.run.end(error)


def observed(
    begin: Callable[[tuple[Any, ...], dict[str, Any]], Observation | None], inside: ContextVar[bool] | None = None
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Makes of a method one whose calls `begin` sees, from their arguments (`self` first). Where `inside` is true
    already, the call is a part of another one.
    """

    def observe(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Observation | None:
        if emit.active() is None or (inside is not None and inside.get()):
            return None
        with safely("seeing a method's call"):
            return begin(args, kwargs)
        return None

    return lambda original: wrapped(original, observe)
