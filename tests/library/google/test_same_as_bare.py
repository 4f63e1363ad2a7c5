"""The app sees what it would see without us: the same types, values, errors and requests, from odd input too."""

from __future__ import annotations

import gc
import json
import warnings
from enum import Enum
from typing import TYPE_CHECKING, Any, TypedDict

import pydantic
import pytest
from google.genai import types
from wire import files
from wire.server import Reply, sse, whole

import otelllm

from .app import MODEL, QUESTION

if TYPE_CHECKING:
    from collections.abc import Callable

    from telemetry import Telemetry
    from wire.server import Provider

    from .app import App


class Place(pydantic.BaseModel):
    name: str
    year: int | None = None


class Kind(Enum):
    TOWER = "tower"
    SHIP = "ship"


class Row(TypedDict):
    name: str


def get_time(zone: str) -> str:
    """What time it is."""
    return f"15:10 in {zone}"


def _seen(call: Callable[[], Any]) -> Any:
    """What an app can tell of a call: its result's types and content, or its error's type and text."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            result = call()
        except Exception as error:  # bare and instrumented are compared, whatever it is
            return type(error), str(error), type(error.__cause__), type(error.__context__)
        return repr(result)


def _edited(**changes: Any) -> Callable[[], Reply]:
    return lambda: whole(files.edited("google/generate.json", **changes))


def _part(part: Any, **candidate: Any) -> Callable[[], Reply]:
    made = {"content": {"role": "model", "parts": [part]}, "finishReason": "STOP", **candidate}
    return _edited(candidates=[made])


def _chunk(**changes: Any) -> Callable[[], Reply]:
    events = files.events("google/generate_stream.sse")
    middle = {**json.loads(events[1][6:]), **changes}
    return lambda: sse(events[0], files.event(middle), events[2:])


GOOD = _edited()
STREAMED = {"stream": True}
ODD: dict[str, tuple[Callable[[], Reply], dict[str, Any]]] = {
    "candidates null": (_edited(candidates=None), {}),
    "candidates empty": (_edited(candidates=[]), {}),
    "candidate empty": (_edited(candidates=[{}]), {}),
    "content without parts": (_edited(candidates=[{"content": {"role": "model"}, "finishReason": "STOP"}]), {}),
    "usage null": (_edited(usageMetadata=None), {}),
    "usage empty": (_edited(usageMetadata={}), {}),
    "usage of texts": (_edited(usageMetadata={"promptTokenCount": "12"}), {}),
    "usage negative": (_edited(usageMetadata={"promptTokenCount": -1, "candidatesTokenCount": 1}), {}),
    "usage of an unknown modality": (
        _edited(usageMetadata={"promptTokenCount": 1, "promptTokensDetails": [{"modality": "SMELL"}, {}]}), {},
    ),
    "model and id null": (_edited(modelVersion=None, responseId=None), {}),
    "an empty part": (_part({}), {}),
    "a call without a name": (_part({"functionCall": {}}), {}),
    "a call of no arguments": (_part({"functionCall": {"name": "f", "args": None}}), {}),
    "a picture without bytes": (_part({"inlineData": {"mimeType": "image/png"}}), {}),
    "a feedback without a reason": (_edited(promptFeedback={}), {}),
    "an empty object": (lambda: whole({}), {}),
    "a list": (lambda: whole("[]"), {}),
    "no JSON": (lambda: whole("{not json"), {}),
    "an empty body": (lambda: whole(""), {}),
    "chunk candidates null": (_chunk(candidates=None), STREAMED),
    "chunk candidates empty": (_chunk(candidates=[]), STREAMED),
    "chunk usage null": (_chunk(usageMetadata=None), STREAMED),
    "chunk without an index": (_chunk(candidates=[{"content": {"parts": [{"text": "x"}]}}]), STREAMED),
    "stream without anything": (sse, STREAMED),
    "stream of one bad line": (lambda: sse(b"data: {oops\n\n"), STREAMED),
    "stream of comments": (lambda: sse(b": ping\n\n", files.events("google/generate_stream.sse")), STREAMED),
    "stream answered whole": (lambda: whole(files.body("google/generate.json")), STREAMED),
    "whole answered as stream": (lambda: sse(files.events("google/generate_stream.sse")), {}),
    "contents a generator": (GOOD, {"contents": lambda: (one for one in ["Hello"])}),
    "contents a tuple": (GOOD, {"contents": ("Hello", "you")}),
    "contents empty": (GOOD, {"contents": []}),
    "contents null": (GOOD, {"contents": None}),
    "contents of numbers": (GOOD, {"contents": [7]}),
    "contents nested": (GOOD, {"contents": [["Hello", types.Part(text="you")]]}),
    "a role that is none": (GOOD, {"contents": [{"role": "referee", "parts": [{"text": "x"}]}]}),
    "lone surrogate": (GOOD, {"contents": "a\ud800b"}),
    "schema a class": (GOOD, {"config": {"response_schema": Place, "response_mime_type": "application/json"}}),
    "schema an object of a class": (GOOD, {"config": types.GenerateContentConfig(response_schema=Place)}),
    "schema a list of a class": (GOOD, {"config": {"responseSchema": list[Place]}}),
    "schema an enum": (GOOD, {"config": {"response_schema": Kind, "response_mime_type": "text/x.enum"}}),
    "schema a typed dict": (GOOD, {"config": {"response_schema": Row}}),
    "schema a generic": (GOOD, {"config": {"response_schema": dict[str, int]}}),
    "schema a union": (GOOD, {"config": {"response_schema": int | str}}),
    "schema by JSON": (GOOD, {"config": {"response_json_schema": {"type": "object"}}}),
    "config of a class itself": (GOOD, {"config": Place}),
    "config of nulls": (GOOD, {"config": {"temperature": None, "tools": None, "system_instruction": None}}),
    "config empty": (GOOD, {"config": {}}),
    "config unknown": (GOOD, {"config": {"temprature": 1}}),
    "config of wrong types": (GOOD, {"config": {"temperature": "hot", "seed": 1.5}}),
    "not a number": (GOOD, {"config": {"temperature": float("nan")}}),
    "a number too large": (GOOD, {"config": {"seed": 2**70}}),
    "tools of the app": (GOOD, {"config": {"tools": [get_time]}}),
    "tools a generator": (GOOD, {"config": lambda: {"tools": (one for one in [get_time])}}),
    "tools of objects": (GOOD, {"config": {"tools": [object()]}}),
    "model null": (GOOD, {"model": None}),
    "model empty": (GOOD, {"model": ""}),
    "labels": (GOOD, {"config": {"labels": {"a": "b"}}}),
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("name", ODD)
def test_odd_input_and_answers(otel: Telemetry, make_app: Callable[..., App], provider: Provider, name: str) -> None:
    """Whatever the bare SDK makes of it, the app gets; nothing of ours fails on it either (it would show here)."""
    reply, given = ODD[name]

    def act(app: App) -> Any:
        asked = {"model": MODEL, "contents": QUESTION, **given}
        asked = {key: value() if key != "config" and callable(value) else value for key, value in asked.items()}
        if callable(asked.get("config")) and not isinstance(asked["config"], type):
            asked["config"] = asked["config"]()
        if asked.pop("stream", False):
            return app.read(app.call(app.client.models.generate_content_stream, **asked))
        return app.call(app.client.models.generate_content, **asked)

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
    assert len(otel.spans) <= 1
    if seen[0][1]:
        if not otel.spans:  # an older SDK broke off and left its own stream in a cycle
            gc.collect()
            app.settle()
        assert len(otel.spans) == 1


def test_the_request_is_the_apps_own(otel: Telemetry, make_app: Callable[..., App], provider: Provider) -> None:
    """Its bytes and headers are equal with and without us."""
    sent: list[Any] = []
    for is_bare in (True, False):
        otelllm.uninstrument() if is_bare else otel.instrument(capture="full")
        app = make_app()
        provider.reply(whole(files.body("google/generate.json")), sse(files.events("google/generate_stream.sse")))
        app.call(app.client.models.generate_content, model=MODEL, contents=QUESTION)
        app.read(app.call(app.client.models.generate_content_stream, model=MODEL, contents=QUESTION))
        sent.append([(it.path, it.body, {**it.headers, "host": ""}) for it in provider.requests[-2:]])
    assert sent[0] == sent[1]
