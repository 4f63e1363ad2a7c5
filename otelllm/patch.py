"""Applies the providers' and frameworks' tables to their packages and undoes them; knows what is bound and what not.

Methods are replaced on their classes (see calls); wrapt brings the import hooks.
"""

from __future__ import annotations

import logging
import sys
import warnings
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial, wraps
from importlib.util import find_spec
from types import ModuleType
from typing import Any

from .calls import Calls
from .http_answers import noted
from .safely import safely
from .spec import Framework, Hook, OwnSpans, Provider
from .supported import installed, outside, span

__all__ = ["Binding", "Patch"]

log = logging.getLogger(__name__)

Undo = Callable[[], None]
_Bind = Callable[[ModuleType], "Undo | str"]
"""Binds one target in its loaded module: how to undo it, or why it can't be bound."""


@dataclass(slots=True)
class Binding:
    """One target of a table, and whether it is patched; `otelllm doctor` shows these."""

    provider: str
    """The provider's or framework's name."""
    target: str
    optional: bool
    bound: bool = False
    missing: str | None = None
    """Why it is not there, once its module was imported."""
    undo: Undo | None = field(default=None, repr=False)


class Patch:
    """The patches of one `instrument()`. After `undo()`, a replacement that somebody kept only passes through."""

    def __init__(self, providers: Iterable[Provider], frameworks: Iterable[Framework], calls: Calls) -> None:
        self.providers = list(providers)
        self.frameworks = list(frameworks)
        self.calls = calls
        self.bindings: list[Binding] = []
        self._made: set[Any] = set()
        self._judged: set[str] = set()

    def apply(self) -> None:
        """Patch what is imported now, and the rest as soon as it is imported. Imports no SDK."""
        for provider in self.providers:
            self._apply(provider, self._of_provider(provider))
        for framework in self.frameworks:
            self._apply(framework, self._of_framework(framework))

    def undo(self) -> None:
        """Put every original back, the last first."""
        self.calls.active = False
        for binding in reversed(self.bindings):
            if binding.undo is not None:
                with safely(f"unpatching {binding.target}"):
                    binding.undo()
                binding.undo, binding.bound = None, False

    def _of_provider(self, provider: Provider) -> Iterator[tuple[str, bool, _Bind]]:
        """Each target, whether it may be missing, and what binds it."""
        for method in provider.methods:
            make = partial(self.calls.replacement, provider, method)
            yield method.target, method.optional, partial(self._replace, method.target, make)
        for hook in provider.parse_hooks:
            yield hook, True, partial(self._replace, hook, self.calls.parse_hook)
        for answer in getattr(provider, "answers", ()):
            yield answer, True, partial(self._replace, answer, noted)
        for own in getattr(provider, "own_spans", ()):
            target, instead = own if isinstance(own, OwnSpans) else (own, _nothing)
            yield target, True, partial(self._replace, target, partial(self.calls.silenced, instead))

    def _of_framework(self, framework: Framework) -> Iterator[tuple[str, bool, _Bind]]:
        for hook in framework.hooks:
            bind = hook.install if isinstance(hook, Hook) else partial(self._replace, hook.target, hook.make)
            yield hook.target, hook.optional, bind

    def _apply(self, owner: Provider | Framework, targets: Iterable[tuple[str, bool, _Bind]]) -> None:
        by_module: dict[str, list[tuple[Binding, _Bind]]] = {}
        for target, is_optional, bind in targets:
            binding = Binding(owner.name, target, is_optional)
            self.bindings.append(binding)
            by_module.setdefault(target.partition(":")[0], []).append((binding, bind))
        for module, bindings in by_module.items():
            with safely(f"hooking {module}"):
                self._when_imported(owner, module, bindings)

    def _when_imported(self, owner: Provider | Framework, module: str, bindings: list[tuple[Binding, _Bind]]) -> None:
        def loaded(there: ModuleType) -> None:
            if not self.calls.active:
                return
            with safely(f"judging {owner.package}"):
                self._warn_untested(owner)
            for binding, bind in bindings:
                with safely(f"patching {binding.target}"):
                    done = bind(there)
                    if isinstance(done, str):
                        binding.missing = done
                    else:
                        binding.undo, binding.bound = done, True
            self._warn_unbound(owner, [one for one, _ in bindings])

        if module in sys.modules:
            loaded(sys.modules[module])
            return
        if find_spec(module.partition(".")[0]) is None:
            return  # the SDK is not installed: nothing to wait for, and wrapt need not be imported
        from wrapt import register_post_import_hook  # noqa: PLC0415  90 ms, mostly asyncio; only where an SDK is

        register_post_import_hook(loaded, module)

    def _replace(self, target: str, make: Callable[[Callable[..., Any]], Any], module: ModuleType) -> Undo | str:
        """Put what `make` makes of `target`, a method of a class or a function of the module, in its place."""
        place = target.partition(":")[2]
        owner_name, _, name = place.rpartition(".")
        owner: Any = getattr(module, owner_name, None) if owner_name else module
        original = owner.__dict__.get(name) if owner is not None else None
        if owner is None or not callable(original):
            return f"{place} is not in this version"
        if original in self._made:  # a class whose body copied a method that we had patched by then
            made, original = original, original.__wrapped__
        else:
            made = _made(make, original)
            self._made.add(made)
        setattr(owner, name, made)

        def undo() -> None:
            if owner.__dict__.get(name) is made:  # somebody patched over ours: theirs stays, ours passes through
                setattr(owner, name, original)

        return undo

    def _warn_untested(self, owner: Provider | Framework) -> None:
        """Once a package: a version that we don't know is watched as far as it is like those that we do."""
        if owner.package in self._judged:
            return
        self._judged.add(owner.package)
        here, newest = installed(owner.package), getattr(owner, "newest", "")
        if here is not None and (how := outside(here, owner.oldest, newest)):
            log.warning(
                "%s %s is %s than the versions that otelllm was tested with (%s): watched as far as it is alike.",
                owner.package, here, how, span(owner.oldest, newest),
            )  # fmt: skip

    def _warn_unbound(self, owner: Provider | Framework, bindings: list[Binding]) -> None:
        lost = [one.target for one in bindings if not one.optional and not one.bound]
        if lost:
            log.warning(
                "otelllm did not find %s in %s %s (supported: %s): these calls are not seen.",
                ", ".join(lost), owner.package, installed(owner.package) or "(not installed)",
                span(owner.oldest, getattr(owner, "newest", "")),
            )  # fmt: skip


def _nothing(*_: object, **__: object) -> None:
    """No span."""


def _made(make: Callable[[Callable[..., Any]], Any], original: Callable[..., Any]) -> Any:
    """The replacement of `original`; one that warns of itself (`@deprecated`) still names the line that calls it."""
    message, inner = getattr(original, "__deprecated__", None), getattr(original, "__wrapped__", None)
    if not isinstance(message, str) or inner is None:
        return make(original)
    made = make(inner)

    @wraps(original)
    def warns(*args: Any, **kwargs: Any) -> Any:
        warnings.warn(message, DeprecationWarning, stacklevel=2)
        return made(*args, **kwargs)

    return warns
