"""Applies the providers' tables to their SDKs and undoes them; knows what is bound and what is not.

Methods are replaced on their classes by plain functions, not by wrapt's: a plain function pickles by its name, and
keeps its signature and kind for `inspect`. wrapt brings the import hooks.
"""

from __future__ import annotations

import inspect
import logging
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from copy import copy
from dataclasses import dataclass, field
from functools import partial, wraps
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from types import ModuleType
from typing import Any

from opentelemetry.context import Context, attach, create_key, detach, get_value, set_value
from opentelemetry.trace import INVALID_SPAN, set_span_in_context

from .call import Call
from .emit import Emitter, Record
from .errors import KillSwitchOn
from .flow import run
from .generators import StandIn
from .relay import relay_of
from .safely import safely
from .scope import current
from .spec import Method, Provider, Stages
from .steps import Send, adrive, drive

__all__ = ["Binding", "Patch"]

log = logging.getLogger(__name__)

_Make = Callable[[Callable[..., Any]], Callable[..., Any]]
_OURS = create_key("otelllm-span-open")
"""Set in the context in which an SDK sends while our span is open: a span of its own would double it."""


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
        self._made: set[Any] = set()

    def apply(self) -> None:
        """Patch what is imported now, and the rest as soon as it is imported. Imports no SDK."""
        for provider in self.providers:
            by_module: dict[str, list[tuple[Binding, _Make]]] = {}
            for target, is_optional, make in self._targets(provider):
                binding = Binding(provider.name, target, is_optional)
                self.bindings.append(binding)
                by_module.setdefault(target.partition(":")[0], []).append((binding, make))
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

    def _targets(self, provider: Provider) -> Iterator[tuple[str, bool, _Make]]:
        """Each target, whether it may be missing, and what makes its replacement of the original."""
        for method in provider.methods:
            make = self._deferred if method.sends else self._wrapper
            yield method.target, method.optional, partial(make, provider, method)
        for hook in provider.parse_hooks:
            yield hook, True, self._parse_hook
        for function in getattr(provider, "own_spans", ()):
            yield function, True, self._silenced

    def _when_imported(self, provider: Provider, module: str, bindings: list[tuple[Binding, _Make]]) -> None:
        def bind(loaded: ModuleType) -> None:
            if not self.active:
                return
            for binding, make in bindings:
                with safely(f"patching {binding.target}"):
                    self._bind(binding, make, loaded)
            self._warn_unbound(provider, [one for one, _ in bindings])

        if module in sys.modules:
            bind(sys.modules[module])
            return
        if find_spec(module.partition(".")[0]) is None:
            return  # the SDK is not installed: nothing to wait for, and wrapt need not be imported
        from wrapt import register_post_import_hook  # noqa: PLC0415  90 ms, mostly asyncio; only where an SDK is

        register_post_import_hook(bind, module)

    def _bind(self, binding: Binding, make: _Make, module: ModuleType) -> None:
        place = binding.target.partition(":")[2]
        owner_name, _, name = place.rpartition(".")
        owner: Any = getattr(module, owner_name, None) if owner_name else module
        original = owner.__dict__.get(name) if owner is not None else None
        if owner is None or not callable(original):
            binding.missing = f"{place} is not in this version"
            return
        if original in self._made:  # a class whose body copied a method that we had patched by then
            made, original = original, original.__wrapped__
        else:
            made = make(original)
            self._made.add(made)
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

    def _silenced(self, original: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(original)
        def start_span(*args: Any, **kwargs: Any) -> Any:
            return None if self.active and get_value(_OURS) else original(*args, **kwargs)

        return start_span

    def _begin(
        self, provider: Provider, method: Method, send: Callable[..., Any], instance: Any, kwargs: dict[str, Any]
    ) -> _Begun | None:
        if not self.active:
            return None
        with safely("beginning a call"):
            return _Begun(self, provider, method, send, instance, kwargs)
        return None

    def _deferred(self, provider: Provider, method: Method, original: Callable[..., Any]) -> Callable[..., Any]:
        """A method that gives back a manager: a copy of its resource sends for it, and the call begins then."""

        def send(resource: Any, *args: Any, **kwargs: Any) -> Any:
            return getattr(resource, method.sends)(*args, **kwargs)

        def later(resource: Any, asked: dict[str, Any]) -> Callable[..., Any]:
            def post(*args: Any, **kwargs: Any) -> Any:
                begun = self._begin(provider, method, send, resource, asked)
                if begun is None:
                    return send(resource, *args, **kwargs)
                return drive(begun.steps(), lambda step: begun.send(step, args, kwargs))

            async def apost(*args: Any, **kwargs: Any) -> Any:
                begun = self._begin(provider, method, send, resource, asked)
                if begun is None:
                    return await send(resource, *args, **kwargs)
                return await adrive(begun.steps(), lambda step: begun.asend(step, args, kwargs))

            return apost if method.asynchronous else post

        @wraps(original)
        def wrapper(self_: Any, *args: Any, **kwargs: Any) -> Any:
            resource = self_
            if self.active:
                with safely("preparing a call"):
                    twin = copy(self_)
                    setattr(twin, method.sends, later(self_, kwargs))
                    resource = twin
            return original(resource, *args, **kwargs)

        return wrapper

    def _wrapper(self, provider: Provider, method: Method, original: Callable[..., Any]) -> Callable[..., Any]:
        if inspect.isgeneratorfunction(original):

            @wraps(original)
            def generator(self_: Any, *args: Any, **kwargs: Any) -> Any:
                begun = self._begin(provider, method, original, self_, kwargs)
                if begun is None:
                    return (yield from original(self_, *args, **kwargs))
                return (yield from begun.led(drive(begun.steps(), lambda step: begun.send(step, args, kwargs))))

            return generator

        if not method.asynchronous:

            @wraps(original)
            def wrapper(self_: Any, *args: Any, **kwargs: Any) -> Any:
                begun = self._begin(provider, method, original, self_, kwargs)
                if begun is None:
                    return original(self_, *args, **kwargs)
                return begun.led(drive(begun.steps(), lambda step: begun.send(step, args, kwargs)))

            return wrapper

        async def acall(instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
            begun = self._begin(provider, method, original, instance, kwargs)
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

    __slots__ = ("_instance", "_method", "_original", "_patch", "_provider", "_record", "call")

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

    def _context(self) -> Context:
        span = self._record.span
        context = set_span_in_context(span)
        if span is INVALID_SPAN or not getattr(self._provider, "own_spans", ()):
            return context
        return set_value(_OURS, True, context)

    def led(self, result: Any) -> Any:
        """`result`; a generator sends at its first read, and has our span as the current one then."""
        if type(result) is StandIn:
            result.lead = self._context()
        return result

    # Two ways to say one line: what attaches the context must also detach it, in the frame that calls the provider.
    def send(self, step: Send, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
        """The provider's own method, with our span as the current one, and only for that long."""
        instance = self._ready(step)
        token = attach(self._context())
        try:
            return self._original(instance, *args, **kwargs)
        finally:
            detach(token)

    async def asend(self, step: Send, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
        """The same, awaited."""
        instance = self._ready(step)
        token = attach(self._context())
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
