"""pydantic-ai, every format that it has had."""

from __future__ import annotations

import json
from typing import Any

import pytest
from collector.vocabularies.spans import Stored, stored, stored_span

from otelllm_collector.enrich import summarise

SCOPE = "pydantic-ai"
NEWER = ("pydantic-ai-v2", "pydantic-ai-v6")
OLDER = ("pydantic-ai1.20-v1", "pydantic-ai1.20-v1-logs", "pydantic-ai1.20-v2")

SYSTEM = {"role": "system", "parts": [{"type": "text", "content": "Be brief."}]}
ASKED = {"role": "user", "parts": [{"type": "text", "content": "Weather in Paris?"}]}
CALLED = {
    "role": "assistant",
    "parts": [{"type": "tool_call", "id": "call_1", "name": "get_weather", "arguments": {"city": "Paris"}}],
}
ANSWERED = {"role": "assistant", "parts": [{"type": "text", "content": "It is sunny."}]}
SCHEMA = {
    "additionalProperties": False,
    "properties": {"city": {"type": "string"}},
    "required": ["city"],
    "type": "object",
}
TOOLS = [{"type": "function", "name": "get_weather", "parameters": SCHEMA}]


def result(role: str) -> dict[str, Any]:
    return {"role": role, "parts": [{"type": "tool_call_response", "id": "call_1", "response": "sunny"}]}


def said(messages: list[Any] | None) -> list[Any] | None:
    """Without the finish reason that pydantic-ai puts into messages."""
    if messages is None:
        return None
    return [{key: value for key, value in one.items() if key != "finish_reason"} for one in messages]


def agent(attributes: dict[str, Any], **more: Any) -> Stored:
    return stored_span({"agent_name": "a", **attributes}, scope=SCOPE, name="agent run", **more)


def chat(attributes: dict[str, Any], **more: Any) -> Stored:
    return stored_span({"gen_ai.operation.name": "chat", **attributes}, scope=SCOPE, name="chat m", **more)


@pytest.mark.parametrize(("name", "role"), [("pydantic-ai-v2", "user"), ("pydantic-ai-v6", "tool")])
def test_formats_of_today(name: str, role: str) -> None:
    run, first, tool, second = stored(name)
    assert [one.row.operation for one in (run, first, tool, second)] == [
        "invoke_agent", "chat", "execute_tool", "chat",
    ]  # fmt: skip
    for one in (run, first, tool, second):
        assert (one.row.agent_name, one.row.conversation_id, one.row.error_type) == ("weather_agent", "c1", None)
        assert one.made["otelllm.tag.gen_ai.agent.call.id"].startswith("01a20a5e")
        assert (one.row.vocabulary or "").startswith("pydantic-ai")
    for one, reason in ((first, "tool_call"), (second, "stop")):
        row = one.row
        assert (row.provider, row.request_model, row.response_model) == ("openai", "gpt-4o", "gpt-4o-2024-08-06")
        assert (row.input_tokens, row.output_tokens, row.cache_read_tokens, row.reasoning_tokens) == (100, 30, 40, 12)
        assert (row.cost_usd, row.cost_status, row.finish_reasons) == (0.0005, "reported", [reason])
        assert (row.response_id or "").startswith("chatcmpl-")
        assert (one.tools, one.system) == (TOOLS, SYSTEM["parts"])
    assert (run.row.request_model, run.row.input_tokens, run.row.cost_usd) == ("gpt-4o", None, None)
    assert said(run.input) == [ASKED, CALLED, result(role)]
    assert (run.output, run.system) == ([ANSWERED], SYSTEM["parts"])
    assert (said(first.input), said(first.output)) == ([ASKED], [CALLED])
    assert (said(second.input), said(second.output)) == ([ASKED, CALLED, result(role)], [ANSWERED])
    assert (tool.row.tool_name, tool.row.tool_arguments, tool.row.tool_result) == (
        "get_weather", '{"city":"Paris"}', "sunny",
    )  # fmt: skip


@pytest.mark.parametrize("name", OLDER)
def test_formats_of_1_20(name: str) -> None:
    run, first, steps, tool, second = stored(name)
    assert [one.row.operation for one in (run, first, steps, tool, second)] == [
        "invoke_agent", "chat", "task", "execute_tool", "chat",
    ]  # fmt: skip
    assert (run.row.agent_name, run.row.request_model, run.row.cost_usd) == ("weather_agent", "gpt-4o", None)
    for one, reason in ((first, "tool_call"), (second, "stop")):
        row = one.row
        assert (row.provider, row.request_model, row.response_model) == ("openai", "gpt-4o", "gpt-4o-2024-08-06")
        # That release could not read the usage, and priced it all the same.
        assert (row.input_tokens, row.output_tokens, row.reasoning_tokens, row.cost_usd) == (None, None, 12, None)
        assert (row.finish_reasons, row.response_id, one.tools) == ([reason], "chatcmpl-1", TOOLS)
    assert (tool.row.tool_name, tool.row.tool_arguments, tool.row.tool_result) == (
        "get_weather", '{"city":"Paris"}', "sunny",
    )  # fmt: skip
    start, role = ([], "user") if name.endswith("v2") else ([SYSTEM], "tool")
    assert (said(run.input), run.output) == ([*start, ASKED, CALLED, result(role)], [ANSWERED])
    if name.endswith("logs"):
        assert (first.input, first.output, second.input, second.output) == (None, None, None, None)
    else:
        assert (said(first.input), said(first.output)) == ([*start, ASKED], [CALLED])
        assert (said(second.input), said(second.output)) == ([*start, ASKED, CALLED, result(role)], [ANSWERED])


@pytest.mark.parametrize("name", NEWER)
def test_an_agents_sums_are_not_added_to_its_calls(name: str) -> None:
    (trace,) = summarise([one.row for one in stored(name)]).values()
    assert (trace.calls, trace.input_tokens, trace.output_tokens, trace.cache_read_tokens) == (2, 200, 60, 80)
    assert (trace.cost_usd, trace.unpriced_calls) == (0.001, 0)


@pytest.mark.parametrize("name", OLDER)
def test_unread_usage_is_no_usage(name: str) -> None:
    (trace,) = summarise([one.row for one in stored(name)]).values()
    assert (trace.calls, trace.input_tokens, trace.output_tokens, trace.cost_usd) == (2, None, None, None)


@pytest.mark.parametrize("named", [{}, {"gen_ai.operation.name": "invoke_agent"}])
def test_older_agents_repeat_usage_under_the_calls_names(named: dict[str, str]) -> None:
    sums = {"gen_ai.usage.input_tokens": 200, "gen_ai.usage.output_tokens": 60, "model_name": "m", **named}
    call = chat({"gen_ai.usage.input_tokens": 200, "gen_ai.usage.output_tokens": 60}).row
    run = agent(sums).row
    run.trace_id = call.trace_id
    (trace,) = summarise([run, call]).values()
    assert (trace.calls, trace.input_tokens, trace.output_tokens) == (1, 200, 60)


def test_details_of_usage() -> None:
    found = chat(
        {
            "gen_ai.usage.input_tokens": 100,
            "gen_ai.usage.details.cache_write_tokens": 25,
            "gen_ai.usage.details.cache_read_tokens": "40",
            "gen_ai.usage.details.reasoning_tokens": 12.0,
            "gen_ai.usage.details.input_audio_tokens": 3,
            "gen_ai.usage.details.output_audio_tokens": 4,
            "gen_ai.usage.details.audio_tokens": 7,
        }
    )
    row = found.row
    assert (row.input_tokens, row.cache_read_tokens, row.cache_write_tokens, row.reasoning_tokens) == (100, 40, 25, 12)
    assert found.made == {"gen_ai.usage.audio.input_tokens": 3, "gen_ai.usage.audio.output_tokens": 4}


@pytest.mark.parametrize(
    ("attributes", "cost"),
    [
        ({"operation.cost": 0.0}, None),
        ({"operation.cost": 0.0, "gen_ai.usage.input_tokens": 10}, 0.0),
        ({"operation.cost": "0.25"}, 0.25),
        ({"operation.cost": -1.0}, None),
        ({"operation.cost": "much"}, None),
        ({"operation.cost": True}, None),
    ],
)
def test_costs(attributes: dict[str, Any], cost: float | None) -> None:
    row = chat(attributes).row
    assert (row.cost_usd, row.cost_status) == (cost, None if cost is None else "reported")


def test_time_to_first_chunk() -> None:
    assert chat({"gen_ai.client.operation.time_to_first_chunk": 0.25}).row.ttft_s == 0.25


def test_every_kind_of_part() -> None:
    parts = [
        {"type": "text", "content": "look"},
        {"type": "thinking", "content": "hm"},
        {"type": "reasoning", "content": "aha"},
        {"type": "image-url", "url": "https://x/a.png"},
        {"type": "document-url", "url": "https://x/a.pdf"},
        {"type": "uri", "modality": "audio", "uri": "https://x/a.mp3"},
        {"type": "binary", "media_type": "image/png", "content": "QUJD"},
        {"type": "blob", "mime_type": "audio/mp3", "modality": "audio", "content": "QUJD"},
        {"type": "text"},
        {"type": "tool_call", "id": "1", "name": "f", "arguments": '{"a":1}', "builtin": True},
        {"type": "tool_call_response", "id": "1", "name": "f", "result": {"b": 2}},
        {"type": "tool_call_response", "id": "2", "name": "f"},
    ]
    found = chat({"gen_ai.input.messages": json.dumps([{"role": "user", "parts": parts}])})
    assert found.input is not None
    assert found.input[0]["parts"] == [
        {"type": "text", "content": "look"},
        {"type": "reasoning", "content": "hm"},
        {"type": "reasoning", "content": "aha"},
        {"type": "uri", "modality": "image", "uri": "https://x/a.png"},
        {"type": "uri", "modality": "document", "uri": "https://x/a.pdf"},
        {"type": "uri", "modality": "audio", "uri": "https://x/a.mp3"},
        {"type": "blob", "mime_type": "image/png", "modality": "image", "content": "QUJD"},
        {"type": "blob", "mime_type": "audio/mp3", "modality": "audio", "content": "QUJD"},
        {"type": "text"},
        {"type": "tool_call", "id": "1", "name": "f", "arguments": {"a": 1}},
        {"type": "tool_call_response", "id": "1", "response": {"b": 2}},
        {"type": "tool_call_response", "id": "2", "name": "f"},
    ]
    assert json.loads(found.attributes["gen_ai.input.messages"])[0]["parts"] == parts


def test_content_that_was_not_captured_stays_as_it_came() -> None:
    silent = [{"role": "user", "parts": [{"type": "text"}]}]
    assert chat({"gen_ai.input.messages": json.dumps(silent)}).input == silent
    events = [{"role": "user", "event.name": "gen_ai.user.message"}]
    assert chat({"events": json.dumps(events)}).input is None


def test_kinds_of_content_in_the_first_format() -> None:
    content = [
        "plain",
        {"kind": "text", "text": "look"},
        {"kind": "thinking", "text": "hm"},
        {"kind": "image-url", "url": "https://x/a.png"},
        {"kind": "binary", "media_type": "image/png", "binary_content": "QUJD"},
    ]
    events = [
        {"event.name": "gen_ai.user.message", "role": "user", "content": content},
        {"event.name": "gen_ai.choice", "index": 0, "message": {"content": "yes"}},
        {"event.name": "other", "content": "no message"},
    ]
    found = chat({"events": json.dumps(events)})
    assert found.input is not None
    assert found.input[0]["parts"] == [
        {"type": "text", "content": "plain"},
        {"type": "text", "content": "look"},
        {"type": "reasoning", "content": "hm"},
        {"type": "uri", "modality": "image", "uri": "https://x/a.png"},
        {"type": "blob", "mime_type": "image/png", "modality": "image", "content": "QUJD"},
    ]
    assert found.output == [{"role": "assistant", "parts": [{"type": "text", "content": "yes"}]}]


def test_answers_of_an_agent() -> None:
    messages = json.dumps([ASKED, CALLED])
    typed = agent({"final_result": '{"city":"Paris"}', "pydantic_ai.all_messages": messages})
    assert (typed.input, typed.output) == (
        [ASKED], [{"role": "assistant", "parts": [{"type": "text", "content": '{"city":"Paris"}'}]}],
    )  # fmt: skip
    unfinished = agent({"pydantic_ai.all_messages": json.dumps([ASKED])})
    assert (unfinished.input, unfinished.output) == ([ASKED], None)
    assert agent({"pydantic_ai.all_messages": messages}).output == [CALLED]
    assert agent({"final_result": "x", "model_name": "m"}).input is None


def test_tools_of_both_kinds_stand_in_the_requests_parameters() -> None:
    given = {
        "function_tools": [{"name": "f", "description": "does", "parameters_json_schema": SCHEMA}],
        "output_tools": [{"name": "final_result", "description": None, "parameters_json_schema": {"type": "object"}}],
    }
    assert chat({"model_request_parameters": json.dumps(given)}).tools == [
        {"type": "function", "name": "f", "description": "does", "parameters": SCHEMA},
        {"type": "function", "name": "final_result", "parameters": {"type": "object"}},
    ]
    assert chat({"model_request_parameters": '{"function_tools": []}'}).tools is None
    named = chat({"model_request_parameters": json.dumps(given), "gen_ai.tool.definitions": json.dumps(TOOLS)})
    assert named.tools == TOOLS


@pytest.mark.parametrize(
    ("name", "attributes", "operation"),
    [
        ("agent run", {"agent_name": "a"}, "invoke_agent"),
        ("invoke_agent a", {}, "invoke_agent"),
        ("running tool", {"tool_arguments": "{}"}, "execute_tool"),
        ("execute_tool f", {}, "execute_tool"),
        ("running tools", {"tools": ["f"]}, "task"),
        ("running 2 tools", {}, "task"),
        ("chat m", {}, "chat"),
        ("something", {}, None),
        ("chat m", {"gen_ai.operation.name": "embeddings"}, "embeddings"),
    ],
)
def test_what_a_span_is(name: str, attributes: dict[str, Any], operation: str | None) -> None:
    assert stored_span(attributes, scope=SCOPE, name=name).row.operation == operation


def test_an_error_has_its_type() -> None:
    event = {"name": "exception", "attributes": {"exception.type": "openai.RateLimitError"}}
    found = chat({}, status={"code": "ERROR", "message": "429"}, events=[event])
    assert (found.row.error_type, found.row.status_message) == ("openai.RateLimitError", "429")
    assert chat({}, events=[event]).row.error_type is None


def test_it_is_known_by_two_of_its_names_and_not_by_one() -> None:
    assert stored_span({"agent_name": "a", "model_name": "m"}).row.agent_name == "a"
    assert stored_span({"model_name": "m", "agent_label": "x"}).row.vocabulary is None


@pytest.mark.parametrize(
    "odd", ["", "{", "[", '[{"role":', 5, True, [1, "x"], {"of": {"a": 1}}, "null", "[null, 1]", "\x00"]
)
def test_odd_values_do_no_harm(odd: object) -> None:
    keys = (
        *("pydantic_ai.all_messages", "all_messages_events", "final_result", "model_name", "agent_name", "events"),
        *("model_request_parameters", "operation.cost", "tools", "tool_arguments", "tool_response"),
        *("gen_ai.usage.details.reasoning_tokens", "gen_ai.agent.call.id", "gen_ai.input.messages"),
    )
    for name in ("agent run", "chat m", "running tool"):
        found = stored_span(dict.fromkeys(keys, odd), scope=SCOPE, name=name)
        assert found.row.vocabulary is not None
        assert found.attributes["pydantic_ai.all_messages"] == (odd["of"] if isinstance(odd, dict) else odd)
    for key in keys:
        assert chat({key: odd}).row.operation == "chat"
