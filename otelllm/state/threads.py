"""A blocking function performed where nobody's event loop waits for it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, TypeVar

from ..steps import Io, Steps

__all__ = ["aside"]

T = TypeVar("T")


class _Errand(Generic[T]):
    """One such function, and what is to be done with its result where nobody waits for it any more."""

    def __init__(self, work: Callable[[], T], undo: Callable[[T], None]) -> None:
        self._work, self._undo = work, undo
        self._results: list[T] = []
        self.is_unwanted = False

    def run(self) -> T:
        result = self._work()
        self._results.append(result)
        if self.is_unwanted:
            self.drop()
        return result

    async def arun(self) -> Any:
        from anyio import to_thread  # noqa: PLC0415  comes with every async provider SDK; not needed by sync apps

        return await to_thread.run_sync(self.run)

    def drop(self) -> None:
        """Nobody waits: undo what was done, or will be; both sides may come here, and one finds the result."""
        self.is_unwanted = True
        while self._results:
            self._undo(self._results.pop())


def aside(work: Callable[[], T], undo: Callable[[T], None]) -> Steps[T]:
    """Yield `work` as a step: in the calling thread where that is sync, in another where it is an event loop's.

    A caller that is cancelled meanwhile has the result undone, whenever it comes.
    """
    errand = _Errand(work, undo)
    try:
        result: T = yield Io(errand.run, errand.arun)
    except BaseException:
        errand.drop()
        raise
    return result
