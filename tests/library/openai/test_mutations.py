"""Every field of every answer, in turn missing, null or of a wrong type: the app gets what it would get without us."""

from __future__ import annotations

import copy
import json
import warnings
from typing import TYPE_CHECKING, Any

import pytest
from wire import files
from wire.server import sse, whole

import otelllm
from otelllm import safely

from .surfaces import CHAT, COMPLETIONS, EMBEDDINGS, RESPONSES, Surface

if TYPE_CHECKING:
    from collections.abc import Iterator

    from telemetry import Telemetry
    from wire.server import Provider, Reply

    from .app import SyncApp

pytestmark = pytest.mark.slow

MISSING = object()
ABSENT: tuple[Any, ...] = (MISSING, None)
"""What servers really do: nothing of ours may fail on it."""
WRONG: tuple[Any, ...] = (7, "text", [], {}, [None])
"""What none should do: ours may fail, be counted, and lose what it was reading; the app never sees it."""
KINDS = pytest.mark.parametrize("kind", ["absent", pytest.param("wrong", marks=pytest.mark.slow)])

WHOLE: list[tuple[Surface, str]] = [
    (CHAT, "chat.json"),
    (CHAT, "chat_tools.json"),
    (CHAT, "chat_custom_tool.json"),
    (CHAT, "chat_audio.json"),
    (RESPONSES, "responses_tools.json"),
    (RESPONSES, "responses_incomplete.json"),
    (COMPLETIONS, "completions.json"),
    (EMBEDDINGS, "embeddings_float.json"),
]
STREAMS: list[tuple[Surface, str]] = [
    (CHAT, "chat_stream.sse"),
    (CHAT, "chat_stream_tools.sse"),
    (CHAT, "chat_stream_reasoning.sse"),
    (RESPONSES, "responses_stream_tools.sse"),
    (COMPLETIONS, "completions_stream.sse"),
]


def _paths(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Every place in a JSON value; of a list only its first two items."""
    items = value.items() if isinstance(value, dict) else enumerate(value[:2]) if isinstance(value, list) else ()
    for key, inner in items:
        yield (*path, key)
        yield from _paths(inner, (*path, key))


def _mutated(body: Any, kind: str) -> Iterator[tuple[str, Any]]:
    """`body` with one place changed, and what was changed."""
    for *path, last in _paths(body):
        for wrong in ABSENT if kind == "absent" else WRONG:
            made = copy.deepcopy(body)
            holder = made
            for key in path:
                holder = holder[key]
            if wrong is MISSING:
                del holder[last]
            else:
                holder[last] = wrong
            yield f"{'.'.join(map(str, [*path, last]))} = {'missing' if wrong is MISSING else wrong!r}", made


def _seen(app: SyncApp, provider: Provider, surface: Surface, reply: Reply, *, is_stream: bool) -> str:
    provider.reply(reply)
    create = surface.method(app.client)
    try:
        if not is_stream:
            return repr(create(**surface.arguments))
        return repr(list(create(**surface.streaming)))
    except Exception as error:  # the bare SDK's own, or ours: that is what is compared
        return f"{type(error)}: {error}"


def _compare(
    otel: Telemetry, app: SyncApp, provider: Provider, surface: Surface, cases: list[tuple[str, Reply]], kind: str
) -> None:
    is_stream = cases[0][1].body is None
    safely.strict(kind == "absent")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pydantic's, about what it is given
        otelllm.uninstrument()
        bare = [_seen(app, provider, surface, reply, is_stream=is_stream) for _, reply in cases]
        otel.instrument(capture="full")
        ours = [_seen(app, provider, surface, reply, is_stream=is_stream) for _, reply in cases]
    broken = [(name, now) for (name, _), was, now in zip(cases, bare, ours, strict=True) if was != now]
    assert broken == []
    assert len(otel.spans) == len(cases)


@KINDS
@pytest.mark.parametrize(("surface", "file"), WHOLE, ids=[file for _, file in WHOLE])
def test_a_whole_answer(
    otel: Telemetry, sync_app: SyncApp, provider: Provider, surface: Surface, file: str, kind: str
) -> None:
    """One field at a time."""
    cases = [(name, whole(body)) for name, body in _mutated(json.loads(files.body(f"openai/{file}")), kind)]
    assert len(cases) > 20
    _compare(otel, sync_app, provider, surface, cases, kind)


@KINDS
@pytest.mark.parametrize(("surface", "file"), STREAMS, ids=[file for _, file in STREAMS])
def test_a_chunk_of_a_stream(
    otel: Telemetry, sync_app: SyncApp, provider: Provider, surface: Surface, file: str, kind: str
) -> None:
    """One field of one event at a time; events of the same shape stand for each other."""
    events = files.events(f"openai/{file}")
    cases: list[tuple[str, Reply]] = []
    shapes: set[str] = set()
    for number, event in enumerate(events):
        head, _, data = event.partition(b"data: ")
        if data.startswith(b"[DONE]"):
            continue
        body = json.loads(data)
        shape = repr(list(_paths(body))) + str(body.get("type"))
        if shape in shapes:
            continue
        shapes.add(shape)
        inner = body.get("response")  # read like a whole answer, which has its own test above
        if inner is not None:
            body["response"] = {name: inner[name] for name in ("id", "model", "status", "usage")}
        for name, made in _mutated(body, kind):
            if inner is not None and isinstance(made.get("response"), dict):
                made["response"] = {**inner, "output": [], **made["response"]}
            replaced = head + b"data: " + json.dumps(made).encode() + b"\n\n"
            # The neighbours are enough: most of a stream would only be read again.
            near = [*events[max(0, number - 2) : number], replaced, *events[number + 1 : number + 2]]
            cases.append((f"event {number}: {name}", sse(near)))
    _compare(otel, sync_app, provider, surface, cases, kind)
