"""A function with an observation around each of its runs, and of the same kind as before: plain, async, generator."""

from __future__ import annotations

import inspect
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import AbstractContextManager
from functools import wraps
from typing import Any, Protocol

__all__ = ["Observation", "Observe", "Unseen", "wrapped"]


class Observation(Protocol):
    """What is told of one run. None of its methods raises."""

    def current(self) -> AbstractContextManager[None]:
        """In force while the function runs, one step at a time."""

    def saw(self, item: Any) -> None:
        """A generator yielded `item`."""

    def returned(self, result: Any) -> None:
        """The function returned `result`."""

    def end(self, error: BaseException | None = None) -> None:
        """The run ended; `GeneratorExit` (the reader left) is no error."""


class Unseen(AbstractContextManager[None]):
    """An observation that sees nothing, and a base of those that see little."""

    def current(self) -> AbstractContextManager[None]:
        """Nothing is in force."""
        return self

    def __exit__(self, *_: object) -> None:
        """The end of `current`."""

    def saw(self, item: Any) -> None:
        """Not kept."""

    def returned(self, result: Any) -> None:
        """Not read."""

    def end(self, error: BaseException | None = None) -> None:
        """There is no span."""


Observe = Callable[[tuple[Any, ...], dict[str, Any]], Observation | None]
"""Begins the observation of one run, from its arguments (`self` among them); None where it is not to be seen."""


def wrapped(function: Callable[..., Any], observe: Observe, *, asynchronous: bool | None = None) -> Callable[..., Any]:
    """`function`, each of its runs observed. `asynchronous` says so where the kind can't be seen: a plain function
    that returns a coroutine.
    """
    if inspect.isasyncgenfunction(function):
        return _agenerate(observe, function)
    if inspect.isgeneratorfunction(function):
        return _generate(observe, function)
    if inspect.iscoroutinefunction(function) or asynchronous:
        return _arun(observe, function)
    return _run(observe, function)


def _run(observe: Observe, function: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(function)
    def run(*args: Any, **kwargs: Any) -> Any:
        observed = observe(args, kwargs)
        if observed is None:
            return function(*args, **kwargs)
        try:
            with observed.current():
                result = function(*args, **kwargs)
        except BaseException as error:
            observed.end(error)
            raise
        observed.returned(result)
        return result

    return run


def _arun(observe: Observe, function: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(function)
    async def arun(*args: Any, **kwargs: Any) -> Any:
        observed = observe(args, kwargs)
        if observed is None:
            return await function(*args, **kwargs)
        try:
            with observed.current():
                result = await function(*args, **kwargs)
        except BaseException as error:
            observed.end(error)
            raise
        observed.returned(result)
        return result

    return arun


def _generate(observe: Observe, function: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(function)
    def generate(*args: Any, **kwargs: Any) -> Generator[Any, Any, Any]:
        observed = observe(args, kwargs)
        inner = function(*args, **kwargs)
        if observed is None:
            return (yield from inner)
        resume, sent = inner.send, None
        try:
            while True:
                with observed.current():
                    item = resume(sent)
                observed.saw(item)
                try:
                    resume, sent = inner.send, (yield item)
                except GeneratorExit:
                    inner.close()
                    raise
                except BaseException as thrown:  # the inner generator's to handle
                    resume, sent = inner.throw, thrown
        except StopIteration as done:
            observed.end()
            return done.value
        except BaseException as error:
            observed.end(error)
            raise

    return generate


def _agenerate(observe: Observe, function: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(function)
    async def agenerate(*args: Any, **kwargs: Any) -> AsyncGenerator[Any, Any]:
        observed = observe(args, kwargs)
        inner = function(*args, **kwargs)
        if observed is None:
            observed = _UNSEEN
        resume, sent = inner.asend, None
        try:
            while True:
                with observed.current():
                    item = await resume(sent)
                observed.saw(item)
                try:
                    resume, sent = inner.asend, (yield item)
                except GeneratorExit:
                    await inner.aclose()
                    raise
                except BaseException as thrown:  # the inner generator's to handle
                    resume, sent = inner.athrow, thrown
        except StopAsyncIteration:
            observed.end()
        except BaseException as error:
            observed.end(error)
            raise

    return agenerate


_UNSEEN = Unseen()
"""There is no `yield from` in an async generator."""
