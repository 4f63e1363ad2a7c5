"""Questions off the event loop: a store waits for disks, the loop must not."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor
from typing import ParamSpec, TypeVar

from .stores.spec import Store

__all__ = ["Asker"]

P = ParamSpec("P")
T = TypeVar("T")


class Asker:
    """A store and the threads that its questions run in."""

    def __init__(self, store: Store, threads: Executor, *, sql_timeout_s: float, sql_row_limit: int) -> None:
        self.store, self._threads = store, threads
        self.sql_timeout_s, self.sql_row_limit = sql_timeout_s, sql_row_limit

    async def ask(self, question: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """The answer of one of the store's methods."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, lambda: question(*args, **kwargs))
