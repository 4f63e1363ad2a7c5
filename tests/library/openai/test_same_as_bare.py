"""The app sees what it would see without us: the same types, objects, errors and bytes, from every way to ask."""

from __future__ import annotations

import traceback
import warnings
from typing import TYPE_CHECKING, Any

import openai
import pytest
from openai.types.chat import ChatCompletionMessage
from wire import files
from wire.server import Reply, sse, whole

import otelllm

from .surfaces import CHAT, MESSAGES, STREAMING, SURFACES, Surface

if TYPE_CHECKING:
    from collections.abc import Callable

    from telemetry import Telemetry
    from wire.server import Provider

    from .app import App


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
        if is_bare:
            otelllm.uninstrument()
        else:
            otel.instrument(capture="full")
        app = make_app()
        provider.reply(reply())
        before = len(provider.requests)
        result = _seen(lambda app=app: act(app))
        sent = [(it.method, it.path, it.body) for it in provider.requests[before:]]
        headers = [{**it.headers, "host": ""} for it in provider.requests[before:]]
        seen.append((result, sent, headers))
    assert seen[0] == seen[1]
    assert len(otel.spans) == 1


@pytest.mark.parametrize("surface", SURFACES, ids=lambda surface: surface.name)
def test_a_whole_answer(otel: Telemetry, make_app: Callable[..., App], provider: Provider, surface: Surface) -> None:
    """Same type, same content; the request's bytes and headers are equal."""
    _twice(
        otel, make_app, provider, lambda: whole(surface.body),
        lambda app: app.call(surface.method(app.client), **surface.arguments),
    )  # fmt: skip


@pytest.mark.parametrize("asks_usage", [True, False], ids=["usage", "no usage"])
@pytest.mark.parametrize("surface", STREAMING, ids=lambda surface: surface.name)
def test_a_stream(
    otel: Telemetry, make_app: Callable[..., App], provider: Provider, surface: Surface, asks_usage: bool
) -> None:
    """Same chunks in the same order; usage is asked for only where the app asks for it."""
    more = surface.stream_arguments if asks_usage else {}
    _twice(
        otel, make_app, provider, lambda: sse(surface.events),
        lambda app: app.read(app.call(surface.method(app.client), **surface.arguments, stream=True, **more)),
    )  # fmt: skip
    assert ("stream_options" in provider.last.json) is (asks_usage and bool(surface.stream_arguments))


@pytest.mark.parametrize("surface", SURFACES, ids=lambda surface: surface.name)
@pytest.mark.parametrize(
    ("file", "status"), [("error_401", 401), ("error_429", 429), ("error_500", 500), ("error_400_filter", 400)]
)
def test_an_error(
    otel: Telemetry, make_app: Callable[..., App], provider: Provider, surface: Surface, file: str, status: int
) -> None:
    """Same class, text and cause."""
    _twice(
        otel, make_app, provider, lambda: whole(files.body(f"openai/{file}.json"), status=status),
        lambda app: app.call(surface.method(app.client), **surface.arguments),
    )  # fmt: skip


def test_a_type_error_of_the_sdk(otel: Telemetry, make_app: Callable[..., App], provider: Provider) -> None:
    """A call without its required arguments fails as ever."""
    for _ in range(2):
        app = make_app()
        with pytest.raises(TypeError, match=r"Missing required arguments; Expected either \('messages' and 'model'\)"):
            app.call(app.client.chat.completions.create, model="gpt-4o-mini")
        otelllm.uninstrument()
    assert provider.requests == []


@pytest.mark.parametrize("surface", STREAMING, ids=lambda surface: surface.name)
def test_a_stream_is_the_sdks_own_object(otel: Telemetry, app: App, provider: Provider, surface: Surface) -> None:
    """Its exact type, all its attributes, its response with status and headers, and no double of any chunk."""
    provider.reply(sse(surface.events))
    stream = app.call(surface.method(app.client), **surface.streaming)
    assert type(stream) is app.stream_type
    assert stream.response.status_code == 200
    assert stream.response.headers["x-request-id"] == "req_wire"
    assert isinstance(stream.response, type(stream.response).__mro__[1])
    assert type(stream.response).__name__ == "Response"
    assert {"close", "response"} <= set(dir(stream))
    assert set(dir(openai.Stream if app.kind == "sync" else openai.AsyncStream)) <= set(dir(stream))
    chunks = app.read(stream)
    assert len({id(chunk) for chunk in chunks}) == len(chunks)
    assert repr(stream.response) == "<Response [200 .]>"
    assert stream.response.is_closed


def test_next_works_between_loops(otel: Telemetry, app: App, provider: Provider) -> None:
    """One chunk by hand, then the rest."""
    provider.reply(sse(CHAT.events))
    stream = app.call(CHAT.method(app.client), **CHAT.streaming)
    first = app.take(stream, 1)
    rest = app.read(stream)
    assert len(first) + len(rest) == len(CHAT.events) - 1
    assert app.read(stream) == []


def test_tracebacks_end_in_the_sdk(otel: Telemetry, app: App, provider: Provider) -> None:
    """A reader of a traceback sees their frame last, not ours."""
    provider.reply(whole(files.body("openai/error_429.json"), status=429))
    with pytest.raises(openai.RateLimitError) as caught:
        app.call(CHAT.method(app.client), **CHAT.arguments)
    last = traceback.extract_tb(caught.value.__traceback__)[-1]
    assert last.name == "request"
    assert last.filename.endswith("openai/_base_client.py")


def _reply(**changes: Any) -> Callable[[], Reply]:
    return lambda: whole(files.edited("openai/chat.json", **changes))


def _chunks(edit: Callable[[list[Any]], None]) -> Callable[[], Reply]:
    """The stream with its chunks edited; the sixth is in the middle of the text."""
    import json

    chunks = [json.loads(event[6:]) for event in CHAT.events[:-1]]
    edit(chunks)
    return lambda: sse([files.event(chunk) for chunk in chunks], CHAT.events[-1])


def _put(index: int, **changes: Any) -> Callable[[list[Any]], None]:
    return lambda chunks: chunks[index].update(changes)


def _delta(**changes: Any) -> Callable[[list[Any]], None]:
    return lambda chunks: chunks[5]["choices"][0].update(changes)


EMPTY_MESSAGE = [{"index": 0, "message": None, "finish_reason": None}]
LIST_CONTENT = [{"index": 0, "message": {"role": "assistant", "content": [{"type": "text"}]}, "finish_reason": "stop"}]
PARTIAL_TOOL = {"tool_calls": [{"index": 0, "id": None, "function": None, "type": None}]}
TEXT = {"type": "text", "text": "hi"}
IMAGE = {"type": "image_url", "image_url": {"url": "data:image/png;base64," + "A" * 2000}}
TOOL = {"type": "function", "function": {"name": "f", "parameters": {}}}
STREAM = {"stream": True}
OMIT = getattr(openai, "omit", openai.NOT_GIVEN)

ODD: dict[str, tuple[Callable[[], Reply], dict[str, Any] | Callable[[], dict[str, Any]]]] = {
    "choices null": (_reply(choices=None), {}),
    "choices empty": (_reply(choices=[]), {}),
    "choices a text": (_reply(choices="none"), {}),
    "usage null": (_reply(usage=None), {}),
    "usage half": (_reply(usage={"prompt_tokens": 1}), {}),
    "usage a number": (_reply(usage=7), {}),
    "usage of texts": (_reply(usage={"prompt_tokens": "12", "completion_tokens": 1.5}), {}),
    "usage negative": (_reply(usage={"prompt_tokens": -1, "completion_tokens": 1}), {}),
    "content a list": (_reply(choices=LIST_CONTENT), {}),
    "message null": (_reply(choices=EMPTY_MESSAGE), {}),
    "model and id null": (_reply(model=None, id=None), {}),
    "error a text": (_reply(error="bad", choices=None), {}),
    "an empty object": (lambda: whole({}), {}),
    "a list": (lambda: whole("[]"), {}),
    "no JSON": (lambda: whole("{not json"), {}),
    "a page": (lambda: Reply(body=b"<html>", content_type="text/html"), {}),
    "an empty body": (lambda: whole(""), {}),
    "chunk choices empty": (_chunks(_put(0, choices=[], id="", model="", object="")), STREAM),
    "chunk choices null": (_chunks(_put(5, choices=None)), STREAM),
    "chunk choice without index": (_chunks(_delta(index=None)), STREAM),
    "chunk delta null": (_chunks(_delta(delta=None)), STREAM),
    "chunk content a list": (_chunks(_delta(delta={"content": ["x"]})), STREAM),
    "chunk tool call null": (_chunks(_delta(delta=PARTIAL_TOOL)), STREAM),
    "chunk usage odd": (_chunks(_put(-1, usage={"prompt_tokens": None, "completion_tokens": 1})), STREAM),
    "chunk a number": (lambda: sse(files.event("7"), CHAT.events), STREAM),
    "stream without anything": (sse, STREAM),
    "stream of one bad line": (lambda: sse(b"data: {oops\n\n"), STREAM),
    "stream of comments": (lambda: sse(b": ping\n\n", CHAT.events), STREAM),
    "stream answered whole": (lambda: whole(CHAT.body), STREAM),
    "whole answered as stream": (lambda: sse(CHAT.events), {}),
    "messages a tuple": (_reply(), {"messages": tuple(MESSAGES)}),
    "messages a generator": (_reply(), lambda: {"messages": (one for one in MESSAGES)}),
    "messages empty": (_reply(), {"messages": []}),
    "messages of the SDK": (_reply(), {"messages": [ChatCompletionMessage(role="assistant", content="earlier")]}),
    "content parts": (_reply(), {"messages": [{"role": "user", "content": [TEXT, IMAGE]}]}),
    "content generator": (
        _reply(), lambda: {"messages": [{"role": "user", "content": (one for one in [TEXT])}]},
    ),
    "content null": (_reply(), {"messages": [{"role": "assistant", "content": None, "tool_calls": []}]}),
    "tools a generator": (_reply(), lambda: {"tools": (one for one in [TOOL])}),
    "nulls": (_reply(), {"n": 2, "stream": None, "temperature": None, "stop": None, "tools": None}),
    "sentinels": (_reply(), {"n": OMIT, "stop": OMIT, "stream": OMIT, "tools": OMIT}),
    "stop of lists": (_reply(), {"stop": ["a", "b"]}),
    "extra": (_reply(), {"extra_body": {"a": 1}, "extra_headers": {"x": "y"}, "extra_query": {"q": "1"}}),
    "developer with a name": (_reply(), {"messages": [{"role": "developer", "content": "x", "name": "n"}]}),
    "odd role": (_reply(), {"messages": [{"role": 7, "content": 8}]}),
    "messages of texts": (_reply(), {"messages": ["hi"]}),
    "model null": (_reply(), {"model": None}),
    "lone surrogate": (_reply(), {"messages": [{"role": "user", "content": "a\ud800b"}]}),
    "not a number": (_reply(), {"temperature": float("nan")}),
    "a number too large": (_reply(), {"seed": 2**70}),
}  # fmt: skip


@pytest.mark.parametrize("name", ODD)
def test_odd_input_and_answers(otel: Telemetry, make_app: Callable[..., App], provider: Provider, name: str) -> None:
    """Whatever the bare SDK makes of it, the app gets; nothing of ours fails on it either (it would show here)."""
    reply, given = ODD[name]

    def act(app: App) -> Any:
        arguments = {**CHAT.arguments, **(given() if callable(given) else given)}
        result = app.call(CHAT.method(app.client), **arguments)
        return app.read(result) if isinstance(result, openai.Stream | openai.AsyncStream) else result

    seen: list[Any] = []
    for is_bare in (True, False):
        otelllm.uninstrument() if is_bare else otel.instrument(capture="full")
        app = make_app()
        provider._queue.clear()
        provider.reply(reply())
        before = len(provider.requests)
        result = _seen(lambda app=app: act(app))
        seen.append((repr(result), [it.body for it in provider.requests[before:]]))
    provider._queue.clear()
    assert seen[0] == seen[1]
    assert len(otel.spans) == 1
