"""The app sees what it would see without us: the same types, values, errors and requests, from odd input too."""

from __future__ import annotations

import json
import warnings
from typing import TYPE_CHECKING, Any

import ollama
import pydantic
import pytest
from wire import files
from wire.server import Reply, ndjson, whole

import otelllm

from .app import MODEL, QUESTION

if TYPE_CHECKING:
    from collections.abc import Callable

    from telemetry import Telemetry
    from wire.server import Provider

    from .app import App

LINES = files.lines("ollama/chat_stream.ndjson")
STREAMED = {"stream": True}


class Place(pydantic.BaseModel):
    name: str


def _edited(**changes: Any) -> Callable[[], Reply]:
    return lambda: whole(files.edited("ollama/chat.json", **changes))


def _message(**changes: Any) -> Callable[[], Reply]:
    return _edited(message={"role": "assistant", "content": "x", **changes})


def _line(**changes: Any) -> Callable[[], Reply]:
    middle = json.dumps({**json.loads(LINES[1]), **changes}).encode() + b"\n"
    return lambda: ndjson(LINES[0], middle, LINES[2:])


GOOD = _edited()
ODD: dict[str, tuple[Callable[[], Reply], dict[str, Any]]] = {
    "content null": (_message(content=None), {}),
    "content a number": (_message(content=7), {}),
    "message null": (_edited(message=None), {}),
    "message a text": (_edited(message="x"), {}),
    "thinking null": (_message(thinking=None), {}),
    "calls null": (_message(tool_calls=None), {}),
    "calls empty": (_message(tool_calls=[]), {}),
    "a call without a function": (_message(tool_calls=[{"id": "c"}]), {}),
    "a call of no arguments": (_message(tool_calls=[{"function": {"name": "f", "arguments": {}}}]), {}),
    "arguments null": (_message(tool_calls=[{"function": {"name": "f", "arguments": None}}]), {}),
    "arguments a text": (_message(tool_calls=[{"function": {"name": "f", "arguments": "{}"}}]), {}),
    "counts null": (_edited(prompt_eval_count=None, eval_count=None), {}),
    "counts of texts": (_edited(prompt_eval_count="7"), {}),
    "counts below zero": (_edited(prompt_eval_count=-1, eval_count=-1), {}),
    "durations null": (_edited(total_duration=None), {}),
    "done null": (_edited(done=None), {}),
    "reason null": (_edited(done_reason=None), {}),
    "an unknown field": (_edited(aurora={"a": [1]}), {}),
    "logprobs": (_edited(logprobs=[{"token": "x", "logprob": -1.0, "top_logprobs": []}]), {}),
    "an empty object": (lambda: whole({}), {}),
    "a list": (lambda: whole("[]"), {}),
    "no JSON": (lambda: whole("{not json"), {}),
    "an empty body": (lambda: whole(""), {}),
    "a chunk without a message": (_line(message=None), STREAMED),
    "a chunk of null": (lambda: ndjson(LINES[0], b"null\n", LINES[1:]), STREAMED),
    "a chunk that is no JSON": (lambda: ndjson(LINES[0], b"{oops\n", LINES[1:]), STREAMED),
    "an empty line": (lambda: ndjson(LINES[0], b"\n", LINES[1:]), STREAMED),
    "two ends": (lambda: ndjson(LINES, LINES[-1]), STREAMED),
    "a stream of nothing": (ndjson, STREAMED),
    "a stream answered whole": (lambda: whole(files.body("ollama/chat.json")), STREAMED),
    "messages a tuple": (GOOD, {"messages": tuple(QUESTION)}),
    "messages an iterator": (GOOD, {"messages": lambda: iter(QUESTION)}),
    "messages null": (GOOD, {"messages": None}),
    "messages of the SDK's objects": (GOOD, {"messages": [ollama.Message(role="user", content="x")]}),
    "a message without a role": (GOOD, {"messages": [{"content": "x"}]}),
    "a picture that is not there": (GOOD, {"messages": [{"role": "user", "images": ["missing.png"]}]}),
    "a lone surrogate": (GOOD, {"messages": [{"role": "user", "content": "a\ud800b"}]}),
    "model empty": (GOOD, {"model": ""}),
    "model null": (GOOD, {"model": None}),
    "options null": (GOOD, {"options": None}),
    "options of the SDK's": (GOOD, {"options": ollama.Options(temperature=0.5, stop=["a"])}),
    "options of wrong types": (GOOD, {"options": {"temperature": "hot", "stop": 7, "num_predict": True}}),
    "not a number": (GOOD, {"options": {"temperature": float("nan")}}),
    "format a schema": (GOOD, {"format": Place.model_json_schema()}),
    "tools an object": (GOOD, {"tools": [object()]}),
    "an argument that is none": (GOOD, {"temprature": 1}),
}  # fmt: skip


def _seen(call: Callable[[], Any]) -> Any:
    """What an app can tell of a call: its result's types and content, or its error's type and text."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            result = call()
        except Exception as error:  # bare and instrumented are compared, whatever it is
            return type(error), str(error), type(error.__cause__), type(error.__context__)
        return repr(result)


@pytest.mark.slow
@pytest.mark.parametrize("name", ODD)
# A stream that breaks inside the SDK leaves its connection to the garbage collector, with and without us.
@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
def test_odd_input_and_answers(otel: Telemetry, make_app: Callable[..., App], provider: Provider, name: str) -> None:
    """Whatever the bare SDK makes of it, the app gets; nothing of ours fails on it either (it would show here)."""
    reply, given = ODD[name]

    def act(app: App) -> Any:
        asked = {"model": MODEL, "messages": QUESTION, **given}
        asked = {key: value() if callable(value) else value for key, value in asked.items()}
        result = app.call(app.client.chat, **asked)
        return app.read(result) if asked.get("stream") else result

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
    # A body that can't be encoded was asked for, and failed before it was sent.
    assert len(otel.spans) == (1 if seen[0][1] else len(otel.spans))
    assert len(otel.spans) <= 1
