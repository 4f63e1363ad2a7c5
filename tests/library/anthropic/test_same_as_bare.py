"""The app sees what it would see without us: the same types, objects, errors and bytes, from every way to ask."""

from __future__ import annotations

import json
import traceback
import warnings
from typing import TYPE_CHECKING, Any

import anthropic
import pytest
from anthropic.types import Message, TextBlock, ToolUseBlock
from wire import files
from wire.server import Reply, sse, whole

import otelllm
from otelllm import semconv

from .surfaces import ARGUMENTS, EVENTS, MANAGER, PLAIN, STREAMING, WHOLE, Surface, open_stream

if TYPE_CHECKING:
    from collections.abc import Callable

    from telemetry import Telemetry
    from wire.server import Provider

    from .app import App

BODY = files.body("anthropic/message.json")


def _seen(call: Callable[[], Any]) -> Any:
    """What an app can tell of a call: its result's types and content, or its error's type and text."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            result = call()
        except Exception as error:  # bare and instrumented are compared, whatever it is
            return type(error), str(error), type(error.__cause__), type(error.__context__)
        results = result if isinstance(result, list) else [result]
        return [(type(one), one.model_dump() if hasattr(one, "model_dump") else repr(one)) for one in results]


def _twice(
    otel: Telemetry, make_app: Callable[..., App], provider: Provider, reply: Callable[[], Reply],
    act: Callable[[App], Any],
) -> None:  # fmt: skip
    """Act bare, then instrumented with everything captured: result and request must be the same."""
    seen: list[Any] = []
    for is_bare in (True, False):
        otelllm.uninstrument() if is_bare else otel.instrument(capture="full")
        app = make_app()
        provider._queue.clear()
        provider.reply(reply())
        before = len(provider.requests)
        result = _seen(lambda app=app: act(app))
        sent = [(it.method, it.path, it.body, {**it.headers, "host": ""}) for it in provider.requests[before:]]
        seen.append((repr(result), sent))
    provider._queue.clear()
    assert seen[0] == seen[1]
    assert len(otel.spans) <= 1


def _read(app: App, surface: Surface, **more: Any) -> Any:
    if surface.is_manager:
        return app.read(open_stream(app, surface, **more))
    result = app.call(surface.method(app.client), **{**ARGUMENTS, **more})
    return app.read(result) if isinstance(result, anthropic.Stream | anthropic.AsyncStream) else result


@pytest.mark.parametrize("surface", WHOLE, ids=lambda surface: surface.name)
def test_a_whole_answer(otel: Telemetry, make_app: Callable[..., App], provider: Provider, surface: Surface) -> None:
    """Same type, same content; the request's bytes and headers are equal."""
    _twice(otel, make_app, provider, lambda: whole(BODY), lambda app: _read(app, surface))
    assert len(otel.spans) == 1


@pytest.mark.parametrize("surface", STREAMING, ids=lambda surface: surface.name)
def test_a_stream(otel: Telemetry, make_app: Callable[..., App], provider: Provider, surface: Surface) -> None:
    """Same events in the same order."""
    more = {} if surface.is_manager else {"stream": True}
    _twice(otel, make_app, provider, lambda: sse(EVENTS), lambda app: _read(app, surface, **more))
    assert len(otel.spans) == 1


@pytest.mark.parametrize("surface", [PLAIN, MANAGER], ids=lambda surface: surface.name)
@pytest.mark.parametrize(("file", "status"), [("error_401", 401), ("error_429", 429), ("error_500", 500)])
def test_an_error(
    otel: Telemetry, make_app: Callable[..., App], provider: Provider, surface: Surface, file: str, status: int
) -> None:
    """Same class, text and cause."""
    body = files.body(f"anthropic/{file}.json")
    _twice(otel, make_app, provider, lambda: whole(body, status=status), lambda app: _read(app, surface))
    assert len(otel.spans) == 1


def test_a_type_error_of_the_sdk(otel: Telemetry, make_app: Callable[..., App], provider: Provider) -> None:
    """A call without its required arguments fails as ever."""
    for _ in range(2):
        app = make_app()
        with pytest.raises(TypeError, match="Missing required arguments"):
            app.call(app.client.messages.create, model="claude")
        otelllm.uninstrument()
    assert provider.requests == []


def test_a_stream_is_the_sdks_own_object(otel: Telemetry, app: App, provider: Provider) -> None:
    """Its exact type, all its attributes, its response with status and headers, and no double of any event."""
    provider.reply(sse(EVENTS))
    stream = open_stream(app, PLAIN)
    assert type(stream) is app.stream_type
    assert (stream.response.status_code, stream.response.headers["x-request-id"]) == (200, "req_wire")
    assert type(stream.response).__name__ == "Response"
    assert set(dir(app.stream_type)) <= set(dir(stream))
    events = app.take(stream, 1) + app.read(stream)
    assert len({id(event) for event in events}) == len(events) == len(EVENTS) - 1
    assert stream.response.is_closed
    assert app.read(stream) == []


def test_tracebacks_end_in_the_sdk(otel: Telemetry, app: App, provider: Provider) -> None:
    """A reader of a traceback sees their frame last, not ours."""
    provider.reply(whole(files.body("anthropic/error_429.json"), status=429))
    with pytest.raises(anthropic.RateLimitError) as caught:
        app.call(PLAIN.method(app.client), **ARGUMENTS)
    last = traceback.extract_tb(caught.value.__traceback__)[-1]
    assert last.filename.endswith("anthropic/_base_client.py")


def _reply(**changes: Any) -> Callable[[], Reply]:
    return lambda: whole(files.edited("anthropic/message.json", **changes))


def _edited(place: int, /, **changes: Any) -> Callable[[], Reply]:
    """The stream with one event's data edited; the sixth is in the middle of the text."""
    events = list(EVENTS)
    kind, data = events[place].split(b"\n", 1)
    events[place] = kind + b"\ndata: " + json.dumps({**json.loads(data[6:]), **changes}).encode() + b"\n\n"
    return lambda: sse(events)


def _with(*events: bytes, at: int = 5) -> Callable[[], Reply]:
    return lambda: sse(EVENTS[:at], *events, EVENTS[at:])


def _event(kind: str, **data: Any) -> bytes:
    return files.event({"type": kind, **data}, kind)


TEXT = {"type": "text", "text": "hi"}
IMAGE = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AAAA"}}
TOOL = {"name": "f", "input_schema": {"type": "object"}}
USER = {"role": "user", "content": "hi"}
SPOKEN = {"role": "assistant", "content": [TextBlock(type="text", text="earlier", citations=None),
                                           ToolUseBlock(type="tool_use", id="t", name="f", input={})]}  # fmt: skip
STREAM = {"stream": True}
OMIT = getattr(anthropic, "omit", anthropic.NOT_GIVEN)

ODD: dict[str, tuple[Callable[[], Reply], dict[str, Any] | Callable[[], dict[str, Any]]]] = {
    "content null": (_reply(content=None), {}),
    "content empty": (_reply(content=[]), {}),
    "content a text": (_reply(content="hi"), {}),
    "content of texts": (_reply(content=["hi"]), {}),
    "content of an unknown kind": (_reply(content=[{"type": "hologram", "depth": 3}]), {}),
    "content without a kind": (_reply(content=[{"text": "hi"}]), {}),
    "text null": (_reply(content=[{"type": "text", "text": None}]), {}),
    "tool without input": (_reply(content=[{"type": "tool_use", "id": None, "name": None}]), {}),
    "usage null": (_reply(usage=None), {}),
    "usage half": (_reply(usage={"input_tokens": 1}), {}),
    "usage of nulls": (_reply(usage={"input_tokens": None, "output_tokens": None, "cache_creation": None}), {}),
    "usage a number": (_reply(usage=7), {}),
    "usage of texts": (_reply(usage={"input_tokens": "12", "output_tokens": 1.5}), {}),
    "usage negative": (_reply(usage={"input_tokens": -1, "output_tokens": 1}), {}),
    "model and id null": (_reply(model=None, id=None), {}),
    "stop reason unknown": (_reply(stop_reason="tired"), {}),
    "stop reason a number": (_reply(stop_reason=7), {}),
    "error a text": (lambda: whole({"type": "error", "error": "bad"}), {}),
    "an empty object": (lambda: whole({}), {}),
    "a list": (lambda: whole("[]"), {}),
    "no JSON": (lambda: whole("{not json"), {}),
    "a page": (lambda: Reply(body=b"<html>", content_type="text/html"), {}),
    "an empty body": (lambda: whole(""), {}),
    "event message null": (_edited(0, message=None), STREAM),
    "event delta null": (_edited(4, delta=None), STREAM),
    "event delta unknown": (_edited(4, delta={"type": "hologram_delta", "depth": 1}), STREAM),
    "event text null": (_edited(4, delta={"type": "text_delta", "text": None}), STREAM),
    "event index null": (_edited(4, index=None), STREAM),
    "event index unheard of": (_edited(4, index=9), STREAM),
    "event block null": (_edited(2, content_block=None), STREAM),
    "event usage null": (_edited(-2, usage=None), STREAM),
    "event usage odd": (_edited(-2, usage={"output_tokens": None, "input_tokens": "7"}), STREAM),
    "event unknown": (_with(_event("message_pause", why="tired")), STREAM),
    "event without data": (_with(b"event: content_block_delta\n\n"), STREAM),
    "event of no JSON": (_with(b"event: content_block_delta\ndata: {oops\n\n"), STREAM),
    "event a number": (_with(b"event: content_block_delta\ndata: 7\n\n"), STREAM),
    "event without a kind": (_with(files.event({"type": "content_block_delta"})), STREAM),
    "error event a text": (_with(_event("error", error="bad")), STREAM),
    "stream without anything": (sse, STREAM),
    "stream of comments": (lambda: sse(b": ping\n\n", EVENTS), STREAM),
    "stream answered whole": (lambda: whole(BODY), STREAM),
    "whole answered as stream": (lambda: sse(EVENTS), {}),
    "messages a tuple": (_reply(), {"messages": (USER,)}),
    "messages a generator": (_reply(), lambda: {"messages": (one for one in [USER])}),
    "messages empty": (_reply(), {"messages": []}),
    "messages of the SDK": (_reply(), {"messages": [USER, SPOKEN]}),
    "messages of texts": (_reply(), {"messages": ["hi"]}),
    "content blocks": (_reply(), {"messages": [{"role": "user", "content": [TEXT, IMAGE]}]}),
    "content a generator": (_reply(), lambda: {"messages": [{"role": "user", "content": (one for one in [TEXT])}]}),
    "content of the message null": (_reply(), {"messages": [{"role": "assistant", "content": None}]}),
    "system a list": (_reply(), {"system": [TEXT]}),
    "system a generator": (_reply(), lambda: {"system": (one for one in [TEXT])}),
    "tools a generator": (_reply(), lambda: {"tools": (one for one in [TOOL])}),
    "nulls": (_reply(), {"stream": None, "temperature": None, "stop_sequences": None, "tools": None}),
    "sentinels": (_reply(), {"system": OMIT, "stop_sequences": OMIT, "stream": OMIT, "tools": OMIT}),
    "extra": (_reply(), {"extra_body": {"a": 1}, "extra_headers": {"x": "y"}, "extra_query": {"q": "1"}}),
    "odd role": (_reply(), {"messages": [{"role": 7, "content": 8}]}),
    "model null": (_reply(), {"model": None}),
    "max_tokens a text": (_reply(), {"max_tokens": "many"}),
    "lone surrogate": (_reply(), {"messages": [{"role": "user", "content": "a\ud800b"}]}),
    "not a number": (_reply(), {"temperature": float("nan")}),
    "metadata a list": (_reply(), {"metadata": ["me"]}),
    "thinking a text": (_reply(), {"thinking": "hard"}),
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("name", ODD)
def test_odd_input_and_answers(otel: Telemetry, make_app: Callable[..., App], provider: Provider, name: str) -> None:
    """Whatever the bare SDK makes of it, the app gets; nothing of ours fails on it either (it would show here)."""
    reply, given = ODD[name]
    _twice(otel, make_app, provider, reply,
           lambda app: _read(app, PLAIN, **(given() if callable(given) else given)))  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name, (_, given) in ODD.items() if given is STREAM])
def test_odd_events_in_a_manager(otel: Telemetry, make_app: Callable[..., App], provider: Provider, name: str) -> None:
    """The SDK puts the message together itself there, and fails in other places than it does when it only reads."""
    _twice(otel, make_app, provider, ODD[name][0], lambda app: _read(app, MANAGER))


def test_a_number_where_a_text_should_be_is_no_attribute(otel: Telemetry, app: App, provider: Provider) -> None:
    """The SDK's types hold whatever came; the span holds what the conventions have a type for."""
    provider.reply(_reply(id=7, model=["claude"], stop_reason=7, usage={"input_tokens": "12", "output_tokens": 5})())
    got = app.call(PLAIN.method(app.client), **ARGUMENTS)
    assert isinstance(got, Message)
    found = otel.attributes
    assert found.get(semconv.USAGE_OUTPUT) == 5
    for name in (semconv.RESPONSE_ID, semconv.RESPONSE_MODEL, semconv.RESPONSE_FINISH_REASONS, semconv.USAGE_INPUT):
        assert name not in found
