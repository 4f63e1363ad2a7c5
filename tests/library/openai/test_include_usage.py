"""`include_usage`: streams are asked for their usage by a setting only, and the app's chunks stay what they were."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import openai
import pytest
from wire import files
from wire.server import Gate, Reply, Request, sse

import otelllm
from otelllm import semconv

from .surfaces import CHAT, COMPLETIONS, RESPONSES, Surface

if TYPE_CHECKING:
    from collections.abc import Callable

    from telemetry import Telemetry
    from wire.server import Provider

    from .app import App

ASKED = (CHAT, COMPLETIONS)
USED = (semconv.USAGE_INPUT, semconv.USAGE_OUTPUT)


def _answer(surface: Surface) -> Callable[[Request], Reply]:
    """A provider that gives usage to who asks for it: null on each chunk, then a chunk of its own."""

    def reply(request: Request) -> Reply:
        asked = (request.json.get("stream_options") or {}).get("include_usage")
        steps: list[bytes] = []
        for event in surface.events:
            if event.startswith(b"data: [DONE]"):
                steps.append(event)
                continue
            data = json.loads(event[6:])
            if not asked and not data["choices"]:
                continue
            if data["choices"]:
                data.pop("usage", None)
            steps.append(files.event({**data, "usage": None} if asked and data["choices"] else data))
        return sse(steps)

    return reply


def _shown(chunks: list[Any]) -> list[Any]:
    return [(type(chunk), chunk.model_dump(), chunk.model_dump(exclude_unset=True)) for chunk in chunks]


def _stream(app: App, surface: Surface, view: str = "", **more: Any) -> Any:
    resource = surface.method(app.client).__self__
    asked = {**surface.arguments, "stream": True, **more}
    if view == "with_raw_response":
        return app.read(app.call(resource.with_raw_response.create, **asked).parse())
    if view == "with_streaming_response":

        async def aread(response: Any) -> list[Any]:
            return [chunk async for chunk in await response.parse()]

        manager = resource.with_streaming_response.create(**asked)
        return app.within(manager, (lambda it: list(it.parse())) if app.kind == "sync" else aread)
    return app.read(app.call(resource.create, **asked))


@pytest.mark.parametrize("view", ["", "with_raw_response", "with_streaming_response"])
@pytest.mark.parametrize("surface", ASKED, ids=lambda surface: surface.name)
def test_the_app_sees_the_chunks_that_it_would_see(
    otel: Telemetry, make_app: Callable[..., App], provider: Provider, surface: Surface, view: str
) -> None:
    """Not one more and not one less, to the last unset field; the span has the provider's own count."""
    provider.always = _answer(surface)
    otelllm.uninstrument()
    bare = _shown(_stream(make_app(), surface, view))
    assert "stream_options" not in provider.last.json
    otel.instrument(include_usage=True)
    assert _shown(_stream(make_app(), surface, view)) == bare
    if view == "with_streaming_response":  # its bytes are the app's: nothing could be hidden in them
        assert "stream_options" not in provider.last.json
        return
    assert provider.last.json["stream_options"] == {"include_usage": True}
    assert [otel.attributes[name] for name in USED] == list(surface.tokens)
    assert semconv.USAGE_ESTIMATED not in otel.attributes
    assert otel.attributes[semconv.STREAM_CHUNKS] == len(bare)


def test_by_the_environment(otel: Telemetry, app: App, provider: Provider, monkeypatch: pytest.MonkeyPatch) -> None:
    """OTELLLM_INCLUDE_USAGE; an argument wins over it."""
    monkeypatch.setenv("OTELLLM_INCLUDE_USAGE", "true")
    provider.always = _answer(CHAT)
    otel.instrument()
    _stream(app, CHAT)
    assert provider.last.json["stream_options"] == {"include_usage": True}
    otel.instrument(include_usage=False)
    _stream(app, CHAT)
    assert "stream_options" not in provider.last.json


def test_not_by_itself(otel: Telemetry, app: App, provider: Provider) -> None:
    """Without the setting the request is the app's own, and usage is estimated."""
    provider.always = _answer(CHAT)
    _stream(app, CHAT)
    assert "stream_options" not in provider.last.json
    assert otel.attributes[semconv.USAGE_ESTIMATED] is True


@pytest.mark.slow
@pytest.mark.parametrize(
    ("given", "sent"),
    [
        ({"include_usage": True}, {"include_usage": True}),
        ({"include_usage": False}, {"include_usage": False}),
        ({"include_obfuscation": False}, {"include_obfuscation": False, "include_usage": True}),
        (None, {"include_usage": True}),
    ],
    ids=["asked", "declined", "something else", "null"],
)
def test_what_the_app_sets_stays(
    otel: Telemetry, app: App, provider: Provider, given: dict[str, Any] | None, sent: dict[str, Any]
) -> None:
    """Asked for by the app, its usage chunk is the app's; declined, nobody asks; the app's own dict is not touched."""
    otel.instrument(include_usage=True)
    provider.always = _answer(CHAT)
    before = dict(given or {})
    chunks = _stream(app, CHAT, stream_options=given)
    assert provider.last.json["stream_options"] == sent
    assert dict(given or {}) == before
    assert any(not chunk.choices for chunk in chunks) is bool(given and given.get("include_usage"))


def test_options_in_the_extra_body_stay(otel: Telemetry, app: App, provider: Provider) -> None:
    """The SDK lays `extra_body` over everything: it is the app's word."""
    otel.instrument(include_usage=True)
    provider.always = _answer(CHAT)
    _stream(app, CHAT, extra_body={"stream_options": {"include_usage": False}})
    assert provider.last.json["stream_options"] == {"include_usage": False}


@pytest.mark.slow
def test_whole_calls_and_other_surfaces_are_not_asked(otel: Telemetry, app: App, provider: Provider) -> None:
    """Their usage always comes."""
    from wire.server import whole

    otel.instrument(include_usage=True)
    provider.reply(whole(CHAT.body), sse(RESPONSES.events))
    app.call(CHAT.method(app.client), **CHAT.arguments)
    assert "stream_options" not in provider.last.json
    app.read(app.call(RESPONSES.method(app.client), **RESPONSES.streaming))
    assert "stream_options" not in provider.last.json


def test_the_helper(otel: Telemetry, make_app: Callable[..., App], provider: Provider) -> None:
    """`chat.completions.stream()`: its events and its final completion are what they were."""
    provider.always = _answer(CHAT)
    seen: list[Any] = []
    for instrumented in (False, True):
        otelllm.uninstrument()
        if instrumented:
            otel.instrument(include_usage=True)
        app = make_app()

        async def acollect(stream: Any) -> Any:
            events = [event async for event in stream]
            return events, await stream.get_final_completion()

        def collect(stream: Any) -> Any:
            return list(stream), stream.get_final_completion()

        manager = app.client.chat.completions.stream(**CHAT.arguments)
        events, final = app.within(manager, collect if app.kind == "sync" else acollect)
        seen.append(([event.type for event in events], final.model_dump()))
    assert seen[0] == seen[1]
    assert [otel.attributes[name] for name in USED] == [1200, 50]


def test_left_early(otel: Telemetry, app: App, provider: Provider) -> None:
    """The usage chunk never came: estimated, as ever."""
    otel.instrument(include_usage=True)
    provider.reply(sse(CHAT.events[:4], Gate()))
    app.leave(app.call(CHAT.method(app.client), **CHAT.arguments, stream=True), 2)
    assert otel.attributes[semconv.USAGE_ESTIMATED] is True


def test_azure(otel: Telemetry, provider: Provider) -> None:
    """Its leading chunk of filter results has no choices either, and stays."""
    otel.instrument(include_usage=True)
    provider.reply(sse(files.events("openai/chat_stream_azure.sse")))
    client = openai.AzureOpenAI(api_key="k", api_version="2025-01-01", azure_endpoint=provider.url, max_retries=0)
    chunks = list(client.chat.completions.create(**CHAT.arguments, stream=True))
    assert chunks[0].choices == []
    assert all(chunk.choices for chunk in chunks[1:])
    assert provider.last.json["stream_options"] == {"include_usage": True}
    assert [otel.attributes[name] for name in USED] == [1200, 50]
