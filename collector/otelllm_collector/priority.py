"""Who goes first where threads want the same processor: a question, for which somebody waits, before intake."""

from __future__ import annotations

import contextlib
import os
import sys
import threading

__all__ = ["step_back"]

NICENESS = 5
"""A third of the processor's time against a thread that asks, and all of it where nobody does."""


def step_back() -> None:
    """Lower the priority of the thread that calls, for good; only Linux has one for each thread."""
    if sys.platform != "linux":
        return
    thread = threading.get_native_id()
    with contextlib.suppress(OSError):  # a sandbox may forbid it; then all are equal
        os.setpriority(os.PRIO_PROCESS, thread, os.getpriority(os.PRIO_PROCESS, thread) + NICENESS)
