"""The SDK's own helpers over streams: they iterate inside, close the response themselves, and are recorded."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import openai
import pytest
from openai.lib.streaming.chat import AsyncChatCompletionStream, ChatCompletionStream
from openai.lib.streaming.responses import AsyncResponseStream, ResponseStream
from pydantic import BaseModel
from wire import files
from wire.server import Gate, sse, whole

from otelllm import semconv

from .surfaces import CHAT, RESPONSES

if TYPE_CHECKING:
    from telemetry import Telemetry
    from wire.server import Provider

    from .app import App, AsyncApp


class Answer(BaseModel):
    """What is parsed into."""

    place: str
    year: int


def _chat(app: App, **more: Any) -> Any:
    return app.client.chat.completions.stream(**CHAT.arguments, stream_options={"include_usage": True}, **more)


def _responses(app: App, **more: Any) -> Any:
    return app.client.responses.stream(**RESPONSES.arguments, **more)


def _all(app: App, stream: Any) -> Any:
    if app.kind == "sync":
        return list(stream)

    async def collect() -> list[Any]:
        return [event async for event in stream]

    return collect()


def test_events_of_the_chat_helper(otel: Telemetry, app: App, provider: Provider) -> None:
    """`chat.completions.stream()`: its own type, its own events, one span."""
    provider.reply(sse(CHAT.events))
    kinds: list[type] = []

    def body(stream: Any) -> Any:
        kinds.append(type(stream))
        return _all(app, stream)

    events = app.within(_chat(app), body)
    assert kinds == [ChatCompletionStream if app.kind == "sync" else AsyncChatCompletionStream]
    text = "".join(event.delta for event in events if event.type == "content.delta")
    assert text == "The lighthouse at Skagen was lit in 1858."
    found = otel.attributes
    assert (found[semconv.STREAM_END], found[semconv.USAGE_OUTPUT]) == ("complete", 50)


@pytest.mark.parametrize("helper", ["get_final_completion", "until_done"])
def test_waiting_helpers_of_chat(otel: Telemetry, app: App, provider: Provider, helper: str) -> None:
    """They read the stream to its end inside the SDK."""
    provider.reply(sse(CHAT.events))
    app.within(_chat(app), lambda stream: getattr(stream, helper)())
    assert otel.attributes[semconv.STREAM_END] == "complete"
    assert otel.attributes[semconv.USAGE_INPUT] == 1200


def test_leaving_the_chat_helper_early(otel: Telemetry, app: App, provider: Provider) -> None:
    """Its `with` closes the response without asking the stream: seen all the same."""
    provider.reply(sse(CHAT.events[:4], Gate()))

    def body(stream: Any) -> Any:
        return next(stream) if app.kind == "sync" else anext(stream)

    app.within(_chat(app), body)
    provider.last.wait_left()
    assert otel.attributes[semconv.STREAM_END] == "closed"
    assert semconv.ERROR_TYPE not in otel.attributes


def test_events_of_the_responses_helper(otel: Telemetry, app: App, provider: Provider) -> None:
    """`responses.stream()` and its final response."""
    provider.reply(sse(RESPONSES.events))
    kinds: list[type] = []

    def body(stream: Any) -> Any:
        kinds.append(type(stream))
        return stream.get_final_response()

    final = app.within(_responses(app), body)
    assert kinds == [ResponseStream if app.kind == "sync" else AsyncResponseStream]
    assert final.output_text == "The lighthouse at Skagen was lit in 1858."
    assert otel.attributes[semconv.STREAM_END] == "complete"
    assert otel.attributes[semconv.USAGE_INPUT] == 1200


def test_leaving_the_responses_helper_early(otel: Telemetry, app: App, provider: Provider) -> None:
    """As with chat."""
    provider.reply(sse(RESPONSES.events[:7], Gate()))
    app.within(_responses(app), lambda stream: next(stream) if app.kind == "sync" else anext(stream))
    provider.last.wait_left()
    assert otel.attributes[semconv.STREAM_END] == "closed"


def test_a_failed_response_in_the_helper(otel: Telemetry, app: App, provider: Provider) -> None:
    """get_final_response() raises the SDK's RuntimeError; the span has the provider's reason."""
    provider.reply(sse(files.events("openai/responses_stream_failed.sse")))
    with pytest.raises(RuntimeError, match=r"response.completed"):
        app.within(_responses(app), lambda stream: stream.get_final_response())
    assert otel.attributes[semconv.ERROR_TYPE] == "server_error"


def test_a_model_parsed_from_a_stream(otel: Telemetry, app: App, provider: Provider) -> None:
    """A class as response_format, streamed."""
    chunks = [files.event(files.edited("openai/chat.json", object="chat.completion.chunk", usage=None, choices=[
        {"index": 0, "delta": {"role": "assistant", "content": piece}, "finish_reason": end}
    ])) for piece, end in (('{"place":"Skagen",', None), ('"year":1858}', "stop"))]  # fmt: skip
    provider.reply(sse(chunks, files.event("[DONE]")))
    final = app.within(_chat(app, response_format=Answer), lambda stream: stream.get_final_completion())
    assert final.choices[0].message.parsed == Answer(place="Skagen", year=1858)
    assert otel.attributes[semconv.OUTPUT_TYPE] == "json"


def test_a_helper_that_is_never_entered_leaves_nothing(otel: Telemetry, app: App, provider: Provider) -> None:
    """The manager is lazy; the async one holds a coroutine that was never awaited."""
    manager = _chat(app)
    if app.kind == "async":
        manager._AsyncChatCompletionStreamManager__api_request.close()
    del manager
    assert otel.spans == []
    assert provider.requests == []


def test_parse_that_meets_the_length_limit_is_billed(otel: Telemetry, app: App, provider: Provider) -> None:
    """The SDK raises after an answer that was paid for: its usage and finish reason are on the span."""
    provider.reply(whole(files.body("openai/chat_parse_cut.json")))
    with pytest.raises(openai.LengthFinishReasonError):
        app.call(app.client.chat.completions.parse, **CHAT.arguments, response_format=Answer)
    found = otel.attributes
    assert (found[semconv.USAGE_INPUT], found[semconv.USAGE_OUTPUT]) == (60, 5)
    assert found[semconv.RESPONSE_FINISH_REASONS] == ("length",)
    assert found[semconv.ERROR_TYPE] == "length"
    assert semconv.COST in found


def test_many_helpers_at_once(otel: Telemetry, async_app: AsyncApp, provider: Provider) -> None:
    """Fifty streams interleaved on one loop: fifty spans, each its own."""
    provider.always = lambda request: sse(CHAT.events)

    async def one() -> int:
        async with _chat(async_app) as stream:
            return len([event async for event in stream])

    async def go() -> list[int]:
        return await asyncio.gather(*(one() for _ in range(50)))

    assert len(set(async_app.runner.run(go()))) == 1
    assert len(otel.spans) == 50
    assert {span.attributes[semconv.STREAM_CHUNKS] for span in otel.spans if span.attributes} == {13}
