"""Libraries of which only some names are known: OpenLIT, AgentOps, Haystack, Laminar, Spring AI, Gemini CLI's spans."""

from __future__ import annotations

import json
from typing import Any

import pytest
from collector.vocabularies.spans import Stored, stored_span

HI = [{"role": "user", "parts": [{"type": "text", "content": "hi"}]}]
HELLO = [{"role": "assistant", "parts": [{"type": "text", "content": "hello"}]}]


def span(attributes: dict[str, Any], scope: str = "", **more: Any) -> Stored:
    return stored_span(attributes, scope=scope, **more)


def test_openlit() -> None:
    one = span(
        {
            "gen_ai.operation.name": "chat", "gen_ai.system": "openai", "gen_ai.request.model": "gpt-4o",
            "gen_ai.usage.input_tokens": 100, "gen_ai.usage.output_tokens": 30, "gen_ai.usage.total_tokens": 130,
            "gen_ai.usage.cost": 0.0005, "gen_ai.server.time_to_first_token": 0.25, "gen_ai.application_name": "shop",
            "gen_ai.environment": "prod", "gen_ai.request.is_stream": True, "gen_ai.request.user": "u1",
            "gen_ai.usage.reasoning_tokens": 12, "gen_ai.usage.cache_read_input_tokens": 40,
        },
        "openlit.otel.tracing",
        events=[
            {"name": "gen_ai.content.prompt", "attributes": {"gen_ai.prompt": "user: hi"}},
            {"name": "gen_ai.content.completion", "attributes": {"gen_ai.completion": "hello"}},
        ],
    )  # fmt: skip
    row = one.row
    assert (row.operation, row.provider, row.request_model) == ("chat", "openai", "gpt-4o")
    assert (row.input_tokens, row.output_tokens, row.cache_read_tokens, row.reasoning_tokens) == (100, 30, 40, 12)
    assert (row.cost_usd, row.cost_status, row.ttft_s, row.user_id) == (0.0005, "reported", 0.25, "u1")
    assert one.made == {
        "gen_ai.request.stream": True,
        "otelllm.tag.gen_ai.application_name": "shop",
        "otelllm.tag.gen_ai.environment": "prod",
    }
    assert (one.input, one.output) == (
        [{"role": "user", "parts": [{"type": "text", "content": "user: hi"}]}], HELLO,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("given", "operation"),
    [("image", "image_generation"), ("audio", "speech"), ("retrieve", "retrieval"), ("chat", "chat"), ("x", "x")],
)
def test_openlits_words(given: str, operation: str) -> None:
    assert span({"gen_ai.operation.name": given, "gen_ai.environment": "e"}).row.operation == operation


@pytest.mark.parametrize(
    ("kind", "operation", "column"),
    [
        ("llm", "chat", None), ("agent", "invoke_agent", "agent_name"), ("tool", "execute_tool", "tool_name"),
        ("workflow", "invoke_workflow", "workflow_name"), ("session", "invoke_workflow", "workflow_name"),
        ("guardrail", "guardrail", None), ("task", "task", None), ("chain", "task", None), ("HTTP", "task", None),
        ("nonsense", None, None),
    ],
)  # fmt: skip
def test_agentops_kinds(kind: str, operation: str | None, column: str | None) -> None:
    row = span({"agentops.span.kind": kind, "agentops.entity.name": "n"}).row
    assert row.operation == operation
    for name in ("agent_name", "tool_name", "workflow_name"):
        assert getattr(row, name) == ("n" if name == column else None)


def test_agentops() -> None:
    tool = span(
        {
            "agentops.span.kind": "tool", "agentops.entity.input": '{"city": "Paris"}',
            "agentops.entity.output": '"sunny"', "agentops.tags": ["a", "b"], "session.id": "s1",
        },
        "agentops",
    )  # fmt: skip
    row = tool.row
    assert (row.tool_arguments, row.tool_result, row.session_id, row.conversation_id) == (
        '{"city":"Paris"}', "sunny", "s1", "s1",
    )  # fmt: skip
    assert (tool.made, tool.input) == ({"otelllm.tag.a": "true", "otelllm.tag.b": "true"}, None)
    agent = span({"agentops.span.kind": "agent", "agentops.entity.input": "hi", "agentops.entity.output": "hello"})
    assert (agent.input, agent.output) == (HI, HELLO)
    call = span(
        {
            "agentops.span.kind": "llm", "gen_ai.system": "OpenAI", "gen_ai.request.model": "gpt-4o",
            "gen_ai.usage.prompt_tokens": 100, "gen_ai.usage.completion_tokens": 30,
            "gen_ai.usage.total_cost": "0.5", "gen_ai.streaming.time_to_first_token": 0.1,
        }
    ).row  # fmt: skip
    assert (call.operation, call.provider, call.input_tokens, call.output_tokens) == ("chat", "openai", 100, 30)
    assert (call.cost_usd, call.cost_status, call.ttft_s) == (0.5, "reported", 0.1)


def component(kind: str, given: Any = None, made: Any = None, **more: Any) -> Stored:
    attributes = {"haystack.component.name": "n", "haystack.component.type": kind, **more}
    for key, value in (("input", given), ("output", made)):
        if value is not None:
            attributes[f"haystack.component.{key}"] = value if isinstance(value, str) else json.dumps(value)
    return stored_span(attributes, scope="haystack", name="haystack.component.run")


USAGE = {
    "prompt_tokens": 100, "completion_tokens": 30, "prompt_tokens_details": {"cached_tokens": 40},
    "completion_tokens_details": {"reasoning_tokens": 12},
}  # fmt: skip


@pytest.mark.parametrize("underscore", ["", "_"])
def test_haystacks_chat(underscore: str) -> None:
    def said(role: str, content: list[Any], meta: Any = None) -> dict[str, Any]:
        return {f"{underscore}role": role, f"{underscore}content": content, f"{underscore}meta": meta or {}}

    call = {"tool_call": {"id": "c1", "tool_name": "w", "arguments": {"a": 1}}}
    result = {"tool_call_result": {"result": "sunny", "origin": {"id": "c1"}, "error": False}}
    meta = {"model": "gpt-4o-2024", "index": 0, "finish_reason": "stop", "usage": USAGE}
    one = component(
        "OpenAIChatGenerator",
        {"messages": [said("user", [{"text": "hi"}]), said("assistant", [call]), said("tool", [result])]},
        {"replies": [said("assistant", [{"text": "hello"}], meta)]},
    )
    row = one.row
    assert (row.operation, row.provider, row.response_model, row.finish_reasons) == (
        "chat", "openai", "gpt-4o-2024", ["stop"],
    )  # fmt: skip
    assert (row.input_tokens, row.output_tokens, row.cache_read_tokens, row.reasoning_tokens) == (100, 30, 40, 12)
    assert (one.input, one.output) == (
        [
            *HI,
            {"role": "assistant", "parts": [{"type": "tool_call", "id": "c1", "name": "w", "arguments": {"a": 1}}]},
            {"role": "tool", "parts": [{"type": "tool_call_response", "id": "c1", "response": "sunny"}]},
        ],
        HELLO,
    )  # fmt: skip


def test_haystacks_texts() -> None:
    one = component(
        "AzureOpenAIGenerator",
        {"prompt": "hi"},
        {"replies": ["hello"], "meta": [{"model": "m", "finish_reason": "length", "usage": USAGE}]},
    )
    assert (one.row.provider, one.row.input_tokens, one.row.finish_reasons) == ("azure.ai.openai", 100, ["length"])
    assert (one.input, one.output) == (HI, HELLO)
    found = component(
        "InMemoryBM25Retriever", {"query": "where"}, {"documents": [{"id": "1", "content": "here", "score": 0.5}]}
    )
    row = found.row
    assert (row.operation, row.retrieval_query, row.retrieval_count) == ("retrieval", "where", 1)
    assert json.loads(row.retrieval_documents or "") == [{"id": "1", "content": "here", "score": 0.5}]


@pytest.mark.parametrize(
    ("kind", "operation"),
    [
        ("OpenAITextEmbedder", "embeddings"), ("CohereRanker", "rerank"), ("Agent", "invoke_agent"),
        ("ToolInvoker", "execute_tool"), ("PromptBuilder", "task"), ("DALLEImageGenerator", "image_generation"),
    ],
)  # fmt: skip
def test_haystacks_components(kind: str, operation: str) -> None:
    assert component(kind).row.operation == operation


def test_haystacks_own_steps() -> None:
    run = span({"haystack.pipeline.input_data": "{}"}, "haystack", name="haystack.pipeline.run")
    assert run.row.operation == "invoke_workflow"
    tool = span(
        {
            "haystack.tool.name": "w",
            "haystack.agent.step.tool.input": '{"a":1}',
            "haystack.agent.step.tool.output": "x",
        },
        name="haystack.agent.step.tool",
    ).row
    assert (tool.operation, tool.tool_name, tool.tool_arguments, tool.tool_result) == (
        "execute_tool", "w", '{"a":1}', "x",
    )  # fmt: skip
    assert span({}, "haystack", name="haystack.agent.step.llm").row.operation == "task"


def test_laminar() -> None:
    one = span(
        {
            "lmnr.span.type": "LLM", "lmnr.span.input": json.dumps([{"role": "user", "content": "hi"}]),
            "lmnr.span.output": json.dumps([{"role": "assistant", "content": "hello"}]),
            "lmnr.association.properties.session_id": "s1", "lmnr.association.properties.user_id": "u1",
            "lmnr.association.properties.metadata.k": "v", "lmnr.association.properties.tags": ["t"],
            "gen_ai.usage.input_tokens": 100, "gen_ai.usage.output_tokens": 30, "gen_ai.usage.cost": 0.5,
            "gen_ai.usage.input_cost": 0.2, "gen_ai.usage.output_cost": 0.3, "gen_ai.system": "anthropic",
        },
        "lmnr.tracer",
    )  # fmt: skip
    row = one.row
    assert (row.operation, row.provider, row.session_id, row.conversation_id, row.user_id) == (
        "chat", "anthropic", "s1", "s1", "u1",
    )  # fmt: skip
    assert (one.input, one.output, row.cost_usd, row.input_tokens) == (HI, HELLO, 0.5, 100)
    assert one.made == {
        "otelllm.cost.input": 0.2, "otelllm.cost.output": 0.3, "otelllm.tag.k": "v", "otelllm.tag.t": "true",
    }  # fmt: skip
    tool = span({"lmnr.span.type": "TOOL", "lmnr.span.input": '{"a":1}', "lmnr.span.output": "x"}).row
    assert (tool.operation, tool.tool_arguments, tool.tool_result) == ("execute_tool", '{"a":1}', "x")
    for given, operation in (("DEFAULT", "task"), ("EVALUATOR", "evaluate"), ("CACHED", "task"), ("?", None)):
        assert span({"lmnr.span.type": given}).row.operation == operation


def test_spring_ai() -> None:
    base = {"gen_ai.operation.name": "chat", "gen_ai.system": "openai", "gen_ai.request.model": "gpt-4o"}
    scope = "org.springframework.boot"
    events = [
        {"name": "gen_ai.content.prompt", "attributes": {"gen_ai.prompt": "hi"}},
        {"name": "gen_ai.content.completion", "attributes": {"gen_ai.completion": "hello"}},
    ]
    for one in (
        span(base, scope, events=events),
        span({**base, "gen_ai.prompt": "hi", "gen_ai.completion": "hello"}, scope),
    ):
        assert (one.row.operation, one.row.provider, one.input, one.output) == ("chat", "openai", HI, HELLO)


@pytest.mark.parametrize(
    ("given", "operation"),
    [("llm_call", "chat"), ("tool_call", "execute_tool"), ("agent_call", "invoke_agent"), ("system_prompt", "task")],
)
def test_gemini_clis_spans(given: str, operation: str) -> None:
    assert span({"gen_ai.operation.name": given, "session.id": "s"}, "gemini-cli").row.operation == operation


def test_names_of_nobody() -> None:
    assert span({"gen_ai.usage.cost": 1.0, "session.id": "s"}).row.vocabulary is None


@pytest.mark.parametrize("value", [7, True, 1.5, ["a"], "", "nonsense", "[1]", "{}", '{"replies": [1, {"meta": 2}]}'])
def test_values_of_any_type(value: Any) -> None:
    keys = (
        *("gen_ai.usage.cost", "gen_ai.application_name", "agentops.span.kind", "agentops.entity.name"),
        *("agentops.entity.input", "agentops.entity.output", "agentops.tags", "lmnr.span.type", "lmnr.span.input"),
        *("lmnr.span.output", "lmnr.association.properties.tags", "lmnr.association.properties.session_id"),
        *("haystack.component.type", "haystack.component.input", "haystack.component.output", "haystack.tool.name"),
        *("gen_ai.operation.name", "gen_ai.server.time_to_first_token", "gen_ai.retrieval.document_count"),
    )
    assert "others" in (span(dict.fromkeys(keys, value)).row.vocabulary or "")
    for kind in ("OpenAIChatGenerator", "XRetriever", "XRanker", "Agent"):
        assert "others" in (component(kind, json.dumps(value), value).row.vocabulary or "")


@pytest.mark.parametrize(
    "made",
    [
        {"replies": "x"}, {"replies": [{"content": 5, "meta": []}]}, {"replies": [{"meta": {"usage": [1]}}]},
        {"replies": [{"content": [{"tool_call": {}}, {"tool_call_result": {"origin": 1}}]}]}, {"meta": 7}, [1],
    ],
)  # fmt: skip
def test_replies_of_odd_shapes(made: Any) -> None:
    assert component("OpenAIChatGenerator", {"messages": [1, {}], "prompt": ["x"]}, made).row.operation == "chat"
