"""LiteLLM's OpenTelemetry callback: the generation that its SDK still sends, and the newer one."""

from __future__ import annotations

import json
from typing import Any

import pytest
from collector.vocabularies.spans import Stored, stored, stored_span

from otelllm_collector.enrich import summarise

PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg=="
HELLO = [{"role": "user", "parts": [{"type": "text", "content": "hi"}]}]


def call(attributes: dict[str, Any], **more: Any) -> Stored:
    return stored_span({"gen_ai.operation.name": "chat", **attributes}, scope="litellm", name="litellm_request", **more)


def test_a_call_with_a_tool() -> None:
    one = stored("litellm")[0]
    row = one.row
    assert (row.operation, row.provider, row.request_model) == ("chat", "openai", "gpt-4o")
    assert (row.response_model, row.response_id) == ("gpt-4o-2024-08-06", "chatcmpl-107")
    assert row.finish_reasons == ["tool_call"]
    assert (row.input_tokens, row.output_tokens, row.cache_read_tokens, row.reasoning_tokens) == (100, 30, 40, 12)
    assert (row.cost_usd, row.cost_status) == (0.0005, "reported")
    assert (one.made["otelllm.cost.input"], one.made["otelllm.cost.output"]) == (0.0002, 0.00030000000000000003)
    assert "otelllm.cost.cache_read" not in one.made  # within the input's
    assert (row.user_id, one.made["gen_ai.request.stream"], row.error_type) == ("u1", False, None)
    assert one.input == [
        {"role": "system", "parts": [{"type": "text", "content": "Be brief."}]},
        {
            "role": "user",
            "parts": [
                {"type": "text", "content": "Weather in Paris?"},
                {"type": "blob", "mime_type": "image/png", "modality": "image", "content": PNG},
            ],
        },
    ]
    assert one.output == [
        {
            "role": "assistant",
            "parts": [{"type": "tool_call", "name": "get_weather", "arguments": {"city": "Paris"}}],
        }
    ]
    assert one.tools == [
        {
            "type": "function",
            "name": "get_weather",
            "description": "w",
            "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
        }
    ]
    tags = {key: value for key, value in one.made.items() if key.startswith("otelllm.tag.")}
    assert tags == {"otelllm.tag.litellm.call_id": "6e81b768-9ac0-45a7-8f98-9350ccbd8aa7"}
    assert one.attributes["metadata.usage_object"].startswith("{'completion_tokens'")


def test_a_stream_and_an_error() -> None:
    _, _, stream, _, failed = stored("litellm")
    row = stream.row
    assert (row.operation, row.provider, row.request_model, row.response_model) == (
        "chat", "openai", "gpt-4o", "gpt-4o",
    )  # fmt: skip
    assert (row.response_id, row.finish_reasons, row.user_id) == ("chatcmpl-108", ["stop"], None)
    assert (row.input_tokens, row.output_tokens, row.cache_read_tokens, row.reasoning_tokens) == (100, 30, 40, 12)
    assert (row.cost_usd, row.cost_status, stream.made["gen_ai.request.stream"]) == (0.0005, "reported", True)
    assert (stream.input, stream.tools) == (HELLO, None)
    assert stream.output == [{"role": "assistant", "parts": [{"type": "text", "content": "Hello there"}]}]
    row = failed.row
    assert (row.operation, row.provider, row.request_model, row.response_model) == ("chat", "openai", "fail", None)
    assert (row.status, row.error_type, row.cost_usd, row.cost_status) == ("error", "RateLimitError", None, None)
    assert (row.input_tokens, row.output_tokens, failed.input, failed.output) == (None, None, HELLO, None)


def test_the_raw_exchange_is_not_counted() -> None:
    spans = stored("litellm")
    for raw in (spans[1], spans[3]):
        assert (raw.row.operation, raw.row.input_tokens, raw.row.cost_usd) == ("task", None, None)
        assert raw.row.vocabulary == "litellm"
    (trace,) = summarise([one.row for one in spans]).values()
    assert (trace.calls, trace.errors, trace.input_tokens, trace.output_tokens) == (3, 1, 200, 60)
    assert (trace.cache_read_tokens, trace.cost_usd, trace.unpriced_calls) == (80, 0.001, 0)


@pytest.mark.parametrize(
    ("given", "operation"),
    [
        ("acompletion", "chat"), ("responses", "chat"), ("aresponses", "chat"), ("atext_completion", "text_completion"),
        ("aembedding", "embeddings"), ("arerank", "rerank"), ("aimage_generation", "image_generation"),
        ("call_mcp_tool", "execute_tool"), ("avector_store_search", "retrieval"), ("chat", "chat"),
        ("litellm.passthrough", "task"), ("something_new", "something_new"),
    ],
)  # fmt: skip
def test_operations_are_functions(given: str, operation: str) -> None:
    assert call({"gen_ai.operation.name": given}).row.operation == operation
    assert stored_span({"llm.request.type": given}, scope="litellm").row.operation == operation


@pytest.mark.parametrize(
    ("system", "model", "provider", "name"),
    [
        ("openai", "openai/gpt-4o", "openai", "gpt-4o"),
        ("bedrock", "bedrock/us.anthropic.claude-x", "aws.bedrock", "us.anthropic.claude-x"),
        ("vertex_ai_beta", "gemini-2.5-pro", "gcp.vertex_ai", "gemini-2.5-pro"),
        ("azure_ai", "x", "azure.ai.inference", "x"),
        ("cohere_chat", "command-r", "cohere", "command-r"),
        ("huggingface", "meta-llama/Llama-3", "huggingface", "meta-llama/Llama-3"),
        ("Unknown", "groq/llama", "groq", "llama"),
    ],
)
def test_providers_and_models(system: str, model: str, provider: str, name: str) -> None:
    row = call({"gen_ai.system": system, "litellm.provider.model": model}).row
    assert (row.provider, row.request_model) == (provider, name)
    row = call({"gen_ai.system": system, "gen_ai.request.model": model, "litellm.provider.model": model}).row
    assert (row.provider, row.request_model) == (provider, name)


def test_a_provider_that_nobody_knows_is_none() -> None:
    assert call({"gen_ai.system": "Unknown", "gen_ai.request.model": "alias"}).row.provider is None


def test_who_and_what_for() -> None:
    one = call(
        {
            "metadata.user_api_key_user_id": "u2", "metadata.user_api_key_team_alias": "team", "metadata.team_id": "",
            "metadata.requester_metadata": "{'a': 1}", "metadata.user_api_key_hash": "88dc28d0", "hidden_params": "{}",
            "metadata.applied_guardrails": "[]", "metadata.spend": 1.5, "metadata.list": ["a"],
        }
    )  # fmt: skip
    assert one.row.user_id == "u2"
    assert one.made == {
        "otelllm.tag.user_api_key_team_alias": "team",
        "otelllm.tag.requester_metadata": "{'a': 1}",
        "otelllm.tag.spend": 1.5,
        "otelllm.tag.list": ["a"],
    }
    assert call({"llm.user": "u1", "metadata.user_api_key_user_id": "u2"}).row.user_id == "u1"


def test_anthropic_usage_holds_what_was_cached() -> None:
    usage = {
        "completion_tokens": 30, "prompt_tokens": 125, "total_tokens": 155,
        "prompt_tokens_details": {"cached_tokens": 40, "text_tokens": None}, "completion_tokens_details": None,
        "cache_creation_input_tokens": 25, "cache_read_input_tokens": 40,
    }  # fmt: skip
    for written in (repr(usage), json.dumps(usage)):
        row = call({"metadata.usage_object": written, "gen_ai.usage.input_tokens": 125}).row
        assert (row.input_tokens, row.output_tokens) == (125, 30)
        assert (row.cache_read_tokens, row.cache_write_tokens, row.reasoning_tokens) == (40, 25, None)


@pytest.mark.parametrize(
    "usage", ["", "{}", "None", "{'a': ", "{'prompt_tokens': 1", "{" * 900, "{'a':" * 400 + "1", 7, [1], "x" * 30_000]
)
def test_usage_that_is_none(usage: Any) -> None:
    row = call({"metadata.usage_object": usage, "gen_ai.usage.input_tokens": 5}).row
    assert (row.input_tokens, row.cache_read_tokens, row.operation) == (5, None, "chat")


def test_several_tools_and_indices_out_of_order() -> None:
    functions = {f"llm.request.functions.{index}.name": f"t{index}" for index in (10, 2, 0)}
    calls = {f"gen_ai.completion.{index}.function_call.name": f"t{index}" for index in (10, 2, 0)}
    one = call(
        {
            **functions, **calls, "llm.request.functions.2.parameters": "null",
            "gen_ai.completion.2.function_call.arguments": "{broken",
            "gen_ai.output.messages": json.dumps([{"role": "assistant", "parts": [{"type": "text", "content": "a"}]}]),
        }
    )  # fmt: skip
    assert [tool["name"] for tool in one.tools] == ["t0", "t2", "t10"]
    assert one.output == [
        {
            "role": "assistant",
            "parts": [
                {"type": "text", "content": "a"},
                {"type": "tool_call", "name": "t0"},
                {"type": "tool_call", "name": "t2", "arguments": "{broken"},
                {"type": "tool_call", "name": "t10"},
            ],
        }
    ]
    alone = call({"gen_ai.completion.0.function_call.name": "t", "gen_ai.completion.0.function_call.arguments": "{}"})
    assert alone.output == [{"role": "assistant", "parts": [{"type": "tool_call", "name": "t", "arguments": {}}]}]


def test_a_turn_with_tools_beside_the_parts() -> None:
    asked = [
        {"role": "user", "parts": [{"type": "text", "content": "Weather?"}]},
        {
            "role": "assistant",
            "parts": [],
            "tool_calls": [{"id": "c1", "type": "function", "function": {"name": "w", "arguments": '{"a":1}'}}],
        },
        {"role": "tool", "parts": [{"type": "text", "content": "sunny"}], "tool_call_id": "c1"},
    ]
    given = call({"gen_ai.input.messages": json.dumps(asked)}).input
    assert given is not None
    assert given[1:] == [
        {"role": "assistant", "parts": [{"type": "tool_call", "id": "c1", "name": "w", "arguments": {"a": 1}}]},
        {"role": "tool", "parts": [{"type": "tool_call_response", "id": "c1", "response": "sunny"}]},
    ]


@pytest.mark.parametrize("broken", ['[{"role": "user", "par', "[]", "{}", "just text"])
def test_messages_that_are_broken_off_are_kept(broken: str) -> None:
    assert call({"gen_ai.input.messages": broken}).input is not None


def test_a_renamed_scope_and_the_proxys_own_span() -> None:
    one = stored_span(
        {"litellm.call_id": "c", "gen_ai.operation.name": "acompletion", "gen_ai.system": "azure"},
        scope="my-gateway", name="Received Proxy Server Request", kind="SERVER",
    )  # fmt: skip
    assert (one.row.operation, one.row.provider) == ("chat", "azure.ai.openai")
    assert one.row.vocabulary is not None
    assert "litellm" in one.row.vocabulary


@pytest.mark.parametrize(
    ("attributes", "operation"),
    [
        ({"guardrail_name": "pii", "guardrail_mode": "pre_call"}, "guardrail"),
        ({"litellm.guardrail.name": "pii"}, "guardrail"),
        ({"call_type": "async_get_cache", "service": "redis"}, "task"),
        ({"llm.openai.messages": "[{'role': 'user'}]", "llm.openai.model": "gpt-4o"}, "task"),
        ({}, "task"),
    ],
)
def test_spans_that_are_no_calls(attributes: dict[str, Any], operation: str) -> None:
    assert stored_span(attributes, scope="litellm", name="chat what the app calls it").row.operation == operation


def test_calls_in_the_names_of_others_are_left_to_them() -> None:
    one = stored_span({"gen_ai.request.model": "m", "gen_ai.usage.completion_tokens": 3}, scope="litellm")
    assert one.row.operation == "chat"


def test_the_newer_generation() -> None:
    said = [{"role": "user", "content": "hi"}]
    answer = [{
        "role": "assistant", "content": None,
        "tool_calls": [{"id": "c1", "type": "function", "function": {"name": "w", "arguments": "{}"}}],
    }]  # fmt: skip
    one = call(
        {
            "gen_ai.provider.name": "openai", "gen_ai.conversation.id": "s1", "gen_ai.request.model": "fast",
            "gen_ai.input.messages": json.dumps(said), "gen_ai.output.messages": json.dumps(answer),
            "gen_ai.response.finish_reasons": ["tool_calls"], "gen_ai.response.time_to_first_chunk": 0.5,
            "gen_ai.usage.input_tokens": 125, "gen_ai.usage.cache_creation.input_tokens": 25,
            "gen_ai.usage.cache_read.input_tokens": 40, "litellm.cost.total": 0.5, "litellm.cost.input": 0.2,
            "litellm.cost.output": 0.3, "litellm.cost.cache_read": 0.1, "litellm.request.streaming": True,
            "gen_ai.tool.0.name": "w", "gen_ai.tool.0.parameters": "{}", "litellm.team.id": "t",
            "litellm.end_user.id": "u", "litellm.metadata.k": "v", "litellm.api_key.hash": "88dc",
        }
    )  # fmt: skip
    row = one.row
    assert (row.provider, row.request_model, row.session_id, row.conversation_id) == ("openai", "fast", "s1", "s1")
    assert (row.cost_usd, row.cost_status, row.finish_reasons, row.first_chunk_s) == (
        0.5, "reported", ["tool_call"], 0.5,
    )  # fmt: skip
    assert (row.input_tokens, row.cache_read_tokens, row.cache_write_tokens, row.user_id) == (125, 40, 25, "u")
    assert (one.input, one.tools) == (HELLO, [{"type": "function", "name": "w", "parameters": {}}])
    assert one.output == [
        {"role": "assistant", "parts": [{"type": "tool_call", "id": "c1", "name": "w", "arguments": {}}]}
    ]
    assert one.made["gen_ai.request.stream"] is True
    assert {key: value for key, value in one.made.items() if key.startswith("otelllm.tag.")} == {
        "otelllm.tag.team.id": "t",
        "otelllm.tag.k": "v",
    }


@pytest.mark.parametrize("value", [7, True, 1.5, ["a"], "", "nonsense", b"x"])
def test_values_of_any_type(value: Any) -> None:
    keys = (
        *("gen_ai.system", "gen_ai.request.model", "litellm.provider.model", "gen_ai.response.finish_reasons"),
        *("gen_ai.cost.total_cost", "gen_ai.input.messages", "gen_ai.output.messages", "llm.is_streaming", "llm.user"),
        *("metadata.x", "metadata.usage_object", "llm.request.functions.0.name", "llm.request.functions.0.parameters"),
        *("gen_ai.completion.0.function_call.name", "litellm.call_id", "gen_ai.conversation.id"),
    )
    assert call(dict.fromkeys(keys, value)).row.operation == "chat"
    assert stored_span({"gen_ai.operation.name": value}, scope="litellm").row.vocabulary is not None
