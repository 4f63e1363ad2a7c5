"""Microsoft's Agent Framework and Semantic Kernel."""

from __future__ import annotations

import json
from typing import Any

import pytest
from collector.vocabularies.spans import Stored, stored, stored_span

from otelllm_collector.enrich import summarise

ASKED = {"role": "user", "parts": [{"type": "text", "content": "Weather in Paris?"}]}
CALLED = {
    "role": "assistant",
    "parts": [{"type": "tool_call", "id": "call_1", "name": "get_weather", "arguments": {"city": "Paris"}}],
}
RESULT = {"role": "tool", "parts": [{"type": "tool_call_response", "id": "call_1", "response": "sunny"}]}
ANSWERED = {"role": "assistant", "parts": [{"type": "text", "content": "It is sunny."}]}
SYSTEM = [{"type": "text", "content": "Be brief."}]


def said(messages: list[Any] | None) -> list[Any]:
    """Without the finish reason that is in them."""
    return [{key: value for key, value in one.items() if key != "finish_reason"} for one in messages or []]


def span(attributes: dict[str, Any], *, name: str = "chat m", **more: Any) -> Stored:
    return stored_span(attributes, scope="agent_framework", name=name, **more)


def kernel(attributes: dict[str, Any], **more: Any) -> Stored:
    return stored_span(attributes, scope="semantic_kernel.utils.telemetry.model_diagnostics.decorators", **more)


def test_calls() -> None:
    _, first, _, second = stored("ms-agent-framework")
    for one, id_, reason in ((first, "chatcmpl-110", "tool_call"), (second, "chatcmpl-111", "stop")):
        row = one.row
        assert (row.operation, row.provider, row.request_model) == ("chat", "openai", "gpt-4o")
        assert (row.response_model, row.response_id) == ("gpt-4o-2024-08-06", id_)
        assert (row.finish_reasons, one.system, one.tools) == ([reason], SYSTEM, None)
        assert (row.input_tokens, row.output_tokens, row.cache_read_tokens, row.reasoning_tokens) == (100, 30, 40, 12)
        assert (one.made["server.address"], one.made["server.port"]) == ("127.0.0.1", 8931)
        assert one.attributes["server.address"] == "http://127.0.0.1:8931/v1/"
    assert (said(first.input), said(first.output)) == ([ASKED], [CALLED])
    assert (said(second.input), said(second.output)) == ([ASKED, CALLED, RESULT], [ANSWERED])


def test_the_agent_and_its_tool() -> None:
    agent, _, tool, _ = stored("ms-agent-framework")
    row = agent.row
    assert (row.operation, row.provider, row.agent_name) == ("invoke_agent", None, "weather_agent")
    assert (row.finish_reasons, agent.system, said(agent.input)) == (["stop"], SYSTEM, [ASKED])
    assert said(agent.output) == [CALLED, RESULT, ANSWERED]
    assert [(one["name"], one["description"]) for one in agent.tools] == [("get_weather", "w")]
    assert agent.tools[0]["parameters"]["required"] == ["city"]
    row = tool.row
    assert (row.operation, row.tool_name, row.tool_arguments, row.tool_result) == (
        "execute_tool", "get_weather", '{"city": "Paris"}', "sunny",
    )  # fmt: skip


def test_agents_repeat_what_their_calls_used() -> None:
    spans = stored("ms-agent-framework")
    row = spans[0].row
    assert (row.input_tokens, row.output_tokens, row.cache_read_tokens, row.reasoning_tokens) == (200, 60, 80, 24)
    (trace,) = summarise([one.row for one in spans]).values()
    assert (trace.calls, trace.input_tokens, trace.output_tokens, trace.cache_read_tokens) == (2, 200, 60, 80)
    assert (trace.errors, trace.unpriced_calls) == (0, 2)


@pytest.mark.parametrize(
    ("name", "operation", "workflow"),
    [
        ("workflow.run", "invoke_workflow", "w"), ("workflow.build", "task", "w"),
        ("executor.process writer", "task", None), ("message.send", "task", None),
        ("edge_group.process SingleEdgeGroup", "task", None), ("something else", None, None),
    ],
)  # fmt: skip
def test_workflows(name: str, operation: str | None, workflow: str | None) -> None:
    row = span({"workflow.name": workflow} if workflow else {}, name=name).row
    assert (row.operation, row.workflow_name) == (operation, workflow)


def test_a_conversation_is_a_session() -> None:
    row = span({"gen_ai.operation.name": "chat", "gen_ai.conversation.id": "c1"}).row
    assert (row.conversation_id, row.session_id) == ("c1", "c1")


@pytest.mark.parametrize(
    ("given", "address", "port"),
    [
        ("https://api.openai.com/v1", "api.openai.com", 443), ("http://[::1]:80/", "::1", 80),
        ("http://h:99999/", "http://h:99999/", None), ("api.openai.com", "api.openai.com", None),
        ("http://[bad", "http://[bad", None), ("://", "://", None),
    ],
)  # fmt: skip
def test_addresses(given: str, address: str, port: int | None) -> None:
    one = span({"gen_ai.operation.name": "chat", "server.address": given})
    assert (one.made | {"server.address": one.made.get("server.address", given)}).get("server.address") == address
    assert one.made.get("server.port") == port


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("FinishReason.TOOL_CALLS", ["tool_call"]), ("stop", ["stop"]),
        ("FinishReason.STOP,FinishReason.LENGTH", ["stop", "length"]),
        ("None", None), ("", None),
    ],
)  # fmt: skip
def test_finish_reasons_of_semantic_kernel(given: str, expected: list[str] | None) -> None:
    row = kernel({"gen_ai.operation.name": "chat", "gen_ai.response.finish_reason": given}).row
    assert row.finish_reasons == expected


@pytest.mark.parametrize(
    ("scope", "given", "operation"),
    [
        ("semantic_kernel.x", "chat.completions", "chat"),
        ("Microsoft.SemanticKernel.Diagnostics", "text.completions", "text_completion"),
        ("semantic_kernel.x", "text_completions", "text_completion"),
        ("semantic_kernel.x", "chat", "chat"),
    ],
)
def test_operations_of_semantic_kernel(scope: str, given: str, operation: str) -> None:
    attributes = {"gen_ai.operation.name": given, "gen_ai.system": "azure_openai", "gen_ai.request.model": "m"}
    row = stored_span(attributes, scope=scope).row
    assert (row.operation, row.provider, row.request_model) == (operation, "azure.ai.openai", "m")


def test_semantic_kernels_usage_errors_and_messages() -> None:
    asked = [{"role": "user", "content": "hi"}]
    one = kernel(
        {
            "gen_ai.operation.name": "invoke_agent", "error.type": "<class 'openai.RateLimitError'>",
            "gen_ai.input.messages": json.dumps(asked), "gen_ai.response.prompt_tokens": 100,
            "gen_ai.response.completion_tokens": "30", "gen_ai.system": "openai",
        },
        status={"code": "ERROR"},
    )  # fmt: skip
    row = one.row
    assert (row.error_type, row.input_tokens, row.output_tokens) == ("openai.RateLimitError", 100, 30)
    assert (row.provider, one.input) == ("openai", [{"role": "user", "parts": [{"type": "text", "content": "hi"}]}])
    content = json.dumps({"role": "user", "content": "hi"})
    event = {"name": "gen_ai.user.message", "attributes": {"gen_ai.event.content": content, "gen_ai.system": "openai"}}
    said_in_event = kernel({"gen_ai.operation.name": "chat"}, events=[event])
    assert said_in_event.input == [{"role": "user", "parts": [{"type": "text", "content": "hi"}]}]
    loop = stored_span({"sk.available_functions": "a,b"}, name="AutoFunctionInvocationLoop")
    assert loop.row.operation == "task"


@pytest.mark.parametrize("value", [7, True, 1.5, ["a"], "", "nonsense", "[1]", "{}", "http://"])
def test_values_of_any_type(value: Any) -> None:
    keys = (
        *("gen_ai.provider.name", "gen_ai.system", "workflow.name", "gen_ai.conversation.id", "server.address"),
        *("gen_ai.response.finish_reasons", "gen_ai.response.finish_reason", "error.type"),
        *("gen_ai.response.prompt_tokens", "gen_ai.input.messages"),
    )
    row = span({**dict.fromkeys(keys, value), "gen_ai.operation.name": "chat"}).row
    assert (row.vocabulary or "").startswith("agent-framework")
    assert (span({"gen_ai.operation.name": value}).row.vocabulary or "").startswith("agent-framework")
