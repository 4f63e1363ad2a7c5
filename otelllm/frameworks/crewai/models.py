"""Model calls: each provider class of CrewAI's, and of the app's, has its own `call` and `acall`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from functools import wraps
from typing import Any

from ... import semconv
from ...call import Call, Part, Usage
from ...model_calls import ModelCall
from ...openai_format.chat import Chat
from ...openai_format.chunks import finish_reason
from ...openai_format.messages import chat_message
from ...openai_format.usage import read_usage
from ...parts import plain_data, text
from ...safely import safely

__all__ = ["MODEL_OPEN", "begin_model_call", "told_chunk", "told_completion", "told_thought", "told_usage"]

MODEL_OPEN: ContextVar[ModelStep | None] = ContextVar("otelllm-crewai-model", default=None)
"""The model call that runs in this context; what it tells its base class is read here, as no event comes in order."""

_FORMAT = Chat(api_type=None)  # messages and tools are OpenAI's, whichever model they are for
_SENT = ("temperature", "top_p", "max_tokens", "seed", "frequency_penalty", "presence_penalty", "n", "stop")
_PROVIDERS = {"azure": "azure.ai.inference", "bedrock": "aws.bedrock", "gemini": "gcp.gemini", "google": "gcp.gemini"}
_REFUSALS = {"HookAborted", "LLMCallBlockedError"}  # by hooks of the app's: nothing was sent


class ModelStep:
    """One call of a model, with CrewAI's retries in it; an observation."""

    __slots__ = ("_call", "_finish", "_id", "_sent", "_usage", "model")

    def __init__(self, model: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        self.model = model
        self._sent = {**dict(zip(("messages", "tools"), args[1:], strict=False)), **kwargs}
        self._usage: Any = None
        self._finish: str | None = None
        self._id: str | None = None
        asked = {name: value for name in _SENT if (value := getattr(model, name, None)) not in (None, [])}
        self._call = ModelCall(
            _provider(model), semconv.CHAT, _FORMAT.read_request({"model": getattr(model, "model", None), **asked})
        )

    @contextmanager
    def current(self) -> Iterator[None]:
        """What an SDK sends is below this call."""
        token = MODEL_OPEN.set(self)
        try:
            with self._call.around():
                yield
        finally:
            MODEL_OPEN.reset(token)

    def saw(self, item: Any) -> None:
        """No model yields."""

    def returned(self, result: Any) -> None:
        """A text, an object made of it, or the tool calls that the model wants."""
        self._call.end(lambda call: self._read(call, result))

    def end(self, error: BaseException | None = None) -> None:
        """The call failed."""
        if type(error).__name__ not in _REFUSALS:
            self._call.end(lambda call: self._read(call, None), error=error)

    def chunk(self, delta: Any) -> None:
        """A chunk came: a token of thought (1), or content (2)."""
        self._call.chunk(delta)

    def completed(self, usage: Any, finish: Any, response_id: Any) -> None:
        """What the provider class tells of the answer; a later word wins where it says more."""
        self._usage = usage or self._usage
        self._finish = finish if isinstance(finish, str) and finish else self._finish
        self._id = response_id if isinstance(response_id, str) and response_id else self._id

    def _read(self, call: Call, result: Any) -> None:
        reading = call.reading
        reading.id, reading.usage = self._id, _usage(self._usage)
        if self._finish is not None:
            reading.own_finish_reasons, reading.finish_reasons = [self._finish], [finish_reason(self._finish)]
        if not call.captures:
            return
        messages = self._sent.get("messages")
        asked = [{"role": "user", "content": messages}] if isinstance(messages, str) else messages
        _FORMAT.read_input(call.request, {"messages": asked, "tools": self._sent.get("tools")})
        if result is not None:
            reading.messages = [{"role": "assistant", "parts": _said(result)}]


def begin_model_call(model: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> ModelStep | None:
    """A call of `model`; None where it is a class's own way to its base's call."""
    outer = MODEL_OPEN.get()
    return None if outer is not None and outer.model is model else ModelStep(model, args, kwargs)


def _provider(model: Any) -> str:
    """CrewAI's classes know theirs; one of the app's own says "openai" where it says nothing."""
    own, name = type(model), str(getattr(model, "provider", "") or "").lower()
    if own.__module__.startswith("crewai.") or name not in ("", "openai"):
        return _PROVIDERS.get(name, name) or "unknown"
    return own.__name__.removesuffix("LLM").lower() or "unknown"


def _usage(told: Any) -> Usage | None:
    usage = read_usage(told) if isinstance(told, Mapping) and told else None
    if usage is not None:
        for name, ours in (("cached_prompt_tokens", "cache_read"), ("reasoning_tokens", "reasoning")):
            if getattr(usage, ours) is None and isinstance(count := told.get(name), int):
                setattr(usage, ours, count)
    return usage


def _said(result: Any) -> list[Part]:
    if isinstance(result, str):
        return [text(result)]
    if isinstance(result, list):
        return list(chat_message({"role": "assistant", "tool_calls": result})["parts"])
    return [text(str(plain_data(result)))]


def _telling(read: Callable[[ModelStep, Mapping[str, Any], tuple[Any, ...]], None]) -> Any:
    """Reads what a model tells its base class while it is called."""

    def make(original: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(original)
        def told(self: Any, *args: Any, **kwargs: Any) -> Any:
            step = MODEL_OPEN.get()
            if step is not None and step.model is self:
                with safely("reading what a CrewAI model tells"):
                    read(step, kwargs, args)
            return original(self, *args, **kwargs)

        return told

    return make


def _read_completion(step: ModelStep, kwargs: Mapping[str, Any], args: tuple[Any, ...]) -> None:
    step.completed(kwargs.get("usage"), kwargs.get("finish_reason"), kwargs.get("response_id"))


def _read_usage(step: ModelStep, kwargs: Mapping[str, Any], args: tuple[Any, ...]) -> None:
    step.completed(kwargs.get("usage_data", args[0] if args else None), None, None)


told_completion = _telling(_read_completion)
told_usage = _telling(_read_usage)
told_chunk = _telling(lambda step, kwargs, args: step.chunk(2))
told_thought = _telling(lambda step, kwargs, args: step.chunk(1))
