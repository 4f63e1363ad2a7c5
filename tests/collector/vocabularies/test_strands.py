"""AWS Strands, in the conventions of its default and in the latest."""

from __future__ import annotations

import json
from typing import Any

import pytest
from collector.vocabularies.spans import Stored, stored, stored_span

from otelllm_collector.enrich import summarise

SCOPE = "strands.telemetry.tracer"
ASKED = {"role": "user", "parts": [{"type": "text", "content": "Weather in Paris?"}]}
CALLED = {
    "role": "assistant",
    "parts": [{"type": "tool_call", "id": "call_1", "name": "get_weather", "arguments": {"city": "Paris"}}],
}
RESULT = {"role": "user", "parts": [{"type": "tool_call_response", "id": "call_1", "response": "sunny"}]}
SYSTEM = [{"type": "text", "content": "Be brief."}]


def answered(said: str) -> list[dict[str, Any]]:
    return [{"role": "assistant", "parts": [{"type": "text", "content": said}]}]


def span(operation: str, attributes: dict[str, Any] | None = None, **more: Any) -> Stored:
    given = {"gen_ai.operation.name": operation, "gen_ai.system": "strands-agents", **(attributes or {})}
    return stored_span(given, scope=SCOPE, name=operation, **more)


def event(name: str, **attributes: Any) -> dict[str, Any]:
    return {"name": name, "attributes": attributes}


def test_calls_of_the_latest() -> None:
    _, _, first, _, _, second = stored("strands-latest")
    for one, ttft_s, reason in ((first, 1.468, "tool_call"), (second, 0.137, "stop")):
        row = one.row
        assert (row.operation, row.provider, row.request_model) == ("chat", "openai", "gpt-4o")
        assert (row.input_tokens, row.output_tokens, row.cache_read_tokens) == (100, 30, 40)
        assert (row.cache_write_tokens, row.reasoning_tokens, row.cost_usd) == (None, None, None)
        assert (row.ttft_s, row.finish_reasons, one.system) == (ttft_s, [reason], SYSTEM)
        assert (row.user_id, row.session_id, row.conversation_id) == ("u1", "s1", "s1")
    assert (first.input, first.output) == ([ASKED], [CALLED])
    assert (second.input, second.output) == ([ASKED, CALLED, RESULT], answered("Hello there"))


def test_agents_cycles_and_tools_of_the_latest() -> None:
    agent, cycle, _, tool, other, _ = stored("strands-latest")
    assert (agent.row.operation, agent.row.agent_name, agent.row.provider) == (
        "invoke_agent", "weather_agent", "openai",
    )  # fmt: skip
    assert (agent.input, agent.output, agent.system) == ([ASKED], answered("Hello there\n"), SYSTEM)
    for one in (cycle, other):
        assert (one.row.operation, one.row.provider, one.row.session_id) == ("task", None, "s1")
        assert (one.input, one.output, one.system) == (None, None, None)
    row = tool.row
    assert (row.operation, row.provider, row.tool_name) == ("execute_tool", None, "get_weather")
    assert (row.tool_arguments, row.tool_result) == ('{"city": "Paris"}', '[{"text": "sunny"}]')
    assert (tool.input, tool.output) == (None, None)


def test_agents_repeat_what_their_calls_used() -> None:
    spans = stored("strands-latest")
    assert (spans[0].row.input_tokens, spans[0].row.output_tokens) == (200, 60)
    (trace,) = summarise([one.row for one in spans]).values()
    assert (trace.calls, trace.input_tokens, trace.output_tokens, trace.cache_read_tokens) == (2, 200, 60, 80)
    assert (trace.ttft_s, trace.users, trace.sessions, trace.models) == (1.468, ["u1"], ["s1"], ["gpt-4o"])


def test_a_call_of_the_default() -> None:
    one = span(
        "chat",
        {
            "gen_ai.request.model": "us.anthropic.claude-sonnet-4-20250514-v1:0", "gen_ai.usage.prompt_tokens": 125,
            "gen_ai.usage.input_tokens": 125, "gen_ai.usage.completion_tokens": 30, "gen_ai.usage.output_tokens": 30,
            "gen_ai.usage.total_tokens": 155, "gen_ai.usage.cache_read_input_tokens": 40,
            "gen_ai.usage.cache_write_input_tokens": 25, "gen_ai.usage.cache_read.input_tokens": 40,
            "gen_ai.usage.cache_creation.input_tokens": 25, "gen_ai.server.time_to_first_token": 1706,
        },
        events=[
            event("gen_ai.system.message", content='[{"text": "Be brief."}]'),
            event("gen_ai.user.message", content='[{"text": "Weather in Paris?"}]'),
            event(
                "gen_ai.assistant.message",
                content='[{"text": "I look."}, {"toolUse": {"name": "w", "toolUseId": "c1", "input": {"a": "b"}}}]',
            ),
            event(
                "gen_ai.tool.message",
                content='[{"toolResult": {"toolUseId": "c1", "status": "success", "content": [{"text": "sunny"}]}}]',
            ),
            event("gen_ai.choice", finish_reason="end_turn", message='[{"text": "It is sunny."}]'),
        ],
    )  # fmt: skip
    row = one.row
    assert (row.operation, row.provider, row.ttft_s, row.finish_reasons) == ("chat", "aws.bedrock", 1.706, ["stop"])
    assert (row.input_tokens, row.output_tokens, row.cache_read_tokens, row.cache_write_tokens) == (125, 30, 40, 25)
    assert one.input == [
        {"role": "system", "parts": SYSTEM},
        ASKED,
        {
            "role": "assistant",
            "parts": [
                {"type": "text", "content": "I look."},
                {"type": "tool_call", "id": "c1", "name": "w", "arguments": {"a": "b"}},
            ],
        },
        {"role": "tool", "parts": [{"type": "tool_call_response", "id": "c1", "response": "sunny"}]},
    ]
    assert one.output == answered("It is sunny.")


def test_a_tool_of_the_default() -> None:
    one = span(
        "execute_tool",
        {"gen_ai.tool.name": "w", "gen_ai.tool.status": "success"},
        events=[
            event("gen_ai.tool.message", role="tool", content='{"city": "Paris"}', id="c1"),
            event("gen_ai.choice", message='[{"text": "sunny"}]', id="c1"),
        ],
    )
    assert (one.row.tool_arguments, one.row.tool_result) == ('{"city":"Paris"}', '[{"text":"sunny"}]')
    assert (one.input, one.output) == (None, None)


def test_a_tool_that_failed_tells_its_result_in_an_event() -> None:
    said = [{"role": "tool", "parts": [{"type": "tool_call_response", "id": "c", "response": [{"text": "no"}]}]}]
    one = span(
        "execute_tool",
        {"gen_ai.tool.call.arguments": "{}", "gen_ai.tool.status": "error"},
        events=[
            event(
                "gen_ai.client.inference.operation.details",
                **{"gen_ai.input.messages": "[]", "gen_ai.output.messages": json.dumps(said)},
            )
        ],
    )
    assert (one.row.tool_arguments, one.row.tool_result) == ("{}", '[{"text":"no"}]')


def test_an_agents_answer_is_plain_text() -> None:
    for said in ("It is sunny.", '{"city": "Paris"}', "42", "[1, 2]"):
        one = span(
            "invoke_agent",
            {"gen_ai.agent.name": "a"},
            events=[event("gen_ai.choice", finish_reason="end_turn", message=said)],
        )
        assert (one.output, one.row.finish_reasons) == (answered(said), ["stop"])


def test_a_cycle_of_the_default_says_nothing_twice() -> None:
    one = span(
        "execute_event_loop_cycle",
        {"event_loop.cycle_id": "1"},
        events=[
            event("gen_ai.user.message", content='[{"text": "hi"}]'),
            event("gen_ai.choice", message='[{"text": "a"}]', **{"tool.result": "[]"}),
        ],
    )
    assert (one.row.operation, one.input, one.output, one.row.finish_reasons) == ("task", None, None, None)


@pytest.mark.parametrize(
    ("model", "total", "given", "expected"),
    [
        ("anthropic.claude-x", 155, 60, 125),  # an older release: the total shows that cached ones are beside
        ("anthropic.claude-x", 155, 125, 125),
        ("gpt-4o", 155, 125, 125),
        ("claude-x", None, 70, 135),
        ("gpt-4o", None, 70, 70),
        ("gpt-4o", 90, 60, 125),  # fewer than the cached ones
    ],
)
def test_input_holds_what_was_cached(model: str, total: int | None, given: int, expected: int) -> None:
    tokens: dict[str, Any] = {
        "gen_ai.request.model": model, "gen_ai.usage.input_tokens": given, "gen_ai.usage.output_tokens": 30,
        "gen_ai.usage.cache_read_input_tokens": 40, "gen_ai.usage.cache_write_input_tokens": 25,
    }  # fmt: skip
    if total is not None:
        tokens["gen_ai.usage.total_tokens"] = total
    assert span("chat", tokens).row.input_tokens == expected


def test_content_on_the_span_and_redacted() -> None:
    said = json.dumps([{"role": "user", "parts": [{"type": "text", "content": "hi"}]}])
    one = span("chat", {"gen_ai.input.messages": said, "gen_ai.output.messages": "[REDACTED]"})
    assert (one.input, one.output) == ([{"role": "user", "parts": [{"type": "text", "content": "hi"}]}], None)
    hidden = span(
        "chat",
        {"gen_ai.system_instructions": "[REDACTED]"},
        events=[
            event("gen_ai.user.message", content="[REDACTED]"),
            event("gen_ai.choice", message="[REDACTED]", finish_reason="end_turn"),
            event("gen_ai.client.inference.operation.details", **{"gen_ai.input.messages": "[REDACTED]"}),
        ],
    )
    assert (hidden.input, hidden.output, hidden.system) == (None, None, None)
    tool = span("execute_tool", {"gen_ai.tool.call.arguments": "[REDACTED]", "gen_ai.tool.call.result": "[REDACTED]"})
    assert (tool.row.tool_arguments, tool.row.tool_result) == (None, None)


def test_more_kinds_of_spans() -> None:
    swarm = span(
        "invoke_swarm", events=[event("gen_ai.user.message", content="do it"), event("gen_ai.choice", message="done")]
    )
    assert (swarm.row.operation, swarm.output) == ("invoke_workflow", answered("done"))
    assert swarm.input == [{"role": "user", "parts": [{"type": "text", "content": "do it"}]}]
    found = span(
        "memory.search",
        events=[
            event("memory.query", content="where"),
            event("memory.results", content='[{"content": "here", "store_name": "s", "metadata": {"a": 1}}]'),
        ],
    )
    assert (found.row.operation, found.row.retrieval_query) == ("retrieval", "where")
    assert json.loads(found.row.retrieval_documents or "") == [{"content": "here", "metadata": {"a": 1}}]
    tools = [{"name": "w", "description": "d", "inputSchema": {"json": {"type": "object"}}, "outputSchema": None}]
    agent = span("invoke_agent", {"gen_ai.tool.definitions": json.dumps(tools)})
    assert agent.tools == [{"type": "function", "name": "w", "description": "d", "parameters": {"type": "object"}}]


def test_a_lost_scope() -> None:
    one = stored_span(
        {
            "gen_ai.event.start_time": "t", "event_loop.cycle_id": "c", "gen_ai.system": "strands-agents",
            "gen_ai.operation.name": "execute_event_loop_cycle",
        }
    )  # fmt: skip
    assert one.row.operation == "task"


@pytest.mark.parametrize("value", [7, True, 1.5, ["a"], "", "nonsense", "[1]", "{}", "[{", '[{"toolUse": 1}]'])
def test_values_of_any_type(value: Any) -> None:
    keys = (
        *(
            "gen_ai.system",
            "gen_ai.request.model",
            "session.id",
            "gen_ai.usage.input_tokens",
            "gen_ai.usage.total_tokens",
        ),
        *("gen_ai.usage.cache_read_input_tokens", "gen_ai.server.time_to_first_token", "gen_ai.tool.definitions"),
        *("gen_ai.input.messages", "gen_ai.output.messages", "gen_ai.system_instructions", "gen_ai.tool.call.result"),
    )
    names = ("gen_ai.user.message", "gen_ai.choice", "gen_ai.client.inference.operation.details", "memory.results")
    inner = ("content", "message", "finish_reason", "gen_ai.input.messages", "gen_ai.output.messages")
    events = [{"name": name, "attributes": dict.fromkeys(inner, value)} for name in names]
    for operation in ("chat", "execute_tool", "invoke_agent", "memory.search", "execute_event_loop_cycle"):
        assert span(operation, dict.fromkeys(keys, value), events=events).row.vocabulary is not None
    bare = stored_span({"gen_ai.operation.name": value}, scope=SCOPE)
    assert (bare.row.vocabulary or "").startswith("strands")
