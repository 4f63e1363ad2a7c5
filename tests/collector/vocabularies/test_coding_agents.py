"""Coding agents' log events: one span of each that reports a call, through the decoding of logs."""

from __future__ import annotations

import json
from typing import Any

import orjson
import pytest
from collector.exports import any_value
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest

from otelllm_collector.decode import decode
from otelllm_collector.enrich import summarise
from otelllm_collector.questions import Page, SpanFilter
from otelllm_collector.rows import Batch
from otelllm_collector.span_row import SpanRow
from otelllm_collector.stores.spec import Store

END_NS = 1_795_000_000_000_000_000
NOW_NS = END_NS + 10**9
CLAUDE = {
    "event.name": "api_request", "session.id": "s1", "user.id": "hash", "user.email": "a@b.c", "organization.id": "o",
    "prompt.id": "p1", "model": "claude-opus-5", "input_tokens": "60", "output_tokens": "30", "cache_read_tokens": "40",
    "cache_creation_tokens": "25", "cost_usd": "0.0123", "duration_ms": "3000", "request_id": "req_1",
    "event.timestamp": "2026-11-23T21:53:02.8Z", "event.sequence": 7,
}  # fmt: skip
CODEX = {
    "event.name": "codex.sse_event", "event.kind": "response.completed", "conversation.id": "c1",
    "user.account_id": "acc", "user.email": "a@b.c", "model": "gpt-5-codex", "slug": "gpt-5-codex",
    "input_token_count": "100", "output_token_count": "30", "tool_token_count": "130", "cached_token_count": 40,
    "reasoning_token_count": 12, "duration_ms": "1500", "event.timestamp": "2026-11-23T21:53:02.828Z",
}  # fmt: skip
GEMINI = {
    "event.name": "gemini_cli.api_response", "session.id": "g1", "user.email": "a@b.c", "installation.id": "i",
    "model": "gemini-2.5-pro", "input_token_count": 100, "output_token_count": 18, "cached_content_token_count": 40,
    "thoughts_token_count": 12, "tool_token_count": 0, "total_token_count": 130, "duration_ms": 2000,
    "status_code": 200, "prompt_id": "g1########0", "finish_reasons": ["STOP"],
    "event.timestamp": "2026-11-23T21:53:02.828Z",
}  # fmt: skip


def kept(*records: dict[str, Any], **fields: Any) -> Batch:
    """The rows of records of these attributes; `fields` are the records' own."""
    request = ExportLogsServiceRequest()
    of_resource = request.resource_logs.add()
    of_resource.resource.attributes.add(key="service.name", value=any_value("agent"))
    of_scope = of_resource.scope_logs.add()
    of_scope.scope.name = "com.anthropic.claude_code.events"
    for attributes in records:
        given = {"time_unix_nano": END_NS, "observed_time_unix_nano": END_NS, **fields}
        body = given.pop("body", None)
        record = of_scope.log_records.add(**given)
        if body is not None:
            record.body.CopyFrom(any_value(body))
        for key, value in attributes.items():
            record.attributes.add(key=key, value=any_value(value))
    batch = decode("logs", request.SerializeToString(), is_json=False, now_ns=NOW_NS)
    assert not batch.refused
    assert len(batch.logs) == len(records)  # a record is always kept as it came
    return batch


def one(attributes: dict[str, Any], **fields: Any) -> SpanRow:
    (row,) = kept(attributes, **fields).spans
    return row


def claude(**more: Any) -> dict[str, Any]:
    return {**CLAUDE, **more}


def test_claude_codes_request() -> None:
    row = one(CLAUDE, body="claude_code.api_request")
    assert (row.name, row.kind, row.status, row.vocabulary) == ("chat claude-opus-5", "client", "unset", "claude-code")
    assert (row.operation, row.provider, row.request_model) == ("chat", "anthropic", "claude-opus-5")
    assert (row.input_tokens, row.output_tokens, row.cache_read_tokens, row.cache_write_tokens) == (125, 30, 40, 25)
    assert (row.cost_usd, row.cost_status) == (0.0123, "reported")
    assert (row.session_id, row.conversation_id, row.user_id) == ("s1", "s1", "hash")
    assert (row.start_ns, row.end_ns, row.received_ns) == (END_NS - 3 * 10**9, END_NS, NOW_NS)
    assert (row.service_name, row.parent_span_id, row.attributes) == ("agent", None, "{}")
    assert len(row.trace_id) == 16
    made = orjson.loads(row.made or "")
    assert made["attributes"] == {
        "otelllm.tag.organization.id": "o",
        "otelllm.tag.prompt.id": "p1",
        "otelllm.provider.request_id": "req_1",
    }
    assert {"input_tokens", "cost_usd", "session_id"} <= set(made["columns"])


@pytest.mark.parametrize(
    ("name", "body", "field"),
    [
        ("claude_code.api_request", None, None), ("api_request", "claude_code.api_request", None),
        (None, "claude_code.api_request", None), (None, None, "claude_code.api_request"),
        ("claude_code.api_request", "anything", None),
    ],
)  # fmt: skip
def test_where_the_events_name_stands(name: str | None, body: str | None, field: str | None) -> None:
    attributes = {key: value for key, value in CLAUDE.items() if key != "event.name"}
    if name is not None:
        attributes["event.name"] = name
    more = {key: value for key, value in (("body", body), ("event_name", field)) if value is not None}
    assert one(attributes, **more).operation == "chat"


@pytest.mark.parametrize(
    ("name", "body"),
    [
        ("api_request", None), ("api_request", "api_request"), ("other", "claude_code.api_request"),
        ("claude_code.user_prompt", None), ("user_prompt", "claude_code.user_prompt"), ("claude_code.", None),
        ("tool_decision", "claude_code.tool_decision"), ("gemini_cli.api_request", None), ("codex.api_request", None),
        ("gen_ai.client.inference.operation.details", None), ("codex.user_prompt", None),
        ("gemini_cli.user_prompt", None), ("codex.websocket_event", None),
    ],
)  # fmt: skip
def test_records_that_report_no_call(name: str, body: Any) -> None:
    assert kept(claude(**{"event.name": name}), body=body).spans == []


def test_a_redelivered_record_is_the_same_span() -> None:
    for attributes in (CLAUDE, {key: value for key, value in CLAUDE.items() if key != "request_id"}, CODEX, GEMINI):
        first, again = (one(attributes, body="claude_code.api_request") for _ in range(2))
        assert (first.trace_id, first.span_id) == (again.trace_id, again.span_id)
    late = one(GEMINI, time_unix_nano=0, observed_time_unix_nano=0)
    assert late.span_id == one(GEMINI).span_id  # by the time that the agent itself says


def test_a_session_is_one_trace() -> None:
    body = "claude_code.api_request"
    first, second, other = kept(
        claude(), claude(request_id="req_2"), claude(**{"session.id": "s2"}), body=body
    ).spans  # fmt: skip
    assert first.trace_id == second.trace_id != other.trace_id
    assert len({first.span_id, second.span_id, other.span_id}) == 3
    assert one({**CODEX, "conversation.id": "s1"}).trace_id != first.trace_id  # another agent's session
    turns = [{**GEMINI, "event.timestamp": f"2026-11-23T21:53:0{at}Z"} for at in range(3)]
    assert len({row.span_id for row in kept(*turns).spans}) == 3
    lost = {key: value for key, value in CLAUDE.items() if key != "session.id"}
    assert one(lost, body=body).trace_id != first.trace_id


def test_a_trace_of_ones_own_beats_the_made_span() -> None:
    ids = {"trace_id": b"\x01" * 16, "span_id": b"\x02" * 8}
    assert kept(CLAUDE, body="claude_code.api_request", **ids).spans == []
    assert kept(GEMINI, **ids).spans == []
    row = one(CODEX, **ids)  # its spans are no calls of a model
    assert row.trace_id != ids["trace_id"]
    assert one(CLAUDE, body="claude_code.api_request", trace_id=b"\x01" * 16).operation == "chat"
    assert one(CLAUDE, body="claude_code.api_request", trace_id=bytes(16), span_id=bytes(8)).operation == "chat"


def test_claude_codes_errors() -> None:
    attributes = {
        "event.name": "claude_code.api_error", "session.id": "s1", "model": "claude-opus-5", "error": "Overloaded",
        "status_code": "529", "duration_ms": 200, "attempt": 1,
    }  # fmt: skip
    row = one(attributes)
    assert (row.operation, row.status, row.status_message, row.error_type) == ("chat", "error", "Overloaded", "529")
    assert (row.input_tokens, row.cost_usd, row.cost_status) == (None, None, None)
    more = [{**attributes, "event.sequence": at} for at in range(2)]
    assert len({each.span_id for each in kept(*more).spans}) == 2
    assert one({**attributes, "status_code": "undefined"}).error_type == "_OTHER"


def test_claude_codes_tools() -> None:
    attributes = {
        "event.name": "claude_code.tool_result", "session.id": "s1", "tool_name": "Bash", "success": "true",
        "duration_ms": "50", "tool_use_id": "t1", "tool_parameters": '{"bash_command": "ls"}',
    }  # fmt: skip
    row = one(attributes)
    assert (row.name, row.kind, row.operation, row.tool_name) == (
        "execute_tool Bash", "internal", "execute_tool", "Bash",
    )  # fmt: skip
    assert (row.tool_arguments, row.status, row.end_ns - row.start_ns) == ('{"bash_command":"ls"}', "unset", 50_000_000)
    failed = one({**attributes, "success": "false", "error": "exit 1", "error_type": "ShellError"})
    assert (failed.status, failed.error_type, failed.status_message) == ("error", "ShellError", "exit 1")
    assert one({**attributes, "tool_parameters": "<REDACTED>"}).tool_arguments is None


def test_codex_completed() -> None:
    row = one(CODEX)
    assert (row.name, row.operation, row.provider, row.request_model) == (
        "chat gpt-5-codex", "chat", "openai", "gpt-5-codex",
    )  # fmt: skip
    assert (row.input_tokens, row.output_tokens, row.cache_read_tokens, row.reasoning_tokens) == (100, 30, 40, 12)
    assert (row.session_id, row.conversation_id, row.user_id) == ("c1", "c1", "acc")
    assert (row.start_ns, row.end_ns, row.cost_usd) == (END_NS - 1_500_000_000, END_NS, None)
    chunks = [
        {**CODEX, "event.kind": kind}
        for kind in ("response.created", "response.output_text.delta", "response.output_item.done")
    ]
    assert kept(*chunks).spans == []
    assert kept({key: value for key, value in CODEX.items() if key != "input_token_count"}).spans == []
    failed = one(
        {"event.name": "codex.sse_event", "event.kind": "response.failed", "error.message": "no", "model": "m"}
    )
    assert (failed.status, failed.status_message, failed.error_type) == ("error", "no", "_OTHER")


def test_codex_tools() -> None:
    attributes = {
        "event.name": "codex.tool_result", "conversation.id": "c1", "tool_name": "shell", "call_id": "call_1",
        "arguments": '{"command":["ls"]}', "output": "a.txt", "success": "true", "duration_ms": "20",
    }  # fmt: skip
    row = one(attributes)
    assert (row.operation, row.tool_name, row.tool_arguments, row.tool_result, row.status) == (
        "execute_tool", "shell", '{"command":["ls"]}', "a.txt", "unset",
    )  # fmt: skip
    failed = one({**attributes, "success": "false", "output": "[REDACTED]"})
    assert (failed.status, failed.error_type, failed.tool_result) == ("error", "_OTHER", None)


def test_geminis_response() -> None:
    answer = [{"candidates": [{"content": {"role": "model", "parts": [{"text": "It is sunny."}]}}]}]
    batch = kept({**GEMINI, "response_text": json.dumps(answer)})
    (row,) = batch.spans
    assert (row.operation, row.provider, row.request_model) == ("chat", "gcp.gemini", "gemini-2.5-pro")
    assert (row.input_tokens, row.output_tokens, row.cache_read_tokens, row.reasoning_tokens) == (100, 30, 40, 12)
    assert (row.finish_reasons, row.session_id, row.user_id) == (["stop"], "g1", "a@b.c")
    (said,) = [orjson.loads(batch.messages[one].body) for one in row.output_hashes or []]
    assert said == {"role": "assistant", "parts": [{"type": "text", "content": "It is sunny."}]}
    assert one({**GEMINI, "response_text": "[REDACTED]"}).output_hashes is None
    assert len(one({**GEMINI, "response_text": "plain"}).output_hashes or []) == 1
    assert one({**GEMINI, "auth_type": "vertex-ai"}).provider == "gcp.vertex_ai"
    repeated = {"event.name": "gen_ai.client.inference.operation.details", "gen_ai.usage.input_tokens": 100}
    assert len(kept(GEMINI, repeated).spans) == 1


def test_geminis_errors_and_tools() -> None:
    error = {
        "event.name": "gemini_cli.api_error", "session.id": "g1", "model": "m", "error": "quota", "status_code": 429,
        "duration_ms": 10,
    }  # fmt: skip
    row = one(error)
    assert (row.operation, row.status, row.status_message, row.error_type) == ("chat", "error", "quota", "429")
    assert one({**error, "error_type": "ApiError"}).error_type == "ApiError"
    tool = {
        "event.name": "gemini_cli.tool_call", "session.id": "g1", "function_name": "ls", "function_args": '{"dir":"."}',
        "success": True, "duration_ms": 5, "decision": "accept", "tool_type": "native",
    }  # fmt: skip
    row = one(tool)
    assert (row.operation, row.tool_name, row.tool_arguments, row.status) == (
        "execute_tool", "ls", '{"dir":"."}', "unset",
    )  # fmt: skip
    failed = one({**tool, "success": False, "error": "no", "error_type": "E"})
    assert (failed.status, failed.error_type, failed.status_message) == ("error", "E", "no")


def test_the_sums_of_a_session() -> None:
    batch = kept(
        claude(), claude(request_id="req_2"),
        {"event.name": "claude_code.tool_result", "session.id": "s1", "tool_name": "Bash", "tool_use_id": "t"},
        body="claude_code.api_request",
    )  # fmt: skip
    (trace,) = summarise(batch.spans).values()
    assert (trace.spans, trace.calls, trace.input_tokens, trace.output_tokens) == (3, 2, 250, 60)
    assert (trace.cost_usd, trace.unpriced_calls, trace.sessions, trace.users) == (0.0246, 0, ["s1"], ["hash"])


def test_a_session_is_stored_once(store: Store) -> None:
    for _ in range(2):
        store.write([kept(claude(), claude(request_id="req_2"), body="claude_code.api_request"), kept(GEMINI)])
    everything = SpanFilter()
    found = store.traces(everything, Page(10))
    assert {one["sessions"][0]: (one["spans"], one["input_tokens"]) for one in found} == {
        "s1": (2, 250),
        "g1": (1, 100),
    }
    spans = store.spans(everything, Page(10))
    assert {one["name"] for one in spans} == {"chat claude-opus-5", "chat gemini-2.5-pro"}
    assert len(store.logs(everything, Page(10))) == 6


@pytest.mark.parametrize("value", [7, True, -1.5, ["a"], "", "nonsense", "[1]", {"a": 1}, "1e400", 10**17])
@pytest.mark.parametrize("base", [CLAUDE, CODEX, GEMINI])
def test_values_of_any_type(base: dict[str, Any], value: Any) -> None:
    odd = {**dict.fromkeys(base, value), "response_text": value, "error": value, "success": value}
    names = ("api_request", "api_error", "tool_result")
    events = [f"claude_code.{name}" for name in names] + ["codex.sse_event", "codex.tool_result"]
    events += [f"gemini_cli.{name}" for name in ("api_response", "api_error", "tool_call")]
    batch = kept(*({**odd, "event.name": name, "event.kind": "response.completed"} for name in events))
    for row in batch.spans:
        assert 0 < row.start_ns <= row.end_ns == END_NS
        assert row.operation in {"chat", "execute_tool"}


def test_a_response_that_cant_be_read_keeps_its_record() -> None:
    odd = [{"candidates": [{"content": {"parts": [{"type": {"a": 1}}, {"functionCall": 1}, 5]}}, 7]}, 3]
    assert len(kept({**GEMINI, "response_text": json.dumps(odd)}).logs) == 1
