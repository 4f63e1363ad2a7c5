"""What runs beside the app's own calls and must not hold them up: so many at a time, the rest is left out."""

from __future__ import annotations

import logging
import threading
from collections.abc import Awaitable, Callable
from contextvars import copy_context
from importlib import import_module

__all__ = ["launch", "launch_async"]

log = logging.getLogger(__name__)

AT_ONCE = 8

_running: set[object] = set()
"""Threads and tasks; held here, for an event loop holds its tasks weakly."""


def launch(work: Callable[[], object]) -> bool:
    """Run `work` in a thread, in a copy of this context; False where so many run already that it is left out."""
    if len(_running) >= AT_ONCE:
        return False
    context = copy_context()

    def run() -> None:
        try:
            context.run(work)
        except Exception as error:
            log.debug("what ran beside a call failed: %s", type(error).__name__)
        finally:
            _running.discard(thread)

    thread = threading.Thread(target=run, name="otelllm-beside", daemon=True)
    _running.add(thread)
    thread.start()
    return True


def launch_async(work: Callable[[], Awaitable[object]]) -> bool:
    """The same as a task of the event loop that runs here, asyncio's or trio's."""
    if len(_running) >= AT_ONCE:
        return False

    async def run() -> None:
        try:
            await work()
        except Exception as error:
            log.debug("what ran beside a call failed: %s", type(error).__name__)

    import asyncio  # noqa: PLC0415  15 ms, and it is there where a loop runs

    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:  # it is trio's, whose tasks need a nursery: that of the system's goes on until the app's end
        return _spawn(run)
    task = loop.create_task(run())
    _running.add(task)
    task.add_done_callback(_running.discard)
    return True


def _spawn(work: Callable[[], Awaitable[object]]) -> bool:
    token = object()

    async def run() -> None:
        try:
            await work()
        finally:
            _running.discard(token)

    _running.add(token)
    import_module("trio").lowlevel.spawn_system_task(run, context=copy_context())
    return True
