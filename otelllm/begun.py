"""One call on its way: its record, what the app asked, and how it is sent."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Protocol

from opentelemetry.context import Context, attach, detach, set_value
from opentelemetry.trace import INVALID_SPAN, set_span_in_context

from . import semconv
from .aiming import aimed
from .attempt import Target
from .background import launch, launch_async
from .call import Call
from .emit import Emitter, Record
from .enclosing import CALL_OPEN, enclosing
from .errors import KillSwitchOn
from .flow import run
from .generators import AsyncStandIn, StandIn
from .hosts import key_hash
from .http_answers import ASKED_BY
from .safely import safely
from .scope import current
from .spec import Method, Provider, Selected
from .stages import Asked, Stages
from .steps import Send, adrive, drive

__all__ = ["Begun", "Settings"]


class Settings(Protocol):
    """What all calls of one `instrument()` share."""

    emitter: Emitter
    stages: Callable[[], Stages]
    propagates: bool
    asks_usage: bool


class Begun:
    """One call on its way: the record, and how to send it."""

    __slots__ = ("_args", "_asked", "_asking", "_original", "_record", "_settings", "call")

    def __init__(
        self,
        settings: Settings,
        provider: Provider,
        method: Method,
        selected: Selected,
        original: Callable[..., Any],
        instance: Any,
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
        self._record = Record(settings.emitter, self.call)
        self._settings, self._original = settings, original
        self._asked = Asked(provider, surface, selected.instance or instance, kwargs, method)
        self._args = None if selected.args is None else selected.args(self.call.reading)
        self._asking: Mapping[str, Any] = {}
        if settings.asks_usage and request.stream and hasattr(provider, "asking_usage"):
            self._asking = provider.asking_usage(surface, kwargs)
            request.asks_usage = bool(self._asking)
        if (outer := enclosing()) is not None:
            outer.saw(surface.operation)
            self.call.reading.attributes.update(outer.attributes)
        with safely("reading what was sent"):
            self._record.read_input(surface, kwargs)

    def steps(self, stages: Stages | None = None) -> Any:
        """The flow of this call, through the stages that are in force, or through these."""
        return run(self.call, self._asked, stages or self._settings.stages(), self._record.end)

    def _twin(self, target: Target) -> Begun:
        """The same call once more, on nobody's behalf: its cost is no user's."""
        provider, surface, instance, kwargs, method = self._asked
        twin = Begun(self._settings, provider, method, Selected(surface, kwargs), self._original, instance)
        call = twin.call
        call.scope, call.request.user = replace(call.scope, user=None, session=None), None
        call.request.attributes[semconv.SHADOW] = True
        call.route_from = call.request.model if target.model is not None else None
        return twin

    def _beside(self, target: Target, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> None:
        def ask() -> None:
            twin = self._twin(target)
            steps = twin.steps(self._settings.stages().beside_at(target))
            answer = drive(steps, lambda step: twin.send(step, args, kwargs))
            if twin.call.request.stream:
                for _ in answer:
                    pass

        launch(ask)

    def _abeside(self, target: Target, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> None:
        async def ask() -> None:
            twin = self._twin(target)
            steps = twin.steps(self._settings.stages().beside_at(target))
            answer = await adrive(steps, lambda step: twin.asend(step, args, kwargs))
            if twin.call.request.stream:
                async for _ in answer:
                    pass

        launch_async(ask)

    def _ready(self, step: Send, kwargs: Mapping[str, Any]) -> tuple[Any, Mapping[str, Any]]:
        """The resource that is called, and with what: the app's own, a steered one, or one whose answer is here."""
        instance = self._asked.instance
        if step.answer is not None:
            return self._dressed(step.answer), kwargs
        if step.stored is not None:
            return step.stored.instance, kwargs
        if step.target is not None:
            instance, kwargs = aimed(self._asked, kwargs, step.target, once=step.once)
        if self._asking:
            kwargs = {**kwargs, **self._asking}
        return instance, self._propagated(kwargs) if self._settings.propagates else kwargs

    def _dressed(self, answer: str) -> Any:
        provider, surface, instance, *_ = self._asked
        dressed = provider.dress(instance, surface, self.call.request, answer)
        if dressed is None:
            rule = self.call.decisions[-1].rule if self.call.decisions else ""
            raise KillSwitchOn(f"{self.call.operation} is switched off, and has no text to answer with", rule=rule)
        return dressed

    def _propagated(self, kwargs: Mapping[str, Any]) -> Mapping[str, Any]:
        """`kwargs` with the current trace context among the request's headers, where the SDK takes any."""
        with safely("propagating the trace context"):
            from opentelemetry.propagate import inject  # noqa: PLC0415  loads the propagators; only where asked for

            headers: dict[str, str] = {}
            inject(headers)
            if headers and (add := getattr(self._asked.provider, "with_headers", None)) is not None:
                told: Mapping[str, Any] = add(kwargs, headers)
                return told
        return kwargs

    def _context(self) -> Context:
        span = self._record.span
        context = set_value(CALL_OPEN, span is not INVALID_SPAN, set_span_in_context(span))
        provider = self._asked.provider
        if not getattr(provider, "answers", ()):
            return context
        is_asked = self.call.on_headers or self.call.tape is not None
        if getattr(provider, "answers_if_asked", False) and not is_asked:
            return context
        return set_value(ASKED_BY, self.call, context)

    def led(self, result: Any) -> Any:
        """`result`; a generator sends at its first read, and has our span as the current one then."""
        if type(result) is StandIn or type(result) is AsyncStandIn:
            result.lead = self._context()
        return result

    # Two ways to say one line: what attaches the context must also detach it, in the frame that calls the provider.
    def send(self, step: Send, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
        """The provider's own method, with our span as the current one, and only for that long."""
        if step.is_beside and step.target is not None:
            return self._beside(step.target, args, kwargs)
        if step.stored is not None and step.stored.result is not None:
            return step.stored.result
        token = attach(self._context())
        try:
            instance, kwargs = self._ready(step, kwargs)
            return self._original(instance, *(self._args or args), **kwargs)
        finally:
            detach(token)

    async def asend(self, step: Send, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
        """The same, awaited."""
        if step.is_beside and step.target is not None:
            return self._abeside(step.target, args, kwargs)
        if step.stored is not None and step.stored.result is not None:
            return step.stored.result
        token = attach(self._context())
        try:
            instance, kwargs = self._ready(step, kwargs)
            return await self._original(instance, *(self._args or args), **kwargs)
        finally:
            detach(token)
