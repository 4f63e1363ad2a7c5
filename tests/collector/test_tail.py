"""Live tail: what is committed is shown as it comes, to whoever asked for it, and a slow reader holds nobody up."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from collector.exports import ids, request, span, trace_of_agent

from otelllm_collector.commits import Commits
from otelllm_collector.live import IDLE_ROWS, READERS, Beat, Live, Seen, Skipped
from otelllm_collector.matching import matching
from otelllm_collector.questions import SpanFilter
from otelllm_collector.rows import Batch
from otelllm_collector.span_row import SpanRow

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from collector.process import Collector, Start

PATIENCE_S = 20.0


class Reader:
    """One answer of /api/tail, read event by event."""

    def __init__(self, answer: httpx.Response) -> None:
        self.answer = answer
        self._lines = answer.iter_lines()
        self.last_id = ""

    def event(self) -> tuple[str, Any]:
        """The next event or comment: its kind, and its data where it has some."""
        fields: dict[str, str] = {}
        for line in self._lines:
            if not line:
                break
            name, _, value = line.partition(": ")
            fields[name or "comment"] = value
        else:
            return "end", None
        self.last_id = fields.get("id", self.last_id)
        if "event" not in fields:
            return "comment", None
        return fields["event"], json.loads(fields["data"])

    def spans(self, count: int) -> list[Any]:
        """So many spans, whatever stands between them."""
        found: list[Any] = []
        while len(found) < count:
            kind, content = self.event()
            assert kind in ("comment", "span"), (kind, content, found)
            if kind == "span":
                found.append(content)
        return found


@contextmanager
def tailing(collector: Collector, last_id: str = "", **arguments: Any) -> Iterator[Reader]:
    """A reader that is connected: its first event has come."""
    headers = {"last-event-id": last_id} if last_id else {}
    with (
        httpx.Client(base_url=collector.url, timeout=PATIENCE_S, trust_env=False) as client,
        client.stream("GET", "/api/tail", params=arguments, headers=headers) as answer,
    ):
        assert answer.status_code == 200, answer.read()
        reader = Reader(answer)
        assert reader.event() == ("comment", None)
        yield reader


def test_a_span_is_shown_as_the_list_shows_it(collector: Collector) -> None:
    spans = trace_of_agent(time.time_ns(), **{"user.id": "u-1", "otelllm.feature": "search"})
    spans[2].status.code = 2
    put = {"error.type": "429", "gen_ai.response.finish_reasons": ["stop", "length"]}
    spans.append(span(put, trace_id=spans[0].trace_id, span_id=ids()[1], start_time_unix_nano=time.time_ns()))
    with tailing(collector) as reader:
        assert reader.answer.headers["content-type"].startswith("text/event-stream")
        assert collector.send(request(*spans)).status_code == 200
        shown = reader.spans(len(spans))
    listed = collector.get("/api/spans", trace_id=spans[0].trace_id.hex())["spans"]

    def key(one: Any) -> str:
        return str(one["span_id"])

    assert sorted(shown, key=key) == sorted(listed, key=key)


def _world() -> list[Any]:
    """Spans that differ in everything that filters look at."""
    begin = time.time_ns()
    said = [{"role": "user", "parts": [{"type": "text", "content": 'Say "Grüße" to Ada'}]}]
    system = [{"type": "text", "content": "You are a PIRATE"}]
    called = [{"role": "assistant", "parts": [{"type": "tool_call", "name": "dig", "arguments": {"deep": 42}}]}]
    chat = {"gen_ai.operation.name": "chat", "gen_ai.provider.name": "openai", "gen_ai.request.model": "gpt-5"}
    kinds: list[dict[str, Any]] = [
        chat | {"gen_ai.input.messages": json.dumps(said), "user.id": "u-1"},
        chat | {"gen_ai.response.model": "gpt-5-2026", "session.id": "s-1"},
        chat | {"gen_ai.provider.name": "anthropic", "gen_ai.request.model": "claude"},
        chat | {"gen_ai.system_instructions": json.dumps(system), "otelllm.feature": "search"},
        {"gen_ai.operation.name": "execute_tool", "gen_ai.output.messages": json.dumps(called)},
        {},
    ]
    made = [span(kind, name=f"step {number}") for number, kind in enumerate(kinds)]
    for number, one in enumerate(made):
        one.start_time_unix_nano = begin + number
        one.end_time_unix_nano = begin + number + (number + 1) * 100_000_000
    made[2].status.code = 2
    return made


@pytest.mark.slow
@pytest.mark.parametrize(
    "arguments",
    [
        {"model": ["gpt-5"]}, {"model": ["gpt-5-2026", "claude"]}, {"provider": ["anthropic"]}, {"user": ["u-1"]},
        {"session": ["s-1"]}, {"feature": ["search"]}, {"operation": ["chat", "execute_tool"]}, {"name": ["step 5"]},
        {"service": ["other"]}, {"error": "true"}, {"error": "false"}, {"min_ms": 300}, {"max_ms": 299.5},
        {"min_ms": 200, "max_ms": 300, "operation": ["chat"]}, {"q": 'say "GRÜSSE"'}, {"q": "grüße"}, {"q": "pirate"},
        {"q": '"Grüße"'}, {"q": "assistant"}, {"q": "text"}, {"q": "dig"}, {"q": "42"}, {"q": "nobody said this"},
    ],
    ids=str,
)  # fmt: skip
def test_its_filters_mean_what_the_list_means(collector: Collector, arguments: dict[str, Any]) -> None:
    world = _world()
    traces = [one.trace_id.hex() for one in world]
    end = span(name="end")
    # The end is a span of a trace that every reader sees: what was not shown before it is not shown at all.
    with (
        tailing(collector, trace_id=traces, **arguments) as reader,
        tailing(collector, trace_id=[end.trace_id.hex()]) as watch,
    ):
        assert collector.send(request(*world)).status_code == 200
        assert collector.send(request(end)).status_code == 200
        assert watch.spans(1)[0]["name"] == "end"
        listed = collector.get("/api/spans", trace_id=traces, **arguments)["spans"]
        shown = reader.spans(len(listed))
    assert [one["name"] for one in shown] == sorted(one["name"] for one in listed)


def test_the_world_tells_filters_apart() -> None:
    """The test above compares two answers; this one says that they are not both empty."""
    rows = [_row(b"1" * 16, end_ns=10**6, operation="chat", request_model="m")]
    for wanted, is_meant in [
        (SpanFilter(model=("m",)), True), (SpanFilter(model=("n",)), False), (SpanFilter(min_ms=1.0), True),
        (SpanFilter(min_ms=1.1), False), (SpanFilter(end=0), False), (SpanFilter(start=0), True),
        (SpanFilter(error=True), False), (SpanFilter(q="x"), False), (SpanFilter(), True),
    ]:  # fmt: skip
        assert matching(wanted)(rows[0], {}) == is_meant, wanted


def test_a_reader_goes_on_where_it_was(collector: Collector) -> None:
    first, second, third = span(name="first"), span(name="second"), span(name="third")
    traces = [one.trace_id.hex() for one in (first, second, third)]
    with tailing(collector, trace_id=traces) as reader:
        collector.send(request(first))
        assert reader.spans(1)[0]["name"] == "first"
        last_id = reader.last_id
    collector.send(request(second))
    with tailing(collector, last_id, trace_id=traces) as reader:
        collector.send(request(third))
        assert [one["name"] for one in reader.spans(2)] == ["second", "third"]


def test_a_span_that_is_sent_again_is_shown_once(collector: Collector) -> None:
    one, other = span(name="one"), span(name="other")
    with tailing(collector, trace_id=[one.trace_id.hex(), other.trace_id.hex()]) as reader:
        for _ in range(3):
            collector.send(request(one))
        collector.send(request(other))
        assert [found["name"] for found in reader.spans(2)] == ["one", "other"]


def test_silence_is_filled_with_comments(collector: Collector) -> None:
    with tailing(collector, name="nothing has this name", heartbeat=1) as reader:
        before = reader.last_id
        collector.send(request(span()))
        kinds = [reader.event()[0] for _ in range(2)]
    assert kinds == ["comment", "comment"]
    assert reader.last_id > before  # it says how far the reader is, though nothing was for it


@pytest.mark.parametrize(
    ("headers", "arguments", "named"),
    [
        ({"last-event-id": "7"}, {}, "Last-Event-ID '7'"),
        ({}, {"modle": "gpt-5"}, "'modle'"),
        ({}, {"heartbeat": "0"}, "heartbeat '0'"),
        ({}, {"limit": "5"}, "'limit'"),
    ],
)
def test_a_wrong_question_is_told(collector: Collector, headers: Any, arguments: Any, named: str) -> None:
    answer = collector.client.get("/api/tail", params=arguments, headers=headers)
    assert answer.status_code == 400
    assert named in answer.json()["error"]


def test_readers_are_not_endless(start: Start, tmp_path: Path) -> None:
    running = start(tmp_path)
    limits = httpx.Limits(max_connections=None)
    with httpx.Client(base_url=running.url, timeout=PATIENCE_S, limits=limits, trust_env=False) as client:
        opened = [client.send(client.build_request("GET", "/api/tail"), stream=True) for _ in range(READERS)]
        assert {answer.status_code for answer in opened} == {200}
        refused = client.get("/api/tail")
        assert (refused.status_code, refused.headers["retry-after"]) == (503, "1")
        opened[0].close()
        deadline = time.monotonic() + PATIENCE_S
        while (again := client.send(client.build_request("GET", "/api/tail"), stream=True)).status_code == 503:
            again.close()
            assert time.monotonic() < deadline, "a reader that left still counts"
        for answer in (*opened, again):
            answer.close()


def test_readers_do_not_hold_up_the_end(start: Start, tmp_path: Path) -> None:
    running = start(tmp_path)
    with tailing(running) as reader:
        began = time.monotonic()
        running.process.send_signal(signal.SIGTERM)
        assert reader.event() == ("end", None)
        assert time.monotonic() - began < 2
    assert running.stop() == 0


@pytest.mark.slow
def test_a_stuck_reader_holds_up_nobody(start: Start, tmp_path: Path) -> None:
    """One that reads nothing at all: intake goes on, and when it reads again it is told what it has missed."""
    running = start(tmp_path)
    many = [request(*(span({"pad": "x" * 500}, name=f"{number}") for number in range(2000))) for _ in range(40)]
    with tailing(running) as stuck:
        for one in many:
            assert running.send(one).status_code == 200
        seen = skipped = 0
        while seen + skipped < 80_000:
            kind, content = stuck.event()
            seen += kind == "span"
            skipped += content["spans"] if kind == "skipped" else 0
        assert seen + skipped == 80_000
        assert skipped > 0
        assert running.sql("select count(*) from spans") == [[80_000]]


def _row(trace_id: bytes, **more: Any) -> SpanRow:
    return SpanRow(trace_id=trace_id, span_id=1, parent_span_id=None, name="a", kind="client", start_ns=0,
                   resource_id=1, scope_id=1, received_ns=0, **more)  # fmt: skip


def _batch(count: int, text: str = "{}") -> Batch:
    return Batch(spans=[_row(os.urandom(16), end_ns=1, attributes=text) for _ in range(count)])


def test_what_is_held_is_bounded() -> None:
    live = Live()

    async def first(after: int | None, count: int) -> list[Any]:
        events = live.watch(lambda *_: True, after, 5)
        found: list[Any] = []
        async for some in events:
            found += some
            if sum(not isinstance(one, Beat) for one in found) >= count:
                break
        await events.aclose()
        return [one for one in found if not isinstance(one, Beat)]

    live.publish([_batch(IDLE_ROWS)])
    live.publish([_batch(10)])
    skipped, *seen = asyncio.run(first(0, 11))
    assert skipped == Skipped(IDLE_ROWS, IDLE_ROWS)
    assert [one.number for one in seen if isinstance(one, Seen)] == list(range(IDLE_ROWS + 1, IDLE_ROWS + 11))
    live.publish([_batch(IDLE_ROWS * 2)])  # more than is held at all: its end is kept
    skipped, *seen = asyncio.run(first(IDLE_ROWS + 10, 2))
    assert skipped == Skipped(IDLE_ROWS * 2 + 10, IDLE_ROWS)
    assert seen[0].number == IDLE_ROWS * 2 + 11
    live.publish([_batch(1, "x" * 9_000_000)])  # of more text than is held while nobody watches
    assert asyncio.run(first(IDLE_ROWS * 3 + 10, 1)) == [Skipped(IDLE_ROWS * 3 + 11, 1)]


def test_what_is_shown_is_committed() -> None:
    """Nothing is published before its write has ended, nor what can't be written."""
    done: list[str] = []

    def write(batches: Any) -> None:
        done.append("written")
        if any(batch.logs for batch in batches):
            raise ValueError("this one can't be")

    commits = Commits(write, lambda: None, lambda batches: done.append(f"published {len(batches)}"))
    commits.submit(_batch(1)).result(PATIENCE_S)
    bad = _batch(1)
    bad.logs = [None]  # type: ignore[list-item]  # only its presence counts
    with pytest.raises(Exception, match="can't keep"):
        commits.submit(bad).result(PATIENCE_S)
    commits.close()
    assert done == ["written", "published 1", "written"]
