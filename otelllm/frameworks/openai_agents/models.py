"""Model calls of the SDK, one attempt each: where no provider's SDK below has a span, this one is made."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractContextManager
from functools import partial, wraps
from typing import Any

from ... import emit, semconv
from ...call import Call, Request, Usage
from ...fields import field
from ...model_calls import ModelCall
from ...openai_format.responses import RESPONSES
from ...safely import safely
from ...wrapping import Observation, wrapped

__all__ = ["answered", "streamed"]


class _Attempt:
    """One attempt at a model, an observation."""

    def __init__(self, asks: Callable[..., Any]) -> None:
        # The runner's lambda holds what it is about to send; nothing else has it all.
        names, cells = asks.__code__.co_freevars, asks.__closure__ or ()
        self._told = {name: cell.cell_contents for name, cell in zip(names, cells, strict=False)}
        model = self._told.get("model")
        name = getattr(model, "model", None)
        self._call = ModelCall(_provider(model), semconv.CHAT, Request(model=name if isinstance(name, str) else None))
        self._terminal: Any = None

    def current(self) -> AbstractContextManager[None]:
        """What an SDK sends is below this call."""
        return self._call.around()

    def saw(self, event: Any) -> None:
        """An event of a streamed answer."""
        with safely("seeing an agents' event"):
            kind = str(getattr(event, "type", ""))
            self._call.chunk(2 if kind == "response.output_text.delta" else 1 if kind.endswith(".delta") else 0)
            if kind in {"response.completed", "response.incomplete", "response.failed"}:
                self._terminal = event.response

    def returned(self, response: Any) -> None:
        """A whole answer: the SDK's `ModelResponse`."""
        self._call.end(partial(self._read, response))

    def end(self, error: BaseException | None = None) -> None:
        """The stream's end, or an error."""
        is_left = isinstance(error, GeneratorExit)
        self._call.end(
            partial(self._read, self._terminal), error=None if is_left else error, ending="closed" if is_left else None
        )

    def _read(self, response: Any, call: Call) -> None:
        captures = call.captures
        if captures:
            asked = self._told.get("filtered")
            sent = {"input": getattr(asked, "input", None), "instructions": getattr(asked, "instructions", None)}
            RESPONSES.read_input(call.request, sent)
        if response is None:
            return
        # A streamed answer ends with a Response; a whole one is the SDK's own, with the same output items.
        body = response if hasattr(response, "status") else _Body(response)
        RESPONSES.read_response(call.reading, body, captures)
        call.reading.usage = _usage(response.usage) if response.usage is not None else None


class _Body:
    """A `ModelResponse`, read as a Response of which nobody told more."""

    def __init__(self, response: Any) -> None:
        self.id = response.response_id
        self.output = response.output

    def __getattr__(self, name: str) -> None:
        return None


def _provider(model: Any) -> str:
    """Whose model it is can't be known of a class of the app's own: its name, as the conventions want other names."""
    return type(model).__name__.removesuffix("Model").lower() or "unknown"


def _usage(usage: Any) -> Usage | None:
    def count(name: str) -> int | None:
        value = getattr(usage, name, None)
        return value if isinstance(value, int) else None

    if not count("input_tokens") and not count("output_tokens"):
        return None  # the SDK's own zeros, where a model says nothing
    return Usage(
        input=count("input_tokens"),
        output=count("output_tokens"),
        cache_read=field(getattr(usage, "input_tokens_details", None), "cached_tokens"),
        reasoning=field(getattr(usage, "output_tokens_details", None), "reasoning_tokens"),
    )


def _begin(asks: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Observation | None:
    if emit.active() is None:
        return None
    with safely("beginning an agents' model call"):
        return _Attempt(asks)
    return None


def answered(original: Callable[..., Any]) -> Callable[..., Any]:
    """The runner's loop of attempts at a whole answer."""

    @wraps(original)
    async def call(*args: Any, **kwargs: Any) -> Any:
        asks = kwargs.get("get_response")
        if asks is not None:
            kwargs["get_response"] = wrapped(asks, partial(_begin, asks), asynchronous=True)
        return await original(*args, **kwargs)

    return call


def streamed(original: Callable[..., Any]) -> Callable[..., Any]:
    """The same for a streamed answer."""

    @wraps(original)
    def call(*args: Any, **kwargs: Any) -> Any:
        asks = kwargs.get("get_stream")
        if asks is not None:
            kwargs["get_stream"] = wrapped(partial_stream(asks), partial(_begin, asks))
        return original(*args, **kwargs)

    return call


def partial_stream(asks: Callable[..., Any]) -> Callable[..., Any]:
    """The model's stream as an async generator function, closed with its reader."""

    async def stream() -> AsyncGenerator[Any, None]:
        events = asks()
        try:
            async for event in events:
                yield event
        finally:
            if (close := getattr(events, "aclose", None)) is not None:
                await close()

    return stream
