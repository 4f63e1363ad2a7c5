"""Raw and streaming views, and parsing into a model: the app's object is untouched, and the call is on one span."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import anthropic
import pytest
from anthropic._response import APIResponse, AsyncAPIResponse
from pydantic import BaseModel
from wire import files
from wire.server import Gate, sse, whole

from otelllm import semconv

from .surfaces import ARGUMENTS, EVENTS, HEAD, PLAIN, WHOLE, Surface

if TYPE_CHECKING:
    from telemetry import Telemetry
    from wire.server import Provider

    from .app import App

BODY = files.body("anthropic/message.json")
STREAMED = {**ARGUMENTS, "stream": True}


class Answer(BaseModel):
    """What is parsed into."""

    place: str
    year: int


def _recorded(otel: Telemetry) -> None:
    found = otel.attributes
    assert (found[semconv.USAGE_INPUT], found[semconv.USAGE_OUTPUT]) == (1200, 50)
    assert found[semconv.PROVIDER_REQUEST_ID] == "req_wire"
    assert semconv.ERROR_TYPE not in found


def _parse(app: App, raw: Any) -> Any:
    return raw.parse() if app.kind == "sync" else app.call(raw.parse)


@pytest.mark.parametrize("surface", WHOLE, ids=lambda surface: surface.name)
def test_raw_whole(otel: Telemetry, app: App, provider: Provider, surface: Surface) -> None:
    """`with_raw_response`: headers and a cached parse() as ever; the span doesn't wait for it."""
    provider.reply(whole(BODY))
    raw = app.call(surface.resource(app.client).with_raw_response.create, **ARGUMENTS)
    assert type(raw) is (APIResponse if app.kind == "sync" else AsyncAPIResponse)
    _recorded(otel)
    assert _parse(app, raw) is _parse(app, raw)
    assert _parse(app, raw).id == "msg_wire1"
    _recorded(otel)


def test_the_arguments_of_tools_are_the_same_in_a_raw_view(otel: Telemetry, app: App, provider: Provider) -> None:
    """They are objects there, decoded by us."""
    otel.instrument(capture="full")
    provider.always = whole(files.body("anthropic/message_tools.json"))
    app.call(app.client.messages.create, **ARGUMENTS)
    plain = otel.messages(semconv.OUTPUT_MESSAGES)
    otel.clear()
    app.call(app.client.messages.with_raw_response.create, **ARGUMENTS)
    assert otel.messages(semconv.OUTPUT_MESSAGES) == plain
    assert plain[0]["parts"][1]["arguments"] == {"city": "Skagen", "unit": "celsius"}


def test_raw_stream(otel: Telemetry, app: App, provider: Provider) -> None:
    """`with_raw_response` of a stream: parse() gives the stream, the same one each time."""
    provider.reply(sse(EVENTS))
    raw = app.call(app.client.messages.with_raw_response.create, **STREAMED)
    stream = _parse(app, raw)
    assert type(stream) is app.stream_type
    assert _parse(app, raw) is stream
    assert len(app.read(stream)) == len(EVENTS) - 1
    _recorded(otel)
    assert otel.attributes[semconv.STREAM_END] == "complete"


def test_raw_stream_never_parsed(otel: Telemetry, app: App, provider: Provider) -> None:
    """The app looks at the headers and closes the response."""
    provider.reply(sse(EVENTS[:HEAD], Gate()))
    raw = app.call(app.client.messages.with_raw_response.create, **STREAMED)
    response = raw.http_response
    response.close() if app.kind == "sync" else app.call(response.aclose)
    provider.last.wait_left()
    assert otel.attributes[semconv.STREAM_END] == "closed"


@pytest.mark.parametrize("how", ["parse", "read", "json", "text"])
def test_streaming_view(otel: Telemetry, app: App, provider: Provider, how: str) -> None:
    """`with_streaming_response`: the body is read when the app asks for it, in whatever way."""
    provider.reply(whole(BODY))
    manager = app.client.messages.with_streaming_response.create(**ARGUMENTS)
    assert app.within(manager, lambda response: getattr(response, how)())
    _recorded(otel)
    assert semconv.STREAM_END not in otel.attributes


def test_streaming_view_left_unread(otel: Telemetry, app: App, provider: Provider) -> None:
    """Entered and left: one span, and nothing was read for us."""
    provider.reply(whole(BODY))
    manager = app.client.messages.with_streaming_response.create(**ARGUMENTS)
    assert app.within(manager, lambda response: response.status_code) == 200
    assert semconv.USAGE_INPUT not in otel.attributes


def test_streaming_view_of_a_stream(otel: Telemetry, app: App, provider: Provider) -> None:
    """`with_streaming_response.create(stream=True)`: parse() gives a stream, which is read inside the block."""
    provider.reply(sse(EVENTS))

    async def aread(response: Any) -> list[Any]:
        return [chunk async for chunk in await response.parse()]

    manager = app.client.messages.with_streaming_response.create(**STREAMED)
    events = app.within(manager, (lambda response: list(response.parse())) if app.kind == "sync" else aread)
    assert len(events) == len(EVENTS) - 1
    _recorded(otel)
    assert otel.attributes[semconv.STREAM_END] == "complete"


@pytest.mark.parametrize("surface", WHOLE, ids=lambda surface: surface.name)
def test_parse_into_a_model(otel: Telemetry, app: App, provider: Provider, surface: Surface) -> None:
    """`messages.parse` does not go through create: it is patched itself, once."""
    provider.reply(whole(files.body("anthropic/message_parse.json")))
    message = app.call(surface.resource(app.client).parse, **ARGUMENTS, output_format=Answer)
    assert message.parsed_output == Answer(place="Skagen", year=1858)
    assert otel.attributes[semconv.OUTPUT_TYPE] == "json"
    assert otel.attributes[semconv.USAGE_OUTPUT] == 14


def test_a_model_parsed_from_a_stream(otel: Telemetry, app: App, provider: Provider) -> None:
    """A class as output_format of `.stream()`."""
    provider.reply(sse(files.events("anthropic/message_stream_parse.sse")))
    manager = app.client.messages.stream(**ARGUMENTS, output_format=Answer)
    message = app.within(manager, lambda stream: stream.get_final_message())
    assert message.parsed_output == Answer(place="Skagen", year=1858)
    assert otel.attributes[semconv.OUTPUT_TYPE] == "json"


def test_an_error_through_a_view(otel: Telemetry, app: App, provider: Provider) -> None:
    """The error is the SDK's own and on the span."""
    provider.reply(whole(files.body("anthropic/error_429.json"), status=429))
    with pytest.raises(anthropic.RateLimitError):
        app.call(PLAIN.resource(app.client).with_raw_response.create, **ARGUMENTS)
    assert otel.attributes[semconv.ERROR_TYPE] == "rate_limit_error"
