"""What stands in the place of an SDK's method: a function of the same kind that takes each call through the flow.

Plain functions, not wrapt's: a plain function pickles by its name, and keeps its signature and kind for `inspect`.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from copy import copy
from functools import wraps
from typing import Any

from opentelemetry.context import Context, attach, detach, get_current, get_value, set_value
from opentelemetry.trace import INVALID_SPAN, set_span_in_context

from .call import Call
from .connection import relay_of
from .emit import Emitter, Record
from .enclosing import CALL_OPEN, enclosing
from .errors import KillSwitchOn
from .flow import run
from .generators import AsyncStandIn, StandIn, read_on
from .hosts import key_hash
from .http_answers import ASKED_BY
from .managers import Entering
from .neighbours import as_function, gate, name_once, peel
from .safely import safely
from .scope import current
from .spec import Method, Provider, Selected, Stages
from .steps import Send, adrive, drive

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
                        relay.body(parsed)
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
    ) -> _Begun | None:
        selected = self._select(method, instance, args, kwargs)
        return None if selected is None else self._open(provider, selected, send, instance)

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
        selected: Selected,
        send: Callable[..., Any],
        instance: Any,
        context: Context | None = None,
    ) -> _Begun | None:
        token = None if context is None else attach(context)
        try:
            with safely("beginning a call"):
                return _Begun(self, provider, selected, send, instance)
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

            def begin(enter: Callable[..., Any]) -> _Begun | None:
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
                begun = None if selected is None else self._open(provider, selected, original, self_)
                if begun is None:
                    return original(self_, *args, **kwargs)
                return begun.led(drive(begun.steps(), lambda step: begun.send(step, args, kwargs)))

            return wrapper

        async def acall(instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
            selected = self._select(method, instance, args, kwargs)
            if selected is not None and selected.lazy:
                return self._lazily(provider, method, selected, original, instance, args, kwargs)
            begun = None if selected is None else self._open(provider, selected, original, instance)
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
            begun = self._open(provider, selected, original, instance, context)
            if begun is None:
                return (yield from original(instance, *args, **kwargs))
            return (yield from begun.led(drive(begun.steps(), lambda step: begun.send(step, args, kwargs))))

        async def sent() -> Any:
            begun = self._open(provider, selected, original, instance, context)
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


class _Begun:
    """One call on its way: the record, and how to send it."""

    __slots__ = ("_args", "_asking", "_calls", "_instance", "_original", "_provider", "_record", "_surface", "call")

    def __init__(
        self, calls: Calls, provider: Provider, selected: Selected, original: Callable[..., Any], instance: Any
    ) -> None:
        surface, kwargs = selected.surface, selected.kwargs
        request = surface.read_request(kwargs)
        endpoint = selected.endpoint or provider.endpoint(instance)
        self.call = Call(
            provider=endpoint.provider,
            operation=surface.operation,
            request=request,
            scope=current(),
            server=(endpoint.address, endpoint.port) if endpoint.address else None,
        )
        secret = selected.secret or (provider.api_key(instance) if hasattr(provider, "api_key") else None)
        self.call.key = key_hash(secret) if secret else None
        self._record = Record(calls.emitter, self.call)
        self._calls, self._provider, self._surface = calls, provider, surface
        self._original, self._instance = original, selected.instance or instance
        self._args = None if selected.args is None else selected.args(self.call.reading)
        self._asking: Mapping[str, Any] = {}
        if calls.asks_usage and request.stream and hasattr(provider, "asking_usage"):
            self._asking = provider.asking_usage(surface, kwargs)
            request.asks_usage = bool(self._asking)
        if (outer := enclosing()) is not None:
            outer.saw(surface.operation)
            self.call.reading.attributes.update(outer.attributes)
        with safely("reading what was sent"):
            self._record.read_input(surface, kwargs)

    def steps(self) -> Any:
        """The flow of this call."""
        return run(self.call, self._provider, self._surface, self._calls.stages(), self._record.end)

    def _ready(self, step: Send) -> Any:
        """The resource that is called: the app's own, or one whose answer is already here."""
        if step.answer is None:
            return self._instance
        dressed = self._provider.dress(self._instance, self._surface, self.call.request, step.answer)
        if dressed is None:
            rule = self.call.decisions[-1].rule if self.call.decisions else ""
            raise KillSwitchOn(f"{self.call.operation} is switched off, and has no text to answer with", rule=rule)
        return dressed

    def _as_sent(self, kwargs: Mapping[str, Any]) -> Mapping[str, Any]:
        """`kwargs` with what settings add to the request."""
        if self._asking:
            kwargs = {**kwargs, **self._asking}
        return self._propagated(kwargs) if self._calls.propagates else kwargs

    def _propagated(self, kwargs: Mapping[str, Any]) -> Mapping[str, Any]:
        """`kwargs` with the current trace context among the request's headers, where the SDK takes any."""
        with safely("propagating the trace context"):
            from opentelemetry.propagate import inject  # noqa: PLC0415  loads the propagators; only where asked for

            headers: dict[str, str] = {}
            inject(headers)
            if headers and (add := getattr(self._provider, "with_headers", None)) is not None:
                told: Mapping[str, Any] = add(kwargs, headers)
                return told
        return kwargs

    def _context(self) -> Context:
        span = self._record.span
        context = set_value(CALL_OPEN, span is not INVALID_SPAN, set_span_in_context(span))
        return set_value(ASKED_BY, self.call, context) if getattr(self._provider, "answers", ()) else context

    def led(self, result: Any) -> Any:
        """`result`; a generator sends at its first read, and has our span as the current one then."""
        if type(result) is StandIn or type(result) is AsyncStandIn:
            result.lead = self._context()
        return result

    # Two ways to say one line: what attaches the context must also detach it, in the frame that calls the provider.
    def send(self, step: Send, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
        """The provider's own method, with our span as the current one, and only for that long."""
        instance = self._ready(step)
        token = attach(self._context())
        try:
            return self._original(instance, *(self._args or args), **self._as_sent(kwargs))
        finally:
            detach(token)

    async def asend(self, step: Send, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
        """The same, awaited."""
        instance = self._ready(step)
        token = attach(self._context())
        try:
            return await self._original(instance, *(self._args or args), **self._as_sent(kwargs))
        finally:
            detach(token)
