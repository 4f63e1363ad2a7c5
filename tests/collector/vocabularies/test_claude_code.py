"""Claude Code's traces, as it documents and as people have recorded them."""

from __future__ import annotations

from typing import Any

import pytest
from collector.vocabularies.spans import START_NS, Stored, request_of, stored_span

from otelllm_collector.decode import decode
from otelllm_collector.enrich import summarise

SCOPE = "com.anthropic.claude_code.tracing"
CALL = {
    "session.id": "s1",
    "user.id": "hash",
    "span.type": "llm_request",
    "model": "claude-opus-5",
    "gen_ai.system": "anthropic",
    "input_tokens": 60,
    "output_tokens": 30,
    "cache_read_tokens": 40,
    "cache_creation_tokens": 25,
    "ttft_ms": 1500,
    "duration_ms": 3000,
    "request_id": "req_1",
    "stop_reason": "tool_use",
    "success": True,
    "prompt.id": "p1",
}


def span(kind: str, attributes: dict[str, Any] | None = None, **more: Any) -> Stored:
    given = {"session.id": "s1", "span.type": kind, **(attributes or {})}
    return stored_span(given, scope=SCOPE, name=f"claude_code.{kind}", **more)


def test_a_call() -> None:
    one = span("llm_request", {**CALL, "new_context": "Weather?", "response.model_output": "It is sunny."})
    row = one.row
    assert (row.operation, row.provider, row.request_model) == ("chat", "anthropic", "claude-opus-5")
    assert (row.input_tokens, row.output_tokens, row.cache_read_tokens, row.cache_write_tokens) == (125, 30, 40, 25)
    assert (row.ttft_s, row.finish_reasons, row.error_type) == (1.5, ["tool_call"], None)
    assert (row.session_id, row.conversation_id, row.user_id) == ("s1", "s1", "hash")
    assert one.made == {"otelllm.tag.prompt.id": "p1", "otelllm.provider.request_id": "req_1"}
    assert one.input == [{"role": "user", "parts": [{"type": "text", "content": "Weather?"}]}]
    assert one.output == [{"role": "assistant", "parts": [{"type": "text", "content": "It is sunny."}]}]


@pytest.mark.parametrize("of", ["llm_request", "claude_code.llm_request"])
@pytest.mark.parametrize("scope", ["", SCOPE])
def test_the_kind_with_and_without_a_prefix(of: str, scope: str) -> None:
    one = stored_span({**CALL, "span.type": of, "input_tokens": "60"}, scope=scope, name="claude_code.llm_request")
    assert (one.row.operation, one.row.input_tokens) == ("chat", 125)
    named = stored_span({"input_tokens": 60}, scope=SCOPE, name="claude_code.llm_request")
    assert (named.row.operation, named.row.input_tokens) == ("chat", 60)


def test_a_call_that_failed() -> None:
    for more, kind in (({"status_code": 529}, "529"), ({"status_code": "429"}, "429"), ({}, "_OTHER")):
        row = span("llm_request", {**CALL, "success": False, **more}, status={"code": "ERROR"}).row
        assert (row.operation, row.status, row.error_type) == ("chat", "error", kind)


def test_bedrock() -> None:
    row = span("llm_request", {"model": "us.anthropic.claude-sonnet-4-5-v1:0", "gen_ai.system": "anthropic"}).row
    assert row.provider == "aws.bedrock"
    assert span("llm_request", {"model": "my-proxy"}).row.provider == "anthropic"


def test_an_interaction() -> None:
    one = span("interaction", {"user_prompt": "Weather?", "user_prompt_length": 8})
    assert (one.row.operation, one.input) == (
        "invoke_agent", [{"role": "user", "parts": [{"type": "text", "content": "Weather?"}]}],
    )  # fmt: skip
    assert span("interaction", {"user_prompt": "<REDACTED>"}).input is None


@pytest.mark.parametrize(
    ("attributes", "arguments"),
    [
        ({"tool_input": '{"command": "ls"}'}, '{"command":"ls"}'),
        ({"full_command": "ls -l"}, '{"full_command":"ls -l"}'),
        ({"file_path": "/a", "skill_name": "s"}, '{"file_path":"/a","skill_name":"s"}'),
        ({"tool_input": "<REDACTED>", "full_command": "<REDACTED>"}, None),
        ({}, None),
    ],
)
def test_a_tools_arguments(attributes: dict[str, Any], arguments: str | None) -> None:
    row = span("tool", {"tool_name": "Bash", "tool_use_id": "t1", **attributes}).row
    assert (row.operation, row.tool_name, row.tool_arguments) == ("execute_tool", "Bash", arguments)


@pytest.mark.parametrize(
    ("of", "result"),
    [
        ({"output": "a.txt"}, "a.txt"),
        ({"content": "text"}, "text"),
        ({"diff": "+a"}, "+a"),
        ({"output": "<REDACTED>"}, None),
        ({"output": ["a"], "content": "b"}, "b"),
        ({}, None),
    ],
)
def test_a_tools_result(of: dict[str, Any], result: str | None) -> None:
    events = [{"name": "tool.output", "attributes": of}, {"name": "other", "attributes": {"output": "no"}}]
    one = span("tool", {"tool_name": "Read", "tool_use_id": "t1"}, events=events)
    assert (one.row.tool_result, one.made["gen_ai.tool.call.id"]) == (result, "t1")


@pytest.mark.parametrize("kind", ["tool.blocked_on_user", "tool.execution", "hook", "anything"])
def test_other_spans_are_steps(kind: str) -> None:
    row = span(kind, {"input_tokens": 5, "duration_ms": 1}).row
    assert (row.operation, row.input_tokens, row.session_id) == ("task", None, "s1")


def test_the_sums_of_a_prompt() -> None:
    spans = [
        {"name": "claude_code.interaction", "attributes": {"span.type": "interaction", "session.id": "s1"}},
        {"name": "claude_code.llm_request", "attributes": CALL, "parent": 0},
        {"name": "claude_code.tool", "attributes": {"span.type": "tool", "tool_name": "Bash"}, "parent": 0},
        {"name": "claude_code.tool.execution", "attributes": {"span.type": "tool.execution"}, "parent": 2},
        {"name": "claude_code.llm_request", "attributes": {**CALL, "request_id": "req_2"}, "parent": 0},
    ]
    rows = decode("traces", request_of(spans, SCOPE).SerializeToString(), is_json=False, now_ns=START_NS).spans
    (trace,) = summarise(rows).values()
    assert (trace.calls, trace.input_tokens, trace.output_tokens, trace.cache_read_tokens) == (2, 250, 60, 80)
    assert (trace.sessions, trace.models) == (["s1"], ["claude-opus-5"])


def test_a_span_type_of_somebody_else() -> None:
    voltagent = stored_span({"span.type": "agent", "entity.id": "a", "entity.type": "agent"}, name="a")
    assert voltagent.row.vocabulary is None
    other = stored_span({"span.type": "tool", "tool_name": "x"}, name="work")
    assert (other.row.operation, other.row.tool_name) == (None, None)


@pytest.mark.parametrize("value", [7, True, 1.5, ["a"], "", "nonsense", "[1]", -1, "<REDACTED>"])
def test_values_of_any_type(value: Any) -> None:
    keys = (*CALL, "new_context", "response.model_output", "user_prompt", "tool_input", "full_command", "status_code")
    odd = dict.fromkeys(keys, value) | {"gen_ai.response.finish_reasons": value}
    for kind in ("llm_request", "interaction", "tool"):
        events = [{"name": "tool.output", "attributes": {"output": value}}]
        one = stored_span({**odd, "span.type": kind}, scope=SCOPE, name=f"claude_code.{kind}", events=events)
        assert (one.row.vocabulary or "").startswith("claude-code")
        assert one.row.operation in {"chat", "invoke_agent", "execute_tool"}
    assert stored_span(odd, scope=SCOPE, name="claude_code.tool").row.operation is not None
