"""Waiting, written once: stages are generators of steps, and two drivers perform them, one sync and one async."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Generator
from dataclasses import dataclass
from typing import Any, TypeVar

from .attempt import Target
from .gates import Gate

__all__ = ["SENDER", "Io", "Send", "Sender", "Step", "Steps", "Wait", "adrive", "drive"]

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Wait:
    """Let `seconds` pass, or fewer where `gate` is opened before."""

    seconds: float
    gate: Gate | None = None


@dataclass(frozen=True, slots=True)
class Io:
    """Something that may block, said both ways, so that a blocking call never sits on an event loop."""

    sync: Callable[[], Any]
    asynchronous: Callable[[], Awaitable[Any]]


@dataclass(frozen=True, slots=True)
class Send:
    """The provider's own call; or, in its place, a static `answer` in its shape, or one that a cache had `stored`."""

    answer: str | None = None
    stored: Any = None
    target: Target | None = None
    """Where a policy steers the call; None where it does not."""
    once: bool = False
    """The SDK is not to try again by itself."""
    is_beside: bool = False
    """A second call, whose answer nobody gets: it is begun, and not waited for."""


@dataclass(frozen=True, slots=True)
class Sender:
    """Give the driver's own way to send: something may have to be sent after the flow has returned."""


Step = Wait | Io | Send | Sender
Steps = Generator[Step, Any, T]

SEND = Send()
"""The common case: no static answer."""

SENDER = Sender()


def drive(steps: Steps[T], send: Callable[[Send], Any]) -> T:
    """Perform `steps` in the sync way; a step's error is thrown back into them, unchanged."""
    try:
        step = next(steps)
        while True:
            try:
                if type(step) is Send:
                    result = send(step)
                elif type(step) is Wait:
                    (time.sleep if step.gate is None else step.gate.wait)(step.seconds)
                    result = None
                elif type(step) is Sender:
                    result = send
                else:
                    assert type(step) is Io
                    result = step.sync()
            except BaseException as error:
                step = steps.throw(error)
            else:
                step = steps.send(result)
    except StopIteration as done:
        value: T = done.value
        return value


async def adrive(steps: Steps[T], send: Callable[[Send], Awaitable[Any]]) -> T:
    """Perform `steps` in the async way, on asyncio or trio."""
    try:
        step = next(steps)
        while True:
            try:
                if type(step) is Send:
                    result = await send(step)
                elif type(step) is Wait:
                    await (_pause if step.gate is None else step.gate.wait_async)(step.seconds)
                    result = None
                elif type(step) is Sender:
                    result = send
                else:
                    assert type(step) is Io
                    result = await step.asynchronous()
            except BaseException as error:
                step = steps.throw(error)
            else:
                step = steps.send(result)
    except StopIteration as done:
        value: T = done.value
        return value


async def _pause(seconds: float) -> None:
    import anyio  # noqa: PLC0415  comes with every async provider SDK; not needed by sync apps

    await anyio.sleep(seconds)
