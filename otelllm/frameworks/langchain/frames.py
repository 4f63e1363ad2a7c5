"""What stands around LangChain's and langgraph's own methods: the frame in which a run's context is the current one."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import wraps
from itertools import pairwise
from typing import Any

from opentelemetry.context import Context, attach, get_current

from ... import emit
from ...safely import safely
from ...wrapping import wrapped
from .open_steps import Frame, Step, steps, thread_of

__all__ = ["config_context", "framed", "generating"]


def framed(kind: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Makes the replacement of a method in which one run of `kind` starts and ends."""

    def make(original: Callable[..., Any]) -> Callable[..., Any]:
        def observe(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Frame | None:
            return Frame(kind, args[0]) if emit.active() is not None and args else None

        return wrapped(original, observe)

    return make


def generating(original: Callable[..., Any]) -> Callable[..., Any]:
    """A method in which a model does its work, for runs that have started: they are among its arguments."""

    def observe(args: tuple[Any, ...], kwargs: dict[str, Any]) -> _Generating | None:
        if emit.active() is None:
            return None
        managers = kwargs.get("run_manager") or kwargs.get("run_managers") or next(filter(_has_runs, args[1:]), None)
        if managers is None:
            return None
        listed = managers if isinstance(managers, Sequence) else (managers,)
        found = [step for one in listed if (step := steps.get(one.run_id)) is not None and step.model is not None]
        return _Generating(found, [one.run_id for one in listed]) if found else None

    return wrapped(original, observe)


def _has_runs(argument: Any) -> bool:
    if isinstance(argument, list | tuple):
        return bool(argument) and hasattr(argument[0], "run_id")
    return hasattr(argument, "run_id") and hasattr(argument, "handlers")


class _Generating:
    """The work of one model call, or of one for several prompts: an SDK's call below is of all of them."""

    __slots__ = ("_before", "_enclosing", "_ids", "_is_entered", "_put", "_step")

    def __init__(self, found: list[Step], ids: list[Any]) -> None:
        models = [step.model.enclosing for step in found if step.model is not None]
        for outer, inner in pairwise(models):
            inner.within(outer)
        self._step, self._ids, self._enclosing = found[0], ids, models[-1]
        self._before: Context | None = None
        self._put: Context | None = None
        self._is_entered = False

    def current(self) -> _Generating:
        """In force inside `with`."""
        return self

    def __enter__(self) -> None:
        if not self._step.is_current:
            self._before, self._put = get_current(), self._step.context
            attach(self._put)
        self._is_entered = self._enclosing.enter()

    def __exit__(self, *_: object) -> None:
        if self._is_entered:
            self._enclosing.leave()
        put, self._put = self._put, None
        if put is not None and self._before is not None and get_current() is put:
            attach(self._before)

    def saw(self, item: Any) -> None:
        """A generator yielded `item`."""

    def returned(self, result: Any) -> None:
        """The end event will come."""

    def end(self, error: BaseException | None = None) -> None:
        """LangChain tells of errors by itself, but of no cancellation."""
        if error is not None and not isinstance(error, Exception | GeneratorExit):
            for run_id in self._ids:
                if (step := steps.take(run_id)) is not None:
                    step.end(error)


def config_context(original: Callable[..., Any]) -> Callable[..., Any]:
    """What LangChain calls inside the copy of the context in which a step's work will go on: ours goes there too."""

    @wraps(original)
    def set_context(config: Mapping[str, Any], *args: Any, **kwargs: Any) -> Any:
        result = original(config, *args, **kwargs)
        with safely("making a step current"):
            step = steps.get(getattr(config.get("callbacks"), "parent_run_id", None))
            if step is not None:
                if step.run is not None and (told := config.get("configurable")) and (thread := thread_of(told)):
                    step.converse(thread)
                if not step.is_current:
                    attach(step.context)
        return result

    return set_context
