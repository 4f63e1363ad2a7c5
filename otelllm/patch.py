"""Applies the providers' and frameworks' tables to their packages and undoes them; knows what is bound and what not.

Methods are replaced on their classes (see calls); wrapt brings the import hooks.
"""

from __future__ import annotations

import logging
import sys
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial, wraps
from importlib.util import find_spec
from types import FunctionType, ModuleType
from typing import Any

from .calls import Calls
from .http_answers import noted
from .neighbours import is_neighbour
from .plugins import is_here
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
    is_gate: bool = False
    """Below the methods that we watch: only where a neighbour has wrapped it."""
    missing: str | None = None
    """Why it is not there, once its module was imported."""
    undo: Undo | None = field(default=None, repr=False)
    bind: Callable[[], None] | None = field(default=None, repr=False)
    """Binds it again, once it was taken off for a while; None for what stays as it is."""


class Patch:
    """The patches of one `instrument()`. After `undo()`, a replacement that somebody kept only passes through."""

    def __init__(self, providers: Iterable[Provider], frameworks: Iterable[Framework], calls: Calls) -> None:
        self.providers = list(providers)
        self.frameworks = list(frameworks)
        self.calls = calls
        self.bindings: list[Binding] = []
        self._made: dict[Any, Any] = {}
        self._judged: set[str] = set()
        self._here: dict[str, bool] = {}
        """By top-level package: each is looked for once."""
        self._neighbours: list[Binding] = []
        self._is_lifted = False

    def apply(self) -> None:
        """Patch what is imported now, and the rest as soon as it is imported. Imports no SDK."""
        for provider in self.providers:
            self._apply(provider, self._of_provider(provider))
        for framework in self.frameworks:
            self._apply(framework, self._of_framework(framework))
        with safely("watching for neighbours"):
            self._watch_neighbours()

    @contextmanager
    def lifted(self) -> Iterator[None]:
        """Everything that we replaced is as it was, for a moment: a neighbour patches, or takes its patches off."""
        if self._is_lifted:  # one neighbour's switch throws another's
            yield
            return
        self._is_lifted = True
        ours = [one for one in self.bindings if one.bind is not None]
        for binding in reversed(ours):
            if binding.undo is not None:
                binding.undo()
        try:
            yield
        finally:
            self._is_lifted = False
            for binding in ours:
                if binding.bind is not None and self.calls.active:
                    with safely(f"patching {binding.target} again"):
                        binding.bind()

    def undo(self) -> None:
        """Put every original back, the last first."""
        self.calls.active = False
        for binding in reversed([*self._neighbours, *self.bindings]):
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
        for below in getattr(provider, "below", ()):
            yield below, True, partial(self._replace, below, partial(self.calls.gate_below, provider))

    def _of_framework(self, framework: Framework) -> Iterator[tuple[str, bool, _Bind]]:
        for hook in framework.hooks:
            bind = hook.install if isinstance(hook, Hook) else partial(self._replace, hook.target, hook.make)
            yield hook.target, hook.optional, bind

    def _apply(self, owner: Provider | Framework, targets: Iterable[tuple[str, bool, _Bind]]) -> None:
        by_module: dict[str, list[tuple[Binding, _Bind]]] = {}
        for target, is_optional, bind in targets:
            binding = Binding(owner.name, target, is_optional, is_gate=target in getattr(owner, "below", ()))
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
                    _bind_now(binding, bind, there)
                if getattr(bind, "func", None) == self._replace:
                    binding.bind = partial(_bind_now, binding, bind, there)
            self._warn_unbound(owner, [one for one, _ in bindings])

        if module in sys.modules:
            loaded(sys.modules[module])
            return
        root = module.partition(".")[0]
        if root not in self._here:
            self._here[root] = is_here(root)
        if not self._here[root]:
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
        if type(original) is FunctionType and original in self._made:
            # A class whose body copied a method that we had patched by then. (Others' wrappers equal what they wrap.)
            made, original = original, self._made[original]
        else:
            made = _made(make, original)
            if made is None:
                return f"{place} is as the SDK made it"
            self._made[made] = original
        setattr(owner, name, made)

        def undo() -> None:
            if owner.__dict__.get(name) is made:  # somebody patched over ours: theirs stays, ours passes through
                setattr(owner, name, original)

        return undo

    def _watch_neighbours(self) -> None:
        """Other instrumentations come and go through one class of OpenTelemetry's: ours steps aside meanwhile, and
        stands outermost again after.
        """
        name = "opentelemetry.instrumentation.instrumentor"
        verbs = ("instrument", "uninstrument")
        bindings = self._neighbours = [
            Binding("opentelemetry", f"{name}:BaseInstrumentor.{verb}", True) for verb in verbs
        ]

        def stepping_aside(original: Callable[..., Any]) -> Callable[..., Any]:
            @wraps(original)
            def call(instrumentor: Any, *args: Any, **kwargs: Any) -> Any:
                if not (self.calls.active and is_neighbour(type(instrumentor).__module__)):
                    return original(instrumentor, *args, **kwargs)
                with self.lifted():
                    return original(instrumentor, *args, **kwargs)

            return call

        def loaded(there: ModuleType) -> None:
            for binding in bindings:
                with safely("watching for neighbours"):
                    _bind_now(binding, partial(self._replace, binding.target, stepping_aside), there)

        if name in sys.modules:
            loaded(sys.modules[name])
        elif find_spec("opentelemetry.instrumentation") is not None:
            from wrapt import register_post_import_hook  # noqa: PLC0415  as above

            register_post_import_hook(loaded, name)

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


def _bind_now(binding: Binding, bind: _Bind, module: ModuleType) -> None:
    done = bind(module)
    if isinstance(done, str):
        binding.missing, binding.bound, binding.undo = done, False, None
    else:
        binding.missing, binding.bound, binding.undo = None, True, done


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
