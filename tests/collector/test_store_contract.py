"""What every store keeps: the contract of stores/spec.py. A second store is one more name in conftest.py."""

from __future__ import annotations

import json
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from collector.exports import ids, put, request, span, trace_of_agent
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest

from otelllm_collector import rows
from otelllm_collector.columns import MESSAGES
from otelllm_collector.decode import decode
from otelllm_collector.questions import BadQuestion, Page, SpanFilter
from otelllm_collector.rows import Batch
from otelllm_collector.span_row import NAMES
from otelllm_collector.stores.duckdb import open_store
from otelllm_collector.stores.duckdb.tables import TABLES

if TYPE_CHECKING:
    from opentelemetry.proto.trace.v1.trace_pb2 import Span

    from otelllm_collector.stores.spec import Store

NOW = 1_795_000_000_000_000_000
DAY = 86_400_000_000_000
ALL = SpanFilter()


def batch_of(*spans: Span) -> Batch:
    return decode("traces", request(*spans).SerializeToString(), is_json=False, now_ns=NOW)


def trace_of(store: Store, one: Span) -> Any:
    found = store.trace(one.trace_id.hex())
    assert found is not None
    return found


def span_of(store: Store, one: Span) -> Any:
    return store.span(one.trace_id.hex(), one.span_id.hex())


def test_a_trace_comes_back_with_its_summary(store: Store) -> None:
    spans = trace_of_agent(NOW, **{"user.id": "u", "session.id": "s", "otelllm.feature": "f"})
    store.write([batch_of(*spans)])
    summary, found = trace_of(store, spans[0])
    assert summary == {
        "trace_id": spans[0].trace_id.hex(),
        "name": "invoke_workflow answer",
        "root_span_id": spans[0].span_id.hex(),
        "service": "shop",
        "start_ns": NOW,
        "duration_ms": 1000.0,
        "spans": 5,
        "calls": 2,
        "errors": 0,
        "input_tokens": 300,
        "output_tokens": 50,
        "cache_read_tokens": None,
        "cost_usd": 0.25,
        "unpriced_calls": 1,
        "ttft_ms": 100.0,
        "models": ["gpt-5"],
        "users": ["u"],
        "sessions": ["s"],
        "features": ["f"],
        "status": "ok",
    }
    assert [one["name"] for one in found] == [one.name for one in spans]
    assert store.traces(ALL, Page(10)) == [summary]


@pytest.mark.parametrize("together", [True, False], ids=["one commit", "a commit each"])
@pytest.mark.parametrize("backwards", [True, False])
def test_a_summary_is_the_same_in_whatever_order_and_parts_the_spans_come(
    store: Store, together: bool, backwards: bool
) -> None:
    whole, parts = trace_of_agent(NOW), trace_of_agent(NOW)
    store.write([batch_of(*whole)])
    batches = [batch_of(one) for one in (reversed(parts) if backwards else parts)]
    if together:
        store.write(batches)
    else:
        for batch in batches:
            store.write([batch])
    ids_aside = ("trace_id", "root_span_id")
    summaries = [
        {key: value for key, value in trace_of(store, one[0])[0].items() if key not in ids_aside}
        for one in (whole, parts)
    ]
    assert summaries[0] == summaries[1]
    assert len(store.traces(ALL, Page(10))) == 2


def test_without_its_root_a_trace_has_the_name_of_its_earliest_span(store: Store) -> None:
    root, *rest = trace_of_agent(NOW)
    store.write([batch_of(rest[2], rest[1])])
    store.write([batch_of(rest[0], rest[3])])
    assert (trace_of(store, root)[0]["name"], trace_of(store, root)[0]["root_span_id"]) == ("retrieval kb", None)
    store.write([batch_of(root)])
    assert trace_of(store, root)[0]["name"] == "invoke_workflow answer"


@pytest.mark.parametrize("together", [True, False], ids=["one commit", "a commit each"])
def test_what_is_sent_twice_is_stored_once(store: Store, together: bool) -> None:
    spans = trace_of_agent(NOW)
    if together:
        store.write([batch_of(*spans), batch_of(*spans)])
    else:
        for _ in range(3):
            store.write([batch_of(*spans)])
    summary, found = trace_of(store, spans[0])
    assert (summary["spans"], summary["input_tokens"], len(found)) == (5, 300, 5)


def test_a_span_sent_again_beside_new_ones_of_its_trace_is_stored_once(store: Store) -> None:
    spans = trace_of_agent(NOW)
    store.write([batch_of(*spans[:3])])
    store.write([batch_of(*spans)])
    summary, found = trace_of(store, spans[0])
    assert (summary["spans"], summary["input_tokens"], len(found)) == (5, 300, 5)


@pytest.mark.parametrize("together", [True, False], ids=["one commit", "a commit each"])
@pytest.mark.parametrize("fuller_first", [True, False])
def test_the_fuller_version_wins_and_is_counted_once(store: Store, together: bool, fuller_first: bool) -> None:
    chat = {"gen_ai.operation.name": "chat", "gen_ai.request.model": "m"}
    early = span(chat, start_time_unix_nano=NOW, end_time_unix_nano=NOW)
    identity = {"trace_id": early.trace_id, "span_id": early.span_id, "start_time_unix_nano": NOW}
    full = span(
        chat | {"gen_ai.usage.input_tokens": 7, "otelllm.cost.usd": 0.5}, **identity, end_time_unix_nano=NOW + 10**9
    )
    other = span(chat | {"gen_ai.usage.input_tokens": 1}, trace_id=early.trace_id, start_time_unix_nano=NOW + 5)
    versions = [batch_of(full), batch_of(early)] if fuller_first else [batch_of(early, other), batch_of(full)]
    for batches in [versions] if together else [[one] for one in versions]:
        store.write(batches)
    if fuller_first:
        store.write([batch_of(other)])
    summary, found = trace_of(store, early)
    assert len(found) == 2
    assert (summary["spans"], summary["calls"], summary["input_tokens"], summary["cost_usd"]) == (2, 2, 8, 0.5)
    assert (summary["duration_ms"], summary["unpriced_calls"]) == (1000.0, 1)
    assert span_of(store, early)["input_tokens"] == 7


def test_the_same_span_id_in_another_trace_is_another_span(store: Store) -> None:
    one = span()
    other = span(span_id=one.span_id)
    store.write([batch_of(one, other)])
    assert span_of(store, one)["trace_id"] != span_of(store, other)["trace_id"]


def test_traces_of_many_days_in_one_batch(store: Store) -> None:
    spans = [span(start_time_unix_nano=NOW - day * 40 * DAY) for day in range(20)] + [span(start_time_unix_nano=1)]
    store.write([batch_of(*spans)])
    store.write([batch_of(*spans)])
    assert [len(trace_of(store, one)[1]) for one in spans] == [1] * 21


def test_a_trace_that_lasts_longer_than_a_day_is_counted_right_however_it_comes(store: Store) -> None:
    identity = {"trace_id": ids()[0]}
    begins = [NOW, NOW + DAY + 1, NOW + 2 * DAY + 2, NOW + 3 * DAY + 3]
    spans = [span(**identity, start_time_unix_nano=begin) for begin in begins]
    for one in spans:  # each too far from the last one to find its summary
        store.write([batch_of(one)])
    assert len(store.traces(ALL, Page(10))) == 4
    assert len(trace_of(store, spans[0])[1]) == 4
    bystander = span(start_time_unix_nano=NOW + DAY)
    store.write([batch_of(bystander)])
    store.write([batch_of(*spans, span(**identity, start_time_unix_nano=NOW + 5), span(start_time_unix_nano=NOW))])
    summaries = [one for one in store.traces(ALL, Page(10)) if one["trace_id"] == identity["trace_id"].hex()]
    assert [one["spans"] for one in summaries] == [5]
    assert len(trace_of(store, spans[0])[1]) == 5
    assert trace_of(store, bystander)[0]["spans"] == 1


def test_everything_that_came_with_a_span_comes_back(store: Store) -> None:
    one = span(
        {
            "gen_ai.operation.name": "chat",
            "gen_ai.request.model": "m",
            "gen_ai.usage.output_tokens": 5,
            "gen_ai.response.finish_reasons": ["stop"],
            "gen_ai.tool.call.arguments": '{"q": 1}',
            "gen_ai.tool.call.result": "no json",
            "gen_ai.retrieval.query.text": "why",
            "gen_ai.retrieval.documents": '[{"id": "a", "score": 0.5}]',
            "gen_ai.tool.definitions": '[{"type": "function", "name": "f"}]',
            "gen_ai.system_instructions": '[{"type": "text", "content": "be kind"}]',
            "gen_ai.input.messages": '[{"role": "user", "parts": [{"type": "text", "content": "hi"}]}]',
            "gen_ai.output.messages": '[{"role": "assistant", "parts": []}]',
            "app.list": [1, "two", 3.5],
            "user.id": 17,
        },
        start_time_unix_nano=NOW,
        trace_state="a=b",
        flags=1,
    )
    one.status.code, one.status.message = 2, "it broke"
    put(one.events.add(name="e", time_unix_nano=NOW), {"x": 1})
    put(one.links.add(trace_id=b"\x07" * 16, span_id=b"\x08" * 8), {"why": "retry"})
    store.write([batch_of(one)])
    found = span_of(store, one)
    expected = {
        "status": "error",
        "status_message": "it broke",
        "user_id": "17",
        "finish_reasons": ["stop"],
        "attributes": {
            "gen_ai.operation.name": "chat",
            "gen_ai.request.model": "m",
            "gen_ai.usage.output_tokens": 5,
            "gen_ai.response.finish_reasons": ["stop"],
            "app.list": [1, "two", 3.5],
            "user.id": 17,
        },
        "resource": {"service.name": "shop"},
        "scope": {"name": "tests", "version": "1", "attributes": {}},
        "events": [{"name": "e", "time_ns": NOW, "attributes": {"x": 1}}],
        "links": [{"trace_id": "07" * 16, "span_id": "08" * 8, "attributes": {"why": "retry"}}],
        "input_messages": [{"role": "user", "parts": [{"type": "text", "content": "hi"}]}],
        "output_messages": [{"role": "assistant", "parts": []}],
        "system_instructions": [{"type": "text", "content": "be kind"}],
        "tool_definitions": [{"type": "function", "name": "f"}],
        "tool_arguments": {"q": 1},
        "tool_result": "no json",
        "retrieval_query": "why",
        "retrieval_documents": [{"id": "a", "score": 0.5}],
        "scores": [],
    }
    assert {key: found[key] for key in expected} == expected


def test_a_span_without_content_says_so_and_an_empty_conversation_is_another_thing(store: Store) -> None:
    silent, empty = span(), span({"gen_ai.input.messages": "[]"})
    store.write([batch_of(silent, empty)])
    assert [span_of(store, one)["input_messages"] for one in (silent, empty)] == [None, []]
    assert span_of(store, silent)["system_instructions"] is None


def test_text_that_is_no_message_becomes_the_part_of_one(store: Store) -> None:
    one = span({"gen_ai.input.messages": "just text", "gen_ai.system_instructions": "be kind"})
    store.write([batch_of(one)])
    found = span_of(store, one)
    assert found["input_messages"] == [{"role": "user", "parts": [{"type": "text", "content": "just text"}]}]
    assert found["system_instructions"] == [{"type": "text", "content": "be kind"}]


def test_a_message_is_stored_once_however_often_it_is_sent(store: Store) -> None:
    message = {"role": "user", "parts": [{"type": "text", "content": "the same question"}]}
    for _ in range(3):
        store.write([batch_of(span({"gen_ai.input.messages": json.dumps([message])})) for _ in range(2)])
    assert store.sql("select count(*) from messages", 10, 10).rows == [(1,)]


def test_unknown_ones_are_none(store: Store) -> None:
    one = span()
    store.write([batch_of(one)])
    assert store.trace("ab" * 16) is None
    assert store.span("ab" * 16, "cd" * 8) is None
    assert store.span(one.trace_id.hex(), "cd" * 8) is None


def logs_of(one: Span, *events: tuple[str, dict[str, Any]]) -> Batch:
    found = ExportLogsServiceRequest()
    records = found.resource_logs.add().scope_logs.add().log_records
    for number, (name, attributes) in enumerate(events):
        record = records.add(trace_id=one.trace_id, span_id=one.span_id, time_unix_nano=NOW + number, event_name=name)
        put(record, attributes)
    return decode("logs", found.SerializeToString(), is_json=False, now_ns=NOW)


@pytest.mark.parametrize("event_first", [True, False])
def test_content_that_comes_as_an_event_is_the_spans_own(store: Store, event_first: bool) -> None:
    one = span({"gen_ai.operation.name": "chat"})
    messages = [{"role": "user", "parts": [{"type": "text", "content": "from the event"}]}]
    event = logs_of(one, ("gen_ai.client.inference.operation.details", {"gen_ai.input.messages": messages}))
    for batch in (event, batch_of(one)) if event_first else (batch_of(one), event):
        store.write([batch])
    assert span_of(store, one)["input_messages"] == messages
    assert [found["span_id"] for found in store.spans(SpanFilter(q="the EVENT"), Page(5))] == [one.span_id.hex()]


def test_scores_find_their_span_and_are_counted_once(store: Store) -> None:
    one = span({"gen_ai.response.id": "resp-1"})
    named = {
        "gen_ai.evaluation.name": "thumbs",
        "gen_ai.evaluation.score.value": 1.0,
        "gen_ai.evaluation.explanation": "good",
    }
    scores = logs_of(one, ("gen_ai.evaluation.result", named))
    by_response = logs_of(
        one, ("gen_ai.evaluation.result", {"gen_ai.evaluation.name": "late", "gen_ai.response.id": "resp-1"})
    )
    by_response.scores[0].trace_id = by_response.scores[0].span_id = None
    for batch in (batch_of(one), scores, scores, by_response):
        store.write([batch])
    assert span_of(store, one)["scores"] == [
        {"name": "late", "value": None, "label": None, "explanation": None, "time_ns": NOW},
        {"name": "thumbs", "value": 1.0, "label": None, "explanation": "good", "time_ns": NOW},
    ]


def test_logs_and_metrics_come_back(store: Store) -> None:
    one = span()
    store.write([logs_of(one, ("first", {"a": 1}), ("second", {}))])
    found = store.logs(SpanFilter(trace_id=(one.trace_id.hex(),)), Page(10))
    assert [(log["event_name"], log["attributes"], log["span_id"]) for log in found] == [
        ("second", {}, one.span_id.hex()), ("first", {"a": 1}, one.span_id.hex()),
    ]  # fmt: skip
    metrics = ExportMetricsServiceRequest()
    metric = metrics.resource_metrics.add().scope_metrics.add().metrics.add(name="tokens", unit="{token}")
    point = metric.histogram.data_points.add(time_unix_nano=NOW, count=2, sum=3.0)
    point.explicit_bounds.extend([1.0])
    point.bucket_counts.extend([1, 1])
    store.write([decode("metrics", metrics.SerializeToString(), is_json=False, now_ns=NOW)])
    assert store.metric_names(SpanFilter()) == [{"name": "tokens", "unit": "{token}", "kind": "histogram", "points": 1}]
    assert store.metric_names(SpanFilter(start=NOW + 1)) == []
    (found_point,) = store.metrics("tokens", SpanFilter(start=NOW, end=NOW + 1), 10)
    assert (found_point["count"], found_point["bounds"], found_point["bucket_counts"]) == (2, [1.0], [1, 1])


def test_a_batch_that_fails_leaves_nothing_and_the_next_one_is_kept(store: Store) -> None:
    good, bad = batch_of(span()), batch_of(span())
    bad.spans[0].start_ns = 2**70
    with pytest.raises(Exception, match=r".+"):
        store.write([good, bad])
    assert store.traces(ALL, Page(10)) == []
    store.write([good])
    assert len(store.traces(ALL, Page(10))) == 1
    assert store.sql("select count(*) from resources", 10, 10).rows == [(1,)]


def test_a_closed_store_has_everything_when_it_is_opened_again(tmp_path: Path) -> None:
    spans = trace_of_agent(NOW)
    message = json.dumps([{"role": "user", "parts": []}])
    for _ in range(3):
        store = open_store(tmp_path)
        store.write([batch_of(*spans), batch_of(span({"gen_ai.input.messages": message}))])
        store.tidy()
        store.close()
        store.close()
    store = open_store(tmp_path)
    assert trace_of(store, spans[0])[0]["spans"] == 5
    assert store.sql("select (select count(*) from messages), (select count(*) from resources)", 9, 9).rows == [(1, 1)]
    store.close()


def test_questions_that_no_store_can_answer(store: Store) -> None:
    with pytest.raises(BadQuestion):
        store.sql("drop table spans", 10, 10)
    with pytest.raises(BadQuestion):
        store.sql("select nonsense from spans", 10, 10)


def test_the_schema_has_just_the_columns_of_the_rows(tmp_path: Path) -> None:
    """Rows are inserted by name and summaries read back by place: the two lists must be one, but that rows
    name messages by hash and tables by number.
    """
    store = open_store(tmp_path)
    kinds = {name: kind for name, kind in vars(rows).items() if is_dataclass(kind) and name.endswith("Row")}
    for table in TABLES:
        described = store._connection.execute(f"describe raw.{table}").fetchall()
        columns = list(dict.fromkeys(MESSAGES.get(row[0], row[0]) for row in described))
        if table == "spans":
            assert sorted(columns) == sorted(NAMES)
        else:
            kind = kinds[f"{table.capitalize().removesuffix('s')}Row"]
            assert columns == [field.name for field in fields(kind)], table
    store.close()


def test_ids_are_unique() -> None:
    assert len({ids() for _ in range(100)}) == 100
