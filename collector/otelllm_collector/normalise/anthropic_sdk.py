"""The spans of Anthropic's own SDK, which it writes by itself; nearly all of its names are the conventions'."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from otelllm import semconv

from .spec import Foreign
from .values import count, finish, text

__all__ = ["VOCABULARY"]

_SCOPE = "com.anthropic.sdk."
_STOP, _THREAD, _REQUEST = "anthropic.message.stop_reason", "anthropic.session.thread.id", "anthropic.request.id"
_ONE_HOUR = "anthropic.usage.cache_creation.ephemeral_1h_input_tokens"
_MARKERS = frozenset({_STOP, _THREAD, _REQUEST, _ONE_HOUR})


class AnthropicSdk:
    """Scope `com.anthropic.sdk.python`. Its usage is the conventions' own, and input holds what was cached."""

    name = "anthropic-sdk"
    rank = 30
    beats_native: Collection[str] = ()

    def knows(self, scope: str, keys: Collection[str]) -> bool:
        """By its scope, or where a proxy dropped that, by names of its own."""
        return scope.startswith(_SCOPE) or not _MARKERS.isdisjoint(keys)

    def read(self, span: Foreign) -> Mapping[str, Any]:
        """A thread of a session is what the SDK itself calls a conversation."""
        attributes = span.attributes
        thread = text(attributes.get(_THREAD))
        made = {
            semconv.RESPONSE_FINISH_REASONS: finish(attributes.get(_STOP)),
            semconv.CONVERSATION_ID: thread,
            semconv.SESSION_ID: thread,
            semconv.PROVIDER_REQUEST_ID: text(attributes.get(_REQUEST)),
            semconv.USAGE_CACHE_WRITE_1H: count(attributes.get(_ONE_HOUR)),
        }
        return {name: value for name, value in made.items() if value is not None}


VOCABULARY = AnthropicSdk()
