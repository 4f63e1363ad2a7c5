"""Log records of the older conventions, a message each: together they are their span's conversation."""

from __future__ import annotations

import json
from typing import Any

import pytest
from collector.exports import any_value, put, span
from collector.vocabularies.spans import says
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from otelllm_collector.decode import decode
from otelllm_collector.rows import Batch
from otelllm_collector.stores.spec import Page, SpanFilter, Store

NOW = 1_795_000_000_000_000_000
HI = {"role": "user", "parts": [{"type": "text", "content": "hi"}]}
CALL = {"type": "tool_call", "id": "call_1", "name": "get_weather", "arguments": {"city": "Paris"}}
OLD_CALL = {
    "id": "call_1",
    "type": "function",
    "function": {"name": "get_weather", "arguments": '{"city":"Paris"}'},
}
SUNNY = {"role": "tool", "parts": [{"type": "tool_call_response", "id": "call_1", "response": "sunny"}]}


def records(one: Span, *said: tuple[str, Any, int], by_attribute: bool = False, at: int = NOW) -> Batch:
    """Records as (name, body, time after `at`); a negative time is none at all."""
    found = ExportLogsServiceRequest()
    made = found.resource_logs.add().scope_logs.add().log_records
    for name, body, time in said:
        record = made.add(trace_id=one.trace_id, span_id=one.span_id, time_unix_nano=at + time if time >= 0 else 0)
        record.body.CopyFrom(any_value(body))
        put(record, {"gen_ai.system": "openai"})
        if by_attribute:
            put(record, {"event.name": name})
        else:
            record.event_name = name
    return decode("logs", found.SerializeToString(), is_json=False, now_ns=NOW)


def kept(store: Store, one: Span, *batches: Batch) -> dict[str, Any]:
    request = ExportTraceServiceRequest()
    request.resource_spans.add().scope_spans.add().spans.append(one)
    spans = decode("traces", request.SerializeToString(), is_json=False, now_ns=NOW)
    for batch in (*batches, spans):
        store.write([batch])
    found = store.span(one.trace_id.hex(), one.span_id.hex())
    assert found is not None
    return found


ASKED = ("gen_ai.user.message", {"content": "hi"}, 1)
CONVERSATION = [
    ("gen_ai.choice", {"index": 1, "finish_reason": "stop", "message": {"content": "second"}}, 5),
    ("gen_ai.choice", {"index": 0, "finish_reason": "tool_calls", "message": {"tool_calls": [OLD_CALL]}}, 6),
    ("gen_ai.tool.message", {"content": "sunny", "id": "call_1"}, 4),
    ("gen_ai.assistant.message", {"tool_calls": [OLD_CALL]}, 3),
    ASKED,
    ("gen_ai.system.message", {"content": "Be brief.", "role": "system"}, 0),
]
INPUT = [says("system", "Be brief."), HI, {"role": "assistant", "parts": [CALL]}, SUNNY]
OUTPUT = [{"role": "assistant", "parts": [CALL]}, says("assistant", "second")]


@pytest.mark.parametrize("by_attribute", [True, False])
def test_records_of_a_span_are_its_conversation(store: Store, by_attribute: bool) -> None:
    one = span({"gen_ai.operation.name": "chat"})
    batch = records(one, *CONVERSATION, by_attribute=by_attribute)
    assert (len(batch.contents), len(batch.logs)) == (1, 6)
    found = kept(store, one, batch)
    assert (found["input_messages"], found["output_messages"]) == (INPUT, OUTPUT)
    for word in ("SUNNY", "be brief", "second"):
        assert [hit["span_id"] for hit in store.spans(SpanFilter(q=word), Page(5))] == [one.span_id.hex()]


def test_records_in_a_request_each_come_together_in_any_order(store: Store) -> None:
    one = span({"gen_ai.operation.name": "chat"})
    batches = [records(one, record) for record in CONVERSATION]
    found = kept(store, one, *batches)
    assert (found["input_messages"], found["output_messages"]) == (INPUT, OUTPUT)


def test_a_request_that_is_sent_again_says_nothing_new(store: Store) -> None:
    one = span({"gen_ai.operation.name": "chat"})
    batches = [records(one, record) for record in CONVERSATION for _ in range(2)]
    found = kept(store, one, *batches)
    assert (found["input_messages"], found["output_messages"]) == (INPUT, OUTPUT)


def test_records_without_a_time_keep_their_order(store: Store) -> None:
    one = span({"gen_ai.operation.name": "chat"})
    texts = [f"word {number}" for number in range(20)]
    batch = records(one, *(("gen_ai.user.message", {"content": text}, -1) for text in texts))
    assert kept(store, one, batch)["input_messages"] == [says("user", text) for text in texts]


def test_what_is_said_twice_stays_twice(store: Store) -> None:
    one = span({"gen_ai.operation.name": "chat"})
    twice = [("gen_ai.user.message", {"content": "hi"}, 0), ("gen_ai.user.message", {"content": "hi"}, 2)]
    same = [("gen_ai.choice", {"index": index, "message": {"content": "yes"}}, 3) for index in (0, 1)]
    found = kept(store, one, records(one, *twice, *same))
    assert found["input_messages"] == [HI, HI]
    assert found["output_messages"] == [says("assistant", "yes")] * 2


def test_the_spans_own_messages_count(store: Store) -> None:
    own = says("user", "own")
    one = span({"gen_ai.operation.name": "chat", "gen_ai.input.messages": json.dumps([own])})
    found = kept(store, one, records(one, *CONVERSATION))
    assert (found["input_messages"], found["output_messages"]) == ([own], OUTPUT)


@pytest.mark.parametrize("index", [3, 64, 10**9, 10**18, -1, "x", None, 1.5])
def test_a_choice_of_any_index_is_kept(store: Store, index: Any) -> None:
    one = span({"gen_ai.operation.name": "chat"})
    found = kept(store, one, records(one, ("gen_ai.choice", {"index": index, "message": {"content": "yes"}}, 0)))
    assert (found["input_messages"], found["output_messages"]) == (None, [says("assistant", "yes")])


def test_choices_of_one_index_are_all_kept(store: Store) -> None:
    one = span({"gen_ai.operation.name": "chat"})
    said_ = [("gen_ai.choice", {"index": 0, "message": {"content": text}}, 0) for text in ("a", "b")]
    answers = [says("assistant", "a"), says("assistant", "b")]
    assert kept(store, one, records(one, *said_))["output_messages"] == answers
    other = span({"gen_ai.operation.name": "chat"})
    apart = [records(other, one_, at=NOW + at) for at, one_ in enumerate(said_)]
    assert kept(store, other, *apart)["output_messages"] == answers


@pytest.mark.parametrize(
    "body", [None, "", "text", "{", 5, True, [1], [], {}, {"content": None}, {"content": 5}, {"message": "x"}, b"x"]
)
def test_odd_bodies_are_logs_like_any_other(store: Store, body: Any) -> None:
    one = span({"gen_ai.operation.name": "chat"})
    names = ("gen_ai.user.message", "gen_ai.tool.message", "gen_ai.choice")
    batch = records(one, *((name, body, 0) for name in names))
    assert len(batch.logs) == 3
    found = kept(store, one, batch)
    assert found["system_instructions"] is None


def test_a_body_may_be_json_text_or_in_attributes(store: Store) -> None:
    one = span({"gen_ai.operation.name": "chat"})
    batch = records(one, ("gen_ai.user.message", '{"content": "hi"}', 0))
    assert kept(store, one, batch)["input_messages"] == [HI]
    flat = ExportLogsServiceRequest()
    other = span({"gen_ai.operation.name": "chat"})
    record = (
        flat.resource_logs.add()
        .scope_logs.add()
        .log_records.add(
            trace_id=other.trace_id, span_id=other.span_id, time_unix_nano=NOW, event_name="gen_ai.user.message"
        )
    )
    put(record, {"content": "hi"})
    batch = decode("logs", flat.SerializeToString(), is_json=False, now_ns=NOW)
    assert kept(store, other, batch)["input_messages"] == [HI]


def test_a_record_of_no_span_is_only_a_log() -> None:
    batch = records(Span(), ASKED)
    assert (len(batch.logs), batch.contents) == (1, [])
