"""Whoever else watches, in either order: one span a call, ours; the conflict named once; nothing broken."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any

import anthropic
import openai
import pytest
from wire import files
from wire.server import sse, whole

import otelllm
from otelllm import semconv

if TYPE_CHECKING:
    from collections.abc import Callable

    from telemetry import Telemetry
    from wire.server import Provider

    from .conftest import Neighbours

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

QUESTION: list[Any] = [{"role": "user", "content": "hi"}]
CHAT: dict[str, Any] = {"model": "gpt-4o-mini", "messages": QUESTION}
MESSAGE: dict[str, Any] = {"model": "claude-sonnet-4-6", "max_tokens": 9, "messages": QUESTION}


def _openai(provider: Provider) -> openai.OpenAI:
    return openai.OpenAI(api_key="sk-test", base_url=provider.url, max_retries=0)


def _anthropic(provider: Provider) -> anthropic.Anthropic:
    return anthropic.Anthropic(api_key="sk", base_url=provider.url.removesuffix("/v1"), max_retries=0)


def chat(provider: Provider) -> Any:
    provider.reply(whole(files.body("openai/chat.json")))
    with _openai(provider) as client:
        return client.chat.completions.create(**CHAT)


def chat_stream(provider: Provider) -> Any:
    provider.reply(sse(files.events("openai/chat_stream.sse")))
    with _openai(provider) as client:
        stream = client.chat.completions.create(stream=True, **CHAT)
        assert isinstance(stream, openai.Stream)
        return list(stream)


def left_chat_stream(provider: Provider) -> Any:
    provider.reply(sse(files.events("openai/chat_stream.sse")))
    with _openai(provider) as client, client.chat.completions.create(stream=True, **CHAT) as stream:
        return next(stream)


def raw_chat(provider: Provider) -> Any:
    provider.reply(whole(files.body("openai/chat.json")))
    with _openai(provider) as client:
        return client.chat.completions.with_raw_response.create(**CHAT).parse()


def response(provider: Provider) -> Any:
    provider.reply(whole(files.body("openai/responses.json")))
    with _openai(provider) as client:
        return client.responses.create(model="gpt-4o-mini", input="hi")


def embeddings(provider: Provider) -> Any:
    provider.reply(whole(files.body("openai/embeddings.json")))
    with _openai(provider) as client:
        return client.embeddings.create(model="text-embedding-3-small", input="hi")


def async_chat(provider: Provider) -> Any:
    provider.reply(whole(files.body("openai/chat.json")))

    async def ask() -> Any:
        async with openai.AsyncOpenAI(api_key="sk-test", base_url=provider.url, max_retries=0) as client:
            return await client.chat.completions.create(**CHAT)

    return asyncio.run(ask())


def message(provider: Provider) -> Any:
    provider.reply(whole(files.body("anthropic/message.json")))
    with _anthropic(provider) as client:
        return client.messages.create(**MESSAGE)


def message_stream(provider: Provider) -> Any:
    provider.reply(sse(files.events("anthropic/message_stream.sse")))
    with _anthropic(provider) as client:
        return list(client.messages.create(stream=True, **MESSAGE))


def message_manager(provider: Provider) -> Any:
    provider.reply(sse(files.events("anthropic/message_stream.sse")))
    with _anthropic(provider) as client, client.messages.stream(**MESSAGE) as stream:
        return stream.get_final_message()


CALLS = [
    chat, chat_stream, left_chat_stream, raw_chat, response, embeddings, async_chat, message, message_stream,
    message_manager,
]  # fmt: skip


def test_a_call_has_one_span_and_it_is_ours(otel: Telemetry, settled: Callable[..., None], provider: Provider) -> None:
    """All calls in one test: switching everything on takes longer than they do."""
    settled(capture="full")
    for count, call in enumerate(CALLS, 1):
        otel.clear()
        assert call(provider) is not None
        assert otel.span.instrumentation_scope is not None
        assert otel.span.instrumentation_scope.name == "otelllm", call
        assert semconv.USAGE_INPUT in otel.attributes, call
        seen = sum(point.count for point in otel.metrics()[semconv.METRIC_DURATION])
        assert seen == count, "their metrics of the same call are left out too"


def test_the_conflict_is_named_once(
    settled: Callable[..., None], provider: Provider, neighbourhood: Neighbours, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING, logger="otelllm.neighbours"):
        settled()
        chat(provider)
        message(provider)
        chat(provider)
    named = [record.getMessage() for record in caplog.records if record.name == "otelllm.neighbours"]
    assert len(named) == len(set(named)) == len(neighbourhood.instrumentors)


def test_enforcement_works(settled: Callable[..., None], provider: Provider) -> None:
    settled(policy={"kill": [{"when": {"model": "gpt-4o*"}}]})
    with _openai(provider) as client, pytest.raises(otelllm.Blocked):
        client.chat.completions.create(**CHAT)


def test_what_the_app_sees_is_what_it_would_see(settled: Callable[..., None], provider: Provider) -> None:
    settled()
    provider.reply(whole({"error": {"message": "no", "code": "rate_limit"}}, status=429))
    with _openai(provider) as client, pytest.raises(openai.RateLimitError):
        client.chat.completions.create(**CHAT)


@pytest.mark.parametrize("call", [chat_stream, message], ids=lambda call: call.__name__)
def test_each_goes_and_leaves_the_other(
    otel: Telemetry,
    settled: Callable[..., None],
    provider: Provider,
    neighbourhood: Neighbours,
    call: Callable[[Provider], Any],
) -> None:
    """Switch ours off and theirs see the call; theirs off and ours do; both off and nobody does."""
    if len(neighbourhood.instrumentors) > 2:
        pytest.skip("without us between them, these three break one another's streams")
    settled()
    otelllm.uninstrument()
    call(provider)
    assert otel.spans
    assert all(span.instrumentation_scope.name != "otelllm" for span in otel.spans if span.instrumentation_scope)
    otel.clear()
    otel.instrument()
    call(provider)
    assert len(otel.spans) == 1
    otel.clear()
    neighbourhood.off()
    call(provider)
    assert otel.span.instrumentation_scope is not None
    assert otel.span.instrumentation_scope.name == "otelllm"
    otel.clear()
    otelllm.uninstrument()
    call(provider)
    scopes = {span.instrumentation_scope.name for span in otel.spans if span.instrumentation_scope}
    # Switched off, OpenLLMetry's openai wrappers stay on and go on writing, with us or without.
    assert scopes <= {"anthropic", "opentelemetry.instrumentation.openai.v1"}


def test_inside_an_inference_of_theirs_their_span_carries_what_we_know(otel: Telemetry, provider: Provider) -> None:
    """OpenTelemetry's GenAI packages mark the context of a call that they trace, a framework's for one."""
    from opentelemetry.util.genai.handler import TelemetryHandler

    handler = TelemetryHandler(
        tracer_provider=otel.tracer_provider,
        meter_provider=otel.meter_provider,
        logger_provider=otel.logger_provider,
    )
    with handler.inference("openai", request_model="gpt-4o-mini", operation_name="chat"):
        chat(provider)
    assert otel.attributes[semconv.USAGE_INPUT] > 0
    assert otel.attributes[semconv.COST] > 0
    assert otel.attributes[semconv.RESPONSE_ID]
    assert sum(point.count for point in otel.metrics()[semconv.METRIC_TOKENS]) == 2
    assert otel.metrics()[semconv.METRIC_COST]
