"""Langfuse's SDK, and its names on other libraries' spans."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from collector.vocabularies.spans import START_NS, Stored, says, stored, stored_span, usage

from otelllm_collector.enrich import summarise

SCOPE = "langfuse-sdk"
ERROR = {"code": "ERROR", "message": "429"}
MEDIA = "@@@langfuseMedia:type=image/png|id=SXeQlH1GZnYM4488AOhSxx|source=base64_data_uri@@@"
GPT = "gpt-4o-2024-08-06"
TOOLS = [
    {
        "type": "function",
        "name": "get_weather",
        "description": "w",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
    }
]
CALL = {"type": "tool_call", "id": "call_1", "name": "get_weather", "arguments": {"city": "Paris"}}
WRAPPER = {"temperature": 1, "max_tokens": "Infinity", "top_p": 1, "frequency_penalty": 0, "presence_penalty": 0}


def observed(kind: str | None = "generation", *, scope: str = SCOPE, name: str = "step", **more: Any) -> Stored:
    """A span of the SDK; structures as the JSON text that it makes of them."""
    span = {key: more.pop(key) for key in ("events", "status") if key in more}
    given = {
        f"langfuse.observation.{key.replace('__', '.')}": json.dumps(value) if isinstance(value, dict | list) else value
        for key, value in more.items()
    }
    return stored_span(
        {**given, **({} if kind is None else {"langfuse.observation.type": kind})}, scope=scope, name=name, **span
    )


def test_what_each_span_is_and_of_whom() -> None:
    spans = stored("langfuse")
    assert [one.row.operation for one in spans] == [
        *("invoke_agent", "chat", "execute_tool", "chat", "embeddings", "chat", "chat", "retrieval"),
    ]
    assert [one.row.provider for one in spans] == [None, "openai", None, *["openai"] * 4, None]
    # Its wrapper writes the answering model's name over the other; by hand, and on failure, it is the one asked for.
    assert [one.row.response_model for one in spans] == [None, GPT, None, GPT, "text-embedding-3-small", *[None] * 3]
    assert [one.row.request_model for one in spans] == [*[None] * 5, "fail", "gpt-4o", None]
    assert [one.row.finish_reasons for one in spans] == [*[None] * 3, ["stop"], *[None] * 4]
    assert [(one.row.agent_name, one.row.tool_name) for one in spans[:3]] == [
        *(("weather_agent", None), (None, None), (None, "get_weather")),
    ]
    for one in spans:
        row = one.row
        assert (row.user_id, row.session_id, row.conversation_id) == ("u1", "s1", "s1")
        assert (row.feature, row.workflow_name, row.vocabulary) == ("search", "my-trace", "langfuse")
        assert (row.response_id, row.error_type, row.ttft_s) == (None, None, None)
        tags = {key.removeprefix("otelllm.tag."): value for key, value in one.made.items() if ".tag." in key}
        assert (
            tags.items()
            >= {
                "a": "true",
                "b": "true",
                "feature": "search",
                "environment": "staging",
                "release": "r1",
                "version": "v9",
            }.items()
        )
        assert ("k" in tags) is (row.name == "gen-name")
    assert spans[1].made["otelllm.tag.k"] == "v"


def test_usage_and_cost() -> None:
    spans = stored("langfuse")
    none, whole = (None,) * 5, (100, 30, 40, None, 12)
    assert [usage(one) for one in spans] == [
        *(none, whole, none, whole, (7, None, None, None, None), none, (100, 30, 40, None, None), none),
    ]
    assert [(one.row.cost_usd, one.row.cost_status) for one in spans] == [
        *[(None, None)] * 6, (0.003, "reported"), (None, None),
    ]  # fmt: skip
    assert (spans[6].made["otelllm.cost.input"], spans[6].made["otelllm.cost.output"]) == (0.001, 0.002)
    traces = summarise([one.row for one in spans]).values()
    assert [
        (one.calls, one.input_tokens, one.output_tokens, one.cache_read_tokens, one.cost_usd) for one in traces
    ] == [(5, 307, 90, 120, 0.003)]


def test_messages() -> None:
    spans = stored("langfuse")
    asked = says("user", "Weather in Paris?", {"type": "uri", "modality": "image", "uri": MEDIA})
    brief, called = says("system", "Be brief."), says("assistant", CALL)
    tool = {"role": "tool", "parts": [{"type": "tool_call_response", "id": "call_1", "response": "sunny"}]}
    assert [one.input for one in spans] == [
        [says("user", '{"args": ["Weather?"], "kwargs": {}}')],
        *([brief, asked], None, [brief, asked, called, tool], [says("user", "a"), says("user", "b")]),
        *([says("user", "x")], [says("user", "x")], None),
    ]
    assert [one.output for one in spans] == [
        *([says("assistant", "done")], [called], None, [says("assistant", "Hello there")], None, None),
        *([says("assistant", "y")], None),
    ]
    assert [one.tools for one in spans] == [None, TOOLS, *[None] * 6]
    assert spans[4].made["gen_ai.embeddings.dimension.count"] == 3
    assert [one.made.get("gen_ai.request.stream") for one in spans] == [*[None] * 3, True, *[None] * 4]


def test_tools_and_searches() -> None:
    spans = stored("langfuse")
    row = spans[2].row
    assert (row.tool_arguments, row.tool_result) == ('{"args":["Paris"],"kwargs":{}}', "sunny")
    row = spans[7].row
    assert (row.retrieval_query, row.retrieval_documents, row.retrieval_count) == (
        *("q", '[{"id":"d1","content":"t"}]', 1),
    )  # fmt: skip


def test_settings_that_the_wrapper_makes_up_are_no_settings() -> None:
    spans = stored("langfuse")
    settings = [{key for key in one.made if key.startswith("gen_ai.request.")} for one in spans]
    assert settings == [*[set()] * 3, {"gen_ai.request.stream"}, set(), set(), {"gen_ai.request.temperature"}, set()]
    assert spans[6].made["gen_ai.request.temperature"] == 0.5
    found = observed(model__parameters={**WRAPPER, "temperature": 0.2, "max_tokens": 64})
    assert {key: value for key, value in found.made.items() if "request" in key} == {
        "gen_ai.request.temperature": 0.2,
        "gen_ai.request.max_tokens": 64,
    }
    by_hand = observed(model__parameters={"temperature": 1, "max_tokens": "64", "stop": "END", "seed": 7})
    assert by_hand.made == {
        "gen_ai.request.temperature": 1.0,
        "gen_ai.request.max_tokens": 64,
        "gen_ai.request.seed": 7,
        "gen_ai.request.stop_sequences": ["END"],
    }


@pytest.mark.parametrize(
    ("kind", "operation"),
    [
        ("generation", "chat"),
        ("GENERATION", "chat"),
        ("embedding", "embeddings"),
        ("span", "task"),
        ("event", "task"),
        ("agent", "invoke_agent"),
        ("tool", "execute_tool"),
        ("chain", "task"),
        ("retriever", "retrieval"),
        ("evaluator", "evaluate"),
        ("guardrail", "guardrail"),
        ("something new", "task"),
        (None, "task"),
    ],
)
def test_types(kind: str | None, operation: str) -> None:
    assert observed(kind, input="q").row.operation == operation


def test_a_generation_without_its_type() -> None:
    assert observed(None, scope="mine", model__name="gpt-4o").row.operation == "chat"
    assert observed(None, scope="mine", usage_details={"input": 7}).row.operation == "chat"
    assert observed(None, scope="mine", metadata__k='"v"').row.operation is None


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        # The total says that input and output are whole …
        ({"input": 100, "output": 30, "total": 130, "input_cached_tokens": 40, "output_reasoning_tokens": 12},
         (100, 30, 40, None, 12)),
        # … that each class has a bucket of its own …
        ({"input": 60, "output": 18, "total": 130, "input_cached_tokens": 40, "output_reasoning_tokens": 12},
         (100, 30, 40, None, 12)),
        ({"input": 60, "output": 30, "total": 155, "cache_read_input_tokens": 40, "cache_creation_input_tokens": 25},
         (125, 30, 40, 25, None)),
        # … or only those of one side.
        ({"input": 100, "output": 18, "total": 130, "input_cache_read": 40, "output_reasoning": 12},
         (100, 30, 40, None, 12)),
        ({"input": 60, "output": 30, "total": 130, "input_cache_read": 40, "output_reasoning": 12},
         (100, 30, 40, None, 12)),
        # Without a total Langfuse's buckets are disjoint.
        ({"input": 60, "output": 18, "input_cache_read": 40, "output_reasoning": 12}, (100, 30, 40, None, 12)),
        # Fewer than what was cached can't hold it.
        ({"input": 60, "output": 30, "total": 90, "cache_read_input_tokens": 65}, (125, 30, 65, None, None)),
        ({"input": 60, "output": 30, "total": 1, "input_cache_creation": 25}, (85, 30, None, 25, None)),
        # Providers' own.
        ({"prompt_tokens": 100, "completion_tokens": 30, "prompt_tokens_details": None}, (100, 30, None, None, None)),
        ({"input_tokens": 100, "output_tokens": 30, "total_tokens": 130,
          "input_tokens_details": {"cached_tokens": 40}, "output_tokens_details": {"reasoning_tokens": 12}},
         (100, 30, 40, None, 12)),
        ({"input_tokens": 60, "output_tokens": 30, "cache_read_input_tokens": 40, "cache_creation_input_tokens": 25},
         (125, 30, 40, 25, None)),
        ({"promptTokens": 100, "completionTokens": 30, "totalTokens": 130}, (100, 30, None, None, None)),
        ({"input": 7}, (7, None, None, None, None)),
        ({"input": "7", "output": 3.0, "unit": "TOKENS"}, (7, 3, None, None, None)),
        ({"input": None, "output": "many", "total": True, "cache_read": {}}, (None,) * 5),
        ([], (None,) * 5),
        ("{", (None,) * 5),
        (5, (None,) * 5),
    ],
)  # fmt: skip
def test_usage_in_all_shapes(given: Any, expected: tuple[int | None, ...]) -> None:
    assert usage(observed(usage_details=given)) == expected


@pytest.mark.parametrize(
    ("given", "is_error", "cost"),
    [
        ({"input": 0.001, "output": 0.002}, False, 0.003),
        ({"input": 0, "output": 0, "total": 0}, False, 0.0),
        ({"input": 0, "output": 0, "total": 0}, True, None),
        ({"input": 0.001, "total": 0.001}, True, 0.001),
        ({"total": -1}, False, None),
        ({"total": "a"}, False, None),
        ({}, False, None),
        ("x", False, None),
    ],
)
def test_costs(given: Any, is_error: bool, cost: float | None) -> None:
    found = observed(cost_details=given, **({"status": ERROR} if is_error else {}))
    assert (found.row.cost_usd, found.row.cost_status) == (cost, None if cost is None else "reported")


def test_time_to_the_first_token() -> None:
    def at(seconds: float) -> str:
        return json.dumps(datetime.fromtimestamp(START_NS / 1e9 + seconds, UTC).isoformat().replace("+00:00", "Z"))

    found = observed(completion_start_time=at(0.25))
    assert (found.row.ttft_s, found.made) == (pytest.approx(0.25, abs=1e-5), {"gen_ai.request.stream": True})
    assert observed(completion_start_time=json.loads(at(0.25))).row.ttft_s == pytest.approx(0.25, abs=1e-5)
    # Not in the span, no time, without a zone.
    for odd in (at(-1), at(5), '"soon"', '"2026-11-23T21:45:12"', "5", "[]", ""):
        assert observed(completion_start_time=odd).row.ttft_s is None


def test_models_and_whose_they_are() -> None:
    wrapped = observed(model__name="gpt-4o-x", model__parameters=WRAPPER, name="mine")
    assert (wrapped.row.request_model, wrapped.row.response_model) == (None, "gpt-4o-x")
    failed = observed(model__name="gpt-4o-x", model__parameters=WRAPPER, status=ERROR)
    assert (failed.row.request_model, failed.row.response_model) == ("gpt-4o-x", None)
    for model, provider in (
        ("claude-sonnet-4-5", "anthropic"),
        ("gemini-2.5-pro", "gcp.gemini"),
        ("my-own", None),
    ):
        assert observed(model__name=model).row.provider == provider
    assert observed(model__name="my-own", name="OpenAI-generation").row.provider == "openai"


def test_content_of_other_shapes() -> None:
    # A text may look like JSON; objects that are no messages stay what they are.
    assert observed(input='{"a": 1}', output='{"answer": 42}').output == [says("assistant", '{"answer": 42}')]
    assert observed(input='{"a": 1}').input == [says("user", '{"a": 1}')]
    assert observed(input="123", output='["x"]').input == [says("user", "123")]
    assert observed(input='[{"role": "us').input == [says("user", '[{"role": "us')]
    assert observed(input="null", output="").input is None
    several = observed(output=[{"role": "assistant", "content": "a"}, {"role": "assistant", "content": "b"}])
    assert several.output == [says("assistant", "a"), says("assistant", "b")]
    called = {"type": "function_call", "call_id": "call_1", "name": "get_weather", "arguments": '{"city":"Paris"}'}
    spoken = {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "Hm."}]}
    items = observed(
        input=[
            {"role": "user", "content": "hi"},
            called,
            {"type": "function_call_output", "call_id": "call_1", "output": "sunny"},
        ],
        output=[{"type": "reasoning", "summary": []}, spoken, called],
    )
    result = {"type": "tool_call_response", "id": "call_1", "response": "sunny"}
    assert items.input == [says("user", "hi"), says("assistant", CALL), {"role": "tool", "parts": [result]}]
    assert items.output == [says("assistant", "Hm.", CALL)]
    prompt = observed(input={"prompt": "hi", "model": "gpt-4o"})
    assert (prompt.input, prompt.row.request_model) == ([says("user", "hi")], "gpt-4o")
    listed = observed("chain", input={"messages": [{"role": "user", "content": "hi"}]})
    assert listed.input == [says("user", "hi")]
    single = observed("embedding", input="a", output="x")
    assert (single.input, single.made) == ([says("user", "a")], {})


def test_arguments_results_and_documents_of_other_shapes() -> None:
    tool = observed("tool", input={"city": "Paris"}, output=[1, 2])
    assert (tool.row.tool_arguments, tool.row.tool_result) == ('{"city":"Paris"}', "[1,2]")
    called = observed("retriever", input={"args": ["q"], "kwargs": {"k": 3}}, output=["x", "y"])
    assert called.row.retrieval_query == "q"
    assert called.row.retrieval_documents == '[{"content":"x"},{"content":"y"}]'
    dumped = {"id": None, "metadata": {"source": "s"}, "page_content": "t", "type": "Document"}
    found = observed("retriever", input={"query": "q"}, output={"documents": [dumped]})
    assert found.row.retrieval_documents == '[{"content":"t","metadata":{"source":"s"}}]'
    for odd in ("", "null", "[]", "5", "[5]"):
        assert observed("retriever", output=odd).row.retrieval_documents is None


def test_older_names_of_user_and_session_and_the_prompt() -> None:
    for user, session in (
        ("langfuse.user.id", "langfuse.session.id"),
        ("langfuse.trace.user_id", "langfuse.trace.session_id"),
    ):
        found = stored_span({user: "u", session: "s", "user.id": "other"}, scope=SCOPE)
        assert (found.row.user_id, found.row.session_id, found.row.conversation_id) == ("u", "s", "s")
    prompted = observed(prompt__name="greet", prompt__version=3)
    assert (prompted.row.prompt_name, prompted.row.prompt_version) == ("greet", "3")


def test_metadata_is_json_once_more() -> None:
    given = {
        "langfuse.observation.metadata.text": '"v"',
        "langfuse.observation.metadata.number": "3",
        "langfuse.observation.metadata.list": "[1,2]",
        "langfuse.observation.metadata.plain": "v",
        "langfuse.trace.metadata.text": '"of the trace"',
        "langfuse.experiment.name": "e",
        "langfuse.experiment.item.id": "i",
        "langfuse.trace.tags": '["x"]',
        "langfuse.internal.as_root": True,
    }
    found = stored_span(given, scope=SCOPE)
    assert {key.removeprefix("otelllm.tag."): value for key, value in found.made.items()} == {
        "text": "v",
        "number": 3,
        "list": "[1,2]",
        "plain": "v",
        "experiment.name": "e",
        "experiment.item.id": "i",
        "x": "true",
    }
    assert found.attributes == given


def test_on_another_librarys_span_it_beats_what_was_set_on_purpose_and_nothing_else() -> None:
    native = {
        "gen_ai.operation.name": "text_completion",
        "gen_ai.provider.name": "mine",
        "gen_ai.request.model": "a",
        "gen_ai.usage.input_tokens": 1,
        "gen_ai.usage.output_tokens": 2,
        "gen_ai.conversation.id": "c",
        "session.id": "s",
    }
    of_trace = {"langfuse.trace.name": "t", "langfuse.trace.tags": ["x"], "langfuse.trace.metadata.k": '"v"'}
    found = stored_span({**native, **of_trace}, scope="mine", name="n")
    row = found.row
    assert (row.operation, row.provider, row.request_model, row.input_tokens) == ("text_completion", "mine", "a", 1)
    assert (row.workflow_name, row.session_id, row.conversation_id) == ("t", "s", "c")
    override = {
        "langfuse.observation.model.name": "gpt-4o",
        "langfuse.observation.usage_details": '{"input":7,"output":8}',
    }
    row = stored_span({**native, **override}, scope="mine").row
    assert (row.operation, row.request_model, row.input_tokens, row.output_tokens) == (
        "text_completion",
        "gpt-4o",
        7,
        8,
    )
    vercel = {"ai.operationId": "ai.generateText", **of_trace}
    assert stored_span(vercel, scope="ai").row.operation == "invoke_agent"


def test_an_exception_has_its_type() -> None:
    event = {"name": "exception", "attributes": {"exception.type": "ValueError"}}
    assert observed("span", status=ERROR, events=[event]).row.error_type == "ValueError"


@pytest.mark.parametrize("kind", ["generation", "embedding", "agent", "tool", "retriever", "span"])
@pytest.mark.parametrize(
    "value", [5, 1.5, True, "", "x", "null", "[", "[1]", "[[1]]", '{"a":1}', '{"role":5}', ["a", 1]]
)
def test_values_of_wrong_types_are_kept_and_nothing_raises(kind: str, value: Any) -> None:
    names = (
        *("input", "output", "model.name", "model.parameters", "usage_details", "cost_details", "prompt.version"),
        *("completion_start_time", "metadata.feature", "metadata.finish_reason", "level"),
    )
    given = {f"langfuse.observation.{name}": value for name in names} | {"langfuse.trace.tags": value}
    found = stored_span({"langfuse.observation.type": kind, **given}, scope=SCOPE)
    assert found.row.vocabulary == "langfuse"
    assert found.attributes.items() >= given.items()
