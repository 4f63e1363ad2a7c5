"""Whatever comes, and whatever of ours is broken: the app sees what the bare SDK makes of it."""

from __future__ import annotations

import copy
import gc
import json
import warnings
from typing import TYPE_CHECKING, Any

import pytest
from wire.server import Reply, whole

import otelllm
from otelllm import providers, safely

from .ways import Seen, ask

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from telemetry import Telemetry
    from wire.server import Provider

    from .row import Row

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning"),
]


def _spoilt(value: Any) -> Iterator[Any]:
    """Copies of a JSON value, in each of which one field or item, at any depth, is null."""
    if isinstance(value, dict | list):
        for place in value if isinstance(value, dict) else range(len(value[:2])):
            for inner in (None, *_spoilt(value[place])):
                made = copy.copy(value)
                made[place] = inner
                yield made


def _odd_answers(row: Row) -> Iterator[Reply]:
    for body in ("{}", "[]", "7", "{not json", "", '{"error": "bad"}', '{"error": {"message": "bad", "code": 7}}'):
        yield whole(body)
    yield Reply(body=b"<html>", content_type="text/html")
    if row.answer[:1] == b"{":
        for answer in _spoilt(json.loads(row.answer)):
            yield whole(answer)


def _odd_streams(row: Row) -> Iterator[Reply]:
    before, event, after = row.events[: row.head - 1], row.events[row.head - 1], row.events[row.head :]
    yield row.reply(())
    yield row.reply(row.events[:1])
    yield whole("{}")
    head, found, text = event.rpartition(b"data:")
    if not (found or event[:1] == b"{"):
        return  # a framing of its own: its events are bytes to us
    for content in ("7", "{}", "null", "[]", "{oops", *map(json.dumps, _spoilt(json.loads(text)))):
        yield row.reply([*before, head + found + content.encode() + b"\n\n", *after])


def _seen(app: Any, provider: Provider, row: Row, reply: Reply, streamed: bool) -> Seen:
    seen = Seen(0, row)
    provider._queue.clear()
    provider.reply(reply)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pydantic's, of a model that it could not fill
        try:
            result = ask(app, row, streamed=streamed)
            if streamed:
                seen.got(*app.read(result))
            else:
                seen.got(result)
        except Exception as error:  # bare and instrumented are compared, whatever it is
            seen.error = error
    return seen


def test_odd_answers(
    otel: Telemetry, make_app: Callable[[], Any], provider: Provider, row: Row, kind: str, streamed: bool
) -> None:
    """Fields that are null, bodies that are none: same objects, same errors, a span each; nothing of ours fails."""
    otelllm.uninstrument()
    replies = list(_odd_streams(row) if streamed else _odd_answers(row))
    app = make_app()
    bare = [(seen.things, seen.raised) for seen in (_seen(app, provider, row, one, streamed) for one in replies)]
    otel.instrument(capture="full")
    asked = len(provider.requests)
    app = make_app()
    for number, reply in enumerate(replies):
        seen = _seen(app, provider, row, reply, streamed)
        assert (seen.things, seen.raised) == bare[number], reply
    del seen  # its traceback holds a stream
    gc.collect()  # what an SDK raised in the middle of may have left its stream in a cycle
    app.settle()
    gc.collect()
    assert len(otel.spans) == len(provider.requests) - asked


def _hooks(row: Row) -> Iterator[tuple[type, str]]:
    """What of a provider's file is called on the app's way."""
    mine = next(one for one in providers.found() if one.name.startswith(row.name.split()[0]))
    surfaces = {type(method.surface): None for method in mine.methods}
    for kind in (type(mine), *surfaces):
        for name in ("endpoint", "receive", "read_headers", "read_error", "api_key", "read_request", "read_input",
                     "read_response", "fold_chunk", "finish"):  # fmt: skip
            if hasattr(kind, name):
                yield kind, name


def test_broken_hooks(
    otel: Telemetry,
    make_app: Callable[[], Any],
    provider: Provider,
    row: Row,
    kind: str,
    streamed: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Each part of the provider's file fails in turn: the app's answers, streams and errors are the SDK's own."""
    status, refusal = row.refusal
    replies = [row.reply(row.events) if streamed else whole(row.answer), whole(refusal, status=status)]
    otelllm.uninstrument()
    app = make_app()
    bare = [(seen.things, seen.raised) for seen in (_seen(app, provider, row, one, streamed) for one in replies)]
    otel.instrument(capture="full")
    app = make_app()

    def broken(*_: Any, **__: Any) -> Any:
        raise RuntimeError("ours")

    before = safely.strict(False)
    try:
        for owner, name in _hooks(row):
            with monkeypatch.context() as patched:
                patched.setattr(owner, name, broken)
                for number, reply in enumerate(replies):
                    seen = _seen(app, provider, row, reply, streamed)
                    assert seen.things == bare[number][0], (owner, name)
                    assert (seen.raised or ())[:4] == (bare[number][1] or ())[:4], (owner, name)
        assert safely.failures
    finally:
        safely.strict(before)
        safely.failures.clear()
