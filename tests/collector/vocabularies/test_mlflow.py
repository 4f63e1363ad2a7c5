"""MLflow's tracing: every value is JSON text."""

from __future__ import annotations

import json
from typing import Any

import pytest
from collector.vocabularies.spans import Stored, says, stored, stored_span, usage

from otelllm_collector.enrich import summarise

SCOPE = "mlflow.tracing.provider"
ERROR = {"code": "ERROR", "message": ""}
GPT, EMBEDDER = "gpt-4o-2024-08-06", "text-embedding-3-small"
ATTACHED = (
    "mlflow-attachment://5c5e8ef8-3428-406a-ac05-a7cb2f5b1fd4"
    "?content_type=image%2Fpng&trace_id=tr-b8e9314170716b002e75877f62dacefc&size=70"
)
PARAMETERS = {"type": "object", "properties": {"city": {"type": "string"}}}
TOOLS = [{"type": "function", "name": "get_weather", "description": "w", "parameters": PARAMETERS}]
CALL = {"type": "tool_call", "id": "call_1", "name": "get_weather", "arguments": {"city": "Paris"}}


def span(kind: str | None, given: Any = None, answer: Any = None, *, scope: str = SCOPE, **more: Any) -> Stored:
    """A span of MLflow's; `__` in a name is a dot, every value is made JSON text."""
    own = {key: more.pop(key) for key in ("events", "status", "name") if key in more}
    named = {"mlflow.spanType": kind, "mlflow.spanInputs": given, "mlflow.spanOutputs": answer, **more}
    attributes = {key.replace("__", "."): json.dumps(value) for key, value in named.items() if value is not None}
    return stored_span(attributes, scope=scope, **own)


def test_what_each_span_is_and_of_whom() -> None:
    spans = stored("mlflow")
    assert [one.row.operation for one in spans] == [
        *("invoke_agent", "chat", "execute_tool", "retrieval", "chat", "chat", "embeddings", "chat"),
    ]
    assert [one.row.provider for one in spans] == [None, "openai", None, None, *["openai"] * 4]
    assert [one.row.request_model for one in spans] == [
        *(None, "gpt-4o", None, None, "gpt-4o", "gpt-4o", EMBEDDER, "fail"),
    ]
    assert [one.row.response_model for one in spans] == [None, GPT, None, None, GPT, GPT, EMBEDDER, None]
    assert [one.row.response_id for one in spans] == [
        *(None, "chatcmpl-82", None, None, "chatcmpl-83", "resp_84", None, None),
    ]
    assert [one.row.finish_reasons for one in spans] == [
        *(None, ["tool_call"], None, None, ["stop"], ["stop"], None, None),
    ]
    assert [one.row.error_type for one in spans] == [*[None] * 7, "RateLimitError"]
    assert [one.row.ttft_s for one in spans] == [*[None] * 4, pytest.approx(0.0539), None, None, None]
    assert [one.made.get("gen_ai.request.stream") for one in spans] == [*[None] * 4, True, None, None, None]
    assert (spans[0].row.agent_name, spans[2].row.tool_name) == ("weather_agent", "get_weather")
    for one in spans:
        row = one.row
        assert (row.vocabulary, row.user_id, row.session_id, row.conversation_id, row.cost_usd) == (
            *("mlflow", None, None, None, None),
        )  # fmt: skip
        assert not any(".tag." in key for key in one.made)
        assert one.attributes["mlflow.traceRequestId"]


def test_usage_is_on_the_calls() -> None:
    spans = stored("mlflow")
    none, whole = (None,) * 5, (100, 30, 40, None, 12)
    assert [usage(one) for one in spans] == [
        *(none, whole, none, none, whole, whole, (7, None, None, None, None), none),
    ]
    (trace,) = summarise([one.row for one in spans]).values()
    assert (trace.calls, trace.input_tokens, trace.output_tokens, trace.cache_read_tokens) == (5, 307, 90, 120)


def test_messages() -> None:
    spans = stored("mlflow")
    image = {"type": "uri", "modality": "image", "uri": ATTACHED}
    assert [one.input for one in spans] == [
        [says("user", '{"q": "Weather?"}')],
        [says("system", "Be brief."), says("user", "Weather in Paris?", image)],
        *(None, None, [says("user", "hi")], [says("user", "Weather?")], [says("user", "a"), says("user", "b")]),
        [says("user", "x")],
    ]
    assert [one.output for one in spans] == [
        *([says("assistant", "done")], [says("assistant", CALL)], None, None, [says("assistant", "Hello there")]),
        *([says("assistant", "It is sunny.")], None, None),
    ]
    assert [one.tools for one in spans] == [None, TOOLS, *[None] * 6]
    assert spans[6].made["gen_ai.embeddings.dimension.count"] == 3


def test_tools_and_searches() -> None:
    spans = stored("mlflow")
    row = spans[2].row
    assert (row.tool_arguments, row.tool_result) == ('{"city":"Paris"}', "sunny")
    row = spans[3].row
    assert (row.retrieval_query, row.retrieval_count, json.loads(row.retrieval_documents or "")) == (
        *("q", 1, [{"id": "d1", "content": "doc", "metadata": {"doc_uri": "u"}}]),
    )


@pytest.mark.parametrize(
    ("kind", "operation"),
    [
        ("LLM", "chat"),
        ("CHAT_MODEL", "chat"),
        ("chat_model", "chat"),
        ("EMBEDDING", "embeddings"),
        ("RETRIEVER", "retrieval"),
        ("RERANKER", "rerank"),
        ("TOOL", "execute_tool"),
        ("AGENT", "invoke_agent"),
        ("WORKFLOW", "invoke_workflow"),
        ("EVALUATOR", "evaluate"),
        ("GUARDRAIL", "guardrail"),
        ("CHAIN", "task"),
        ("PARSER", "task"),
        ("MEMORY", "task"),
        ("TASK", "task"),
        ("UNKNOWN", "task"),
        ("my own", "task"),
        (None, None),
    ],
)
def test_types(kind: str | None, operation: str | None) -> None:
    assert span(kind, {"q": "x"}).row.operation == operation
    # Also where a value is no JSON, and under another scope.
    assert stored_span({} if kind is None else {"mlflow.spanType": kind}, scope="mine").row.operation == operation


def test_a_completion() -> None:
    found = span("LLM", {"prompt": "hi", "model": "m"}, {"choices": [{"text": "Hello", "finish_reason": "length"}]})
    assert (found.row.operation, found.input, found.output, found.row.finish_reasons) == (
        *("text_completion", [says("user", "hi")], [says("assistant", "Hello")], ["length"]),
    )
    assert span("LLM", {"prompt": "hi", "messages": [{"role": "user", "content": "x"}]}).row.operation == "chat"
    plain = span("LLM", "hi", "Hello")
    assert (plain.input, plain.output) == ([says("user", "hi")], [says("assistant", "Hello")])


@pytest.mark.parametrize(
    ("named", "kept", "model", "provider"),
    [
        ("azure", "openai", None, "azure.ai.openai"),
        (None, "anthropic", None, "anthropic"),
        (None, "gemini", None, "gcp.gemini"),
        (None, "langchain", "claude-sonnet-4-5", "anthropic"),
        (None, "pydantic_ai", "mine", None),
        (None, None, None, None),
    ],
)
def test_providers(named: str | None, kept: str | None, model: str | None, provider: str | None) -> None:
    found = span("CHAT_MODEL", mlflow__llm__provider=named, mlflow__message__format=kept, mlflow__llm__model=model)
    assert (found.row.provider, found.row.response_model) == (provider, model)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"input_tokens": 125, "output_tokens": 30, "total_tokens": 155, "cache_read_input_tokens": 40,
          "cache_creation_input_tokens": 25}, (125, 30, 40, 25, None)),
        # Older releases left out what was cached: the total tells, or the numbers themselves.
        ({"input_tokens": 60, "output_tokens": 30, "total_tokens": 130, "cache_read_input_tokens": 40},
         (100, 30, 40, None, None)),
        ({"input_tokens": 60, "output_tokens": 30, "total_tokens": 90, "cache_read_input_tokens": 40,
          "cache_creation_input_tokens": 25}, (125, 30, 40, 25, None)),
        ({"input_tokens": 100, "output_tokens": 30, "cache_read_input_tokens": 40}, (100, 30, 40, None, None)),
        ({"input_tokens": "7", "output_tokens": 3.0}, (7, 3, None, None, None)),
        ({"input_tokens": None, "output_tokens": "many"}, (None,) * 5),
        ([], (None,) * 5),
        ("x", (None,) * 5),
    ],
)  # fmt: skip
def test_usage(given: Any, expected: tuple[int | None, ...]) -> None:
    assert usage(span("CHAT_MODEL", mlflow__chat__tokenUsage=given)) == expected


def test_usage_of_answers() -> None:
    anthropic = {
        "input_tokens": 60,
        "output_tokens": 30,
        "cache_read_input_tokens": 40,
        "cache_creation_input_tokens": 25,
    }
    said = {
        "id": "msg_1",
        "role": "assistant",
        "type": "message",
        "content": [{"type": "text", "text": "Hi"}],
        "stop_reason": "end_turn",
        "usage": anthropic,
    }
    found = span("CHAT_MODEL", {"system": "Be brief.", "messages": [{"role": "user", "content": "x"}]}, said)
    assert usage(found) == (125, 30, 40, 25, None)
    assert (found.system, found.output) == ([{"type": "text", "content": "Be brief."}], [says("assistant", "Hi")])
    assert (found.row.response_id, found.row.finish_reasons) == ("msg_1", ["stop"])
    gemini = {
        "candidates": [{"content": {"role": "model", "parts": [{"text": "Hi"}]}, "finish_reason": "STOP"}],
        "usage_metadata": {
            "prompt_token_count": 100,
            "candidates_token_count": 18,
            "thoughts_token_count": 12,
            "cached_content_token_count": 40,
        },
    }
    found = span("CHAT_MODEL", {"contents": "x", "model": "gemini-2.5-pro"}, gemini)
    assert usage(found) == (100, 30, 40, None, 12)
    assert (found.input, found.output, found.row.finish_reasons) == (
        *([says("user", "x")], [says("assistant", "Hi")], ["stop"]),
    )


def test_an_agents_usage_is_no_calls() -> None:
    found = span("AGENT", mlflow__chat__tokenUsage={"input_tokens": 200, "output_tokens": 60})
    (trace,) = summarise([found.row]).values()
    assert (found.row.input_tokens, trace.calls, trace.input_tokens) == (200, 0, None)


def test_cost() -> None:
    found = span("CHAT_MODEL", mlflow__llm__cost={"input_cost": 0.001, "output_cost": 0.002, "total_cost": 0.003})
    assert (found.row.cost_usd, found.row.cost_status) == (0.003, "reported")
    assert found.made == {"otelllm.cost.input": 0.001, "otelllm.cost.output": 0.002}
    for odd in ({"total_cost": "much"}, {"total_cost": -1}, [], 5):
        assert span("CHAT_MODEL", mlflow__llm__cost=odd).row.cost_usd is None


def test_a_calls_arguments_are_bare() -> None:
    found = span(
        "CHAT_MODEL",
        model="gpt-4o",
        temperature=0.5,
        top_p=0.9,
        max_tokens=64,
        stop=["END"],
        seed=7,
        stream=False,
        tools=[{"type": "function", "function": {"name": "f"}}],
    )
    assert (found.row.request_model, found.tools) == ("gpt-4o", [{"type": "function", "name": "f"}])
    assert found.made == {
        "gen_ai.request.temperature": 0.5,
        "gen_ai.request.top_p": 0.9,
        "gen_ai.request.max_tokens": 64,
        "gen_ai.request.stop_sequences": ["END"],
        "gen_ai.request.seed": 7,
    }
    # On a tool's span they are the app's.
    tool = span("TOOL", {"city": "Paris"}, model="of the car", temperature=20)
    assert (tool.row.request_model, tool.made) == (None, {})


def test_older_messages_end_with_the_answer() -> None:
    said = [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "Hello"}]
    found = span("CHAT_MODEL", mlflow__chat__messages=said)
    assert (found.input, found.output) == ([says("user", "hi")], [says("assistant", "Hello")])
    newer = span("CHAT_MODEL", {"messages": [{"role": "user", "content": "x"}]}, mlflow__chat__messages=said)
    assert newer.input == [says("user", "x")]


def test_steps() -> None:
    said = [{"role": "user", "content": "hi"}]
    found = span(
        "AGENT", {"messages": said}, {"messages": [*said, {"role": "assistant", "content": "Hello"}]}, name="a"
    )
    assert (found.row.agent_name, found.input) == ("a", [says("user", "hi")])
    assert found.output == [says("user", "hi"), says("assistant", "Hello")]
    assert span("WORKFLOW", "hi", None, name="w").row.workflow_name == "w"
    chain = span("CHAIN", "hi", {"a": 1})
    assert (chain.input, chain.output) == ([says("user", "hi")], [says("assistant", '{"a": 1}')])
    cut = stored_span({"mlflow.spanType": '"CHAT_MODEL"', "mlflow.spanInputs": '{"messages": [{"ro'}, scope=SCOPE)
    assert cut.input == [says("user", '{"messages": [{"ro')]


def test_rerankers() -> None:
    found = span("RERANKER", {"query": "q", "documents": ["a", "b"]}, ["b"], model="rerank-v3.5")
    row = found.row
    assert (row.retrieval_query, row.rerank_in, row.rerank_out, row.request_model) == ("q", 2, 1, "rerank-v3.5")
    assert row.retrieval_documents == '[{"content":"b"}]'


def test_documents_with_scores() -> None:
    given = [{"page_content": "a", "metadata": {"doc_uri": "u", "chunk_id": "c", "score": 0.5}, "id": None}, "b", 5]
    row = span("RETRIEVER", ["q"], given).row
    assert (row.retrieval_query, json.loads(row.retrieval_documents or ""), row.retrieval_count) == (
        "q",
        [{"score": 0.5, "content": "a", "metadata": {"doc_uri": "u", "chunk_id": "c", "score": 0.5}}, {"content": "b"}],
        2,
    )


def test_prompts_sessions_and_users() -> None:
    linked = span("CHAT_MODEL", mlflow__linkedPrompts=[{"name": "greet", "version": 3}, {"name": "other"}])
    assert (linked.row.prompt_name, linked.row.prompt_version) == ("greet", "3")
    found = span("CHAT_MODEL", session__id="s1", user__id="7")
    assert (found.row.session_id, found.row.conversation_id, found.row.user_id) == ("s1", "s1", "7")
    plain = stored_span({"mlflow.spanType": '"TOOL"', "session.id": "s1", "user.id": "7"}, scope=SCOPE)
    assert (plain.row.session_id, plain.row.conversation_id, plain.row.user_id) == ("s1", "s1", "7")
    named = span("CHAT_MODEL", mlflow__trace__session="s1", mlflow__trace__user="u1")
    assert (named.row.session_id, named.row.conversation_id, named.row.user_id) == ("s1", "s1", "u1")


def test_the_first_chunk_is_the_earliest() -> None:
    events = [
        {"name": f"mlflow.chunk.item.{n}", "offset_ms": at, "attributes": {}}
        for n, at in ((10, 400), (2, 300), (0, 250))
    ]
    found = span("CHAT_MODEL", events=events)
    assert (found.row.ttft_s, found.made) == (pytest.approx(0.25), {"gen_ai.request.stream": True})


def test_native_names_stand() -> None:
    native = {"gen_ai.operation.name": "chat", "gen_ai.request.model": "a", "gen_ai.usage.input_tokens": 1}
    found = stored_span({**native, "mlflow.spanType": '"AGENT"', "mlflow.llm.model": '"b"'}, scope=SCOPE)
    assert (found.row.operation, found.row.request_model, found.row.response_model) == ("chat", "a", "b")
    assert found.row.input_tokens == 1


@pytest.mark.parametrize("kind", ["CHAT_MODEL", "EMBEDDING", "TOOL", "RETRIEVER", "RERANKER", "AGENT", "CHAIN"])
@pytest.mark.parametrize(
    "value",
    [5, 1.5, True, "", "x", "null", "[", "[1]", "[[1]]", '{"a":1}', '{"output":[[1]]}', '{"messages":5}', ["a"]],
)
def test_values_of_wrong_types_are_kept_and_nothing_raises(kind: str, value: Any) -> None:
    names = (
        *("mlflow.spanInputs", "mlflow.spanOutputs", "mlflow.llm.model", "mlflow.llm.provider", "mlflow.llm.cost"),
        *("mlflow.chat.tokenUsage", "mlflow.chat.tools", "mlflow.chat.messages", "mlflow.linkedPrompts"),
        *("mlflow.message.format", "model", "stream", "temperature", "tools"),
    )
    given = dict.fromkeys(names, value)
    found = stored_span({"mlflow.spanType": json.dumps(kind), **given}, scope=SCOPE)
    assert found.row.vocabulary == "mlflow"
    assert found.attributes.items() >= given.items()
