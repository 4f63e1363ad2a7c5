"""The collector, the dashboard and the example as child processes: started, waited for, ended by their own ids."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING

from ._failure import Failure

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

__all__ = ["Child", "Children"]

START_S = 60.0
"""Reading Streamlit and DuckDB from a cold, slow disk takes more than ten seconds."""
STOP_S = 10.0


class Child:
    """One module run in a process of its own; its lines are passed on to standard output."""

    def __init__(
        self, module: str, arguments: Sequence[str], env: Mapping[str, str], ready: str, changed: Callable[[], None]
    ) -> None:
        self.module = module
        self.address = ""
        """What its ready line names; empty until then."""
        self._ready = ready
        self._changed = changed
        # A session of its own: Ctrl-C in a terminal comes to the command alone, which ends its children in order.
        self.process = subprocess.Popen(  # noqa: S603  this Python, modules of ours
            [sys.executable, "-P", str(Path(__file__).with_name("_follow.py")), module, *arguments],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, encoding="utf-8", errors="replace",
            env={**os.environ, **env}, start_new_session=True,
        )  # fmt: skip
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    @property
    def code(self) -> int | None:
        """The exit code; None while it runs."""
        return self.process.poll()

    def end(self) -> None:
        """Ask it to end, and see that it does."""
        if self.code is None:
            self.process.terminate()
        try:
            self.process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            print(f"otelllm: {self.module} did not end in {STOP_S:.0f} s and was killed", file=sys.stderr)
            self.process.kill()
        # The reader ends with the pipe; a grandchild may hold that open, and is then not waited for.
        self._reader.join(1)
        if not self._reader.is_alive():
            self.process.__exit__(None, None, None)

    def _read(self) -> None:
        for line in self.process.stdout or ():
            print(line, end="", flush=True)
            if self._ready and line.startswith(self._ready):
                self.address = line.removeprefix(self._ready).split()[0]
                self._changed()
        self.process.wait()
        self._changed()


class Children:
    """The processes of one command. The block ends them all, the last one first, whatever happens in it.

    Inside it Ctrl-C, SIGTERM and a closed terminal set `asked`, and every wait returns.
    """

    def __init__(self) -> None:
        self.asked = False
        self._all: list[Child] = []
        self._news: SimpleQueue[None] = SimpleQueue()
        self._handlers: dict[int, object] = {}

    def __enter__(self) -> Children:
        for name in ("SIGINT", "SIGTERM", "SIGHUP"):
            number = getattr(signal, name, None)  # Windows has no SIGHUP, and nohup means it to be ignored
            if number is not None and not (name == "SIGHUP" and signal.getsignal(number) is signal.SIG_IGN):
                self._handlers[number] = signal.signal(number, self._ask)
        return self

    def __exit__(self, *_: object) -> None:
        for child in reversed(self._all):
            child.end()
        for number, handler in self._handlers.items():
            signal.signal(number, handler)  # type: ignore[arg-type]  # what signal() itself gave back

    def start(self, module: str, *arguments: str, ready: str = "", env: Mapping[str, str] | None = None) -> Child:
        """A new child; `ready` is how its ready line begins, up to the address."""
        child = Child(module, arguments, env or {}, ready, self._tell)
        self._all.append(child)
        return child

    def until(self, done: Callable[[], bool], seconds: float = float("inf")) -> bool:
        """Wait until something is done; False when the user asks to stop, or the time is over, before it is."""
        deadline = time.monotonic() + seconds
        while not done():
            if self.asked or time.monotonic() > deadline:
                return False
            try:
                # Windows delivers Ctrl-C between waits only, so they are short.
                self._news.get(timeout=1)
            except Empty:
                continue
        return True

    def ready(self, child: Child) -> bool:
        """Wait for its ready line; False when the user asks to stop before it came."""
        self.until(lambda: bool(child.address) or child.code is not None, START_S)
        if child.address or self.asked:
            return bool(child.address)
        what = f"was not ready within {START_S:.0f} s" if child.code is None else f"ended with exit code {child.code}"
        raise Failure(f"{child.module} {what}; what it said is above")

    def stay(self, *these: Child) -> None:
        """Wait for the user; that one of these children ends before is a failure."""
        if self.until(lambda: any(child.code is not None for child in these)):
            child = next(child for child in these if child.code is not None)
            raise Failure(f"{child.module} ended with exit code {child.code}; what it said is above")

    def code(self) -> int:
        """0 when every child ended well; a signal that ended one was ours."""
        return int(any(child.code is not None and child.code > 0 for child in self._all))

    def _ask(self, *_: object) -> None:
        self.asked = True
        self._tell()

    def _tell(self) -> None:
        self._news.put(None)  # SimpleQueue.put may be called in a signal's handler
