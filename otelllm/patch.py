"""Applies the providers' tables to their SDKs and undoes them; knows what is bound and what is not.

Methods are replaced on their classes by plain functions, not by wrapt's: a plain function pickles by its name, and
keeps its signature and kind for `inspect`. wrapt brings the import hooks.
"""

from __future__ import annotations

import inspect
import logging
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import wraps
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from types import ModuleType
from typing import Any

from opentelemetry.context import attach, detach
from opentelemetry.trace import set_span_in_context

from .call import Call
from .emit import Emitter, Record
from .errors import KillSwitchOn
from .flow import run
from .relay import relay_of
from .safely import safely
from .scope import current
from .spec import Method, Provider, Stages
from .steps import Send, adrive, drive

__all__ = ["Binding", "Patch"]

log = logging.getLogger(__name__)


@dataclass(slots=True)
class Binding:
    """One target of a provider's table, and whether it is patched; `otelllm doctor` shows these."""

    provider: str
    target: str
    optional: bool
    bound: bool = False
    missing: str | None = None
    """Why it is not there, once its module was imported."""
    undo: Callable[[], None] | None = field(default=None, repr=False)


class Patch:
    """The patches of one `instrument()`. After `undo()`, a wrapper that somebody kept only passes through."""

    def __init__(self, providers: Iterable[Provider], emitter: Emitter, stages: Callable[[], Stages]) -> None:
        self.providers = list(providers)
        self.emitter = emitter
        self.stages = stages
        self.active = True
        self.bindings: list[Binding] = []

    def apply(self) -> None:
        """Patch what is imported now, and the rest as soon as it is imported. Imports no SDK."""
        for provider in self.providers:
            by_module: dict[str, list[tuple[Binding, Method | None]]] = {}
            targets: list[tuple[str, Method | None]] = [(one.target, one) for one in provider.methods]
            targets += [(hook, None) for hook in provider.parse_hooks]
            for target, method in targets:
                binding = Binding(provider.name, target, optional=method is None or method.optional)
                self.bindings.append(binding)
                by_module.setdefault(target.partition(":")[0], []).append((binding, method))
            for module, bindings in by_module.items():
                with safely(f"hooking {module}"):
                    self._when_imported(provider, module, bindings)

    def undo(self) -> None:
        """Put every original back, the last first."""
        self.active = False
        for binding in reversed(self.bindings):
            if binding.undo is not None:
                with safely(f"unpatching {binding.target}"):
                    binding.undo()
                binding.undo, binding.bound = None, False

    def _when_imported(self, provider: Provider, module: str, bindings: list[tuple[Binding, Method | None]]) -> None:
        def bind(loaded: ModuleType) -> None:
            if not self.active:
                return
            for binding, method in bindings:
                with safely(f"patching {binding.target}"):
                    self._bind(provider, binding, method, loaded)
            self._warn_unbound(provider, [one for one, _ in bindings])

        if module in sys.modules:
            bind(sys.modules[module])
            return
        if find_spec(module.partition(".")[0]) is None:
            return  # the SDK is not installed: nothing to wait for, and wrapt need not be imported
        from wrapt import register_post_import_hook  # noqa: PLC0415  90 ms, mostly asyncio; only where an SDK is

        register_post_import_hook(bind, module)

    def _bind(self, provider: Provider, binding: Binding, method: Method | None, module: ModuleType) -> None:
        owner_name, _, name = binding.target.partition(":")[2].partition(".")
        owner = getattr(module, owner_name, None)
        original = owner.__dict__.get(name) if owner is not None else None
        if owner is None or not callable(original):
            binding.missing = f"{owner_name}.{name} is not in this version"
            return
        made = self._parse_hook(original) if method is None else self._wrapper(provider, method, original)
        setattr(owner, name, made)

        def undo() -> None:
            if owner.__dict__.get(name) is made:  # somebody patched over ours: theirs stays, ours passes through
                setattr(owner, name, original)

        binding.undo, binding.bound = undo, True

    def _warn_unbound(self, provider: Provider, bindings: list[Binding]) -> None:
        lost = [one.target for one in bindings if not one.optional and not one.bound]
        if lost:
            log.warning(
                "otelllm did not find %s in %s %s (supported from %s): these calls are not seen.",
                ", ".join(lost), provider.package, installed(provider.package), provider.oldest,
            )  # fmt: skip

    def _parse_hook(self, original: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(original)
        def parse(view: Any, *args: Any, **kwargs: Any) -> Any:
            parsed = original(view, *args, **kwargs)
            if self.active:
                with safely("reading a raw view"):
                    relay = relay_of(getattr(view, "http_response", None))
                    if relay is not None:
                        relay.body(parsed)
            return parsed

        return parse

    def _wrapper(self, provider: Provider, method: Method, original: Callable[..., Any]) -> Callable[..., Any]:
        def begin(instance: Any, kwargs: dict[str, Any]) -> _Begun | None:
            if not self.active:
                return None
            with safely("beginning a call"):
                return _Begun(self, provider, method, original, instance, kwargs)
            return None

        if not method.asynchronous:

            @wraps(original)
            def wrapper(self: Any, *args: Any, **kwargs: Any) -> Any:
                begun = begin(self, kwargs)
                if begun is None:
                    return original(self, *args, **kwargs)
                return drive(begun.steps(), lambda step: begun.send(step, args, kwargs))

            return wrapper

        async def acall(instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
            begun = begin(instance, kwargs)
            if begun is None:
                return await original(instance, *args, **kwargs)
            return await adrive(begun.steps(), lambda step: begun.asend(step, args, kwargs))

        if inspect.iscoroutinefunction(original):

            @wraps(original)
            async def awrapper(self: Any, *args: Any, **kwargs: Any) -> Any:
                return await acall(self, args, kwargs)

            return awrapper

        # The SDK hides its coroutine function behind a plain decorator: ours is then of the same kind.
        @wraps(original)
        def plain_wrapper(self: Any, *args: Any, **kwargs: Any) -> Any:
            return acall(self, args, kwargs)

        return plain_wrapper


class _Begun:
    """One call on its way: the record, and how to send it."""

    __slots__ = ("_context", "_instance", "_method", "_original", "_patch", "_provider", "_record", "call")

    def __init__(
        self, patch: Patch, provider: Provider, method: Method, original: Callable[..., Any], instance: Any,
        kwargs: dict[str, Any],
    ) -> None:  # fmt: skip
        surface = method.surface
        request = surface.read_request(kwargs)
        endpoint = provider.endpoint(instance)
        self.call = Call(
            provider=endpoint.provider,
            operation=surface.operation,
            request=request,
            scope=current(),
            server=(endpoint.address, endpoint.port) if endpoint.address else None,
        )
        self._record = Record(patch.emitter, self.call)
        self._patch, self._provider, self._method = patch, provider, method
        self._original, self._instance = original, instance
        with safely("reading what was sent"):
            self._record.read_input(surface, kwargs)

    def steps(self) -> Any:
        """The flow of this call."""
        return run(self.call, self._provider, self._method.surface, self._patch.stages(), self._record.end)

    def _ready(self, step: Send) -> Any:
        """The resource that is called: the app's own, or one whose answer is already here."""
        if step.answer is None:
            return self._instance
        dressed = self._provider.dress(self._instance, self._method.surface, self.call.request, step.answer)
        if dressed is None:
            rule = self.call.decisions[-1].rule if self.call.decisions else ""
            raise KillSwitchOn(f"{self.call.operation} is switched off, and has no text to answer with", rule=rule)
        return dressed

    # Two ways to say one line: what attaches the context must also detach it, in the frame that calls the provider.
    def send(self, step: Send, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
        """The provider's own method, with our span as the current one, and only for that long."""
        instance = self._ready(step)
        token = attach(set_span_in_context(self._record.span))
        try:
            return self._original(instance, *args, **kwargs)
        finally:
            detach(token)

    async def asend(self, step: Send, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
        """The same, awaited."""
        instance = self._ready(step)
        token = attach(set_span_in_context(self._record.span))
        try:
            return await self._original(instance, *args, **kwargs)
        finally:
            detach(token)


def installed(package: str) -> str:
    """The version of `package` here."""
    try:
        return version(package)
    except PackageNotFoundError:
        return "(not installed)"
