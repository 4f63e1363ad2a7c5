"""Context managers of an SDK that send when they are entered: what stands around one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .steps import adrive, drive

__all__ = ["Entering"]


class Entering:
    """Stands in for a manager whose entry sends, of its kind to `isinstance`; leaving it is the manager's own."""

    __slots__ = ("_anew", "_args", "_begin", "_kwargs", "_manager")

    def __init__(
        self,
        manager: Any,
        begin: Callable[[Callable[..., Any]], Any],
        anew: Callable[..., Any],
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
    ) -> None:
        """`begin` takes what enters, and gives the call; `anew(resource, *args, **kwargs)` the manager to enter."""
        self._manager, self._begin, self._anew = manager, begin, anew
        self._args, self._kwargs = args, kwargs

    @property  # type: ignore[misc]  # what isinstance() asks after the real type said no
    def __class__(self) -> Any:
        return type(self._manager)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._manager, name)

    def __enter__(self) -> Any:
        def enter(resource: Any, *args: Any, **kwargs: Any) -> Any:
            self._manager = self._anew(resource, *args, **kwargs)
            return self._manager.__enter__()

        begun = self._begin(enter)
        if begun is None:
            return self._manager.__enter__()
        return drive(begun.steps(), lambda step: begun.send(step, self._args, self._kwargs))

    async def __aenter__(self) -> Any:
        async def enter(resource: Any, *args: Any, **kwargs: Any) -> Any:
            self._manager = self._anew(resource, *args, **kwargs)
            return await self._manager.__aenter__()

        begun = self._begin(enter)
        if begun is None:
            return await self._manager.__aenter__()
        return await adrive(begun.steps(), lambda step: begun.asend(step, self._args, self._kwargs))

    def __exit__(self, *exc: Any) -> Any:
        return self._manager.__exit__(*exc)

    async def __aexit__(self, *exc: Any) -> Any:
        return await self._manager.__aexit__(*exc)
