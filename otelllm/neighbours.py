"""Other instrumentations on the same SDKs: who they are, and how a call has one span with them there.

Where one of them has wrapped a method that we watch, our call goes past its wrapper: the span is ours, and it is
named in one warning. Calls that we do not see go through it as before.
"""

from __future__ import annotations

import inspect
import logging
import threading
from collections.abc import Callable, Iterator
from functools import wraps
from types import FunctionType
from typing import Any

__all__ = ["as_function", "gate", "is_neighbour", "name_once", "peel", "wrappers_of"]

log = logging.getLogger(__name__)

# Packages that write a GenAI span of the same call to OpenTelemetry. Those that report elsewhere (Sentry, Datadog, …)
# count calls of their own, and are left alone.
_KNOWN = (
    "openinference.instrumentation.",
    "opentelemetry.instrumentation.genai.",
    "opentelemetry.instrumentation.openai_v2",
    *(
        f"opentelemetry.instrumentation.{name}"
        for name in (
            "openai", "anthropic", "bedrock", "botocore", "cohere", "groq", "mistralai", "ollama", "together",
            "google_genai", "google_generativeai", "vertexai", "litellm",
        )
    ),
)  # fmt: skip

_lock = threading.Lock()
_named: set[str] = set()


def is_neighbour(module: str) -> bool:
    """Whether `module` is of an instrumentation that writes spans of model calls."""
    return any(module == known or module.startswith(known.rstrip(".") + ".") for known in _KNOWN)


def wrappers_of(function: Any) -> Iterator[tuple[str, Any]]:
    """Who has wrapped `function`, the outermost first: the wrapper's module, and what it wraps."""
    while (inner := getattr(function, "__wrapped__", None)) is not None:
        wrapper = getattr(function, "_self_wrapper", function)
        yield str(getattr(wrapper, "__module__", None) or type(wrapper).__module__), inner
        function = inner


def peel(function: Any) -> tuple[Any, list[str]]:
    """`function` without the neighbours' wrappers around it, and the modules that these are of."""
    names: list[str] = []
    # wrapt's only: a plain function that has `__wrapped__` is the SDK's own decorator, or a copy of its metadata.
    while hasattr(function, "_self_wrapper"):
        module, inner = next(wrappers_of(function))
        if not is_neighbour(module):
            break
        names.append(module)
        function = inner
    return function, names


def as_function(method: Any) -> Callable[..., Any]:
    """A method found in its class's dict as a function of (self, …). Other people's wrappers are descriptors, which
    find their instance only when they are bound.
    """
    if isinstance(method, FunctionType) and type(method) is FunctionType:
        return method

    @wraps(method)
    def call(self: Any, *args: Any, **kwargs: Any) -> Any:
        return method.__get__(self, type(self))(*args, **kwargs)

    return call


def gate(original: Any, is_inside: Callable[[], bool]) -> Callable[..., Any]:
    """`original`, past the neighbours' wrappers on it where `is_inside` says that our call is open. Of its kind."""
    inner, names = peel(original)
    inner, passing = as_function(inner), as_function(original)
    if not names:
        return passing
    if inspect.iscoroutinefunction(inner):

        @wraps(passing)
        async def agated(*args: Any, **kwargs: Any) -> Any:
            return await (inner if is_inside() else passing)(*args, **kwargs)

        return agated
    if inspect.isgeneratorfunction(inner):

        @wraps(passing)
        def generated(*args: Any, **kwargs: Any) -> Any:
            return (yield from (inner if is_inside() else passing)(*args, **kwargs))

        return generated

    @wraps(passing)
    def gated(*args: Any, **kwargs: Any) -> Any:
        return (inner if is_inside() else passing)(*args, **kwargs)

    return gated


def name_once(package: str, modules: list[str]) -> None:
    """One warning for each neighbour: that it is there, and that its spans of the calls that we watch are left out."""
    for module in modules:
        neighbour = ".".join(module.split(".")[: 4 if ".genai." in module else 3])
        with _lock:
            if neighbour in _named:
                continue
            _named.add(neighbour)
        log.warning(
            "otelllm: %s watches %s too. A call has one span, otelllm's; switch one of the two off to choose.",
            neighbour, package,
        )  # fmt: skip
