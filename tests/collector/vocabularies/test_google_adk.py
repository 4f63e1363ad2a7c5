"""Google's ADK, old and new: spans as its sources write them."""

from __future__ import annotations

import json
from typing import Any

import pytest
from collector.vocabularies.spans import START_NS, Stored, request_of, stored_span

from otelllm_collector.decode import decode
from otelllm_collector.enrich import summarise
from otelllm_collector.repeats import repeated

SCOPE = "gcp.vertex.agent"
ASKED = {"role": "user", "parts": [{"type": "text", "content": "Weather in Paris?"}]}
CALLED = {
    "role": "assistant",
    "parts": [{"type": "tool_call", "id": "c1", "name": "get_weather", "arguments": {"city": "Paris"}}],
}
REQUEST = {
    "model": "gemini-2.0-flash",
    "contents": [
        {"role": "user", "parts": [{"text": "Weather in Paris?"}]},
        {
            "role": "model",
            "parts": [{"function_call": {"id": "c1", "name": "get_weather", "args": {"city": "Paris"}}}],
        },
        {
            "role": "user",
            "parts": [{"function_response": {"id": "c1", "name": "get_weather", "response": {"result": "sunny"}}}],
        },
        {"role": "user", "parts": [{"inline_data": {"mime_type": "image/png", "data": "aWNl"}}]},
    ],
    "config": {
        "system_instruction": "Be brief.",
        "tools": [
            {
                "function_declarations": [
                    {"name": "get_weather", "description": "w", "parameters": {"type": "OBJECT", "properties": {}}}
                ]
            }
        ],
    },
}
RESPONSE = {
    "content": {"role": "model", "parts": [{"text": "Hm.", "thought": True}, {"text": "It is sunny."}]},
    "finish_reason": "STOP",
    "model_version": "gemini-2.0-flash-001",
    "usage_metadata": {
        "prompt_token_count": 100,
        "candidates_token_count": 18,
        "thoughts_token_count": 12,
        "cached_content_token_count": 40,
        "total_token_count": 130,
    },
}
OLD_CALL = {
    "gen_ai.system": "gcp.vertex.agent",
    "gen_ai.request.model": "gemini-2.0-flash",
    "gcp.vertex.agent.invocation_id": "e-1",
    "gcp.vertex.agent.session_id": "s1",
    "gcp.vertex.agent.event_id": "ev",
    "gcp.vertex.agent.llm_request": json.dumps(REQUEST),
    "gcp.vertex.agent.llm_response": json.dumps(RESPONSE),
    "gen_ai.usage.input_tokens": 100,
    "gen_ai.usage.output_tokens": 18,
    "gen_ai.response.finish_reasons": ["stop"],
}
NEW_CALL = {
    "gen_ai.operation.name": "generate_content",
    "gen_ai.provider.name": "gcp.gemini",
    "gen_ai.request.model": "gemini-2.0-flash",
    "gen_ai.agent.name": "weather_agent",
    "gen_ai.conversation.id": "s1",
    "gcp.vertex.agent.event_id": "ev",
    "gen_ai.usage.input_tokens": 100,
    "gen_ai.usage.output_tokens": 30,
    "gen_ai.usage.cache_read.input_tokens": 40,
    "gen_ai.usage.reasoning.output_tokens": 12,
    "gen_ai.response.finish_reasons": ["stop"],
}


def span(attributes: dict[str, Any], *, name: str = "call_llm", **more: Any) -> Stored:
    return stored_span(attributes, scope=SCOPE, name=name, **more)


def test_an_old_call() -> None:
    one = span(OLD_CALL)
    row = one.row
    assert (row.operation, row.provider, row.request_model) == (
        "generate_content", "gcp.vertex_ai", "gemini-2.0-flash",
    )  # fmt: skip
    assert (row.response_model, row.finish_reasons) == ("gemini-2.0-flash-001", ["stop"])
    assert (row.input_tokens, row.output_tokens, row.cache_read_tokens, row.reasoning_tokens) == (100, 30, 40, 12)
    assert (row.conversation_id, row.session_id, row.user_id) == ("s1", "s1", None)
    assert one.system == [{"type": "text", "content": "Be brief."}]
    assert one.input == [
        ASKED,
        CALLED,
        {"role": "user", "parts": [{"type": "tool_call_response", "id": "c1", "response": {"result": "sunny"}}]},
        {
            "role": "user",
            "parts": [{"type": "blob", "mime_type": "image/png", "modality": "image", "content": "aWNl"}],
        },
    ]
    assert one.output == [
        {
            "role": "assistant",
            "parts": [{"type": "reasoning", "content": "Hm."}, {"type": "text", "content": "It is sunny."}],
        }
    ]
    assert one.tools == [
        {
            "type": "function",
            "name": "get_weather",
            "description": "w",
            "parameters": {"type": "OBJECT", "properties": {}},
        }
    ]
    assert one.attributes["gcp.vertex.agent.event_id"] == "ev"


@pytest.mark.parametrize(
    ("model", "system", "provider"),
    [
        ("gemini-2.0-flash", "gemini", "gcp.gemini"),
        ("gemini-2.0-flash", "vertex_ai", "gcp.vertex_ai"),
        ("claude-sonnet-4", "gcp.vertex.agent", "anthropic"),
        ("openai/gpt-4o", "gcp.vertex.agent", "openai"),
        ("my-own", "gcp.vertex.agent", "gcp.vertex_ai"),
    ],
)
def test_the_scope_is_no_provider(model: str, system: str, provider: str) -> None:
    assert span({"gen_ai.system": system, "gen_ai.request.model": model}).row.provider == provider


@pytest.mark.parametrize("nothing", ["{}", "", "N/A", "<not serializable>", "<not specified>"])
def test_content_that_was_not_captured(nothing: str) -> None:
    call = span({**OLD_CALL, "gcp.vertex.agent.llm_request": nothing, "gcp.vertex.agent.llm_response": nothing})
    assert (call.input, call.output, call.system, call.tools) == (None, None, None, None)
    assert (call.row.input_tokens, call.row.output_tokens, call.row.finish_reasons) == (100, 18, ["stop"])
    tool = span({"gcp.vertex.agent.tool_call_args": nothing, "gcp.vertex.agent.tool_response": nothing}, name="x")
    assert (tool.row.tool_arguments, tool.row.tool_result) == (None, None)


def test_thoughts_beside_the_output() -> None:
    row = span(
        {**OLD_CALL, "gcp.vertex.agent.llm_response": "{}", "gen_ai.usage.experimental.reasoning_tokens": 12}
    ).row
    assert (row.output_tokens, row.reasoning_tokens) == (30, 12)


@pytest.mark.parametrize(
    ("name", "operation", "agent"),
    [
        ("invocation", "invoke_workflow", None),
        ("agent_run [weather_agent]", "invoke_agent", "weather_agent"),
        ("call_llm", "generate_content", None),
        ("execute_tool get_weather", "execute_tool", None),
        ("send_data", "task", None),
        ("whatever", None, None),
    ],
)
def test_old_names(name: str, operation: str | None, agent: str | None) -> None:
    row = span({}, name=name).row
    assert (row.operation, row.agent_name) == (operation, agent)


def test_tools() -> None:
    old = span(
        {
            "gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "get_weather", "gen_ai.tool.call.id": "c1",
            "gen_ai.tool.type": "FunctionTool", "gcp.vertex.agent.tool_call_args": '{"city": "Paris"}',
            "gcp.vertex.agent.tool_response": '{"result": "sunny"}', "gcp.vertex.agent.llm_request": "{}",
            "gen_ai.system": "gcp.vertex.agent",
        },
        name="execute_tool get_weather",
    )  # fmt: skip
    row = old.row
    assert (row.operation, row.tool_name, row.tool_arguments, row.tool_result) == (
        "execute_tool", "get_weather", '{"city":"Paris"}', '{"result":"sunny"}',
    )  # fmt: skip
    assert old.made["gen_ai.tool.type"] == "function"
    new = span({"gen_ai.operation.name": "execute_tool", "gen_ai.tool.type": "datastore"}, name="execute_tool x")
    assert "gen_ai.tool.type" not in new.made
    merged = span({"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "(merged tools)"})
    assert merged.row.operation == "task"


def test_data_that_was_sent() -> None:
    data = [{"role": "user", "parts": [{"text": "Weather in Paris?"}]}]
    assert span({"gcp.vertex.agent.data": json.dumps(data)}, name="send_data").input == [ASKED]


def test_a_new_call() -> None:
    tools = [{"type": "function", "name": "get_weather", "description": "w", "parameters": None}]
    one = span({**NEW_CALL, "gen_ai.tool.definitions": json.dumps(tools)}, name="generate_content gemini-2.0-flash")
    row = one.row
    assert (row.operation, row.provider, row.request_model) == ("generate_content", "gcp.gemini", "gemini-2.0-flash")
    assert (row.input_tokens, row.output_tokens, row.cache_read_tokens, row.reasoning_tokens) == (100, 30, 40, 12)
    assert (row.conversation_id, row.session_id, row.agent_name) == ("s1", "s1", "weather_agent")
    assert (row.finish_reasons, one.tools) == (
        ["stop"], [{"type": "function", "name": "get_weather", "description": "w"}],
    )  # fmt: skip


@pytest.mark.parametrize("outer", ["call_llm", None])
def test_a_call_counts_once(outer: str | None) -> None:
    """In between the two generations both spans of a call were written."""
    inner = {key: value for key, value in NEW_CALL.items() if key != "gen_ai.provider.name"}
    spans: list[dict[str, Any]] = [
        {"name": "invocation", "attributes": {}},
        {"name": "agent_run [a]", "attributes": {}, "parent": 0},
        {"name": "call_llm", "attributes": OLD_CALL, "parent": 1},
        {"name": "generate_content m", "attributes": {**inner, "gen_ai.system": "gemini"}, "parent": 2},
    ]
    if outer is None:
        spans = [spans[0], spans[1], {**spans[3], "parent": 1}]
    rows = decode("traces", _together(spans), is_json=False, now_ns=START_NS).spans
    twice = repeated(rows)
    for row in rows:
        row.counted = row.span_id not in twice
    (trace,) = summarise(rows).values()
    assert (trace.calls, trace.input_tokens, trace.output_tokens, trace.cache_read_tokens) == (1, 100, 30, 40)
    assert trace.sessions == ["s1"]


def _together(spans: list[dict[str, Any]]) -> bytes:
    """Inner spans end before outer ones do."""
    request = request_of(spans, SCOPE)
    for index, of_scope in enumerate(request.resource_spans[0].scope_spans):
        of_scope.spans[0].end_time_unix_nano -= index * 50_000_000
    return request.SerializeToString()


def test_a_lost_scope() -> None:
    one = stored_span(OLD_CALL, name="call_llm")
    assert (one.row.operation, one.row.output_tokens) == ("generate_content", 30)


@pytest.mark.parametrize(
    "value", [7, True, 1.5, ["a"], "nonsense", "[1]", '{"content": 1}', '{"contents": "a"}', '{"a']
)
def test_values_of_any_type(value: Any) -> None:
    keys = (*OLD_CALL, "gcp.vertex.agent.data", "gen_ai.tool.definitions", "gen_ai.tool.type")
    keys += ("gcp.vertex.agent.tool_call_args", "gcp.vertex.agent.tool_response", "gen_ai.conversation.id")
    odd = dict.fromkeys(keys, value)
    assert (span(odd).row.vocabulary or "").startswith("google-adk")
    assert (span({**odd, "gen_ai.operation.name": value}).row.vocabulary or "").startswith("google-adk")


@pytest.mark.parametrize(
    "odd",
    [
        {"config": {"tools": [1, {"function_declarations": [2]}], "system_instruction": {"parts": [{"text": "a"}]}}},
        {"config": "x", "contents": [1, {"parts": "text"}], "model": 7},
        {"content": {"parts": [1, {"function_call": 2}]}, "usage_metadata": {"thoughts_token_count": "x"}},
        {"usageMetadata": {"promptTokenCount": 100, "candidatesTokenCount": 18, "thoughtsTokenCount": 12}},
    ],
)
def test_requests_and_responses_of_odd_shapes(odd: dict[str, Any]) -> None:
    one = span({"gcp.vertex.agent.llm_request": json.dumps(odd), "gcp.vertex.agent.llm_response": json.dumps(odd)})
    assert one.row.operation == "generate_content"
    if "usageMetadata" in odd:
        assert (one.row.input_tokens, one.row.output_tokens, one.row.reasoning_tokens) == (100, 30, 12)
    if isinstance(odd.get("config"), dict):
        assert one.system == [{"type": "text", "content": "a"}]
