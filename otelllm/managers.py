"""Context managers of an SDK that send when they are entered: what stands around one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .steps import adrive, drive

__all__ = ["Entering"]


class Entering:
    """Stands in for a manager whose entry sends, of its kind to `isinstance`; leaving it is the manager's own."""

    __slots__ = ("_anew", "_begin", "_manager")

    def __init__(self, manager: Any, begin: Callable[[Callable[..., Any]], Any], anew: Callable[[Any], Any]) -> None:
        self._manager, self._begin, self._anew = manager, begin, anew

    @property  # type: ignore[misc]  # what isinstance() asks after the real type said no
    def __class__(self) -> Any:
        return type(self._manager)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._manager, name)

    def __enter__(self) -> Any:
        def enter(resource: Any) -> Any:
            self._manager = self._anew(resource)
            return self._manager.__enter__()

        begun = self._begin(enter)
        if begun is None:
            return self._manager.__enter__()
        return drive(begun.steps(), lambda step: begun.send(step, (), {}))

    async def __aenter__(self) -> Any:
        async def enter(resource: Any) -> Any:
            self._manager = self._anew(resource)
            return await self._manager.__aenter__()

        begun = self._begin(enter)
        if begun is None:
            return await self._manager.__aenter__()
        return await adrive(begun.steps(), lambda step: begun.asend(step, (), {}))

    def __exit__(self, *exc: Any) -> Any:
        return self._manager.__exit__(*exc)

    async def __aexit__(self, *exc: Any) -> Any:
        return await self._manager.__aexit__(*exc)
