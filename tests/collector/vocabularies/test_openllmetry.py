"""OpenLLMetry and Traceloop's SDK: what both generations write alike, and today's."""

from __future__ import annotations

import json
from typing import Any

import pytest
from collector.vocabularies.spans import Stored, says, stored, stored_span, usage

from otelllm_collector.enrich import summarise

LIBRARIES = "opentelemetry.instrumentation."
ERROR = {"code": "ERROR", "message": None}
GPT, CLAUDE = "gpt-4o-2024-08-06", "claude-sonnet-4-5"
CITY = {"type": "object", "properties": {"city": {"type": "string"}}}
WEATHER = {"type": "function", "name": "get_weather", "description": "w", "parameters": CITY}
ODD: tuple[Any, ...] = (
    "",
    "None",
    "{",
    "[",
    "[1,",
    "null",
    -1,
    1.5,
    True,
    [],
    ["a"],
    "[[[[]]]]",
    '{"a": 1}',
    '[{"role"',
)


def call(arguments: Any, own_id: str = "call_1") -> dict[str, Any]:
    return {"type": "tool_call", "name": "get_weather", "id": own_id, "arguments": arguments}


def test_what_each_call_is_and_of_whom() -> None:
    spans = stored("openllmetry-openai")
    assert all((one.row.vocabulary or "").startswith("openllmetry") for one in spans)
    assert [one.row.operation for one in spans] == [*["chat"] * 6, "embeddings", "chat"]
    assert [one.row.provider for one in spans] == ["openai"] * 8
    assert [one.row.request_model for one in spans] == [*["gpt-4o"] * 6, "text-embedding-3-small", "fail"]
    assert [one.row.response_model for one in spans] == [*[GPT] * 6, "text-embedding-3-small", None]
    assert [one.row.response_id for one in spans] == [
        *(f"chatcmpl-{number}" for number in (2, 3, 4, 5)),
        *("resp_6", "resp_7", None, None),
    ]
    assert [one.row.finish_reasons for one in spans] == [
        *(["tool_call"], ["stop"], ["stop"], ["tool_call"], ["tool_call"], ["stop"], None, None),
    ]
    assert [one.row.error_type for one in spans] == [*[None] * 7, "RateLimitError"]
    assert [one.row.user_id for one in spans] == ["u1", *[None] * 7]
    assert [one.made.get("gen_ai.request.stream") for one in spans] == [None, None, True, True, *[None] * 4]
    assert [one.row.ttft_s for one in spans] == [None, None, pytest.approx(0.1051), pytest.approx(0.0168), *[None] * 4]
    assert [one.made.get("openai.response.system_fingerprint") for one in spans] == ["fp_1", "fp_1", *[None] * 6]
    assert (spans[0].attributes["gen_ai.request.max_tokens"], spans[0].attributes["gen_ai.request.temperature"]) == (
        *(50, 0.5),
    )


def test_usage_is_on_the_calls() -> None:
    spans = stored("openllmetry-openai")
    whole, streamed = (100, 30, 40, None, 12), (100, 30, 40, None, None)
    assert [usage(one) for one in spans] == [
        *(whole, whole, streamed, (None,) * 5, whole, whole, (7, None, 0, None, None), (None,) * 5),
    ]
    (trace,) = summarise([one.row for one in spans]).values()
    assert (trace.calls, trace.input_tokens, trace.output_tokens, trace.cache_read_tokens) == (8, 507, 150, 200)
    assert [one.row.cost_status for one in spans if one.made.get("otelllm.usage.estimated")] == []


def test_messages() -> None:
    spans = stored("openllmetry-openai")
    asked = [says("system", "Be brief."), says("user", "hi")]
    result = {"type": "tool_call_response", "id": "call_1", "response": "sunny"}
    assert [one.input for one in spans] == [
        *(None, None, asked, [says("user", "hi")], [says("system", "Be brief."), says("user", "Weather?")]),
        [says("user", "Weather?"), says("assistant", call({})), says("tool", result)],
        *([says("user", "a"), says("user", "b")], [says("user", "hi")]),
    ]
    called = says("assistant", call({"city": "Paris"}), finish_reason="tool_call")
    sunny = says("assistant", "It is sunny.", finish_reason="stop")
    assert [one.output for one in spans] == [
        *([called], [sunny], [says("assistant", "Hello there", finish_reason="stop")], [called]),
        [says("assistant", call({"city": "Paris"}, "fc_1"), finish_reason="tool_call")],
        *([sunny], None, None),
    ]
    bare = {"type": "function", "name": "get_weather", "parameters": {"type": "object", "properties": {}}}
    assert [one.tools for one in spans] == [[WEATHER], [WEATHER], None, [WEATHER], [bare], None, None, None]


def test_anthropic() -> None:
    spans = stored("openllmetry-anthropic")
    for one, number, reason in zip(spans, (10, 11, 12), ("tool_call", "stop", "stop"), strict=True):
        row = one.row
        assert (row.operation, row.provider, row.request_model, row.response_model) == (
            *("chat", "anthropic", CLAUDE, CLAUDE),
        )
        assert (row.response_id, row.finish_reasons) == (f"msg_{number}", [reason])
        assert (row.vocabulary or "").startswith("openllmetry")
    # Of the stream one too many: no repair is possible, but it is said.
    assert [usage(one) for one in spans] == [*[(125, 30, 40, 25, None)] * 2, (125, 31, 40, 25, None)]
    assert [one.made.get("otelllm.usage.estimated") for one in spans] == [None, None, True]
    assert [one.made.get("gen_ai.request.stream") for one in spans] == [None, None, True]
    (trace,) = summarise([one.row for one in spans]).values()
    assert (trace.calls, trace.input_tokens, trace.output_tokens, trace.cache_read_tokens) == (3, 375, 91, 120)
    result = {"type": "tool_call_response", "id": "toolu_1", "response": "sunny"}
    asked = call({"city": "Paris"}, "toolu_1")
    weather = says("user", "Weather?")
    assert [one.input for one in spans] == [
        [weather],
        [weather, says("assistant", asked), says("user", result)],
        [says("user", "hi")],
    ]
    said = says("assistant", "Let me look.", finish_reason="stop")
    assert [one.output for one in spans] == [
        [says("assistant", "Let me look.", asked, finish_reason="tool_call")],
        *([said], [said]),
    ]
    brief = [{"type": "text", "content": "Be brief."}]
    assert [one.system for one in spans] == [brief, brief, None]
    assert [one.tools for one in spans] == [[WEATHER], [WEATHER], None]


def test_a_workflow() -> None:
    spans = stored("traceloop-sdk-workflow")
    assert [one.row.operation for one in spans] == ["invoke_workflow", "invoke_agent", "execute_tool", "chat"]
    for one in spans:
        row = one.row
        assert (row.user_id, row.session_id, row.conversation_id, row.feature) == ("u1", "s1", "s1", "search")
        assert (row.workflow_name, row.error_type) == ("wf", None)
        assert (row.vocabulary or "").startswith("openllmetry")
    tagged = [{key: value for key, value in one.made.items() if ".tag." in key} for one in spans]
    feature = {"otelllm.tag.feature": "search"}
    assert tagged == [{**feature, "otelllm.tag.entity.version": 2}, feature, feature, feature]
    assert [one.row.agent_name for one in spans] == [None, *["weather_agent"] * 3]
    assert [one.row.tool_name for one in spans] == [None, None, "get_weather", None]
    assert (spans[2].row.tool_arguments, spans[2].row.tool_result) == ('{"city":"Paris"}', "sunny")
    asked, sunny = [says("user", "Weather?")], "It is sunny."
    assert [one.input for one in spans] == [asked, asked, None, asked]
    answer = [says("assistant", sunny)]
    assert [one.output for one in spans] == [answer, answer, None, [says("assistant", sunny, finish_reason="stop")]]
    assert [usage(one) for one in spans] == [*[(None,) * 5] * 3, (100, 30, 40, None, 12)]
    (trace,) = summarise([one.row for one in spans]).values()
    assert (trace.calls, trace.input_tokens, trace.output_tokens, trace.cache_read_tokens) == (1, 100, 30, 40)
    assert (trace.users, trace.sessions, trace.features, trace.models) == (["u1"], ["s1"], ["search"], [GPT])


@pytest.mark.parametrize(
    ("kind", "operation"),
    [
        ("workflow", "invoke_workflow"),
        ("agent", "invoke_agent"),
        ("tool", "execute_tool"),
        ("task", "task"),
        ("TASK", "task"),
        ("unknown", "task"),
        ("", None),
        (3, None),
    ],
)
def test_steps(kind: Any, operation: str | None) -> None:
    assert stored_span({"traceloop.span.kind": kind}, name="x.task").row.operation == operation


def tool(given: Any, answer: Any = None) -> Stored:
    attributes = {"traceloop.span.kind": "tool", "traceloop.entity.name": "get_weather"}
    for key, value in (("input", given), ("output", answer)):
        attributes[f"traceloop.entity.{key}"] = value if isinstance(value, str) else json.dumps(value)
    return stored_span(attributes, scope="traceloop.tracer", name="get_weather.tool")


@pytest.mark.parametrize(
    ("given", "arguments"),
    [
        ({"args": [], "kwargs": {"city": "P"}}, {"city": "P"}),
        ({"args": ["P"], "kwargs": {}}, {"args": ["P"], "kwargs": {}}),
        ({"args": ["P"], "kwargs": {"a": 1}}, {"args": ["P"], "kwargs": {"a": 1}}),
        ({"args": [], "kwargs": {}}, {}),
        (
            {"input_str": "{'city': 'P'}", "tags": [], "metadata": {}, "inputs": {"city": "P"}, "kwargs": {}},
            {"city": "P"},
        ),
        ({"input_str": '{"city": "P"}', "inputs": None}, {"city": "P"}),
        ({"input_str": "{'city': 'P', 'now': None}", "inputs": None}, {"city": "P", "now": None}),
        ({"input_str": "{broken", "inputs": None}, "{broken"),
        ({"city": "P"}, {"city": "P"}),
        ('{"args": [], "kwargs": {"ci', '{"args": [], "kwargs": {"ci'),
    ],
)
def test_arguments_of_tools(given: Any, arguments: Any) -> None:
    row = tool(given, {"output": "sunny", "kwargs": {}}).row
    assert (row.tool_name, row.tool_result) == ("get_weather", "sunny")
    assert row.tool_arguments == (arguments if isinstance(arguments, str) else json.dumps(arguments).replace(" ", ""))


def test_results_of_tools() -> None:
    assert tool({}, {"output": 1, "more": 2}).row.tool_result == '{"output":1,"more":2}'
    assert tool({}, "cut o").row.tool_result == "cut o"


def test_steps_of_langchain() -> None:
    human = {"lc": 1, "type": "constructor", "id": ["langchain", "HumanMessage"], "kwargs": {"content": "hi"}}
    given = {"inputs": {"messages": [human]}, "tags": [], "metadata": {}, "kwargs": {}}
    found = stored_span(
        {
            "traceloop.span.kind": "task",
            "traceloop.entity.name": "LangGraph",
            "traceloop.entity.input": json.dumps(given),
            "traceloop.entity.output": json.dumps({"outputs": {"answer": 1}, "kwargs": {}}),
        }
    )
    assert (found.row.operation, found.row.tool_name, found.row.agent_name) == ("task", None, None)
    assert (found.input, found.output) == ([says("user", "hi")], [says("assistant", '{"answer":1}')])


@pytest.mark.parametrize("key", ["session_id", "conversation_id", "thread_id", "chat_id"])
def test_conversations(key: str) -> None:
    found = stored_span({f"traceloop.association.properties.{key}": "c1", "http.method": "GET"}, scope="requests")
    row = found.row
    assert (row.conversation_id, row.session_id, row.operation, row.provider) == ("c1", "c1", None, None)
    assert found.made.get(f"otelllm.tag.{key}") is None


def test_associations_and_prompts() -> None:
    of_user = {
        f"traceloop.association.properties.{key}": value for key, value in {"user_id": "u", "plan": "pro"}.items()
    }
    of_prompt = {
        "traceloop.prompt.key": "greet",
        "traceloop.prompt.version": 3,
        "traceloop.prompt.template_variables": '{"name": "Ann"}',
        "traceloop.prompt.managed": True,
    }
    meta = {"traceloop.entity.path": "a.b", "traceloop.correlation.id": "7", "gen_ai.user": "other"}
    found = stored_span({**of_user, **of_prompt, **meta, "traceloop.association.properties.score": 5})
    row = found.row
    assert (row.user_id, row.prompt_name, row.prompt_version) == ("u", "greet", "3")
    assert found.made == {
        "gen_ai.prompt.variable.name": "Ann",
        "otelllm.tag.plan": "pro",
        "otelllm.tag.score": 5,
        "otelllm.tag.entity.path": "a.b",
        "otelllm.tag.correlation.id": "7",
    }


def search(library: str, event: str, *found: dict[str, Any], **more: Any) -> Stored:
    events = [{"name": event, "offset_ms": 1, "attributes": one} for one in found]
    attributes = {"db.system": library, **{key.replace("__", "."): value for key, value in more.items()}}
    return stored_span(attributes, scope=LIBRARIES + library, name=f"{library}.query", events=events)


def test_searches_in_vector_stores() -> None:
    result = "db.query.result"
    chroma = {f"{result}.id": "d1", f"{result}.distance": 0.5, f"{result}.document": "doc"}
    found = search("chromadb", result, {**chroma, f"{result}.metadata": '{"a": 1}'}, db__chroma__query__n_results=2)
    row = found.row
    assert (row.operation, row.retrieval_count, found.made["gen_ai.retrieval.top_k"]) == ("retrieval", 1, 2)
    assert json.loads(row.retrieval_documents or "") == [
        {"id": "d1", "distance": 0.5, "content": "doc", "metadata": {"a": 1}}
    ]
    pinecone = [
        {f"{result}.id": "d1", f"{result}.score": 0.9, f"{result}.metadata": "{'a': None}"},
        {f"{result}.id": "d2", f"{result}.score": 0.8, f"{result}.metadata": "None", f"{result}.vector": [0.1]},
        {f"{result}.id": "d3", f"{result}.metadata": "{1, 2}"},
    ]
    assert json.loads(search("pinecone", result, *pinecone).row.retrieval_documents or "") == [
        {"id": "d1", "score": 0.9, "metadata": {"a": None}},
        {"id": "d2", "score": 0.8},
        {"id": "d3"},
    ]
    entity = {"db.search.result.id": 7, "db.search.result.distance": 0.1, "db.search.result.entity": '{"t": "x"}'}
    assert json.loads(search("milvus", "db.search.result", entity).row.retrieval_documents or "") == [
        {"id": "7", "distance": 0.1, "metadata": {"t": "x"}}
    ]
    row = search("milvus", result, {"id": 7, "color": "brown"}).row
    assert json.loads(row.retrieval_documents or "") == [{"id": "7", "metadata": {"color": "brown"}}]
    assert search("marqo", result, db__marqo__search__query="q").row.retrieval_query == "q"
    row = search("qdrant", result).row
    assert (row.operation, row.retrieval_count, row.provider) == ("retrieval", None, None)


def test_hits_without_a_score_and_other_databases() -> None:
    event = "db.query.result"
    row = search(
        "pinecone", event, {f"{event}.id": "d1", f"{event}.metadata": '{"a": 1}'}, {f"{event}.vector": [0.1]}
    ).row
    assert (row.retrieval_count, json.loads(row.retrieval_documents or "")) == (2, [{"id": "d1", "metadata": {"a": 1}}])
    given = {"db.system": "elasticsearch", "traceloop.association.properties.user_id": "u"}
    assert stored_span(given, scope=LIBRARIES + "elasticsearch", name="elasticsearch.search").row.operation is None


def test_a_step_of_langchain_without_messages() -> None:
    attributes = {"traceloop.span.kind": "task", "traceloop.entity.input": '{"inputs": "hi", "kwargs": {"name": "x"}}'}
    state = {"outputs": {"messages": [{"type": "ai", "content": "yo"}]}, "kwargs": {"tags": []}}
    found = stored_span({**attributes, "traceloop.entity.output": json.dumps(state)})
    assert (found.input, found.output) == ([says("user", "hi")], [says("assistant", "yo")])


def test_errors() -> None:
    events = [{"name": "exception", "offset_ms": 1, "attributes": {"exception.type": "ValueError"}}]
    found = stored_span({"traceloop.span.kind": "task"}, events=events, status=ERROR)
    assert found.row.error_type == "ValueError"
    assert stored_span({"traceloop.span.kind": "task"}, events=events).row.error_type is None


@pytest.mark.parametrize(
    ("scope", "attributes", "is_known"),
    [
        ("opentelemetry.instrumentation.openai.v0", {"gen_ai.request.model": "m"}, True),
        ("traceloop.tracer", {}, True),
        ("opentelemetry.instrumentation.anthropic", {"gen_ai.usage.total_tokens": 1}, True),
        ("", {"gen_ai.completion.0.content": "x"}, True),
        ("", {"gen_ai.openai.api_base": "x"}, True),
        ("opentelemetry.instrumentation.openai_v2", {"gen_ai.operation.name": "chat"}, False),
        ("opentelemetry.instrumentation.anthropic", {"gen_ai.operation.name": "chat"}, False),
        ("", {"gen_ai.usage.total_tokens": 1}, False),
        ("", {"gen_ai.prompt.name": "x", "gen_ai.prompt.variable.0": "y", "gen_ai.prompt": "z"}, False),
        ("", {"llm.model_name": "x", "session.id": "s", "db.system": "postgresql"}, False),
    ],
)
def test_what_is_of_this_library(scope: str, attributes: dict[str, Any], is_known: bool) -> None:
    assert ("openllmetry" in (stored_span(attributes, scope=scope).row.vocabulary or "")) is is_known


KEYS = (
    *("llm.request.type", "traceloop.span.kind", "gen_ai.provider.name", "gen_ai.system", "gen_ai.openai.api_base"),
    *("gen_ai.request.n", "llm.top_k", "llm.chat.stop_sequences", "gen_ai.request.reasoning_effort", "llm.user"),
    *("gen_ai.is_streaming", "llm.usage.reasoning_tokens", "gen_ai.usage.input_tokens", "gen_ai.usage.total_tokens"),
    *("gen_ai.prompt.0.content", "gen_ai.prompt.0.role", "gen_ai.prompt.0.tool_call_id", "gen_ai.prompt.x.role"),
    *("gen_ai.prompt.0.tool_calls.0.name", "gen_ai.prompt.0.tool_calls.0.id", "gen_ai.completion.0.finish_reason"),
    *("gen_ai.completion.0", "gen_ai.completion.0.reasoning", "gen_ai.tool.definitions", "gen_ai.input.messages"),
    *("gen_ai.output.messages", "llm.request.functions.0.parameters", "llm.request.functions.0.name"),
    *("traceloop.entity.input", "traceloop.entity.output", "traceloop.entity.name", "traceloop.prompt.version"),
    *("traceloop.prompt.template_variables", "traceloop.association.properties.session_id"),
    *("traceloop.association.properties.", "traceloop.association.properties.feature", "gen_ai.response.finish_reason"),
)


@pytest.mark.parametrize("value", [*ODD, "[" * 300 + "]" * 300, '{"messages": ' * 200 + "1" + "}" * 200])
def test_odd_values_never_lose_a_span(value: Any, caplog: pytest.LogCaptureFixture) -> None:
    for kind in ("chat", "rerank", "completion"):
        stored_span({**dict.fromkeys(KEYS, value), "llm.request.type": kind}, scope=LIBRARIES + "openai.v1")
    for kind in ("tool", "agent", "task"):
        stored_span({**dict.fromkeys(KEYS, value), "traceloop.span.kind": kind}, scope="traceloop.tracer")
    names = ("id", "score", "distance", "document", "metadata")
    search(
        "pinecone",
        "db.query.result",
        {f"db.query.result.{key}": value for key in names},
        db__vector__query__top_k=value,
    )
    assert "can't be read" not in caplog.text
