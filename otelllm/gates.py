"""A gate that another thread opens: waited at by a thread or by a task of any event loop, one at a time."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from importlib import import_module

__all__ = ["Gate", "waker"]


class Gate:
    """Shut at first and after each wait; opened while nobody waits, it lets the next one through at once."""

    __slots__ = ("_opened", "_wake")

    def __init__(self) -> None:
        self._opened = threading.Event()
        self._wake: Callable[[], None] | None = None

    def open(self) -> None:
        """Let who waits go on; from any thread."""
        self._opened.set()
        wake = self._wake
        if wake is not None:
            wake()

    def wait(self, seconds: float) -> None:
        """Return when it is opened, at the latest after `seconds`."""
        self._opened.wait(seconds)
        self._opened.clear()

    async def wait_async(self, seconds: float) -> None:
        """The same on an event loop, asyncio's or trio's."""
        import anyio  # noqa: PLC0415  comes with every async provider SDK; not needed by sync apps

        event = anyio.Event()
        self.tell(waker(event))
        try:
            if not self._opened.is_set():
                with anyio.move_on_after(seconds):
                    await event.wait()
        finally:
            self.tell(None)
            self._opened.clear()

    def tell(self, wake: Callable[[], None] | None) -> None:
        """Have `wake` called when it is opened: who waits in a way of its own; it asks `is_open` after that, too."""
        self._wake = wake

    @property
    def is_open(self) -> bool:
        """Whether it was opened and nobody has gone through since."""
        return self._opened.is_set()


def waker(event: object) -> Callable[[], None]:
    """Sets `event` (anyio's) on the loop that runs here, asyncio's or trio's, from whichever thread; nothing where that
    loop has ended.
    """
    import asyncio  # noqa: PLC0415  15 ms, and it is there where a loop runs

    set_: Callable[[], object] = event.set  # type: ignore[attr-defined]  # anyio's, which is imported only there
    soon: Callable[[Callable[[], object]], object]
    try:
        soon = asyncio.get_running_loop().call_soon_threadsafe
    except RuntimeError:
        soon = import_module("trio").lowlevel.current_trio_token().run_sync_soon  # it runs: there is no other loop

    def wake() -> None:
        with suppress(RuntimeError):
            soon(set_)

    return wake
