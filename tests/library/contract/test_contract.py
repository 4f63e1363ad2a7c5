"""The contract of every provider: each way of asking, and each way in which that can end, sync and async.

Every case runs twice, bare and instrumented, against the same bytes: the app must see the same objects and exceptions
and send the same requests; then there must be one span, ended once, that says what had come and how it ended.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry.trace import SpanKind, StatusCode
from wire.server import whole

import otelllm
from otelllm import semconv

from .ways import PATIENCE_S, Seen, Way, ask

if TYPE_CHECKING:
    from collections.abc import Callable

    from telemetry import Telemetry
    from wire.server import Provider, Request

    from .row import Row

# A stream that nobody closes leaves its connection to the garbage collector, with and without us.
pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")


def _run(way: Way, make_app: Callable[[], Any], provider: Provider, row: Row, patience_s: float) -> Seen:
    seen, before = Seen(patience_s, row), len(provider.requests)
    app = make_app()
    try:
        way.act(app, provider, row, seen)
    except BaseException as error:
        if isinstance(error, AssertionError | KeyboardInterrupt | pytest.fail.Exception):
            raise
        seen.error = error
    seen.sent = [_comparable(request, row) for request in provider.requests[before:]]
    return seen


def _comparable(request: Request, row: Row) -> Any:
    """What was sent, without what differs from call to call; the boundary of a multipart body is random."""
    hidden = {"host", *row.changing_headers}
    headers = {name: value for name, value in request.headers.items() if name not in hidden}
    kind, _, boundary = headers.get("content-type", "").partition("boundary=")
    if not boundary:
        return request.method, request.path, request.body, headers
    return request.method, request.path, request.body.replace(boundary.encode(), b""), {**headers, "content-type": kind}


def _was_hurried(way: Way, row: Row, *runs: Seen) -> bool:
    """An app that was to time out in the middle did so before anything came, for the machine is busy."""
    expected = row.taken if way.end else 0
    return way.error == "timeout" and any(not one.sent or len(one.things) < expected for one in runs)


def test_each_way_is_one_span_and_nothing_changes_for_the_app(
    otel: Telemetry, make_app: Callable[[], Any], provider: Provider, row: Row, kind: str, way: Way
) -> None:
    """Same objects, exceptions and requests as bare; one span, whose end, error and content are what had come."""
    for patience_s in PATIENCE_S:
        otelllm.uninstrument()
        provider._queue.clear()
        bare = _run(way, make_app, provider, row, patience_s)
        otel.instrument(capture="full")
        otel.clear()
        calls = _counted(otel)
        seen = _run(way, make_app, provider, row, patience_s)
        if not _was_hurried(way, row, bare, seen):
            break
    if patience_s != PATIENCE_S[0]:
        provider.unexpected.clear()  # a request of a hurried run, which came when nobody waited for its answer
    assert seen.things == bare.things
    assert seen.raised == bare.raised
    is_silent = way.error in {None, "incomplete"} or (way.error == "event" and bare.error is None)
    assert (bare.error is None) is is_silent
    assert seen.sent == bare.sent
    raised = type(bare.error)
    errors = {
        "refusal": row.refusal_type, "event": row.error_event_type,
        "raised": f"{raised.__module__}.{raised.__qualname__}",
    }  # fmt: skip
    _check(otel, provider, row, way, kind, errors.get(way.error or "", way.error))
    assert _counted(otel) == calls + 1


def _counted(otel: Telemetry) -> int:
    """How many calls the duration metric has counted."""
    return sum(point.count for point in otel.metrics().get(semconv.METRIC_DURATION, ()))


def _check(otel: Telemetry, provider: Provider, row: Row, way: Way, kind: str, error: str | None) -> None:
    span, found = otel.span, otel.attributes
    assert (span.name, span.kind) == (row.span, SpanKind.CLIENT)
    assert (found[semconv.PROVIDER], found[semconv.SERVER_ADDRESS]) == (row.provider, "127.0.0.1")
    assert found[semconv.SERVER_PORT] == provider.port
    end = "abandoned" if way.end == "closed" and kind not in row.tells_closed else way.end
    assert (found.get(semconv.STREAM_END), found.get(semconv.REQUEST_STREAM)) == (end, end is not None or None)
    assert found.get(semconv.ERROR_TYPE) == error
    assert span.status.status_code is (StatusCode.ERROR if error else StatusCode.UNSET)
    facts, text = {
        "none": ({}, None),
        "some": (row.started_facts, row.started),
        "all": (row.facts, row.text) if end is None else (row.stream_facts, row.stream_text),
    }[way.saw]
    assert {name: found.get(name) for name in facts} == dict(facts)
    messages = otel.messages(semconv.OUTPUT_MESSAGES) if semconv.OUTPUT_MESSAGES in found else [{"parts": []}]
    texts = [part["content"] for part in messages[0]["parts"] if part["type"] == "text"]
    assert ("".join(texts) or None) == text
    assert (semconv.TTFT in found) is (end is not None and way.saw != "none")
    if way.saw != "all":
        assert semconv.RESPONSE_FINISH_REASONS not in found
        counted = semconv.USAGE_INPUT in found or semconv.USAGE_OUTPUT in found
        if semconv.USAGE_INPUT not in facts:  # unless the provider counts as it goes
            assert found.get(semconv.USAGE_ESTIMATED) is (True if counted else None)


def test_blocked(
    otel: Telemetry, make_app: Callable[[], Any], provider: Provider, row: Row, kind: str, streamed: bool
) -> None:
    """The kill switch refuses before anything is sent, and the span says that it was blocked."""
    otel.instrument(policy={"kill": [{"when": {"provider": "*"}}]})
    with pytest.raises(otelllm.KillSwitchOn):
        _all_of(make_app(), row, streamed)
    assert provider.requests == []
    found = otel.attributes
    assert (found.get(semconv.STREAM_END), found[semconv.VERDICT]) == ("blocked" if streamed else None, "block")
    assert semconv.COST not in found


def test_answered_by_the_kill_switch(
    otel: Telemetry, make_app: Callable[[], Any], provider: Provider, row: Row, kind: str, streamed: bool
) -> None:
    """In the SDK's own types, with no request sent, nothing used and nothing billed; refused where a text won't do."""
    otelllm.uninstrument()
    provider.reply(row.reply(row.events) if streamed else whole(row.answer))
    bare = _all_of(make_app(), row, streamed)
    otel.instrument(policy={"kill": [{"when": {"provider": "*"}, "answer": "Back soon."}]}, capture="full")
    if row.speaks and (row.speaks_streamed or not streamed):
        assert {type(one) for one in _all_of(make_app(), row, streamed)} <= {type(one) for one in bare}
        (message,) = otel.messages(semconv.OUTPUT_MESSAGES)
        assert message["parts"] == [{"type": "text", "content": "Back soon."}]
    else:
        with pytest.raises(otelllm.KillSwitchOn):
            _all_of(make_app(), row, streamed)
    assert len(provider.requests) == 1
    assert otel.attributes[semconv.VERDICT] == "block"
    for name in (semconv.COST, semconv.USAGE_INPUT):
        assert name not in otel.attributes


def _all_of(app: Any, row: Row, streamed: bool) -> list[Any]:
    """The answer, or the stream and its chunks; some streams send at their first read."""
    result = ask(app, row, streamed=streamed)
    return [result, *app.read(result)] if streamed else [result]
