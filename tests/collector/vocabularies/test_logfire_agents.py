"""Logfire's instrumentation of the OpenAI Agents SDK."""

from __future__ import annotations

import json
from typing import Any

import pytest
from collector.vocabularies.spans import stored_span

AGENTS = "logfire.openai_agents"
HI = {"role": "user", "parts": [{"type": "text", "content": "hi"}]}


@pytest.mark.parametrize(
    ("template", "attributes", "expected"),
    [
        (
            "OpenAI Agents trace: {name}",
            {"name": "flow", "group_id": "g"},
            ("invoke_workflow", "workflow_name", "flow"),
        ),
        ("Agent run: {name!r}", {"name": "helper"}, ("invoke_agent", "agent_name", "helper")),
        ("Function: {name}", {"name": "f", "input": "{}", "output": "x"}, ("execute_tool", "tool_name", "f")),
        ("Chat completion with {gen_ai.request.model!r}", {"model": "m"}, ("chat", "request_model", "m")),
        ("Responses API with {gen_ai.request.model!r}", {"gen_ai.system": "openai"}, ("chat", "provider", "openai")),
        ("Guardrail {name!r} {triggered=}", {"name": "g"}, ("guardrail", "tool_name", None)),
        ("Handoff: {from_agent!r} → {to_agent!r}", {}, ("task", "agent_name", None)),
        ("Task: Agent workflow", {"usage": '{"input_tokens": 685}'}, ("task", "input_tokens", None)),
        ("Turn {turn} for agent", {}, ("task", "agent_name", None)),
    ],
)
def test_the_agents_sdk(template: str, attributes: dict[str, Any], expected: tuple[str, str, Any]) -> None:
    operation, column, value = expected
    found = stored_span({"logfire.msg_template": template, **attributes}, scope=AGENTS)
    assert (found.row.operation, getattr(found.row, column)) == (operation, value)


def test_what_the_agents_sdk_says_of_a_call_and_a_tool() -> None:
    asked, answered = [{"role": "user", "content": "hi"}], [{"role": "assistant", "content": "yes"}]
    made = stored_span(
        {
            "input": json.dumps(asked),
            "output": json.dumps(answered),
            "usage": '{"input_tokens": 10, "output_tokens": 5}',
        },
        scope=AGENTS,
        name="Chat completion with {gen_ai.request.model!r}",
    )
    assert (made.input, made.output) == ([HI], [{"role": "assistant", "parts": [{"type": "text", "content": "yes"}]}])
    assert (made.row.input_tokens, made.row.output_tokens) == (10, 5)
    tool = stored_span({"name": "f", "input": '{"a":1}', "output": "ok"}, scope=AGENTS, name="Function: {name}")
    assert (tool.row.tool_arguments, tool.row.tool_result) == ('{"a":1}', "ok")
    flow = stored_span(
        {"group_id": "thread-1", "metadata": '{"plan": "gold"}'}, scope=AGENTS, name="OpenAI Agents trace: {name}"
    )
    assert (flow.row.conversation_id, flow.row.session_id) == ("thread-1", "thread-1")
    assert flow.made == {"otelllm.tag.plan": "gold"}
    assert stored_span({"group_id": "null"}, scope=AGENTS, name="OpenAI Agents trace: x").row.session_id is None
