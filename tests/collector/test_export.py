"""What came in as OTLP is given back as OTLP, just so; and as tables."""

from __future__ import annotations

import json
import random
from typing import TYPE_CHECKING, Any

import pyarrow.parquet as pq
import pytest
from collector.exports import ids, put, request, span, trace_of_agent
from collector.test_decode import full_span, random_value
from collector.test_export_signals import random_logs, random_metrics
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from pyarrow import ipc

from otelllm.cli import main
from otelllm_collector.decode import decode
from otelllm_collector.encode import encode_spans
from otelllm_collector.questions import SpanFilter
from otelllm_collector.stores.spec import TABLES

if TYPE_CHECKING:
    from pathlib import Path

    from collector.process import Collector, Start

    from otelllm_collector.stores.spec import Store

ALL = SpanFilter()
NOW = 1_795_000_000_000_000_000
MESSAGES = [
    {"role": "user", "parts": [{"type": "text", "content": 'wie geht\'s, Jörg? "so": 1'}]},
    {"role": "assistant", "parts": [{"type": "text", "content": "gut"}], "finish_reason": "stop"},
]
FORMS = [
    json.dumps(MESSAGES),
    json.dumps(MESSAGES, separators=(",", ":")),
    json.dumps(MESSAGES, ensure_ascii=False),
    json.dumps(MESSAGES, ensure_ascii=False, separators=(",", ":")),
    json.dumps(MESSAGES, indent=2),
    json.dumps(MESSAGES[0]),
    json.dumps(MESSAGES[0], separators=(",", ":")),
    MESSAGES,
    MESSAGES[0],
    "no JSON at all",
    '"a JSON text"',
    "[]",
    "[ ]",
    "{}",
    "",
    " ",
    '[{"role": "user", "role": "twice"}]',
    "[1.0, 1e2, 12345678901234567890123]",
    "[" * 600 + "]" * 600,
    [],
    {},
    7,
    True,
    b"\x00\xff",
    None,
    {"$bytes": "AQ=="},
]
"""Ways in which libraries, and strangers, write content."""
CONTENT = (
    "gen_ai.input.messages", "gen_ai.output.messages", "gen_ai.system_instructions", "gen_ai.tool.definitions",
    "gen_ai.tool.call.arguments", "gen_ai.tool.call.result", "gen_ai.retrieval.query.text",
    "gen_ai.retrieval.documents",
)  # fmt: skip
COLUMNS = (
    "gen_ai.operation.name", "gen_ai.usage.input_tokens", "otelllm.cost.usd", "gen_ai.response.finish_reasons",
    "session.id", "gen_ai.request.model", "otelllm.ttft", "gen_ai.prompt.version",
)  # fmt: skip
FOREIGN: list[dict[str, Any]] = [
    {},
    {"openinference.span.kind": "LLM", "llm.model_name": "gpt-5", "llm.token_count.prompt": 7,
     "llm.input_messages.0.message.role": "user", "llm.input_messages.0.message.content": "hi"},
    {"traceloop.span.kind": "tool", "traceloop.entity.input": '{"a": 1}', "traceloop.entity.name": "t"},
    {"ai.operationId": "ai.generateText.doGenerate", "ai.model.id": "gpt-5", "ai.usage.promptTokens": 3,
     "ai.prompt.messages": '[{"role":"user","content":"hi"}]'},
    {"gen_ai.system": "openai", "gen_ai.usage.prompt_tokens": 3, "gen_ai.prompt.0.content": "hi"},
    {"openinference.span.kind": "EVALUATOR", "evaluations.0.evaluation.name": "good", "output.value": "0.5",
     "evaluations.0.evaluation.score": 1, "session.annotations.0.annotation.name": "odd"},
]  # fmt: skip


def in_order(message: ExportTraceServiceRequest) -> list[bytes]:
    """A request's spans, each with who sent it, with nothing but their order and that of their attributes levelled."""
    found = []
    for of_resource in message.resource_spans:
        for of_scope in of_resource.scope_spans:
            for one in of_scope.spans:
                alone = ExportTraceServiceRequest()
                resource = alone.resource_spans.add(resource=of_resource.resource, schema_url=of_resource.schema_url)
                scope = resource.scope_spans.add(scope=of_scope.scope, schema_url=of_scope.schema_url)
                copy = scope.spans.add()
                copy.CopyFrom(one)
                for holder in (resource.resource, scope.scope, copy):
                    holder.attributes.sort(key=lambda pair: pair.key)
                found.append(alone.SerializeToString(deterministic=True))
    return sorted(found)


def batch_of(message: Any) -> Any:
    return decode("traces", message.SerializeToString(), is_json=False, now_ns=NOW)


def given_back(store: Store, spans: SpanFilter = ALL) -> list[bytes]:
    return sorted(one for batch in store.batches(spans) for one in in_order(encode_spans(batch)))


def random_span(source: random.Random) -> Any:
    attributes = {f"key {number}": random_value(source) for number in range(source.randrange(6))}
    for name in source.sample(CONTENT, source.randrange(4)):
        attributes[name] = source.choice(FORMS)
    for name in source.sample(COLUMNS, source.randrange(5)):
        attributes[name] = source.choice(["chat", 3, 0.25, ["stop"], ["stop", 1], None, True, "7"])
    attributes |= source.choice(FOREIGN)
    begin = NOW + source.randrange(10**12)
    one = span(
        attributes,
        name=source.choice(["", "chat", "ü"]),
        kind=source.choice([0, 1, 3, 5, 77]),
        start_time_unix_nano=begin,
        end_time_unix_nano=begin + source.randrange(10**10),
        flags=source.choice([0, 1, 257, 2**32 - 1]),
        trace_state=source.choice(["", "a=b,c=d"]),
        dropped_attributes_count=source.choice([0, 3]),
        dropped_events_count=source.choice([0, 2]),
        dropped_links_count=source.choice([0, 1]),
        parent_span_id=source.choice([b"", b"\x07" * 8]),
    )
    if source.random() < 0.8:
        one.status.SetInParent()
        one.status.code, one.status.message = source.choice([0, 1, 2, 9]), source.choice(["", "it broke"])
    for _ in range(source.randrange(3)):
        event = one.events.add(name=source.choice(["exception", "", "gen_ai.evaluation.result"]))
        event.time_unix_nano, event.dropped_attributes_count = source.randrange(2**64), source.choice([0, 1])
        put(event, {"value": random_value(source), "gen_ai.evaluation.score.value": 0.5})
    for _ in range(source.randrange(3)):
        trace_id, span_id = ids()
        link = one.links.add(trace_id=trace_id, span_id=span_id, trace_state=source.choice(["", "x=y"]))
        link.flags, link.dropped_attributes_count = source.choice([0, 1]), source.choice([0, 2])
        put(link, {"value": random_value(source)})
    return one


def random_request(source: random.Random) -> ExportTraceServiceRequest:
    message = ExportTraceServiceRequest()
    for _ in range(1 + source.randrange(3)):
        of_resource = message.resource_spans.add(schema_url=source.choice(["", "https://example/1"]))
        put(of_resource.resource, {"service.name": source.choice(["a", "b", 3]), "odd": random_value(source)})
        of_resource.resource.dropped_attributes_count = source.choice([0, 4])
        for _ in range(1 + source.randrange(2)):
            of_scope = of_resource.scope_spans.add(schema_url=source.choice(["", "https://example/2"]))
            of_scope.scope.name, of_scope.scope.version = source.choice(["", "tests", "x"]), source.choice(["", "1"])
            put(of_scope.scope, {"odd": random_value(source)})
            of_scope.scope.dropped_attributes_count = source.choice([0, 5])
            of_scope.spans.extend(random_span(source) for _ in range(1 + source.randrange(5)))
    return message


@pytest.mark.parametrize("seed", range(25))
def test_random_requests_come_back_as_they_were_sent(store: Store, seed: int) -> None:
    source = random.Random(seed)
    sent = [random_request(source) for _ in range(8)]
    store.write([batch_of(message) for message in sent])
    assert given_back(store) == sorted(one for message in sent for one in in_order(message))


@pytest.mark.parametrize("attribute", CONTENT)
@pytest.mark.parametrize("form", range(len(FORMS)))
def test_content_comes_back_in_the_form_that_it_was_written_in(attribute: str, form: int) -> None:
    message = request(span({attribute: FORMS[form]}))
    assert in_order(encode_spans(batch_of(message))) == in_order(message)


def test_the_commonest_ways_to_write_messages_are_kept_once() -> None:
    for form in FORMS[:10]:
        row = batch_of(request(span({"gen_ai.input.messages": form}))).spans[0]
        is_kept_whole = row.attributes != "{}"
        assert is_kept_whole == (form == json.dumps(MESSAGES, indent=2))


def test_filters_choose_what_is_given(store: Store) -> None:
    spans = [span({"gen_ai.request.model": f"m{n % 2}"}, start_time_unix_nano=NOW + n) for n in range(10)]
    store.write([batch_of(request(*spans))])
    assert given_back(store, SpanFilter(start=NOW + 2, end=NOW + 8, model=("m1",))) == in_order(
        request(spans[3], spans[5], spans[7])
    )
    assert given_back(store, SpanFilter(start=NOW + 100)) == []


def test_more_spans_than_a_window_holds(store: Store) -> None:
    large = [span({"text": "x" * 20_000}, start_time_unix_nano=NOW + n) for n in range(1200)]
    at_once = [span(start_time_unix_nano=NOW + 10**9) for _ in range(700)]
    store.write([batch_of(request(*large, *at_once))])
    batches = list(store.batches(SpanFilter()))
    assert sum(len(batch.spans) for batch in batches) == 1900
    # Windows get smaller where spans are large; those of one instant are one window all the same.
    assert [len(batch.spans) for batch in batches[-2:]][-1] == 700
    assert max(len(batch.spans) for batch in batches[1:-1]) <= 420
    pieces = list(store.table("spans", ALL))
    assert len(pieces) > 3
    assert ipc.open_stream(b"".join(pieces)).read_all().num_rows == 1900
    starts = [row.start_ns for batch in batches for row in batch.spans]
    assert starts == sorted(starts)


@pytest.mark.parametrize("format_", ["otlp", "jsonl"])
def test_export_and_import_by_command_give_the_same_database(tmp_path: Path, start: Start, format_: str) -> None:
    source = random.Random(format_)
    sent = [request(full_span()), request(*trace_of_agent(NOW)), *(random_request(source) for _ in range(5))]
    one, other = start(tmp_path / "one"), start(tmp_path / "other")
    for message in sent:
        assert one.send(message).status_code == 200
    logs = [random_logs(source) for _ in range(3)]
    metrics = [random_metrics(source) for _ in range(3)]
    for signal, messages in (("logs", logs), ("metrics", metrics)):
        for message in messages:
            assert one.send(message, f"/v1/{signal}").status_code == 200
    folder, again = tmp_path / "files", tmp_path / "again"
    assert main(["export", "--url", one.url, "--format", format_, "--output", str(folder)]) == 0
    assert main(["import", "--url", other.url, str(folder)]) == 0
    spans = str(folder / f"traces.{format_}")
    assert main(["import", "--url", other.url, spans]) == 0  # the second time none of them is new
    assert main(["export", "--url", other.url, "--format", format_, "--output", str(again)]) == 0
    names = {f"{signal}.{format_}" for signal in ("traces", "logs", "metrics")}
    assert {path.name for path in folder.iterdir()} == names
    for name in names:
        assert (again / name).read_bytes() == (folder / name).read_bytes(), name
        assert (folder / name).stat().st_mode & 0o777 == 0o600
    counts = "select (select count(*) from spans), (select (count(*), sum(input_tokens)) from traces), "
    counts += "(select count(*) from logs), (select count(*) from metrics)"
    assert one.sql(counts) == other.sql(counts)


def test_a_file_of_another_name_is_what_it_is_said_to_be(collector: Collector, tmp_path: Path) -> None:
    logs = random_logs(random.Random(1))
    logs.resource_logs[0].resource.attributes.clear()
    put(logs.resource_logs[0].resource, {"service.name": "renamed"})
    body = logs.SerializeToString()
    (tmp_path / "some").write_bytes(bytes([body.__len__() & 127 | 128, body.__len__() >> 7]) + body)
    assert main(["import", "--url", collector.url, "--signal", "logs", str(tmp_path / "some")]) == 0
    assert collector.get("/api/logs", service="renamed")["logs"]
    (tmp_path / "wrong").write_text('{"resourceThings": []}\n')
    assert main(["import", "--url", collector.url, str(tmp_path / "wrong")]) == 1
    (tmp_path / "empty").mkdir()
    assert main(["import", "--url", collector.url, str(tmp_path / "empty")]) == 1


def test_tables_are_written_as_parquet(tmp_path: Path, collector: Collector) -> None:
    spans = trace_of_agent(NOW, **{"gen_ai.input.messages": FORMS[0]})
    collector.send(request(*spans, service="parquet"))
    folder = tmp_path / "tables"
    arguments = ["--url", collector.url, "--format", "parquet", "--output", str(folder), "--service", "parquet"]
    assert main(["export", *arguments]) == 0
    assert {path.name for path in folder.iterdir()} == {f"{table}.parquet" for table in TABLES}
    table = pq.read_table(folder / "spans.parquet").to_pylist()
    assert [row["span_id"] for row in table] == [one.span_id.hex() for one in spans]
    messages = {
        row["message_id"]: json.loads(row["body"]) for row in pq.read_table(folder / "messages.parquet").to_pylist()
    }
    assert [messages[key] for key in table[0]["input_messages"]] == MESSAGES
    assert pq.read_table(folder / "traces.parquet").to_pylist()[0]["spans"] == 5
    assert pq.read_table(folder / "logs.parquet").num_rows == 0


def test_a_wrong_argument_is_named(collector: Collector, tmp_path: Path) -> None:
    for arguments, word in [
        ({"format": "csv"}, "csv"), ({"table": "secrets"}, "secrets"), ({"start": "yesterday"}, "yesterday"),
        ({"modell": "x"}, "modell"), ({"signal": "logs", "model": "x"}, "model"),
        ({"signal": "metrics", "q": "x"}, "q"), ({"signal": "profiles"}, "profiles"),
    ]:  # fmt: skip
        answer = collector.client.get("/api/export", params=arguments)
        assert answer.status_code == 400
        assert word in answer.text
    (tmp_path / "file").touch()
    assert main(["export", "--url", collector.url, "--output", str(tmp_path / "file")]) == 1
    (tmp_path / "notes").write_text("my notes, which are no export of anything")
    assert main(["import", "--url", collector.url, str(tmp_path / "notes")]) == 1
    assert main(["export", "--url", collector.url, "--output", str(tmp_path / "x"), "--start", "tomorrow"]) == 1
    assert not (tmp_path / "x").exists()
