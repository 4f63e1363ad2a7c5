"""Odd answers and odd arguments: what the bare SDK makes of them, the app gets, and nothing of ours fails on them."""

from __future__ import annotations

import json
import warnings
from typing import TYPE_CHECKING, Any

import pytest
from wire import files
from wire.server import Reply, sse, whole

import otelllm

from .app import has, of
from .surfaces import CHAT, call

if TYPE_CHECKING:
    from collections.abc import Callable

    from telemetry import Telemetry
    from wire.server import Provider

    from .app import App

pytestmark = pytest.mark.slow

EVENTS = files.events("mistral/chat_stream.sse")
UNSET = of("types", "UNSET")
USER = {"role": "user", "content": "hi"}


def _seen(act: Callable[[], Any]) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            result = act()
        except Exception as error:  # bare and instrumented are compared, whatever it is
            return type(error), str(error), type(error.__cause__), type(error.__context__)
        results = result if isinstance(result, list) else [result]
        return [(type(one), repr(one)) for one in results]


def _reply(**changes: Any) -> Callable[[], Reply]:
    return lambda: whole(files.edited("mistral/chat.json", **changes))


def _choice(**changes: Any) -> Callable[[], Reply]:
    body = files.edited("mistral/chat.json")
    body["choices"][0].update(changes)
    return lambda: whole(body)


def _chunk(place: int, /, **changes: Any) -> Callable[[], Reply]:
    """The stream with one chunk's choice edited; the sixth is in the middle of the text."""
    chunk = json.loads(EVENTS[place][6:])
    chunk["choices"][0].update(changes)
    return lambda: sse(EVENTS[:place], files.event(chunk), EVENTS[place + 1 :])


def _top(place: int, /, **changes: Any) -> Callable[[], Reply]:
    chunk = {**json.loads(EVENTS[place][6:]), **changes}
    return lambda: sse(EVENTS[:place], files.event(chunk), EVENTS[place + 1 :])


STREAM = "stream"
PARTIAL_TOOL = {"tool_calls": [{"index": 0, "id": None, "function": {"name": "", "arguments": ""}}]}
ODD: dict[str, tuple[Callable[[], Reply], Any]] = {
    "choices null": (_reply(choices=None), {}),
    "choices empty": (_reply(choices=[]), {}),
    "usage null": (_reply(usage=None), {}),
    "usage empty": (_reply(usage={}), {}),
    "usage a number": (_reply(usage=7), {}),
    "usage of texts": (_reply(usage={"prompt_tokens": "12", "completion_tokens": 1}), {}),
    "usage negative": (_reply(usage={"prompt_tokens": -1, "completion_tokens": 1}), {}),
    "usage details a number": (_reply(usage={"prompt_tokens": 1, "prompt_tokens_details": 7}), {}),
    "message null": (_choice(message=None), {}),
    "message missing": (_choice(message={}), {}),
    "content a list of texts": (_choice(message={"role": "assistant", "content": ["hi"]}), {}),
    "content an object": (_choice(message={"role": "assistant", "content": {"type": "text", "text": "hi"}}), {}),
    "content null and calls": (_choice(message={"role": "assistant", "content": None, "tool_calls": []}), {}),
    "thinking a text": (_choice(message={"role": "assistant", "content": [{"type": "thinking", "thinking": "x"}]}), {}),
    "call without arguments": (
        _choice(message={"role": "assistant", "content": "", "tool_calls": [{"function": {"name": "f"}}]}), {}),
    "finish unknown": (_choice(finish_reason="tired"), {}),
    "finish null": (_choice(finish_reason=None), {}),
    "model and id null": (_reply(model=None, id=None), {}),
    "an empty object": (lambda: whole({}), {}),
    "a list": (lambda: whole("[]"), {}),
    "no JSON": (lambda: whole("{not json"), {}),
    "a page": (lambda: Reply(body=b"<html>", content_type="text/html"), {}),
    "an empty body": (lambda: whole(""), {}),
    "error in an answer of success": (lambda: whole(files.body("mistral/error_429.json")), {}),
    "chunk choices empty": (_top(0, choices=[], id="", model=""), STREAM),
    "chunk choices null": (_top(5, choices=None), STREAM),
    "chunk index null": (_chunk(5, index=None), STREAM),
    "chunk delta null": (_chunk(5, delta=None), STREAM),
    "chunk delta empty": (_chunk(5, delta={}), STREAM),
    "chunk content a list": (_chunk(5, delta={"content": ["x"]}), STREAM),
    "chunk tool call null": (_chunk(5, delta=PARTIAL_TOOL), STREAM),
    "chunk usage odd": (_top(-2, usage={"prompt_tokens": None, "completion_tokens": 1}), STREAM),
    "chunk a number": (lambda: sse(files.event("7"), EVENTS), STREAM),
    "stream without anything": (sse, STREAM),
    "stream of one bad line": (lambda: sse(b"data: {oops\n\n"), STREAM),
    "stream of comments": (lambda: sse(b": ping\n\n", EVENTS), STREAM),
    "stream without an end": (lambda: sse(EVENTS[:-1]), STREAM),
    "stream answered whole": (lambda: whole(files.body("mistral/chat.json")), STREAM),
    "whole answered as stream": (lambda: sse(EVENTS), {}),
    "messages a tuple": (_reply(), {"messages": (USER,)}),
    "messages empty": (_reply(), {"messages": []}),
    "messages of texts": (_reply(), {"messages": ["hi"]}),
    "content null": (_reply(), {"messages": [{"role": "assistant", "content": None}]}),
    "content parts": (_reply(), {"messages": [{"role": "user", "content": [
        {"type": "text", "text": "hi"}, {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}]}]}),
    "nulls": (_reply(), {"temperature": None, "stop": None, "tools": None, "random_seed": None, "n": None}),
    "sentinels": (_reply(), {"temperature": UNSET, "stop": UNSET, "tools": UNSET, "random_seed": UNSET, "n": UNSET}),
    "stream as a parameter": (_reply(), {"stream": True}),
    "odd role": (_reply(), {"messages": [{"role": 7, "content": 8}]}),
    "model null": (_reply(), {"model": None}),
    "lone surrogate": (_reply(), {"messages": [{"role": "user", "content": "a\ud800b"}]}),
    "not a number": (_reply(), {"temperature": float("nan")}),
    "headers": (_reply(), {"http_headers": {"x": "y"}}),
    "an unknown argument": (_reply(), {"wishes": 3}),
}  # fmt: skip


def _twice(
    otel: Telemetry,
    make_app: Callable[..., App],
    provider: Provider,
    reply: Callable[[], Reply],
    ask: Callable[..., Any],
) -> None:
    seen: list[Any] = []
    for is_bare in (True, False):
        otelllm.uninstrument() if is_bare else otel.instrument(capture="full")
        app = make_app()
        provider._queue.clear()
        provider.reply(reply())
        before = len(provider.requests)
        result = _seen(lambda app=app: ask(app))
        seen.append((result, [(it.path, it.body, {**it.headers, "host": ""}) for it in provider.requests[before:]]))
    provider._queue.clear()
    assert seen[0] == seen[1]
    assert len(otel.spans) <= 1


@pytest.mark.parametrize("name", ODD)
def test_odd_input_and_answers(otel: Telemetry, make_app: Callable[..., App], provider: Provider, name: str) -> None:
    """Same objects, exceptions and requests as bare."""
    reply, given = ODD[name]

    def ask(app: App) -> Any:
        if given == STREAM:
            return app.read(call(app, "chat", streamed=True))
        return call(app, "chat", **{**CHAT, **given})

    _twice(otel, make_app, provider, reply, ask)


ODD_EVENTS: dict[str, list[bytes]] = {
    "unknown": [files.event({"type": "conversation.response.paused", "why": "tired"}, "conversation.response.paused")],
    "content null": [files.event({"type": "message.output.delta", "id": "m", "content": None}, "message.output.delta")],
    "call without a name": [files.event({"type": "function.call.delta", "id": "f"}, "function.call.delta")],
    "usage null": [files.event({"type": "conversation.response.done", "usage": None}, "conversation.response.done")],
    "no data": [b"event: message.output.delta\n\n"],
}


@pytest.mark.skipif(not has("conversations"), reason="not in this version")
@pytest.mark.parametrize("name", ODD_EVENTS)
def test_odd_events(otel: Telemetry, make_app: Callable[..., App], provider: Provider, name: str) -> None:
    """The same for a conversation's."""
    events = files.events("mistral/conversation_stream.sse")
    _twice(otel, make_app, provider, lambda: sse(events[:3], ODD_EVENTS[name], events[3:]),
           lambda app: app.read(call(app, "conversation", streamed=True)))  # fmt: skip
