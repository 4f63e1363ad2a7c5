"""The query API as screens and the command use it: shapes, filters, pages, and wrong arguments."""

from __future__ import annotations

import json
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest
from collector.exports import put, request, span, trace_of_agent

from collector import process

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from collector.process import Collector, Start

HOUR = 3_600_000_000_000
BEGIN = 1_795_000_000_000_000_000 // HOUR * HOUR


def said(text: str) -> str:
    return json.dumps([{"role": "user", "parts": [{"type": "text", "content": text}]}])


CALLS: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    ("shop", {"gen_ai.provider.name": "openai", "gen_ai.request.model": "gpt-5", "gen_ai.response.model": "gpt-5-1001",
              "user.id": "ann", "session.id": "s1", "otelllm.feature": "search", "otelllm.cost.usd": 0.5,
              "gen_ai.usage.input_tokens": 10, "otelllm.ttft": 0.1,
              "gen_ai.input.messages": said('Where is my "ORDER"?')}, {}),
    ("shop", {"gen_ai.provider.name": "openai", "gen_ai.request.model": "gpt-5", "user.id": "bob",
              "otelllm.cost.status": "unknown_price",
              "otelllm.feature": "search", "gen_ai.usage.input_tokens": 20, "otelllm.ttft": 0.3, "error.type": "429",
              "gen_ai.output.messages": said("Größe\nis 50% _off_")}, {"error": True, "ms": 2000}),
    ("bank", {"gen_ai.provider.name": "anthropic", "gen_ai.request.model": "claude", "user.id": "ann"}, {"ms": 50}),
    ("bank", {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "search"},
     {"ms": 10, "name": "execute_tool search"}),
]  # fmt: skip


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Collector]:
    """Four traces of one span each, an hour apart; three of them calls of a model."""
    running = process.start(tmp_path_factory.mktemp("data"))
    for number, (service, attributes, more) in enumerate(CALLS):
        start_ns = BEGIN + number * HOUR
        one = span(
            {"gen_ai.operation.name": "chat"} | attributes,
            name=more.get("name", "chat"),
            start_time_unix_nano=start_ns,
            end_time_unix_nano=start_ns + more.get("ms", 500) * 1_000_000,
        )
        one.status.code = 2 if more.get("error") else 0
        assert running.send(request(one, service=service)).status_code == 200
    yield running
    running.stop()


FILTERS = [
    ({}, [0, 1, 2, 3]),
    ({"service": "bank"}, [2, 3]),
    ({"service": ["bank", "shop"]}, [0, 1, 2, 3]),
    ({"provider": "openai"}, [0, 1]),
    ({"model": "gpt-5"}, [0, 1]),
    ({"model": "gpt-5-1001"}, [0]),
    ({"model": ["claude", "gpt-5-1001"]}, [0, 2]),
    ({"operation": "execute_tool"}, [3]),
    ({"user": "ann"}, [0, 2]),
    ({"user": "ann", "service": "shop"}, [0]),
    ({"session": "s1"}, [0]),
    ({"feature": "search"}, [0, 1]),
    ({"name": "execute_tool search"}, [3]),
    ({"error": "true"}, [1]),
    ({"error": "false"}, [0, 2, 3]),
    ({"min_ms": 500}, [0, 1]),
    ({"max_ms": 50}, [2, 3]),
    ({"min_ms": 20, "max_ms": 600.5}, [0, 2]),
    ({"start": BEGIN + HOUR}, [1, 2, 3]),
    ({"start": BEGIN, "end": BEGIN + HOUR}, [0]),
    ({"end": BEGIN + HOUR + 1}, [0, 1]),
    ({"q": "order"}, [0]),
    ({"q": '"order"?'}, [0]),
    ({"q": "GRÖSSE"}, []),
    ({"q": "größe\nIS"}, [1]),
    ({"q": "50%"}, [1]),
    ({"q": "5_%"}, []),
    ({"q": "parts"}, []),
    ({"q": "role"}, []),
    ({"user": "' or 1=1 --"}, []),
    ({"q": "'; drop table raw.spans; --"}, []),
    ({"model": "nobody's"}, []),
]


@pytest.mark.parametrize("path", ["/api/traces", "/api/spans"])
@pytest.mark.parametrize(("filters", "expected"), FILTERS)
def test_filters_choose(filled: Collector, path: str, filters: dict[str, Any], expected: list[int]) -> None:
    found = filled.get(path, **filters)[path.removeprefix("/api/")]
    assert [(one["start_ns"] - BEGIN) // HOUR for one in found] == expected[::-1]


def test_traces_by_id(filled: Collector) -> None:
    first = filled.get("/api/traces")["traces"][0]
    assert filled.get("/api/traces", trace_id=first["trace_id"].upper())["traces"] == [first]


LIGHT = """
    trace_id span_id parent_span_id name kind service start_ns end_ns duration_ms operation provider request_model
    response_model input_tokens output_tokens cache_read_tokens cache_write_tokens reasoning_tokens cost_usd cost_status
    ttft_ms user_id session_id session_inferred feature agent_name tool_name workflow_name finish_reasons stream_end
    retrieval_count rerank_in rerank_out verdict status error_type
"""
MORE = """
    status_message attributes resource scope events links input_messages output_messages system_instructions
    tool_definitions tool_arguments tool_result retrieval_query retrieval_documents scores
"""


def test_a_light_span_has_every_field_of_the_contract(filled: Collector) -> None:
    light = filled.get("/api/spans", user="bob")["spans"][0]
    assert sorted(light) == sorted(LIGHT.split())
    in_trace = filled.get(f"/api/traces/{light['trace_id']}")["spans"][0]
    assert in_trace == light
    full = filled.get(f"/api/traces/{light['trace_id']}/spans/{light['span_id']}")
    assert {key: full[key] for key in light} == light
    assert set(MORE.split()) <= set(full)


def test_aggregates_go_by_a_text_too(filled: Collector) -> None:
    calls = {
        q: sum(row["calls"] for row in filled.get("/api/aggregates", by="service", q=q)["rows"]) for q in ("zqxj", "")
    }
    assert calls["zqxj"] == 0
    assert calls[""] > 0


def test_aggregates_sum_model_calls_by_key(filled: Collector) -> None:
    rows = filled.get("/api/aggregates", by="model")["rows"]
    assert [(row["key"], row["calls"]) for row in rows] == [("claude", 1), ("gpt-5", 1), ("gpt-5-1001", 1)]
    (whole,) = filled.get("/api/aggregates")["rows"]
    assert whole == {
        "key": None,
        "bucket_ns": None,
        "calls": 3,
        "errors": 1,
        "input_tokens": 30,
        "output_tokens": 0,
        "cache_read_tokens": 0,
        "reasoning_tokens": 0,
        "cost_usd": 0.5,
        "unpriced_calls": 1,  # the other call without a cost used nothing
        "ttft_p50_ms": 200.0,
        "ttft_p95_ms": pytest.approx(290.0),
        "duration_p50_ms": 500.0,
        "duration_p95_ms": pytest.approx(1850.0),
        "duration_p99_ms": pytest.approx(1970.0),
    }


@pytest.mark.parametrize(
    ("by", "expected"),
    [
        ("provider", {"openai": 2, "anthropic": 1}),
        ("user", {"ann": 2, "bob": 1}),
        ("session", {"s1": 1, None: 2}),
        ("feature", {"search": 2, None: 1}),
        ("service", {"shop": 2, "bank": 1}),
        ("operation", {"chat": 3}),
        ("error_type", {"429": 1, None: 2}),
        ("none", {None: 3}),
    ],
)
def test_aggregates_by_everything(filled: Collector, by: str, expected: dict[str | None, int]) -> None:
    rows = filled.get("/api/aggregates", by=by)["rows"]
    assert {row["key"]: row["calls"] for row in rows} == expected
    assert [row["calls"] for row in rows] == sorted((row["calls"] for row in rows), reverse=True)


def test_a_sum_of_no_prices_is_unknown_and_not_nought(filled: Collector) -> None:
    (row,) = filled.get("/api/aggregates", user="bob")["rows"]
    assert (row["cost_usd"], row["unpriced_calls"]) == (None, 1)


@pytest.mark.parametrize(("bucket", "count"), [("none", 1), ("minute", 3), ("hour", 3)])
def test_aggregates_by_time(filled: Collector, bucket: str, count: int) -> None:
    rows = filled.get("/api/aggregates", bucket=bucket)["rows"]
    assert len(rows) == count
    if bucket != "none":
        assert [row["bucket_ns"] for row in rows] == [BEGIN, BEGIN + HOUR, BEGIN + 2 * HOUR]


@pytest.mark.parametrize(
    ("field", "expected"),
    [
        ("service", [("bank", 2), ("shop", 2)]),
        ("provider", [("openai", 2), ("anthropic", 1)]),
        ("model", [("claude", 1), ("gpt-5", 1), ("gpt-5-1001", 1)]),
        ("operation", [("chat", 3), ("execute_tool", 1)]),
        ("user", [("ann", 2), ("bob", 1)]),
        ("session", [("s1", 1)]),
        ("feature", [("search", 2)]),
        ("name", [("chat", 3), ("execute_tool search", 1)]),
    ],
)
def test_facets_list_the_values(filled: Collector, field: str, expected: list[tuple[str, int]]) -> None:
    found = filled.get("/api/facets", field=field)["values"]
    assert [(one["value"], one["count"]) for one in found] == expected


def test_facets_are_filtered_by_time_and_limited(filled: Collector) -> None:
    assert filled.get("/api/facets", field="user", start=BEGIN + HOUR, end=BEGIN + 2 * HOUR)["values"] == [
        {"value": "bob", "count": 1}
    ]
    assert len(filled.get("/api/facets", field="service", limit=1)["values"]) == 1


WRONG = [
    ("/api/traces", {"limit": "0"}, "'0'"),
    ("/api/traces", {"limit": "ten"}, "'ten'"),
    ("/api/traces", {"limit": "1001"}, "'1001'"),
    ("/api/traces", {"limit": "-1"}, "'-1'"),
    ("/api/traces", {"limit": "٣"}, "٣"),
    ("/api/traces", {"start": "yesterday"}, "'yesterday'"),
    ("/api/traces", {"start": str(2**63)}, str(2**63)),
    ("/api/traces", {"error": "maybe"}, "'maybe'"),
    ("/api/traces", {"min_ms": "long"}, "'long'"),
    ("/api/traces", {"min_ms": "nan"}, "'nan'"),
    ("/api/traces", {"cursor": "next"}, "'next'"),
    ("/api/traces", {"cursor": "1-zz"}, "'1-zz'"),
    ("/api/traces", {"cursor": "ffffffffffffffff-" + "0" * 32}, "ffffffffffffffff"),
    ("/api/spans", {"cursor": "1-" + "0" * 32}, "1-0"),
    ("/api/logs", {"cursor": "1-ffffffffffffffff"}, "1-f"),
    ("/api/traces", {"trace_id": "xyz"}, "'xyz'"),
    ("/api/traces", {"modle": "gpt-5"}, "'modle'"),
    ("/api/aggregates", {"by": "colour"}, "'colour'"),
    ("/api/aggregates", {"bucket": "week"}, "'week'"),
    ("/api/facets", {}, "None"),
    ("/api/facets", {"field": "trace_id"}, "'trace_id'"),
    ("/api/traces/xyz", {}, "'xyz'"),
    ("/api/traces/" + "ab" * 16 + "/spans/1", {}, "'1'"),
]


@pytest.mark.parametrize(("path", "arguments", "named"), WRONG)
def test_a_wrong_argument_is_named(filled: Collector, path: str, arguments: dict[str, str], named: str) -> None:
    answer = filled.client.get(path, params=arguments)
    assert answer.status_code == 400
    assert named in answer.json()["error"]


def test_what_is_not_there_is_404(filled: Collector) -> None:
    for path in ("/api/traces/" + "ab" * 16, "/api/traces/" + "ab" * 16 + "/spans/" + "cd" * 8, "/api/nonsense"):
        answer = filled.client.get(path)
        assert answer.status_code == 404
        assert answer.json()["error"]


@pytest.mark.parametrize("path", ["/api/traces", "/api/spans"])
def test_pages_show_each_record_once_while_others_come_in(collector: Collector, path: str) -> None:
    """Newer ones appear on no later page, and nothing that was there at the start is missed or shown twice."""
    begin = BEGIN + (HOUR if path == "/api/spans" else 0)
    key = path.removeprefix("/api/")
    user = f"pages of {key}"
    # Equal times on purpose: the id must decide.
    spans = [span({"user.id": user}, start_time_unix_nano=begin + number // 4) for number in range(60)]
    assert collector.send(request(*spans)).status_code == 200
    is_done = threading.Event()

    def keep_sending() -> None:
        number = 1000
        while not is_done.is_set():
            number += 1
            more = [span({"user.id": user}, start_time_unix_nano=begin + number) for _ in range(3)]
            assert (
                collector.client.post(
                    "/v1/traces",
                    content=request(*more).SerializeToString(),
                    headers={"content-type": "application/x-protobuf"},
                ).status_code
                == 200
            )

    sender = threading.Thread(target=keep_sending)
    sender.start()
    try:
        seen, cursor = [], None
        while True:
            answer = collector.get(path, user=user, limit=7, **({"cursor": cursor} if cursor else {}))
            seen += [(one["start_ns"], one["trace_id"]) for one in answer[key]]
            if (cursor := answer["next"]) is None:
                break
    finally:
        is_done.set()
        sender.join(20)
    assert seen == sorted(seen, reverse=True)
    assert len(seen) == len(set(seen))
    assert {one.trace_id.hex() for one in spans} <= {trace_id for _, trace_id in seen}


def test_the_last_page_says_that_it_is_the_last(collector: Collector) -> None:
    spans = [span({"user.id": "exactly"}) for _ in range(4)]
    collector.send(request(*spans))
    first = collector.get("/api/traces", user="exactly", limit=2)
    second = collector.get("/api/traces", user="exactly", limit=2, cursor=first["next"])
    assert (len(second["traces"]), second["next"]) == (2, None)


def test_what_was_acknowledged_is_there_at_once(collector: Collector) -> None:
    for _ in range(20):
        spans = trace_of_agent(time.time_ns())
        assert collector.send(request(*spans)).status_code == 200
        assert collector.get(f"/api/traces/{spans[0].trace_id.hex()}")["trace"]["spans"] == 5


def test_questions_do_not_hold_up_the_writer(tmp_path: Path, start: Start) -> None:
    """While queries that never end use every thread for questions, spans are taken all the same."""
    running = start(tmp_path)
    endless = "select count(*) from range(100000000) a, range(100000000) b where a.range + b.range = 7"

    def ask() -> None:
        # Broken off when the collector stops.
        running.client.post("/api/sql", json={"sql": endless})

    askers = [threading.Thread(target=ask) for _ in range(6)]
    for asker in askers:
        asker.start()
    taken = [running.send(request(span())).status_code for _ in range(5)]
    began = time.monotonic()
    running.process.terminate()
    for asker in askers:
        asker.join(20)
    assert running.stop() == 0
    assert taken == [200] * 5
    assert time.monotonic() - began < 5


def test_decisions_are_counted_by_rule_and_outcome(start: Start, tmp_path: Path) -> None:
    running = start(tmp_path)
    refused = {"stage": "limits", "rule": "rpm", "mode": "enforce", "outcome": "rejected"}
    queued = refused | {"outcome": "queued", "waited": 0.25}
    for user, events in (("ann", (queued, queued, refused)), ("bob", (queued,))):
        one = span({"gen_ai.operation.name": "chat", "user.id": user, "said": "otelllm.decision"})
        for event in events:
            put(one.events.add(name="otelllm.decision"), event)
        put(one.events.add(name="another"), {"rule": '"otelllm.decision"'})
        assert running.send(request(one, span({"said": '"otelllm.decision"'}))).status_code == 200
    rule = {"stage": "limits", "rule": "rpm", "mode": "enforce"}
    assert running.get("/api/decisions")["rows"] == [
        {**rule, "outcome": "queued", "count": 3, "waited_s": 0.75},
        {**rule, "outcome": "rejected", "count": 1, "waited_s": 0.0},
    ]
    (row,) = running.get("/api/decisions", user="bob")["rows"]
    assert (row["outcome"], row["count"]) == ("queued", 1)
    assert running.get("/api/decisions", end=1)["rows"] == []
    assert running.get("/api/decisions", q="no such words")["rows"] == []
