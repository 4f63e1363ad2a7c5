"""LangSmith's OpenTelemetry exporter."""

from __future__ import annotations

import json
from typing import Any

import pytest
from collector.vocabularies.spans import Stored, says, stored, stored_span, usage

from otelllm_collector.enrich import summarise

SCOPE = "langsmith"
ERROR = {"code": "ERROR", "message": None}
GPT = "gpt-4o-2024-08-06"
IMAGE = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg=="
PARAMETERS = {"type": "object", "properties": {"city": {"type": "string"}}}
TOOLS = [{"type": "function", "name": "get_weather", "description": "w", "parameters": PARAMETERS}]
CALL = {"type": "tool_call", "id": "call_1", "name": "get_weather", "arguments": {"city": "Paris"}}


def run(kind: str | None, given: Any = None, answer: Any = None, **more: Any) -> Stored:
    """A run: structures as JSON text, `__` in a name is a dot."""
    span = {key: more.pop(key) for key in ("events", "status") if key in more}
    attributes = {key.replace("__", "."): value for key, value in more.items()}
    for key, value in (("gen_ai.prompt", given), ("gen_ai.completion", answer)):
        if value is not None:
            attributes[key] = value if isinstance(value, str) else json.dumps(value)
    if kind is not None:
        attributes["langsmith.span.kind"] = kind
    return stored_span(attributes, scope=SCOPE, **span)


def test_what_each_run_is_and_of_whom() -> None:
    spans = stored("langsmith")
    assert [one.row.operation for one in spans] == [
        *("task", "chat", "execute_tool", "retrieval", "chat", "chat", "chat"),
    ]
    assert [one.row.provider for one in spans] == [None, "openai", None, None, "openai", "openai", "openai"]
    assert [one.row.request_model for one in spans] == [None, "gpt-4o", None, None, "gpt-4o", "gpt-4o", "fail"]
    assert [one.row.response_model for one in spans] == [None, GPT, None, None, GPT, GPT, None]
    assert [one.row.response_id for one in spans] == [
        *(None, "chatcmpl-78", None, None, "chatcmpl-79", "resp_80", None),
    ]
    assert [one.row.finish_reasons for one in spans] == [None, ["tool_call"], None, None, ["stop"], ["stop"], None]
    assert [one.row.error_type for one in spans] == [*[None] * 6, "RateLimitError"]
    assert [one.made.get("gen_ai.request.stream") for one in spans] == [*[None] * 4, True, None, None]
    for one in spans:
        row = one.row
        assert (row.user_id, row.session_id, row.conversation_id, row.feature) == ("u1", "s1", "s1", "f")
        assert (row.vocabulary or "").startswith("langsmith")
        # Inherited metadata, without the environment that leaks into it and what LangSmith adds.
        assert {key: value for key, value in one.made.items() if ".tag." in key} == {
            **dict.fromkeys(("otelllm.tag.a", "otelllm.tag.b"), "true"),
            "otelllm.tag.feature": "f",
        }
        assert one.attributes["langsmith.trace.session_name"] == "proj"
    assert spans[1].made["openai.response.service_tier"] == "default"
    assert spans[1].made["openai.response.system_fingerprint"] == "fp_1"


def test_usage_is_on_the_calls() -> None:
    spans = stored("langsmith")
    none, whole = (None,) * 5, (100, 30, 40, None, 12)
    assert [usage(one) for one in spans] == [none, whole, none, none, whole, whole, none]
    (trace,) = summarise([one.row for one in spans]).values()
    assert (trace.calls, trace.input_tokens, trace.output_tokens, trace.cache_read_tokens) == (4, 300, 90, 120)


def test_messages() -> None:
    spans = stored("langsmith")
    image = {"type": "blob", "mime_type": "image/png", "modality": "image", "content": IMAGE}
    assert [one.input for one in spans] == [
        [says("user", '{"q":"Weather?"}')],
        [says("system", "Be brief."), says("user", "Weather in Paris?", image)],
        *(None, None, [says("user", "hi")], [says("user", "Weather?")], [says("user", "x")]),
    ]
    assert [one.output for one in spans] == [
        *([says("assistant", "done")], [says("assistant", CALL)], None, None, [says("assistant", "Hello there")]),
        *([says("assistant", "It is sunny.")], None),
    ]
    assert [one.tools for one in spans] == [None, TOOLS, *[None] * 5]


def test_tools_and_searches() -> None:
    spans = stored("langsmith")
    row = spans[2].row
    assert (row.tool_name, row.tool_arguments, row.tool_result) == ("get_weather", '{"city":"Paris"}', "sunny")
    row = spans[3].row
    assert (row.retrieval_query, row.retrieval_count, json.loads(row.retrieval_documents or "")) == (
        *("q", 1, [{"id": "d1", "content": "doc", "metadata": {"id": "d1"}}]),
    )


@pytest.mark.parametrize(
    ("kind", "written", "operation"),
    [
        ("llm", "chat", "chat"),
        ("LLM", None, "chat"),
        ("llm", "text_completion", "text_completion"),
        ("llm", "chain", "chat"),
        ("tool", "execute_tool", "execute_tool"),
        ("retriever", "embeddings", "retrieval"),
        ("embedding", "embeddings", "embeddings"),
        ("chain", "chain", "task"),
        ("prompt", "chat", "task"),
        ("parser", "parser", "task"),
        ("something new", "chat", "task"),
        (None, "chat", "chat"),
    ],
)
def test_kinds_count_and_not_what_is_written_beside(kind: str | None, written: str | None, operation: str) -> None:
    more = {} if written is None else {"gen_ai__operation__name": written}
    assert run(kind, {"q": "x"}, **more).row.operation == operation


def test_a_model_of_texts() -> None:
    found = run("llm", {"prompts": ["hi"]}, **{"langsmith.metadata.ls_model_type": "llm"})
    assert (found.row.operation, found.input) == ("text_completion", [says("user", "hi")])


def test_a_prompt_is_no_call() -> None:
    given = {"gen_ai.operation.name": "chat", "gen_ai.system": "langchain"}
    found = run("prompt", {"topic": "cats"}, {"output": {"messages": [{"role": "user", "content": "hi"}]}}, **given)
    (trace,) = summarise([found.row]).values()
    assert (found.row.operation, trace.calls, found.output) == ("task", 0, [says("user", "hi")])


@pytest.mark.parametrize(
    ("system", "named", "model", "provider"),
    [
        ("openai", None, None, "openai"),
        ("langchain", "anthropic", None, "anthropic"),
        ("langchain", "google_genai", None, "gcp.gemini"),
        ("langchain", "amazon_bedrock", None, "aws.bedrock"),
        ("langchain", None, "claude-sonnet-4-5", "anthropic"),
        ("langchain", None, "mine", None),
        (None, "azure", None, "azure.ai.openai"),
    ],
)
def test_providers(system: str | None, named: str | None, model: str | None, provider: str | None) -> None:
    given = {
        "gen_ai.system": system,
        "langsmith.metadata.ls_provider": named,
        "langsmith.metadata.ls_model_name": model,
    }
    row = run("llm", **{key: value for key, value in given.items() if value is not None}).row
    assert (row.provider, row.request_model) == (provider, model)


def test_usage_in_all_places() -> None:
    flat = {"gen_ai.usage.input_tokens": 100, "gen_ai.usage.output_tokens": 30}
    details = {
        "gen_ai.usage.input_token_details": "{'audio': 0, 'cache_read': 40, 'cache_creation': None}",
        "gen_ai.usage.output_token_details": "{'reasoning': 12}",
    }
    assert usage(run("llm", **flat, **details)) == (100, 30, 40, None, 12)
    odd = {"gen_ai.usage.input_token_details": "{'cache_read': foo(", "gen_ai.usage.output_token_details": 5}
    assert usage(run("llm", **flat, **odd)) == (100, 30, None, None, None)
    whole = {
        "input_tokens": 125,
        "output_tokens": 30,
        "total_tokens": 155,
        "input_token_details": {"cache_read": 40, "cache_creation": 25},
        "input_cost": 0.001,
        "output_cost": 0.002,
        "total_cost": 0.003,
    }
    for key in ("langsmith.metadata.usage_metadata", "langsmith.usage_metadata"):
        found = run("llm", **{key: json.dumps(whole)})
        assert usage(found) == (125, 30, 40, 25, None)
        assert (found.row.cost_usd, found.row.cost_status) == (0.003, "reported")
        assert found.made == {"otelllm.cost.input": 0.001, "otelllm.cost.output": 0.002}
    for given in ("{", "[]", "null", '{"input_tokens": "many", "total_cost": -1}'):
        found = run("llm", **{"langsmith.metadata.usage_metadata": given})
        assert (usage(found), found.row.cost_usd) == ((None,) * 5, None)


def test_langchains_own_shapes() -> None:
    def dumped(kind: str, **kwargs: Any) -> dict[str, Any]:
        return {"lc": 1, "type": "constructor", "id": ["langchain", "schema", "messages", kind], "kwargs": kwargs}

    given = {"messages": [[dumped("SystemMessage", content="Be brief."), dumped("HumanMessage", content="hi")]]}
    calls = [{"name": "get_weather", "args": {"city": "Paris"}, "id": "call_1", "type": "tool_call"}]
    told = dumped("AIMessageChunk", content="", tool_calls=calls, response_metadata={"finish_reason": "tool_calls"})
    answer = {"generations": [[{"text": "", "type": "ChatGeneration", "message": told}]], "llm_output": None}
    found = run("llm", given, answer)
    assert (found.input, found.output) == (
        *([says("system", "Be brief."), says("user", "hi")], [says("assistant", CALL)]),
    )
    assert found.row.finish_reasons == ["tool_call"]
    completed = {
        "generations": [[{"text": "Hello", "type": "Generation", "generation_info": {"finish_reason": "stop"}}]]
    }
    found = run("llm", {"prompts": ["a"]}, completed)
    assert (found.output, found.row.finish_reasons) == ([says("assistant", "Hello")], ["stop"])
    chain = run("chain", {"messages": given["messages"][0]}, {"output": dumped("AIMessage", content="Hello")})
    assert (chain.input, chain.output) == (
        *([says("system", "Be brief."), says("user", "hi")], [says("assistant", "Hello")]),
    )


def test_answers_of_other_apis() -> None:
    anthropic = {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "claude-sonnet-4-5",
        "content": [
            {"type": "thinking", "thinking": "Hm."},
            {"type": "tool_use", "id": "call_1", "name": "get_weather", "input": {"city": "Paris"}},
        ],
        "stop_reason": "tool_use",
    }
    found = run("llm", {"system": "Be brief.", "messages": [{"role": "user", "content": "hi"}]}, anthropic)
    assert (found.system, found.input) == ([{"type": "text", "content": "Be brief."}], [says("user", "hi")])
    assert found.output == [says("assistant", {"type": "reasoning", "content": "Hm."}, CALL)]
    assert (found.row.response_id, found.row.response_model, found.row.finish_reasons) == (
        *("msg_1", "claude-sonnet-4-5", ["tool_call"]),
    )
    called = {"type": "function_call", "call_id": "call_1", "name": "get_weather", "arguments": '{"city":"Paris"}'}
    for status, more, reason in (
        ("completed", {}, ["tool_call"]),
        ("incomplete", {"incomplete_details": {"reason": "max_output_tokens"}}, ["length"]),
        ("incomplete", {}, ["length"]),
        ("failed", {}, None),
    ):
        found = run("llm", {"input": "hi"}, {"id": "resp_1", "output": [called], "status": status, **more})
        assert (found.output, found.row.finish_reasons) == ([says("assistant", CALL)], reason)
    assert run("llm", {"input": "hi"}, {"output": "Hello"}).output == [says("assistant", "Hello")]
    spoken = {"output": {"role": "assistant", "content": "Hello"}}
    assert run("llm", {"input": "hi"}, spoken).output == [says("assistant", "Hello")]


def test_results_and_documents_of_other_shapes() -> None:
    tool = run("tool", {"city": "Paris"}, {"w": "sunny", "c": 21})
    assert tool.row.tool_result == '{"w":"sunny","c":21}'
    assert run("tool", "cut {", None).row.tool_arguments == "cut {"
    named = run("tool", **{"gen_ai.tool.call.id": "call_1", "gen_ai.tool.name": "f"})
    assert (named.row.tool_name, named.attributes["gen_ai.tool.call.id"]) == ("f", "call_1")
    found = run("retriever", {"k": 3, "query": "q"}, {"documents": [
        {"page_content": "a", "metadata": {"score": 0.5}, "type": "Document"}, {"id": "2", "page_content": "b"},
    ]})  # fmt: skip
    assert (found.row.retrieval_query, json.loads(found.row.retrieval_documents or "")) == (
        *("q", [{"score": 0.5, "content": "a", "metadata": {"score": 0.5}}, {"id": "2", "content": "b"}]),
    )
    embedded = run("embedding", {"input": ["a", "b"], "model": "m"}, {"data": [{"embedding": [0.1, 0.2]}]})
    assert embedded.input == [says("user", "a"), says("user", "b")]
    assert embedded.made["gen_ai.embeddings.dimension.count"] == 2


def test_tool_definitions_are_flat() -> None:
    given = [{"type": "function", "function": {"name": "get_weather", "description": "w", "parameters": PARAMETERS}}]
    assert run("llm", **{"gen_ai.tool.definitions": json.dumps(given)}).tools == TOOLS


def test_metadata_tags_and_conversations() -> None:
    for key in ("session_id", "thread_id", "conversation_id"):
        row = run("chain", **{f"langsmith.metadata.{key}": "s"}).row
        assert (row.session_id, row.conversation_id) == ("s", "s")
    given = {
        "langsmith.metadata.n": "3",
        "langsmith.metadata.revision_id": "r",
        "langsmith.metadata.ls_temperature": "1",
        "langsmith.metadata.LANGSMITH_API_KEY": "x",
        "langsmith.metadata.LANGCHAIN_PROJECT": "x",
        "langsmith.span.tags": "a,  b c ,",
        "langsmith.trace.session_id": "of the project",
    }
    found = run("chain", **given)
    assert found.made == {"otelllm.tag.n": "3", "otelllm.tag.a": "true", "otelllm.tag.b c": "true"}
    assert (found.row.session_id, found.row.conversation_id) == (None, None)


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ("RateLimitError('Error code: 429') Traceback (most …", "RateLimitError"),
        ("openai.RateLimitError('429')", "openai.RateLimitError"),
        ("KeyError", "KeyError"),
        ("it went wrong (twice)", "Exception"),
        ("", "Exception"),
    ],
)
def test_errors_have_their_true_type(message: str, expected: str) -> None:
    event = {"name": "exception", "attributes": {"exception.type": "Exception", "exception.message": message}}
    assert run("chain", status=ERROR, events=[event]).row.error_type == expected
    assert run("chain", events=[event]).row.error_type is None


def test_the_first_token_has_an_event() -> None:
    events = [{"name": "new_token", "offset_ms": at, "attributes": {}} for at in (400, 250)]
    found = run("llm", events=events)
    assert (found.row.ttft_s, found.made) == (pytest.approx(0.25), {"gen_ai.request.stream": True})


def test_its_names_on_another_librarys_span() -> None:
    native = {"gen_ai.operation.name": "embeddings", "gen_ai.prompt": "hi", "langsmith.metadata.k": "v"}
    found = stored_span(native, scope="mine")
    assert (found.row.operation, found.input, found.made) == (
        "embeddings",
        [says("user", "hi")],
        {"otelllm.tag.k": "v"},
    )


@pytest.mark.parametrize("kind", ["llm", "tool", "retriever", "embedding", "chain"])
@pytest.mark.parametrize(
    "value",
    [5, 1.5, True, "", "x", "null", "[", "[1]", "[[1]]", '{"a":1}', '{"output":[[1]]}', '{"messages":5}', ["a"]],
)
def test_values_of_wrong_types_are_kept_and_nothing_raises(kind: str, value: Any) -> None:
    names = (
        *("gen_ai.prompt", "gen_ai.completion", "gen_ai.system", "langsmith.metadata.usage_metadata"),
        *("langsmith.metadata.feature", "langsmith.span.tags", "langsmith.request.streaming"),
        *("gen_ai.usage.input_token_details", "langsmith.metadata.session_id"),
    )
    given = dict.fromkeys(names, value)
    found = stored_span({"langsmith.span.kind": kind, **given}, scope=SCOPE)
    assert (found.row.vocabulary or "").startswith("langsmith")
    assert found.attributes.items() >= given.items()
