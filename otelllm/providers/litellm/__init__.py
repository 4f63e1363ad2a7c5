"""LiteLLM: one function for all providers. Its own HTTP, or the openai SDK below it; either way the call is here."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache, partial
from typing import Any
from weakref import ref

from ...attempt import Target
from ...call import Request
from ...fields import plain
from ...http_clients import seconds_of
from ...spec import Endpoint, Method, Received, Selected, Surface
from ...stainless import Stainless
from .errors import type_of
from .messages import messages
from .routes import where
from .streams import follow, watch
from .surfaces import CHAT, EMBEDDINGS, RERANK, RESPONSES, TEXT, mocked

__all__ = ["PROVIDER"]

_INTERNAL = ("acompletion", "atext_completion", "aembedding", "aresponses", "arerank")
"""A sync function so called by its async twin gives a coroutine: the twin is the call. With fallbacks it calls
the public one for each of them: these are the calls, each of its own provider's model, as a router's are.
"""
_RETRYING = frozenset({"completion", "acompletion", "text_completion", "atext_completion", "embedding", "aembedding"})
"""Functions that take how often to retry; the others pass it on to the provider, which does not know it."""
_MOCKS = ("mock_response", "mock_tool_calls", "mock_timeout")


@lru_cache(maxsize=64)
def _names(function: Callable[..., Any]) -> tuple[str, ...]:
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return tuple(name for name, one in inspect.signature(function).parameters.items() if one.kind in kinds)


def _select(
    surface: Surface, function: Callable[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any]
) -> Selected | None:
    if any(kwargs.get(name) is True for name in _INTERNAL) or kwargs.get("fallbacks"):
        return None
    named = {**dict(zip(_names(function), args, strict=False)), **kwargs} if args else dict(kwargs)
    model, endpoint = where(named)
    if model is not None:
        named["model"] = model
    if any(named.get(name) for name in _MOCKS):
        surface = mocked(surface)
    return Selected(surface, named, endpoint=endpoint, secret=plain(named.get("api_key")))


def _functions(name: str, surface: Surface, below: str = "") -> Iterator[Method]:
    """A public function and its async twin; and below the public ones those of the module that they hand on to, which
    whoever imported a public one before us still calls.
    """
    for prefix in ("", "a"):
        select = partial(_select, surface)
        public = f"litellm:{prefix}{name}"
        yield Method(public, surface, asynchronous=bool(prefix), optional=name != "completion", select=select)
        if below:
            private = f"litellm.{below}.dispatch:_PYTHON_{prefix.upper()}{name.upper()}"
            yield Method(private, surface, asynchronous=bool(prefix), optional=True, select=select)


def _select_messages(function: Callable[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Selected | None:
    return _select(messages(), function, args, kwargs)


_MESSAGES = tuple(
    Method(target, messages(), asynchronous=True, optional=True, select=_select_messages)
    for target in ("litellm:anthropic_messages", "litellm.messages.dispatch:_PYTHON_AMESSAGES")
)


class _LiteLLM(Stainless):
    name = "litellm"
    package = "litellm"
    oldest = "1.106"
    newest = "1.106"
    steers = ("base_url", "key")
    iterator = generator = ""
    methods = (
        *_functions("completion", CHAT, "chat_completions"),
        *_functions("text_completion", TEXT),
        *_functions("responses", RESPONSES, "responses"),
        *_functions("embedding", EMBEDDINGS, "embeddings"),
        *_functions("rerank", RERANK),
        *_MESSAGES,
    )
    parse_hooks = ()

    def endpoint(self, instance: Any) -> Endpoint:
        return Endpoint("litellm", None, None)

    def api_key(self, instance: Any) -> str | None:
        return None

    def identity(self, instance: Any) -> str | None:
        """It has no client to be told apart by: keys come by argument, module and environment, of a hundred providers.
        Its own cache, where one is set, still answers.
        """
        return None

    def receive(self, result: Any) -> Received:
        if inspect.isgenerator(result) or inspect.isasyncgen(result):
            return Received("generator", result, None, streamed=True)
        if hasattr(type(result), "__next__") or hasattr(type(result), "__anext__"):
            attach = partial(watch, result)
            return Received("stream", result, None, streamed=True, attach=attach, follow=partial(follow, ref(result)))
        return Received("whole", result, None)

    def error_type(self, error: BaseException) -> str | None:
        return type_of(error)

    def aim(self, instance: Any, target: Target, *, once: bool) -> Any:
        """The function itself, told where to send; its retries, and those of SDKs below it, are off by arguments."""
        more: dict[str, Any] = {}
        if once and instance.__name__ in _RETRYING:
            more = {"num_retries": 0, "max_retries": 0}
        if target.base_url is not None:
            more["api_base"] = target.base_url
        if target.key is not None:
            more["api_key"] = target.key.secret
        if not more:
            return instance

        def sent(*args: Any, **kwargs: Any) -> Any:
            return instance(*args, **{**kwargs, **more})

        return sent

    def timeout_s(self, instance: Any, kwargs: Mapping[str, Any]) -> float | None:
        return seconds_of(kwargs.get("timeout"))

    def dress(self, instance: Any, surface: Surface, request: Request, text: str) -> Any | None:
        """The function itself with LiteLLM's own `mock_response`, past its cache: the next call must not get that."""
        if surface.answer(request, text) is None or (surface is RESPONSES and request.stream):
            return None  # its mock of a streamed response is a whole one
        more: dict[str, Any] = {"mock_response": text}
        if getattr(sys.modules["litellm"], "cache", None) is not None:
            more["cache"] = {"no-cache": True, "no-store": True}

        def answered(*args: Any, **kwargs: Any) -> Any:
            return instance(*args, **{**kwargs, **more})

        return answered


PROVIDER = _LiteLLM()
