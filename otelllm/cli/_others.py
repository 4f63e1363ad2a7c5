"""Who else watches a package: other instrumentations, told by the modules of what stands around its methods."""

from __future__ import annotations

import functools
import sys
from collections.abc import Iterator
from importlib.metadata import EntryPoint, entry_points, packages_distributions, version
from types import FunctionType, ModuleType
from typing import Any

__all__ = ["around", "called", "installed", "on_classes", "root_of"]

INSTRUMENTORS = "opentelemetry_instrumentor"
"""The entry points that `opentelemetry-instrument` turns on."""
TRACERS = (
    "opentelemetry.instrumentation", "openinference", "traceloop", "logfire", "langfuse", "ddtrace", "sentry_sdk",
    "mlflow", "opik", "langsmith", "openlit", "braintrust", "weave", "agentops", "newrelic", "elasticapm", "posthog",
)  # fmt: skip
"""Modules of tracers, looked for in all of an SDK; around a method that we patch, any foreign module is told."""

DECORATORS = (
    "",
    *sys.stdlib_module_names,
    "deprecated",
    "pydantic",
    "tenacity",
    "typing_extensions",
    "wrapt",
    "_wrappers",
)
"""Modules of decorators that a package uses itself."""


def root_of(module: str) -> str:
    """The package that a module belongs to: `openai`, or `google.genai` where the first name is only a namespace."""
    first, _, rest = module.partition(".")
    is_namespace = first in sys.modules and getattr(sys.modules[first], "__file__", None) is None
    return f"{first}.{rest.partition('.')[0]}" if is_namespace and rest else first


def around(function: Any, roots: tuple[str, ...]) -> list[str]:
    """The modules of what was put around `function`, outermost first; its own package's layers and ours left out."""
    found: list[str] = []
    seen: set[int] = set()
    layers = [function]
    while layers:
        layer = layers.pop(0)
        if layer is None or id(layer) in seen:
            continue
        seen.add(id(layer))
        module = _module(layer)
        if module not in found and not _is_in(module, (*roots, "otelllm", *DECORATORS)):
            found.append(module)
        layers += _inner(layer)
    return found


def on_classes(roots: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    """(what, module) of each method of a package's classes, and of its functions, that a known tracer has replaced."""
    seen: set[int] = set()
    for module in [one for name, one in list(sys.modules.items()) if _is_in(name, roots) and type(one) is ModuleType]:
        for name, value in list(vars(module).items()):
            if id(value) in seen:
                continue
            seen.add(id(value))
            # By type(): isinstance asks the value, and a lazy one would come to life by it.
            is_class = issubclass(type(value), type)
            for method, function in list(vars(value).items()) if is_class else [("", value)]:
                if not _is_replaceable(function):
                    continue
                for other in around(function, roots):
                    if _is_in(other, TRACERS):
                        yield f"{name}.{method}".rstrip("."), other


def called(module: str) -> str:
    """The distribution that a module is from, with its version: "langfuse 3.1.0"; the module where none is known."""
    for entry in _instrumentors():
        if entry.dist is not None and _is_in(module, (entry.module,)):
            return f"{entry.dist.name} {entry.dist.version}"
    names = _distributions().get(module.partition(".")[0], [])
    return f"{names[0]} {version(names[0])}" if len(set(names)) == 1 else module


def installed(names: set[str]) -> list[str]:
    """The distributions that `opentelemetry-instrument` would turn on for packages of such names; not ours."""
    wanted = {_plain(name) for name in names}
    found = {
        f"{entry.dist.name} {entry.dist.version}"
        for entry in _instrumentors()
        if entry.dist is not None and _plain(entry.name) in wanted and entry.dist.name != "otelllm"
    }
    return sorted(found)


def _module(function: Any) -> str:
    """Where the code of a layer is written; `__module__` won't do, functools.wraps copies it."""
    wrapper = getattr(function, "_self_wrapper", None) if _is_proxy(function) else function
    while isinstance(wrapper, functools.partial):
        wrapper = wrapper.func
    wrapper = getattr(wrapper, "__func__", wrapper)  # bound methods, static and class methods
    if isinstance(wrapper, FunctionType):
        return str(wrapper.__globals__.get("__name__", ""))
    return str(getattr(type(wrapper), "__module__", "") or "")


def _inner(function: Any) -> list[Any]:
    """What a layer goes on to: what it says that it wraps, and functions of its name that it holds unsaid."""
    found = [getattr(function, "__wrapped__", None)]
    function = getattr(function, "__func__", function)
    for cell in (function.__closure__ or ()) if type(function) is FunctionType else ():
        try:
            content = cell.cell_contents
        except ValueError:
            continue  # not filled yet
        if callable(content) and getattr(content, "__name__", None) == function.__name__:
            found.append(content)
    return found


def _is_proxy(value: Any) -> bool:
    """Whether it is one of wrapt's; its compiled module calls itself `_wrappers`."""
    return any("wrapt" in kind.__module__ or kind.__module__ == "_wrappers" for kind in type(value).__mro__)


def _is_replaceable(value: Any) -> bool:
    return issubclass(type(value), FunctionType | staticmethod | classmethod) or _is_proxy(value)


def _is_in(module: str, packages: tuple[str, ...]) -> bool:
    return any(module == one or module.startswith(f"{one}.") for one in packages)


def _plain(name: str) -> str:
    return name.replace("-", "_").replace(".", "_").lower()


@functools.cache
def _instrumentors() -> tuple[EntryPoint, ...]:
    # The longest module first: `opentelemetry.instrumentation.openai` must not answer for `….openai_agents`.
    return tuple(sorted(entry_points(group=INSTRUMENTORS), key=lambda entry: -len(entry.module)))


@functools.cache
def _distributions() -> dict[str, list[str]]:
    return dict(packages_distributions())
