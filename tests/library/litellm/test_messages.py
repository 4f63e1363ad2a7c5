"""`litellm.anthropic_messages`: Anthropic's own and, through an adapter, any other provider's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import litellm
import pytest
from wire import files
from wire.server import sse, whole

from otelllm import semconv

if TYPE_CHECKING:
    from telemetry import Telemetry
    from wire.server import Provider

    from .app import AsyncApp

SONNET, LLAMA = "anthropic/claude-sonnet-4-6", "groq/llama-3.3-70b-versatile"
ASKED = [{"role": "user", "content": "When was the lighthouse lit?"}]


@pytest.mark.parametrize(
    ("model", "file", "read"),
    [
        (SONNET, "anthropic/message.json", 1000),
        (SONNET, "anthropic/message_stream.sse", 1000),
        (LLAMA, "groq/chat.json", 1024),
        (LLAMA, "groq/chat_stream_usage.sse", 1024),
    ],
)
def test_messages(otel: Telemetry, async_app: AsyncApp, provider: Provider, model: str, file: str, read: int) -> None:
    """One span; whole answers are dicts, streams are bytes."""
    is_streamed = file.endswith(".sse")
    if is_streamed and model == SONNET:
        pytest.importorskip("backoff", reason="LiteLLM streams these by a part of its proxy")
    otel.instrument(capture="full")
    provider.reply(sse(files.events(file)) if is_streamed else whole(files.body(file)))
    base = provider.url if model == LLAMA else provider.url.removesuffix("/v1")
    asked: dict[str, Any] = {"model": model, "messages": ASKED, "max_tokens": 9, "api_base": base, "api_key": "sk"}
    result = async_app.call(litellm.anthropic_messages, **asked, stream=is_streamed)
    if is_streamed:
        async_app.read(result)
    found = otel.attributes
    assert found[semconv.PROVIDER] == model.split("/", maxsplit=1)[0]
    assert (found[semconv.USAGE_INPUT], found[semconv.USAGE_CACHE_READ], found[semconv.USAGE_OUTPUT]) == (
        1200,
        read,
        50,
    )
    assert found[semconv.RESPONSE_FINISH_REASONS] == ("stop",)
    parts = otel.messages(semconv.OUTPUT_MESSAGES)[0]["parts"]
    assert parts == [{"type": "text", "content": "The lighthouse at Skagen was lit in 1858."}]
