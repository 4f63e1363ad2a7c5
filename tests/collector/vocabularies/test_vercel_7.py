"""The Vercel AI SDK since version 7: the conventions' own names, under the scope `gen_ai`."""

from __future__ import annotations

import pytest
from collector.vocabularies.spans import says, stored, stored_span, text, usage
from collector.vocabularies.vercel_weather import CALL, GPT, IMAGE, RESULT, TOOLS

from otelllm_collector.enrich import summarise


def test_what_each_span_is() -> None:
    spans = stored("vercel-ai7-otel")
    assert [one.row.operation for one in spans] == [
        *("invoke_agent", "task", "chat", "execute_tool", "task", "chat", "invoke_agent", "task", "chat"),
        *("invoke_agent", "chat", "task", "embeddings", "task", "invoke_agent", "chat", "task"),
    ]
    assert [one.row.provider for one in spans] == [
        *("openai", None, "openai", None, None, "openai", "fake", None, "fake", "fake", "fake", None),
        *("openai", "openai", "fake", "fake", None),
    ]
    assert [one.row.request_model for one in spans] == [
        *("gpt-4o", None, "gpt-4o", None, None, "gpt-4o", "gpt-4o", None, "gpt-4o", "gpt-4o", "gpt-4o", None),
        *("text-embedding-3-small", "text-embedding-3-small", "fail", "fail", None),
    ]
    calls = {2: "resp_87", 5: "resp_88", 8: "chatcmpl-89", 10: "chatcmpl-90"}
    assert {at: one.row.response_id for at, one in enumerate(spans) if one.row.response_id} == calls
    assert {at: one.row.response_model for at, one in enumerate(spans) if one.row.response_model} == dict.fromkeys(
        calls, GPT
    )
    assert {at: one.row.finish_reasons for at, one in enumerate(spans) if one.row.finish_reasons} == {
        **{key: ["stop"] for key in (0, 5, 6, 8, 9, 10)},
        2: ["tool_call"],
    }
    assert {at for at, one in enumerate(spans) if one.row.agent_name == "my-func"} == {0, 6, 9, 14}


def test_usage_is_summed_once() -> None:
    spans = stored("vercel-ai7-otel")
    assert {at: usage(one)[:3] for at, one in enumerate(spans) if one.row.input_tokens} == {
        0: (200, 60, 80),
        12: (7, None, None),
        **dict.fromkeys((2, 5, 6, 8, 9, 10), (100, 30, 40)),
    }
    (trace,) = summarise([one.row for one in spans]).values()
    assert (trace.calls, trace.input_tokens, trace.output_tokens, trace.cache_read_tokens) == (6, 407, 120, 160)


def test_streams_and_errors() -> None:
    spans = stored("vercel-ai7-otel")
    assert {at: one.row.ttft_s for at, one in enumerate(spans) if one.row.ttft_s} == {10: pytest.approx(0.209651319)}
    assert [at for at, one in enumerate(spans) if one.made.get("gen_ai.request.stream")] == [10]
    assert {at: one.row.error_type for at, one in enumerate(spans) if one.row.error_type} == dict.fromkeys(
        (14, 15, 16), "AI_APICallError"
    )


def test_messages_and_tools() -> None:
    spans = stored("vercel-ai7-otel")
    asked, brief = says("user", "Weather?"), [text("Be brief.")]
    assert (spans[2].input, spans[2].output, spans[2].system, spans[2].tools) == (
        *([asked], [says("assistant", CALL, finish_reason="tool_call")], brief, TOOLS),
    )
    tool = {"role": "tool", "parts": [RESULT]}
    assert spans[5].input == [asked, says("assistant", {"type": "reasoning", "content": ""}, CALL), tool]
    assert (spans[5].output, spans[5].tools) == (*([says("assistant", "It is sunny.", finish_reason="stop")], TOOLS),)
    for at in (6, 8):
        assert spans[at].input == [says("user", "what is it", IMAGE)]
    for at in (9, 10, 14, 15):
        assert spans[at].input == [says("user", "hi")]
    for at in (9, 10):
        assert spans[at].output == [says("assistant", "Hello there", finish_reason="stop")]
    row = spans[3].row
    assert (row.tool_name, row.tool_arguments, row.tool_result) == (
        *("get_weather", '{"city":"Paris"}', '{"w":"sunny"}'),
    )
    assert spans[3].attributes["gen_ai.tool.call.id"] == "call_1"


def test_an_embedding_that_fails_is_a_call() -> None:
    given = {"gen_ai.operation.name": "embeddings", "gen_ai.provider.name": "openai"}
    failed = stored_span(given, scope="gen_ai", status={"code": "ERROR"})
    assert (failed.row.operation, stored_span(given, scope="gen_ai").row.operation) == ("embeddings", "task")


def test_added_names_of_the_classic_form_dont_say_what_it_is() -> None:
    given = {
        "gen_ai.operation.name": "chat",
        "gen_ai.usage.input_tokens": 100,
        "ai.operationId": "ai.generateText",
        "ai.usage.reasoningTokens": 12,
        "ai.settings.context.userId": "u1",
        "ai.settings.context.plan": "pro",
    }
    found = stored_span(given, scope="gen_ai")
    assert (found.row.operation, found.row.input_tokens, found.row.reasoning_tokens) == ("chat", 100, 12)
    assert (found.row.user_id, found.made) == ("u1", {"otelllm.tag.plan": "pro"})


def test_rerank_and_odd_values() -> None:
    assert stored_span({"gen_ai.operation.name": "rerank"}, scope="gen_ai").row.operation == "rerank"
    odd = {
        "gen_ai.operation.name": "chat",
        "gen_ai.tool.definitions": "[",
        "gen_ai.client.operation.time_to_first_chunk": "soon",
        "gen_ai.provider.name": 5,
    }
    found = stored_span(odd, scope="gen_ai")
    assert (found.row.operation, found.row.ttft_s, found.made) == ("chat", None, {})
