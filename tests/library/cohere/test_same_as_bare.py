"""The app sees what it would see without us: the same types, values, errors and requests, from odd input too."""

from __future__ import annotations

import json
import re
import warnings
from typing import TYPE_CHECKING, Any

import cohere
import pytest
from wire import files
from wire.server import Reply, sse, whole

import otelllm

from .app import MODEL, QUESTION

if TYPE_CHECKING:
    from collections.abc import Callable

    from telemetry import Telemetry
    from wire.server import Provider

    from .app import App

EVENTS = files.events("cohere/chat_stream.sse")
STREAMED = {"stream": True}


def _edited(**changes: Any) -> Callable[[], Reply]:
    return lambda: whole(files.edited("cohere/chat.json", **changes))


def _message(**changes: Any) -> Callable[[], Reply]:
    return _edited(message={"role": "assistant", **changes})


def _event(**changes: Any) -> Callable[[], Reply]:
    middle = {**json.loads(EVENTS[2].split(b"data: ")[1]), **changes}
    return lambda: sse(EVENTS[:2], files.event(middle, "content-delta"), EVENTS[3:])


def _rerank(**changes: Any) -> Callable[[], Reply]:
    return lambda: whole(files.edited("cohere/rerank.json", **changes))


def _embed(**changes: Any) -> Callable[[], Reply]:
    return lambda: whole(files.edited("cohere/embed.json", **changes))


RANK = {"method": "rerank", "query": "q", "documents": ["a", "b", "c", "d"]}
EMBED = {"method": "embed", "texts": ["Skagen"], "input_type": "search_query"}
CALL = {"type": "function", "function": {"name": "f", "arguments": "{}"}}
BROKEN = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{"}}
GOOD = _edited()
ODD: dict[str, tuple[Callable[[], Reply], dict[str, Any]]] = {
    "content null": (_message(content=None), {}),
    "content a text": (_message(content="x"), {}),
    "content empty": (_message(content=[]), {}),
    "content of null": (_message(content=[None]), {}),
    "message null": (_edited(message=None), {}),
    "calls null": (_message(tool_calls=None), {}),
    "a call without a function": (_message(tool_calls=[{"id": "c", "type": "function"}]), {}),
    "arguments that are no JSON": (_message(tool_calls=[BROKEN]), {}),
    "plan a number": (_message(tool_plan=7), {}),
    "citations null": (_message(citations=[None]), {}),
    "a citation without anything": (_message(content=[{"type": "text", "text": "x"}], citations=[{}]), {}),
    "a citation elsewhere": (_message(content=[], citations=[{"content_index": 7}]), {}),
    "usage null": (_edited(usage=None), {}),
    "usage of nulls": (_edited(usage={"tokens": None, "billed_units": None}), {}),
    "usage of texts": (_edited(usage={"tokens": {"input_tokens": "7"}}), {}),
    "usage below zero": (_edited(usage={"tokens": {"input_tokens": -1}}), {}),
    "usage a list": (_edited(usage=[1]), {}),
    "finish null": (_edited(finish_reason=None), {}),
    "id null": (_edited(id=None), {}),
    "an unknown field": (_edited(aurora={"a": [1]}), {}),
    "an empty object": (lambda: whole({}), {}),
    "a list": (lambda: whole("[]"), {}),
    "no JSON": (lambda: whole("{not json"), {}),
    "an empty body": (lambda: whole(""), {}),
    "event without a delta": (_event(delta=None), STREAMED),
    "event without an index": (_event(index=None), STREAMED),
    "event of no type": (_event(type=None), STREAMED),
    "event of empty content": (_event(delta={"message": {"content": {}}}), STREAMED),
    "event of a list of calls": (_event(type="tool-call-start", delta={"message": {"tool_calls": [CALL]}}), STREAMED),
    "two ends": (lambda: sse(EVENTS, EVENTS[-1]), STREAMED),
    "a stream of nothing": (sse, STREAMED),
    "a stream of comments": (lambda: sse(b": ping\n\n", EVENTS), STREAMED),
    "done": (lambda: sse(EVENTS, b"data: [DONE]\n\n"), STREAMED),
    "a stream answered whole": (lambda: whole(files.body("cohere/chat.json")), STREAMED),
    "messages a tuple": (GOOD, {"messages": tuple(QUESTION)}),
    "messages null": (GOOD, {"messages": None}),
    "messages of the SDK's objects": (GOOD, {"messages": [cohere.UserChatMessageV2(content="x")]}),
    "a message without a role": (GOOD, {"messages": [{"content": "x"}]}),
    "a message of null": (GOOD, {"messages": [None]}),
    "a lone surrogate": (GOOD, {"messages": [{"role": "user", "content": "a\ud800b"}]}),
    "model null": (GOOD, {"model": None}),
    "parameters null": (GOOD, {"temperature": None, "tools": None, "stop_sequences": None}),
    "parameters of wrong types": (GOOD, {"temperature": "hot", "seed": 1.5, "stop_sequences": 7}),
    "not a number": (GOOD, {"temperature": float("nan")}),
    "options null": (GOOD, {"request_options": None}),
    "stream asked for in the wrong place": (GOOD, {"method": "chat", "stream_": True}),
    "results null": (_rerank(results=None), RANK),
    "a result of nothing": (_rerank(results=[{}]), RANK),
    "a place that is not there": (_rerank(results=[{"index": 9, "relevance_score": 1}]), RANK),
    "documents a tuple": (_rerank(), {**RANK, "documents": ("a", "b", "c", "d")}),
    "documents null": (_rerank(), {**RANK, "documents": None}),
    "embeddings null": (_embed(embeddings=None), EMBED),
    "embeddings of nothing": (_embed(embeddings={}), EMBED),
    "embeddings of empty lists": (_embed(embeddings={"float": []}), EMBED),
    "meta null": (_embed(meta=None), EMBED),
    "texts null": (_embed(), {**EMBED, "texts": None}),
}  # fmt: skip


def _seen(call: Callable[[], Any]) -> Any:
    """What an app can tell of a call: its result's types and content, or its error's type and text."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            result = call()
        except Exception as error:  # bare and instrumented are compared, whatever it is
            return type(error), str(error), type(error.__cause__), type(error.__context__)
        return re.sub(r"[0-9a-f]{8}-[0-9a-f-]{27}", "an id that the SDK made up", repr(result))


@pytest.mark.slow
@pytest.mark.parametrize("name", ODD)
def test_odd_input_and_answers(otel: Telemetry, make_app: Callable[..., App], provider: Provider, name: str) -> None:
    """Whatever the bare SDK makes of it, the app gets; nothing of ours fails on it either (it would show here)."""
    reply, given = ODD[name]

    def act(app: App) -> Any:
        asked = {"model": MODEL, **given}
        is_streamed = asked.pop("stream", False)
        method = asked.pop("method", "chat_stream" if is_streamed else "chat")
        if "chat" in method:
            asked.setdefault("messages", QUESTION)
        result = app.call(getattr(app.client, method), **asked)
        return app.read(result) if is_streamed else result

    seen: list[Any] = []
    for is_bare in (True, False):
        otelllm.uninstrument() if is_bare else otel.instrument(capture="full")
        app = make_app()
        provider._queue.clear()
        provider.reply(reply())
        before = len(provider.requests)
        result = _seen(lambda app=app: act(app))
        seen.append((result, [(it.path, it.body) for it in provider.requests[before:]]))
    provider._queue.clear()
    assert seen[0] == seen[1]
    assert len(otel.spans) == 1 or not seen[0][1]
    assert len(otel.spans) <= 1
