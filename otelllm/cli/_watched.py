"""Of each SDK and framework that is installed: its version, what of it is watched, and who else watches it."""

from __future__ import annotations

import sys
from contextlib import contextmanager, suppress
from importlib import import_module
from typing import TYPE_CHECKING, Any

from ..errors import BadConfig
from ..supported import installed as version_of
from ..supported import outside, span
from ._finding import Finding
from ._others import around, called, installed, on_classes, root_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..patch import Binding
    from ..spec import Framework, Provider

__all__ = ["packages", "patched"]


@contextmanager
def patched() -> Iterator[bool]:
    """The library instrumented in this process, as in an app, but what it would send goes nowhere; whether it is.

    Where the app's own module was imported and did so already, that stands.
    """
    from opentelemetry._logs import NoOpLoggerProvider  # noqa: PLC0415  the library, for this command only
    from opentelemetry.metrics import NoOpMeterProvider  # noqa: PLC0415
    from opentelemetry.trace import NoOpTracerProvider  # noqa: PLC0415

    from .. import setup  # noqa: PLC0415
    from ..policy import Policy  # noqa: PLC0415

    try:
        setup.instrument(
            policy=Policy(), capture="off", tracer_provider=NoOpTracerProvider(), meter_provider=NoOpMeterProvider(),
            logger_provider=NoOpLoggerProvider(),
        )  # fmt: skip
    except BadConfig:  # said already, of the environment
        yield False
        return
    try:
        yield bool(setup.bindings())  # none: OTELLLM_DISABLED, said already
    finally:
        setup.uninstrument()


def packages() -> Iterator[Finding]:
    """A finding for each package that we know; inside `patched()`."""
    from .. import frameworks, providers, setup  # noqa: PLC0415

    owners: list[Provider | Framework] = [*providers.found(), *frameworks.found()]
    for owner in owners:
        yield _package(owner, [one for one in setup.bindings() if one.provider == owner.name])


def _package(owner: Provider | Framework, bindings: list[Binding]) -> Finding:
    here, newest = version_of(owner.package), getattr(owner, "newest", "")
    supported = span(owner.oldest, newest)
    facts: dict[str, Any] = {
        "package": owner.package, "version": here, "oldest": owner.oldest, "newest": newest or None,
        "bound": [], "not_bound": [], "patched_by": {}, "installed_beside": [],
    }  # fmt: skip
    if here is None:
        return Finding(owner.name, True, f"{owner.package} is not installed (supported: {supported})", facts=facts)
    modules = sorted({one.target.partition(":")[0] for one in bindings})
    for module in modules:
        with suppress(Exception):  # a newer, older or half-installed package: its targets are named below
            import_module(module)
    facts["bound"] = [one.target for one in bindings if one.bound]
    facts["not_bound"] = [
        {"target": one.target, "optional": one.optional, "why": one.missing or "its module can't be imported"}
        for one in bindings if not one.bound
    ]  # fmt: skip
    facts["patched_by"] = _others(modules, [one.target for one in bindings if one.bound])
    facts["installed_beside"] = [
        one for one in installed({owner.name, owner.package, *map(root_of, modules)}) if one not in facts["patched_by"]
    ]
    lost = [one["target"] for one in facts["not_bound"] if not one["optional"]]
    how = outside(here, owner.oldest, newest)
    text = f"{owner.package} {here} ({f'{how} than ' if how else ''}supported: {supported}): "
    text += f"not watched are {', '.join(lost)}" if lost else f"{len(facts['bound'])} methods are watched"
    return Finding(owner.name, bool(facts["bound"]) and not lost, text, tuple(_more(facts)), facts)


def _more(facts: dict[str, Any]) -> Iterator[str]:
    absent = [one["target"].partition(":")[2] or one["target"] for one in facts["not_bound"] if one["optional"]]
    if absent:
        yield f"not in this version: {', '.join(absent)}"
    for name, targets in facts["patched_by"].items():
        yield f"also patched by {name}: {', '.join(targets)}"
    if facts["installed_beside"]:
        yield f"installed too, and turned on by opentelemetry-instrument: {', '.join(facts['installed_beside'])}"


def _others(modules: list[str], targets: list[str]) -> dict[str, list[str]]:
    """Who else has patched a package, and what of it."""
    roots = tuple({root_of(module) for module in modules})
    found: dict[str, list[str]] = {}
    for target in targets:
        for module in around(_resolved(target), roots):
            found.setdefault(called(module), []).append(target.partition(":")[2])
    for what, module in on_classes(roots):
        there = found.setdefault(called(module), [])
        if what not in there:
            there.append(what)
    return found


def _resolved(target: str) -> Any:
    module, _, place = target.partition(":")
    owner: Any = sys.modules.get(module)
    *classes, name = place.split(".")
    for one in classes:
        owner = getattr(owner, one, None)
    return getattr(owner, "__dict__", {}).get(name)
