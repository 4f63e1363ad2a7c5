"""Fork and exit: what a forked child must renew, and how the end of a process is noticed, whichever way it ends."""

from __future__ import annotations

import atexit
import os
import sys
from collections.abc import Callable

from .relay import end_all, forget_parents
from .safely import renew_lock, safely

__all__ = ["on_exit", "on_fork"]

_at_exit: Callable[[], None] | None = None
_at_fork: Callable[[], None] | None = None
_hooked = False

# Pools of processes that end with os._exit, past atexit, and have finalisers of their own instead: the standard
# library's (so concurrent.futures too), and Celery's copy of it.
_POOLS = ("multiprocessing.util", "billiard.util")


def on_exit(call: Callable[[], None] | None) -> None:
    """Call `call` when the process ends, after every stream that is still open was ended; None takes it back."""
    global _at_exit  # noqa: PLW0603  one process, one end
    _at_exit = call
    # Registered anew each time: later than the exit handlers of the app's OpenTelemetry providers, so called before
    # them, while there is still somewhere for the last spans to go.
    atexit.unregister(_end)
    if call is not None:
        atexit.register(_end)
        _hook_forks()


def on_fork(call: Callable[[], None]) -> None:
    """Call `call` in each forked child, before it does anything else."""
    global _at_fork  # noqa: PLW0603
    _at_fork = call


def _end() -> None:
    with safely("ending open streams"):
        end_all()
    if _at_exit is not None:
        with safely("ending telemetry"):
            _at_exit()


def _hook_forks() -> None:
    global _hooked  # noqa: PLW0603  hooks can't be taken back: once a process, and in its children by inheritance
    if not _hooked and hasattr(os, "register_at_fork"):
        _hooked = True
        os.register_at_fork(after_in_child=_in_child)


def _in_child() -> None:
    renew_lock()
    forget_parents()
    if _at_fork is not None:
        with safely("renewing after a fork"):
            _at_fork()
    for name in _POOLS:
        pool = sys.modules.get(name)
        if pool is not None:
            # The pool clears its finalisers right after this, then runs its own after-fork calls: ours adds one then.
            with safely("hooking a process pool"):
                pool.register_after_fork(_end, lambda _, pool=pool: pool.Finalize(None, _end, exitpriority=10))
