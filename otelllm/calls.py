"""What stands in the place of an SDK's method: a function of the same kind that takes each call through the flow.

Plain functions, not wrapt's: a plain function pickles by its name, and keeps its signature and kind for `inspect`.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from copy import copy
from functools import wraps
from typing import Any

from opentelemetry.context import Context, attach, detach, get_current, get_value

from .begun import Begun
from .connection import relay_of
from .emit import Emitter
from .enclosing import CALL_OPEN
from .generators import read_on
from .managers import Entering
from .neighbours import as_function, gate, name_once, peel
from .safely import safely
from .spec import Method, Provider, Selected
from .stages import Stages
from .steps import adrive, drive
from .taps import tap_body

__all__ = ["Calls"]


class Calls:
    """Makes the replacements. After `active = False`, one that somebody kept only passes through."""

    def __init__(
        self, emitter: Emitter, stages: Callable[[], Stages], *, propagates: bool = False, asks_usage: bool = False
    ) -> None:
        self.emitter = emitter
        self.stages = stages
        self.propagates = propagates
        """W3C trace context goes into the provider's request."""
        self.asks_usage = asks_usage
        """Streams are asked for their usage, where the app does not."""
        self.active = True

    def replacement(self, provider: Provider, method: Method, original: Callable[..., Any]) -> Callable[..., Any]:
        """What stands in the place of `original`, which is `method` of `provider`."""
        inner, names = peel(original)
        if method.sends or method.enters:
            original = as_function(inner)  # a manager of a neighbour's would be seen by nobody but the neighbour
        elif not method.is_function:
            original = gate(original, self._is_inside)
        if names:
            name_once(provider.package, names)
        if method.sends:
            return self._deferred(provider, method, original)
        if method.enters:
            return self._manager(provider, method, original)
        return self._wrapper(provider, method, original)

    def gate_below(self, provider: Provider, original: Callable[..., Any]) -> Callable[..., Any] | None:
        """For a method below those that we watch; None where no neighbour has wrapped it."""
        names = peel(original)[1]
        if not names:
            return None
        name_once(provider.package, names)
        return gate(original, self._is_inside)

    def _is_inside(self) -> bool:
        return self.active and get_value(CALL_OPEN) is not None

    def parse_hook(self, original: Callable[..., Any]) -> Callable[..., Any]:
        """A raw view's parse: what it makes is handed to the call's relay."""

        @wraps(original)
        def parse(view: Any, *args: Any, **kwargs: Any) -> Any:
            parsed = original(view, *args, **kwargs)
            if self.active:
                with safely("reading a raw view"):
                    relay = relay_of(getattr(view, "http_response", None))
                    if relay is not None:
                        tap_body(relay, parsed)
            return parsed

        return parse

    def silenced(self, instead: Callable[..., Any], original: Callable[..., Any]) -> Callable[..., Any]:
        """What starts a span of the SDK's own; while ours is open, `instead` is called with it and its arguments."""

        @wraps(original)
        def start_span(*args: Any, **kwargs: Any) -> Any:
            if self.active and get_value(CALL_OPEN):
                return instead(original, *args, **kwargs)
            return original(*args, **kwargs)

        return start_span

    def _begin(
        self,
        provider: Provider,
        method: Method,
        send: Callable[..., Any],
        instance: Any,
        args: tuple[Any, ...],
        kwargs: Mapping[str, Any],
    ) -> Begun | None:
        selected = self._select(method, instance, args, kwargs)
        return None if selected is None else self._open(provider, method, selected, send, instance)

    def _select(
        self, method: Method, instance: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]
    ) -> Selected | None:
        if not self.active or get_value(CALL_OPEN) is not None:
            return None
        if method.select is None:
            return Selected(method.surface, kwargs)
        with safely("telling what a call is"):
            return method.select(instance, args, kwargs)
        return None

    def _open(
        self,
        provider: Provider,
        method: Method,
        selected: Selected,
        send: Callable[..., Any],
        instance: Any,
        context: Context | None = None,
    ) -> Begun | None:
        token = None if context is None else attach(context)
        try:
            with safely("beginning a call"):
                return Begun(self, provider, method, selected, send, instance)
            return None
        finally:
            if token is not None:
                detach(token)

    def _deferred(self, provider: Provider, method: Method, original: Callable[..., Any]) -> Callable[..., Any]:
        """A method that gives back a manager: a copy of its resource sends for it, and the call begins then."""

        def send(resource: Any, *args: Any, **kwargs: Any) -> Any:
            return getattr(resource, method.sends)(*args, **kwargs)

        def later(resource: Any, asked: dict[str, Any]) -> Callable[..., Any]:
            def post(*args: Any, **kwargs: Any) -> Any:
                begun = self._begin(provider, method, send, resource, (), asked)
                if begun is None:
                    return send(resource, *args, **kwargs)
                return drive(begun.steps(), lambda step: begun.send(step, args, kwargs))

            async def apost(*args: Any, **kwargs: Any) -> Any:
                begun = self._begin(provider, method, send, resource, (), asked)
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

    def _manager(self, provider: Provider, method: Method, original: Callable[..., Any]) -> Callable[..., Any]:
        """A method whose manager sends when it is entered: ours stands around it."""

        @wraps(original)
        def wrapper(self_: Any, *args: Any, **kwargs: Any) -> Any:
            manager = original(self_, *args, **kwargs)
            if not self.active:
                return manager

            def begin(enter: Callable[..., Any]) -> Begun | None:
                return self._begin(provider, method, enter, self_, args, kwargs)

            def anew(resource: Any, *args: Any, **kwargs: Any) -> Any:
                is_the_same = resource is self_ and not self.propagates
                return manager if is_the_same else original(resource, *args, **kwargs)

            return Entering(manager, begin, anew, args, kwargs)

        return wrapper

    def _wrapper(self, provider: Provider, method: Method, original: Callable[..., Any]) -> Callable[..., Any]:
        if method.is_function:
            return self._function(provider, method, original)
        if inspect.isgeneratorfunction(original):
            return self._generating(provider, method, original)
        if not method.asynchronous:

            @wraps(original)
            def wrapper(self_: Any, *args: Any, **kwargs: Any) -> Any:
                selected = self._select(method, self_, args, kwargs)
                if selected is not None and selected.lazy:
                    return self._lazily(provider, method, selected, original, self_, args, kwargs)
                begun = None if selected is None else self._open(provider, method, selected, original, self_)
                if begun is None:
                    return original(self_, *args, **kwargs)
                return begun.led(drive(begun.steps(), lambda step: begun.send(step, args, kwargs)))

            return wrapper

        async def acall(instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
            selected = self._select(method, instance, args, kwargs)
            if selected is not None and selected.lazy:
                return self._lazily(provider, method, selected, original, instance, args, kwargs)
            begun = None if selected is None else self._open(provider, method, selected, original, instance)
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

    def _generating(self, provider: Provider, method: Method, original: Callable[..., Any]) -> Callable[..., Any]:
        """A generator function: the call begins when it is first read, with all that is current there."""

        @wraps(original)
        def generator(self_: Any, *args: Any, **kwargs: Any) -> Any:
            begun = self._begin(provider, method, original, self_, args, kwargs)
            if begun is None:
                return (yield from original(self_, *args, **kwargs))
            return (yield from begun.led(drive(begun.steps(), lambda step: begun.send(step, args, kwargs))))

        return generator

    def _lazily(
        self, provider: Provider, method: Method, selected: Selected, original: Callable[..., Any], instance: Any,
        args: tuple[Any, ...], kwargs: dict[str, Any],
    ) -> Any:  # fmt: skip
        """The generator of a method whose first read sends, by its own name; unread it is no call."""
        context = get_current()

        def generator() -> Any:
            begun = self._open(provider, method, selected, original, instance, context)
            if begun is None:
                return (yield from original(instance, *args, **kwargs))
            return (yield from begun.led(drive(begun.steps(), lambda step: begun.send(step, args, kwargs))))

        async def sent() -> Any:
            begun = self._open(provider, method, selected, original, instance, context)
            if begun is None:
                return await original(instance, *args, **kwargs)
            return begun.led(await adrive(begun.steps(), lambda step: begun.asend(step, args, kwargs)))

        made: Any = read_on(sent) if method.asynchronous else generator()
        made.__name__, made.__qualname__ = selected.lazy, f"{original.__qualname__}.<locals>.{selected.lazy}"
        return made

    def _function(self, provider: Provider, method: Method, original: Callable[..., Any]) -> Callable[..., Any]:
        """A function of a module: as a method whose instance is itself."""

        def send(function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
            return function(*args, **kwargs)

        if method.asynchronous:

            @wraps(original)
            async def afunction(*args: Any, **kwargs: Any) -> Any:
                begun = self._begin(provider, method, send, original, args, kwargs)
                if begun is None:
                    return await original(*args, **kwargs)
                return await adrive(begun.steps(), lambda step: begun.asend(step, args, kwargs))

            return afunction

        @wraps(original)
        def function(*args: Any, **kwargs: Any) -> Any:
            begun = self._begin(provider, method, send, original, args, kwargs)
            if begun is None:
                return original(*args, **kwargs)
            return drive(begun.steps(), lambda step: begun.send(step, args, kwargs))

        return function
