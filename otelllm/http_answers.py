"""HTTP responses that an SDK keeps to itself: what it gives its caller has lost the headers, and the request's id.

They are seen where a method gives one, or is given one by the name of `response`.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from opentelemetry.context import create_key, get_value

from .call import Call
from .wrapping import wrapped

__all__ = ["ASKED_BY", "noted"]

ASKED_BY = create_key("otelllm-asked-by")
"""In the context in which an SDK sends: the call that wants the response."""


def noted(original: Callable[..., Any]) -> Callable[..., Any]:
    """A method that gives or gets the response, which is noted on the call around it; the last of several attempts."""
    return wrapped(original, _observe)


def _observe(args: tuple[Any, ...], kwargs: dict[str, Any]) -> _Noted | None:
    call = get_value(ASKED_BY)
    if not isinstance(call, Call):
        return None
    if (response := kwargs.get("response")) is not None:
        call.response = response
        return None
    return _Noted(call)


class _Noted:
    __slots__ = ("_call",)

    def __init__(self, call: Call) -> None:
        self._call = call

    def current(self) -> AbstractContextManager[None]:
        return nullcontext()

    def saw(self, item: Any) -> None:
        """No generator is noted."""

    def returned(self, result: Any) -> None:
        self._call.response = result

    def end(self, error: BaseException | None = None) -> None:
        """Nothing came."""
