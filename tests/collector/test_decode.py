"""OTLP bytes become rows: both encodings the same ones, every bad record counted, nothing lost."""

from __future__ import annotations

import json
import math
import random
from dataclasses import fields
from typing import Any

import orjson
import pytest
from collector.exports import any_value, as_otlp_json, ids, put, request, span, trace_of_agent
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from otelllm_collector.decode import Undecodable, decode
from otelllm_collector.rows import RECORDS_LIMIT, Batch, TooMany

NOW = 1_795_000_000_000_000_000


def of_protobuf(message: Any, signal: Any = "traces") -> Batch:
    return decode(signal, message.SerializeToString(), is_json=False, now_ns=NOW)


def of_json(source: Any, signal: Any = "traces") -> Batch:
    return decode(signal, json.dumps(source).encode(), is_json=True, now_ns=NOW)


def content(batch: Batch) -> dict[str, Any]:
    return {field.name: getattr(batch, field.name) for field in fields(batch)}


def full_span() -> Span:
    found = span(
        {
            "gen_ai.operation.name": "chat",
            "gen_ai.usage.input_tokens": 12,
            "otelllm.cost.usd": 0.5,
            "gen_ai.response.finish_reasons": ["stop", "length"],
            "gen_ai.input.messages": json.dumps([{"role": "user", "parts": [{"type": "text", "content": "hi"}]}]),
            "mixed": [1, 2.5, "three", True, None, b"\xff", {"deep": [{}]}],
            "big": 2**62,
            "negative": -(2**63),
            "not a number": math.nan,
            "endless": -math.inf,
            "bytes": b"\x00\xff",
            "empty list": [],
            "empty object": {},
            "": "an empty key",
            "unset": None,
            "whole double": 3.0,
        },
        flags=257,
        trace_state="a=b",
        dropped_attributes_count=3,
        dropped_events_count=2,
        dropped_links_count=1,
    )
    found.status.code, found.status.message = 2, "it broke"
    event = found.events.add(name="exception", time_unix_nano=NOW, dropped_attributes_count=1)
    put(event, {"exception.type": "ValueError"})
    link = found.links.add(trace_id=b"\x07" * 16, span_id=b"\x08" * 8, trace_state="x=y", flags=1)
    put(link, {"why": "retry"})
    return found


@pytest.mark.parametrize("numbers", [False, True], ids=["enum names, integers as text", "all numbers"])
def test_json_and_protobuf_give_the_same_rows(numbers: bool) -> None:
    message = request(full_span(), *trace_of_agent(NOW))
    assert content(of_json(as_otlp_json(message, numbers=numbers))) == content(of_protobuf(message))


def random_value(source: random.Random, depth: int = 0) -> Any:
    kind = source.randrange(8 if depth < 4 else 6)
    simple: list[Any] = [
        source.choice(["", "ä", "\x00", '"quoted"\n', "𝄞" * 3]),
        source.randrange(-(2**63), 2**63),
        source.choice([0.0, -0.0, 1e300, 5e-324, math.inf, source.random()]),
        source.random() < 0.5,
        source.randbytes(source.randrange(6)),
        None,
    ]
    if kind < 6:
        return simple[kind]
    values = [random_value(source, depth + 1) for _ in range(source.randrange(4))]
    return values if kind == 6 else {source.choice(["$a", "b", "ü"]): value for value in values}


@pytest.mark.parametrize("seed", range(60))
def test_any_value_survives_in_both_encodings(seed: int) -> None:
    source = random.Random(seed)
    message = request(span({f"key {number}": random_value(source) for number in range(12)}))
    batch = of_protobuf(message)
    assert content(of_json(as_otlp_json(message))) == content(batch)
    assert list(orjson.loads(batch.spans[0].attributes)) == [f"key {number}" for number in range(12)]


def test_what_json_cannot_say_is_tagged_and_a_lookalike_is_told_apart() -> None:
    batch = of_protobuf(request(span({"a": b"\x01", "b": math.nan, "c": {"$bytes": "AQ=="}})))
    assert orjson.loads(batch.spans[0].attributes) == {
        "a": {"$bytes": "AQ=="},
        "b": {"$double": "NaN"},
        "c": {"$kvlist": {"$bytes": "AQ=="}},
    }


def test_known_attributes_move_into_columns_and_the_rest_stays() -> None:
    row = of_protobuf(request(span({"gen_ai.request.model": "m", "user.id": "u", "app.x": 1}))).spans[0]
    assert (row.request_model, row.user_id, orjson.loads(row.attributes)) == ("m", "u", {"app.x": 1})


@pytest.mark.parametrize(
    ("attribute", "value", "column", "expected"),
    [
        ("gen_ai.usage.input_tokens", "12", "input_tokens", 12),
        ("gen_ai.usage.input_tokens", 12.0, "input_tokens", 12),
        ("gen_ai.usage.input_tokens", 12.5, "input_tokens", None),
        ("gen_ai.usage.input_tokens", "many", "input_tokens", None),
        ("gen_ai.usage.input_tokens", math.inf, "input_tokens", None),
        ("gen_ai.usage.input_tokens", 1e30, "input_tokens", None),
        ("otelllm.cost.usd", 1, "cost_usd", 1.0),
        ("user.id", 17, "user_id", "17"),
        ("user.id", ["a"], "user_id", '["a"]'),
        ("gen_ai.response.finish_reasons", "stop", "finish_reasons", ["stop"]),
        ("gen_ai.response.finish_reasons", [1], "finish_reasons", ["1"]),
        ("gen_ai.request.model", {"a": 1}, "request_model", None),
        ("gen_ai.request.model", None, "request_model", None),
    ],
)
def test_a_value_of_another_type_fills_the_column_if_it_can_and_stays_as_it_came(
    attribute: str, value: Any, column: str, expected: Any
) -> None:
    row = of_protobuf(request(span({attribute: value}))).spans[0]
    assert getattr(row, column) == expected
    assert attribute in orjson.loads(row.attributes)


BAD_SPANS = [
    ({"trace_id": b"\x01" * 15}, "trace_id"),
    ({"trace_id": b"\x01" * 17}, "trace_id"),
    ({"trace_id": b""}, "trace_id"),
    ({"trace_id": bytes(16)}, "trace_id"),
    ({"span_id": b"\x01" * 7}, "span_id"),
    ({"span_id": bytes(8)}, "span_id"),
    ({"parent_span_id": b"\x01"}, "parent_span_id"),
    ({"start_time_unix_nano": 0}, "time"),
    ({"start_time_unix_nano": 5, "end_time_unix_nano": 4}, "ends before"),
    ({"end_time_unix_nano": 0}, "ends before"),
    ({"end_time_unix_nano": 2**64 - 1}, "2262"),
    ({"start_time_unix_nano": 2**63, "end_time_unix_nano": 2**63}, "2262"),
]


@pytest.mark.parametrize(("fault", "reason"), BAD_SPANS)
def test_a_bad_span_is_counted_and_its_neighbours_are_kept(fault: dict[str, Any], reason: str) -> None:
    batch = of_protobuf(request(span(), span(**fault), span()))
    assert len(batch.spans) == 2
    assert list(batch.refused.values()) == [1]
    assert reason in next(iter(batch.refused))


@pytest.mark.parametrize(
    "fault",
    [
        {"traceId": "zz"},
        {"traceId": 7},
        {"spanId": "abc"},
        {"startTimeUnixNano": "soon"},
        {"startTimeUnixNano": 1.5},
        {"startTimeUnixNano": -1},
        {"startTimeUnixNano": 2**80},
        {"kind": "SPAN_KIND_UNHEARD_OF"},
        {"kind": {}},
        {"name": 5},
        {"attributes": {}},
        {"attributes": [5]},
        {"attributes": [{"key": "a", "value": {"intValue": "x"}}]},
        {"attributes": [{"key": "a", "value": {"boolValue": "yes"}}]},
        {"attributes": [{"key": "a", "value": {"bytesValue": "*"}}]},
        {"attributes": [{"key": "a", "value": "bare"}]},
        {"status": []},
        {"events": [None]},
        "not a span",
        None,
        [],
    ],
)
def test_a_span_that_json_spells_wrongly_costs_only_itself(fault: Any) -> None:
    source = as_otlp_json(request(span(), span(), span()))
    spans = source["resourceSpans"][0]["scopeSpans"][0]["spans"]
    spans[1] = spans[1] | fault if isinstance(fault, dict) else fault
    batch = of_json(source)
    assert len(batch.spans) == 2
    assert sum(batch.refused.values()) == 1


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[]",
        b"7",
        b'"text"',
        b"{",
        b"\xff\xfe",
        b'{"resourceSpans": {}}',
        b'{"resourceSpans": [7]}',
        b"[" * 5000,
    ],
)
def test_json_that_is_no_export_request_is_undecodable(body: bytes) -> None:
    with pytest.raises(Undecodable):
        decode("traces", body, is_json=True, now_ns=NOW)


def test_deep_nesting_is_refused_and_no_stack_overflows() -> None:
    value: dict[str, Any] = {"stringValue": "at last"}
    for _ in range(150):
        value = {"arrayValue": {"values": [value]}}
    source = as_otlp_json(request(span(), span()))
    source["resourceSpans"][0]["scopeSpans"][0]["spans"][0]["attributes"] = [{"key": "deep", "value": value}]
    batch = of_json(source)
    assert (len(batch.spans), sum(batch.refused.values())) == (1, 1)


def test_a_request_of_more_records_than_a_batch_may_hold_is_told_so() -> None:
    message = request(span())
    message.resource_spans[0].scope_spans[0].spans.extend([Span(span_id=b"12345678")] * RECORDS_LIMIT)
    with pytest.raises(TooMany, match="smaller batches"):
        of_protobuf(message)


def test_unknown_fields_are_passed_over() -> None:
    source = as_otlp_json(request(span()))
    source["somethingNew"] = {"a": [1]}
    source["resourceSpans"][0]["scopeSpans"][0]["spans"][0]["colour"] = "green"
    assert len(of_json(source).spans) == 1
    unknown = b"\xfa\x3f\x05hello"  # field 1023, five bytes
    assert len(decode("traces", request(span()).SerializeToString() + unknown, is_json=False, now_ns=NOW).spans) == 1


@pytest.mark.parametrize("seed", range(20))
def test_damaged_bodies_are_decoded_or_undecodable_and_nothing_else(seed: int) -> None:
    source = random.Random(seed)
    whole = request(full_span(), *trace_of_agent(NOW)).SerializeToString()
    text = json.dumps(as_otlp_json(request(full_span()))).encode()
    for signal in ("traces", "logs", "metrics"):
        for body, is_json in ((whole, False), (text, True)):
            damaged = bytearray(body)
            for _ in range(source.randrange(1, 6)):
                damaged[source.randrange(len(damaged))] = source.randrange(256)
            try:
                decode(signal, bytes(damaged[: source.randrange(1, len(damaged))]), is_json=is_json, now_ns=NOW)
                decode(signal, bytes(damaged), is_json=is_json, now_ns=NOW)
            except Undecodable:
                pass


def test_a_conversation_that_is_sent_again_each_turn_costs_one_message_a_turn() -> None:
    history: list[dict[str, Any]] = []
    spans = []
    for turn in range(30):
        history.append({"role": "user", "parts": [{"type": "text", "content": f"question {turn}"}]})
        spans.append(span({"gen_ai.input.messages": json.dumps(history)}))
    batch = of_protobuf(request(*spans))
    assert len(batch.messages) == 30
    assert [len(row.input_hashes or []) for row in batch.spans] == list(range(1, 31))
    assert "gen_ai.input.messages" not in batch.spans[-1].attributes


@pytest.mark.parametrize(
    "value",
    [
        "not json",
        "",
        "7",
        "{}",
        "[]",
        "[[1]]",
        '{"role": 5}',
        "[" * 300 + "]" * 300,
        "null",
        [{"role": "user", "parts": []}],
        5,
    ],
)
def test_content_of_any_shape_is_kept(value: Any) -> None:
    batch = of_protobuf(request(span({"gen_ai.input.messages": value, "gen_ai.system_instructions": value})))
    row = batch.spans[0]
    assert row.input_hashes is not None
    assert {*row.input_hashes, row.system_hash} == set(batch.messages)


def logs_request() -> ExportLogsServiceRequest:
    found = ExportLogsServiceRequest()
    of_resource = found.resource_logs.add()
    put(of_resource.resource, {"service.name": "shop"})
    of_scope = of_resource.scope_logs.add()
    trace_id, span_id = ids()
    messages = [{"role": "user", "parts": [{"type": "text", "content": "hi"}]}]
    details = of_scope.log_records.add(
        trace_id=trace_id, span_id=span_id, time_unix_nano=NOW, observed_time_unix_nano=NOW + 1
    )
    details.event_name = "gen_ai.client.inference.operation.details"
    put(details, {"gen_ai.input.messages": messages, "gen_ai.request.model": "m"})
    score = of_scope.log_records.add(
        trace_id=trace_id, span_id=span_id, time_unix_nano=NOW, severity_number=9, severity_text="INFO"
    )
    put(
        score,
        {
            "event.name": "gen_ai.evaluation.result",
            "gen_ai.evaluation.name": "thumbs",
            "gen_ai.evaluation.score.value": 1.0,
        },
    )
    plain = of_scope.log_records.add(observed_time_unix_nano=NOW)
    plain.body.CopyFrom(any_value({"text": ["a", 1]}))
    of_scope.log_records.add(trace_id=b"\x01", time_unix_nano=NOW)
    return found


def test_logs_bring_content_scores_and_themselves() -> None:
    message = logs_request()
    batch = of_protobuf(message, "logs")
    assert content(of_json(as_otlp_json(message), "logs")) == content(batch)
    assert [len(batch.logs), len(batch.contents), len(batch.scores), len(batch.messages)] == [3, 1, 1, 1]
    assert (batch.scores[0].name, batch.scores[0].value) == ("thumbs", 1.0)
    assert batch.logs[0].attributes == '{"gen_ai.request.model":"m"}'
    assert batch.logs[2].body == '{"text":["a",1]}'
    assert batch.refused == {"trace_id is not 16 bytes": 1}


def metrics_request() -> ExportMetricsServiceRequest:
    found = ExportMetricsServiceRequest()
    of_resource = found.resource_metrics.add()
    put(of_resource.resource, {"service.name": "shop"})
    metrics = of_resource.scope_metrics.add().metrics
    gauge = metrics.add(name="g", unit="1")
    gauge.gauge.data_points.add(time_unix_nano=NOW, as_int=2**62)
    gauge.gauge.data_points.add(time_unix_nano=NOW, as_double=1.5)
    total = metrics.add(name="s")
    total.sum.aggregation_temporality, total.sum.is_monotonic = 2, True
    put(total.sum.data_points.add(time_unix_nano=NOW, start_time_unix_nano=NOW - 5, as_int=3), {"a": "b"})
    histogram = metrics.add(name="h")
    point = histogram.histogram.data_points.add(time_unix_nano=NOW, count=3, sum=4.5, min=1, max=2)
    point.explicit_bounds.extend([1, 2])
    point.bucket_counts.extend([1, 1, 1])
    point.exemplars.add(time_unix_nano=NOW, as_double=1.5, trace_id=b"\x01" * 16, span_id=b"\x01" * 8)
    exponential = metrics.add(name="e").exponential_histogram.data_points.add(time_unix_nano=NOW, count=2, scale=-3)
    exponential.positive.bucket_counts.extend([1, 1])
    metrics.add(name="q").summary.data_points.add(time_unix_nano=NOW, count=1, sum=2).quantile_values.add(
        quantile=0.5, value=2
    )
    metrics.add(name="late").gauge.data_points.add(time_unix_nano=2**63, as_int=1)
    metrics.add(name="empty")
    return found


def test_metrics_of_all_kinds() -> None:
    message = metrics_request()
    batch = of_protobuf(message, "metrics")
    assert content(of_json(as_otlp_json(message), "metrics")) == content(batch)
    assert [(row.name, row.kind) for row in batch.metrics] == [
        ("g", "gauge"), ("g", "gauge"), ("s", "sum"), ("h", "histogram"), ("e", "exponential_histogram"),
        ("q", "summary"),
    ]  # fmt: skip
    assert (batch.metrics[0].value_int, batch.metrics[1].value) == (2**62, 1.5)
    assert (batch.metrics[2].temporality, batch.metrics[2].is_monotonic, batch.metrics[2].attributes) == (
        "cumulative", True, '{"a":"b"}',
    )  # fmt: skip
    assert (batch.metrics[3].bounds, batch.metrics[3].bucket_counts) == ([1, 2], [1, 1, 1])
    assert sum(batch.refused.values()) == 1
