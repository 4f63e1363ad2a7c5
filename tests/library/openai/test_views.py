"""Raw and streaming views of create and parse: the app's object is untouched, and the call is on one span."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from openai._legacy_response import LegacyAPIResponse
from openai._response import APIResponse, AsyncAPIResponse
from pydantic import BaseModel
from wire import files
from wire.server import Gate, sse, whole

from otelllm import semconv

from .surfaces import CHAT, COMPLETIONS, EMBEDDINGS, RESPONSES, STREAMING, SURFACES, Surface

if TYPE_CHECKING:
    from telemetry import Telemetry
    from wire.server import Provider

    from .app import App


class Answer(BaseModel):
    """What is parsed into."""

    place: str
    year: int


def _resource(app: App, surface: Surface) -> Any:
    client = app.client
    return {
        CHAT: client.chat.completions,
        RESPONSES: client.responses,
        COMPLETIONS: client.completions,
        EMBEDDINGS: client.embeddings,
    }[surface]


def _recorded(otel: Telemetry, surface: Surface) -> None:
    found = otel.attributes
    assert otel.span.name == surface.span_name
    assert (found[semconv.USAGE_INPUT], found.get(semconv.USAGE_OUTPUT)) == surface.tokens
    assert found[semconv.PROVIDER_REQUEST_ID] == "req_wire"
    assert semconv.ERROR_TYPE not in found


@pytest.mark.parametrize("surface", SURFACES, ids=lambda surface: surface.name)
def test_raw_whole(otel: Telemetry, app: App, provider: Provider, surface: Surface) -> None:
    """`with_raw_response`: headers, bytes and a cached parse() as ever."""
    provider.reply(whole(surface.body))
    raw = app.call(_resource(app, surface).with_raw_response.create, **surface.arguments)
    assert type(raw) is LegacyAPIResponse
    assert raw.headers["x-request-id"] == "req_wire"
    assert raw.content == surface.body
    _recorded(otel, surface)  # the body is here already: the span doesn't wait for parse()
    assert raw.parse() is raw.parse()
    assert raw.parse().model
    assert raw.retries_taken == 0
    _recorded(otel, surface)


@pytest.mark.parametrize("surface", STREAMING, ids=lambda surface: surface.name)
def test_raw_stream(otel: Telemetry, app: App, provider: Provider, surface: Surface) -> None:
    """`with_raw_response` of a stream: parse() gives the stream, the same one each time."""
    provider.reply(sse(surface.events))
    raw = app.call(_resource(app, surface).with_raw_response.create, **surface.streaming)
    assert type(raw) is LegacyAPIResponse
    stream = raw.parse()
    assert type(stream) is app.stream_type
    assert raw.parse() is stream
    chunks = app.read(stream)
    assert len(chunks) == len(surface.events) - (surface is not RESPONSES)
    _recorded(otel, surface)
    assert otel.attributes[semconv.STREAM_END] == "complete"


@pytest.mark.parametrize("surface", STREAMING, ids=lambda surface: surface.name)
def test_raw_stream_never_parsed(otel: Telemetry, app: App, provider: Provider, surface: Surface) -> None:
    """The app looks at the headers and closes the response."""
    provider.reply(sse(surface.events[:1], Gate()))
    raw = app.call(_resource(app, surface).with_raw_response.create, **surface.streaming)
    response = raw.http_response
    app.close(response) if app.kind == "sync" else app.runner.run(response.aclose())  # type: ignore[union-attr]
    provider.last.wait_left()
    assert otel.attributes[semconv.STREAM_END] == "closed"


@pytest.mark.parametrize("surface", SURFACES, ids=lambda surface: surface.name)
def test_streaming_view_parsed(otel: Telemetry, app: App, provider: Provider, surface: Surface) -> None:
    """`with_streaming_response`: the body is read when the app parses it."""
    provider.reply(whole(surface.body))
    manager = _resource(app, surface).with_streaming_response.create(**surface.arguments)
    types: list[type] = []

    def body(response: Any) -> Any:
        types.append(type(response))
        return response.parse()

    answer = app.within(manager, body)
    assert types == [APIResponse if app.kind == "sync" else AsyncAPIResponse]
    assert answer.model
    _recorded(otel, surface)
    assert semconv.STREAM_END not in otel.attributes


@pytest.mark.parametrize("how", ["read", "iter_bytes", "iter_lines", "json", "text"])
@pytest.mark.parametrize("surface", SURFACES[:2], ids=lambda surface: surface.name)
def test_streaming_view_read_in_other_ways(
    otel: Telemetry, app: App, provider: Provider, surface: Surface, how: str
) -> None:
    """The app takes the bytes itself: they are all there, and the call is on a span."""
    provider.reply(whole(surface.body))
    manager = _resource(app, surface).with_streaming_response.create(**surface.arguments)
    got = app.within(manager, lambda response: _take(app, response, how))
    assert got
    assert otel.span.name == surface.span_name
    assert semconv.ERROR_TYPE not in otel.attributes
    if how in {"read", "json", "text"}:
        assert otel.attributes[semconv.USAGE_INPUT] == surface.tokens[0]


def _take(app: App, response: Any, how: str) -> Any:
    result = getattr(response, how)()
    if not how.startswith("iter_"):
        return result
    if app.kind == "sync":
        return list(result)

    async def collect() -> list[Any]:
        return [piece async for piece in result]

    return collect()


@pytest.mark.parametrize("surface", STREAMING, ids=lambda surface: surface.name)
def test_streaming_view_of_a_stream(otel: Telemetry, app: App, provider: Provider, surface: Surface) -> None:
    """`with_streaming_response.create(stream=True)`: parse() gives a stream, which is read inside the block."""
    provider.reply(sse(surface.events))
    manager = _resource(app, surface).with_streaming_response.create(**surface.streaming)

    async def aread(response: Any) -> list[Any]:
        return [chunk async for chunk in await response.parse()]

    chunks = app.within(manager, (lambda response: list(response.parse())) if app.kind == "sync" else aread)
    assert len(chunks) == len(surface.events) - (surface is not RESPONSES)
    _recorded(otel, surface)
    assert otel.attributes[semconv.STREAM_END] == "complete"


@pytest.mark.parametrize("how", ["read", "iter_bytes", "iter_lines", "iter_text"])
def test_streaming_view_of_a_stream_read_as_bytes(otel: Telemetry, app: App, provider: Provider, how: str) -> None:
    """The app takes the events' bytes and never makes a stream: the span ends as complete all the same."""
    provider.reply(sse(CHAT.events))
    manager = app.client.chat.completions.with_streaming_response.create(**CHAT.streaming)
    assert app.within(manager, lambda response: _take(app, response, how))
    assert otel.attributes[semconv.STREAM_END] == "complete"
    assert semconv.ERROR_TYPE not in otel.attributes


@pytest.mark.parametrize("surface", SURFACES, ids=lambda surface: surface.name)
def test_streaming_view_left_unread(otel: Telemetry, app: App, provider: Provider, surface: Surface) -> None:
    """Entered and left: one span, and nothing was read for us."""
    provider.reply(whole(surface.body))
    manager = _resource(app, surface).with_streaming_response.create(**surface.arguments)
    assert app.within(manager, lambda response: response.status_code) == 200
    assert otel.span.name == surface.span_name
    assert semconv.USAGE_INPUT not in otel.attributes


@pytest.mark.parametrize("view", ["plain", "raw", "streaming"])
def test_parse_into_a_model(otel: Telemetry, app: App, provider: Provider, view: str) -> None:
    """`chat.completions.parse`, plain and through both views."""
    provider.reply(whole(files.body("openai/chat_parse.json")))
    completions = app.client.chat.completions
    asked = {**CHAT.arguments, "response_format": Answer}
    if view == "plain":
        answer = app.call(completions.parse, **asked)
    elif view == "raw":
        answer = app.call(completions.with_raw_response.parse, **asked).parse()
    else:
        answer = app.within(completions.with_streaming_response.parse(**asked), lambda response: response.parse())
    assert answer.choices[0].message.parsed == Answer(place="Skagen", year=1858)
    assert otel.span.name == CHAT.span_name
    assert otel.attributes[semconv.OUTPUT_TYPE] == "json"
    assert otel.attributes[semconv.USAGE_OUTPUT] == 14


@pytest.mark.parametrize("view", ["plain", "raw"])
def test_parse_a_response_into_a_model(otel: Telemetry, app: App, provider: Provider, view: str) -> None:
    """`responses.parse`, plain and raw (it has no streaming view)."""
    provider.reply(whole(files.body("openai/responses_parse.json")))
    responses = app.client.responses
    asked = {**RESPONSES.arguments, "text_format": Answer}
    if view == "plain":
        answer = app.call(responses.parse, **asked)
    else:
        answer = app.call(responses.with_raw_response.parse, **asked).parse()
    assert answer.output_parsed == Answer(place="Skagen", year=1858)
    assert otel.attributes[semconv.OUTPUT_TYPE] == "json"
    assert otel.attributes[semconv.USAGE_OUTPUT] == 14


@pytest.mark.parametrize("view", ["raw", "streaming"])
def test_an_error_through_a_view(otel: Telemetry, app: App, provider: Provider, view: str) -> None:
    """The error is the SDK's own and on the span."""
    import openai

    provider.reply(whole(files.body("openai/error_429.json"), status=429))
    completions = app.client.chat.completions

    def ask() -> Any:
        if view == "raw":
            return app.call(completions.with_raw_response.create, **CHAT.arguments)
        return app.within(completions.with_streaming_response.create(**CHAT.arguments), lambda response: response)

    with pytest.raises(openai.RateLimitError):
        ask()
    assert otel.attributes[semconv.ERROR_TYPE] == "rate_limit_exceeded"
