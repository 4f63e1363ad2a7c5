"""Questions off the event loop: a store waits for disks, the loop must not."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from typing import ParamSpec, TypeVar

from .commits import ROWS_WORTH_WAITING, Commits
from .stores.spec import Store

__all__ = ["Asker"]

ANSWERING_S = 0.0005
"""A question takes the interpreter's lock some eight times, and waits each time for as long as Python lets a writer or
decoder go on, 5 ms. Less costs intake 5 to 10 % of CPU, so it is less only while questions are there.
"""

WITHIN_S, ALL_WITHIN_S = 5.0, 10.0
"""So long a question waits for what was acknowledged before it."""

P = ParamSpec("P")
T = TypeVar("T")


class Asker:
    """A store and the threads that its questions run in."""

    def __init__(
        self, store: Store, commits: Commits, threads: Executor, *, sql_timeout_s: float, sql_row_limit: int
    ) -> None:
        self.store, self._commits, self._threads = store, commits, threads
        self.sql_timeout_s, self.sql_row_limit = sql_timeout_s, sql_row_limit
        self._answering, self._usual_s = 0, sys.getswitchinterval()

    async def ask(self, question: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """The answer of one of the store's methods, to what was acknowledged before it was asked; while more comes in
        than is stored at once, to what was acknowledged two seconds before.
        """

        def answered() -> T:
            self._commits.catch_up(WITHIN_S, ROWS_WORTH_WAITING)
            return question(*args, **kwargs)

        return await self.go_on(answered)

    async def ask_for_all(self, question: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """The same, of all that was acknowledged before, however much that is."""

        def answered() -> T:
            self._commits.catch_up(ALL_WITHIN_S)
            return question(*args, **kwargs)

        return await self.go_on(answered)

    async def go_on(self, question: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """The same without any waiting: the rest of an answer."""
        loop = asyncio.get_running_loop()
        with self._first():
            return await loop.run_in_executor(self._threads, lambda: question(*args, **kwargs))

    @contextlib.contextmanager
    def _first(self) -> Iterator[None]:
        """While anything is being answered, threads that are at work let others go on sooner."""
        self._answering += 1
        sys.setswitchinterval(ANSWERING_S)
        try:
            yield
        finally:
            self._answering -= 1
            if not self._answering:
                sys.setswitchinterval(self._usual_s)
