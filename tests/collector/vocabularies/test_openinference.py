"""OpenInference: what its real spans come to, and what else its specification has."""

from __future__ import annotations

import json
from typing import Any

import pytest
from collector.vocabularies.spans import START_NS, says, stored, stored_span

from otelllm import semconv
from otelllm_collector.enrich import summarise
from otelllm_collector.normalise.openinference import VOCABULARY
from otelllm_collector.normalise.spec import Foreign

SYSTEM = {"role": "system", "parts": [{"type": "text", "content": "Be brief."}]}
CALL = {"type": "tool_call", "id": "call_1", "name": "get_weather", "arguments": {"city": "Paris"}}
TOOLS = [{"type": "function", "name": "get_weather", "description": "w",
          "parameters": {"type": "object", "properties": {"city": {"type": "string"}}}}]  # fmt: skip
SUNNY = {"type": "tool_call_response", "id": "call_1", "response": "sunny"}


USED = (100, 30, 40, None, 12)
OPENAI = [
    # response id, finish, tokens, ttft, output
    ("chatcmpl-25", ["tool_call"], USED, None, [says("assistant", CALL)]),
    ("chatcmpl-26", ["stop"], USED, None, [says("assistant", "It is sunny.")]),
    ("chatcmpl-27", ["stop"], USED, 0.07, [says("assistant", "Hello there")]),
    ("chatcmpl-28", ["tool_call"], (None,) * 5, 0.0202, [says("assistant", CALL)]),
    ("resp_29", None, USED, None, [says("assistant", CALL)]),
    ("resp_30", None, USED, None, [says("assistant", "It is sunny.")]),
]


def test_openais_calls() -> None:
    found = stored("openinference-openai")
    for one, (id_, finish, used, ttft, output) in zip(found, OPENAI, strict=False):
        row = one.row
        assert (row.vocabulary, row.operation, row.provider) == ("openinference", "chat", "openai")
        assert (row.request_model, row.response_model, row.response_id) == ("gpt-4o", "gpt-4o-2024-08-06", id_)
        assert row.finish_reasons == finish
        assert (row.input_tokens, row.output_tokens, row.cache_read_tokens, row.cache_write_tokens,
                row.reasoning_tokens) == used  # fmt: skip
        assert row.ttft_s == (ttft and pytest.approx(ttft))
        assert one.output == output
        assert (row.user_id, row.session_id, row.conversation_id, row.feature) == ("u1", "s1", "s1", "search")
        assert (row.prompt_version, one.made["gen_ai.prompt.variable.x"]) == ("v1", "y")
        assert {name: one.made[semconv.TAG + name] for name in ("a", "b", "n")} == {"a": "true", "b": "true", "n": 1}
        assert one.attributes["llm.model_name"] == "gpt-4o-2024-08-06", "what came stays"
        assert (one.made.get(semconv.REQUEST_STREAM)) == (True if ttft else None)
    image = {"type": "blob", "mime_type": "image/png", "modality": "image"}
    (system, user), tools = found[0].input or [], found[0].tools
    assert (system, tools) == (SYSTEM, TOOLS)
    assert user["parts"][0] == {"type": "text", "content": "Weather in Paris?"}
    assert {name: user["parts"][1][name] for name in image} == image
    assert (found[0].made["gen_ai.request.max_tokens"], found[0].made["gen_ai.request.temperature"]) == (50, 0.5)
    assert (found[1].input or [])[2:] == [says("assistant", CALL), says("tool", SUNNY)]
    assert (found[5].input or [])[1:] == [
        says("assistant", {"type": "tool_call", "id": "call_1", "name": "get_weather"}), says("tool", SUNNY),
    ]  # fmt: skip


def test_openais_embeddings_and_error() -> None:
    embedded, failed = stored("openinference-openai")[6:]
    assert (embedded.row.operation, embedded.row.request_model) == ("embeddings", "text-embedding-3-small")
    assert (embedded.row.input_tokens, embedded.row.output_tokens) == (7, None)
    assert embedded.input == [says("user", "a"), says("user", "b")]
    assert embedded.made[semconv.EMBEDDINGS_DIMENSIONS] == 3
    assert (failed.row.operation, failed.row.request_model, failed.row.response_model) == ("chat", "fail", None)
    assert (failed.row.status, failed.row.error_type) == ("error", "openai.RateLimitError")


def test_anthropics_calls() -> None:
    """A tool's call stands there twice, and is one."""
    looked = {"type": "text", "content": "Let me look."}
    call = {**CALL, "id": "toolu_1"}
    outputs = [[says("assistant", looked, call)], [says("assistant", looked)], [says("assistant", looked)]]
    for one, id_, output in zip(stored("openinference-anthropic"), ("33", "34", "35"), outputs, strict=True):
        row = one.row
        assert (row.operation, row.provider, row.request_model) == ("chat", "anthropic", "claude-sonnet-4-5")
        assert (row.response_model, row.response_id) == ("claude-sonnet-4-5", f"msg_{id_}")
        assert (row.input_tokens, row.output_tokens, row.cache_read_tokens, row.cache_write_tokens) == (125, 30, 40, 25)
        assert row.finish_reasons == (["tool_call"] if id_ == "33" else ["stop"])
        assert one.output == output
    again = stored("openinference-anthropic")[1]
    assert again.input == [
        SYSTEM,
        says("user", "Weather?"),
        says("assistant", call),
        says("tool", {**SUNNY, "id": "toolu_1"}),
    ]
    assert again.tools == TOOLS


def test_sums() -> None:
    for name, calls, given, made in (("openinference-openai", 8, 507, 150), ("openinference-anthropic", 3, 375, 90)):
        (trace,) = summarise(one.row for one in stored(name)).values()
        assert (trace.calls, trace.input_tokens, trace.output_tokens) == (calls, given, made)


def of(kind: str, **more: Any) -> dict[str, Any]:
    return {"openinference.span.kind": kind, **{name.replace("__", "."): value for name, value in more.items()}}


@pytest.mark.parametrize(
    ("kind", "operation"),
    [("LLM", "chat"), ("llm", "chat"), ("EMBEDDING", "embeddings"), ("RETRIEVER", "retrieval"),
     ("TOOL", "execute_tool"), ("AGENT", "invoke_agent"), ("RERANKER", "rerank"),
     ("GUARDRAIL", "guardrail"), ("EVALUATOR", "evaluate"),
     ("PROMPT", "task"), ("DECISION", "task"), ("UNKNOWN", "task"), ("NEW", "task"), ("CHAIN", "invoke_workflow")],
)  # fmt: skip
def test_kinds(kind: str, operation: str) -> None:
    assert stored_span(of(kind)).row.operation == operation


def test_without_a_kind() -> None:
    assert stored_span({"llm.model_name": "gpt-4o", "llm.token_count.prompt": 5}).row.operation == "chat"
    assert stored_span({"embedding.model_name": "e"}).row.operation == "embeddings"
    assert stored_span({"llm.other": 1}).row.vocabulary is None


def test_a_chains_messages_are_its_calls() -> None:
    found = stored_span({**of("AGENT"), "llm.input_messages.0.message.role": "user", "llm.model_name": "x",
                         "input.value": "go", "output.value": "gone", "agent.name": "helper"})  # fmt: skip
    assert (found.input, found.output) == ([says("user", "go")], [says("assistant", "gone")])
    assert (found.row.operation, found.row.agent_name, found.row.request_model) == ("invoke_agent", "helper", None)


def test_tools() -> None:
    found = stored_span(of("TOOL", tool__name="look", tool__id="t1", input__value='{"a": 1}', output__value='"b"'))
    row = found.row
    assert (row.tool_name, row.tool_arguments, row.tool_result) == ("look", '{"a":1}', "b")
    assert found.made[semconv.TOOL_CALL_ID] == "t1"
    bare = stored_span(of("TOOL", input__value="Paris", tool_call__id="c"), name="look").row
    assert (bare.tool_name, bare.tool_arguments) == ("look", "Paris")
    assert stored_span(of("TOOL", tool__parameters='{"x": 2}')).row.tool_arguments == '{"x":2}'


def test_retrieval_in_the_order_of_numbers() -> None:
    attributes = of("RETRIEVER", input__value="lit?")
    for number in (10, 2, 0):
        attributes[f"retrieval.documents.{number}.document.id"] = f"d{number}"
        attributes[f"retrieval.documents.{number}.document.content"] = f"text {number}"
        attributes[f"retrieval.documents.{number}.document.score"] = number / 10
    attributes["retrieval.documents.0.document.metadata"] = '{"page": 3}'
    row = stored_span(attributes).row
    assert (row.retrieval_query, row.retrieval_count) == ("lit?", 3)
    documents = json.loads(row.retrieval_documents or "")
    assert [one["id"] for one in documents] == ["d0", "d2", "d10"]
    assert documents[0] == {"id": "d0", "score": 0.0, "content": "text 0", "metadata": {"page": 3}}


def test_a_score_that_is_in_the_metadata() -> None:
    row = stored_span({**of("RETRIEVER"), "retrieval.documents.0.document.metadata": '{"score": 0.5, "id": "x"}'}).row
    assert json.loads(row.retrieval_documents or "")[0]["score"] == 0.5


def test_reranking() -> None:
    attributes = of("RERANKER", reranker__query="q", reranker__model_name="r-1", reranker__top_k=2)
    for number in range(3):
        attributes[f"reranker.input_documents.{number}.document.content"] = str(number)
    attributes["reranker.output_documents.0.document.content"] = "2"
    attributes["reranker.output_documents.0.document.score"] = 0.9
    found = stored_span(attributes)
    row = found.row
    assert (row.operation, row.request_model, row.retrieval_query) == ("rerank", "r-1", "q")
    assert (row.rerank_in, row.rerank_out, found.made[semconv.RETRIEVAL_TOP_K]) == (3, 1, 2)
    assert json.loads(row.retrieval_documents or "") == [{"score": 0.9, "content": "2"}]


def test_a_call_without_messages_shows_the_whole() -> None:
    found = stored_span(of("LLM", input__value="hi", output__value="there"))
    assert (found.input, found.output) == ([says("user", "hi")], [says("assistant", "there")])
    body = json.dumps({"model": "m", "messages": [{"role": "user", "content": "hi"}]})
    answer = json.dumps({"id": "r", "choices": [{"message": {"role": "assistant", "content": "there"}}],
                         "usage": {"prompt_tokens": 3, "completion_tokens": 1}})  # fmt: skip
    found = stored_span(of("LLM", input__value=body, output__value=answer))
    assert (found.input, found.output) == ([says("user", "hi")], [says("assistant", "there")])
    assert (found.row.response_id, found.row.input_tokens, found.row.output_tokens) == ("r", 3, 1)


def test_costs_providers_and_older_names() -> None:
    found = stored_span({**of("LLM", llm__provider="azure", llm__model_name="gpt-4o"), "llm.cost.total": 0.03,
                         "llm.cost.prompt": 0.01, "llm.cost.completion": 0.02,
                         "llm.token_count.prompt_details.cache_input": "40",
                         "llm.token_count.prompt": "100"})  # fmt: skip
    assert (found.row.cost_usd, found.row.cost_status) == (0.03, "reported")
    assert (found.made[semconv.COST_INPUT], found.made[semconv.COST_OUTPUT]) == (0.01, 0.02)
    assert (found.row.provider, found.row.cache_read_tokens, found.row.input_tokens) == ("azure.ai.openai", 40, 100)
    assert (found.row.request_model, found.row.response_model) == ("gpt-4o", None)
    assert stored_span(of("LLM", llm__provider="google", llm__system="vertexai")).row.provider == "gcp.vertex_ai"
    assert stored_span(of("LLM", llm__provider="aws")).row.provider == "aws.bedrock"


def test_both_vocabularies_on_one_span() -> None:
    """Their own converter puts the model that answered into the one that was asked for, and knows no reasoning."""
    found = stored_span({**of("LLM", llm__model_name="gpt-4o-2024"), "gen_ai.operation.name": "chat",
                         "llm.invocation_parameters": '{"model": "gpt-4o"}', "gen_ai.request.model": "gpt-4o-2024",
                         "llm.token_count.completion_details.reasoning": 12, "gen_ai.usage.input_tokens": 100,
                         "llm.token_count.prompt": 99})  # fmt: skip
    row = found.row
    assert (row.request_model, row.response_model, row.reasoning_tokens, row.input_tokens) == (
        "gpt-4o", "gpt-4o-2024", 12, 100,
    )  # fmt: skip
    assert found.attributes["gen_ai.request.model"] == "gpt-4o-2024"


def test_a_prompt_without_its_cached_tokens() -> None:
    used = {"llm.token_count.prompt": 60, "llm.token_count.prompt_details.cache_read": 40,
            "llm.token_count.prompt_details.cache_write": 25}  # fmt: skip
    assert stored_span(of("LLM") | used).row.input_tokens == 125
    assert stored_span(of("LLM") | used | {"llm.token_count.prompt": 65}).row.input_tokens == 65
    assert stored_span(of("LLM") | used | {"llm.token_count.prompt": "x"}).row.input_tokens is None


def test_prices() -> None:
    def costs(**cost: Any) -> tuple[Any, ...]:
        found = stored_span(of("LLM") | {f"llm.cost.{name}": value for name, value in cost.items()})
        return found.row.cost_usd, found.row.cost_status, found.made.get(semconv.COST_INPUT)

    assert costs(prompt=0.25, completion=0.5) == (0.75, "reported", 0.25)
    assert costs(total=-1) == costs(prompt=0.25) == costs(total="x") == costs(total=True) == (None, None, None)
    assert costs(total=-1, prompt="0.25", completion=0.5) == (0.75, "reported", 0.25)
    assert costs(total=1, prompt=-0.25) == (1, "reported", None)
    assert costs(total=0) == (0, "reported", None)


def test_a_failed_call_has_no_model_that_answered() -> None:
    asked = of("LLM", llm__model_name="m", llm__invocation_parameters='{"model": "m-latest"}')
    failed = {"status": {"code": "ERROR"}}
    assert stored_span(asked).row.response_model == "m"
    row = stored_span(asked, **failed).row
    assert (row.request_model, row.response_model) == ("m-latest", None)
    broken_off = stored_span(asked | {"llm.response.model_name": "m-1"}, **failed).row
    assert broken_off.response_model == "m-1", "it had begun to answer"


def test_prompts_belong_to_calls() -> None:
    used = {"llm.prompt_template.version": 3, "llm.prompt_template.variables": '{"x": 1}', "prompt.id": "greet"}
    found = stored_span(of("LLM") | used)
    assert (found.row.prompt_name, found.row.prompt_version) == ("greet", "3")
    assert found.made["gen_ai.prompt.variable.x"] == 1
    for version, made in (("v1", "v1"), (1.5, "1.5"), (True, None), ("", None), ([1], None)):
        assert stored_span(of("LLM") | {"llm.prompt_template.version": version}).row.prompt_version == made
    for kind in ("EMBEDDING", "CHAIN", "AGENT", "TOOL", "RETRIEVER", "RERANKER", "GUARDRAIL"):
        found = stored_span(of(kind) | used)
        assert (found.row.prompt_name, found.row.prompt_version) == (None, None)
        assert not any(name.startswith("gen_ai.prompt") for name in found.made)
        assert found.attributes["llm.prompt_template.version"] == 3
    assert stored("openinference-openai")[6].row.prompt_version is None


def test_an_operation_in_the_conventions_stays_without_a_kind() -> None:
    named = {"gen_ai.operation.name": "generate_content", "llm.model_name": "m",
             "llm.input_messages.0.message.content": "hi"}  # fmt: skip
    found = stored_span(named)
    assert (found.row.operation, found.input, found.row.request_model) == (
        "generate_content",
        [says("user", "hi")],
        "m",
    )
    row = stored_span(named | {"gen_ai.operation.name": "execute_tool", "tool.name": "look"}).row
    assert (row.operation, row.tool_name, row.request_model) == ("execute_tool", "look", None)
    assert stored_span(named | {"openinference.span.kind": "LLM"}).row.operation == "chat"


@pytest.mark.parametrize(
    ("by", "system", "provider"),
    [("azure", "openai", "azure.ai.openai"), ("azure", None, "azure.ai.openai"),
     ("azure", "anthropic", "azure.ai.inference"), ("azure", "mistralai", "azure.ai.inference"),
     ("google", "vertexai", "gcp.vertex_ai"), ("google", "google", "gcp.gemini"), ("google", None, "gcp.gemini"),
     ("aws", "anthropic", "aws.bedrock"), (None, "anthropic", "anthropic"), ("OpenAI", 7, "openai")],
)  # fmt: skip
def test_providers(by: str | None, system: Any, provider: str) -> None:
    named = {name: value for name, value in (("llm.provider", by), ("llm.system", system)) if value is not None}
    found = stored_span(of("LLM", llm__model_name="claude-sonnet-5") | named).row
    assert (found.provider, found.request_model) == (provider, "claude-sonnet-5")


def test_metadata_and_labels() -> None:
    metadata = {"a": {"b": [1]}, "c": [1, "x"], "d": True, "e": 1.5, "f": None, "feature": "search"}
    found = stored_span(of("CHAIN", metadata=json.dumps(metadata), tag__tags='["x", "y"]', graph__node__id="n"))
    tags = {name.removeprefix(semconv.TAG): value for name, value in found.made.items() if semconv.TAG in name}
    assert tags == {"a": '{"b":[1]}', "c": '[1,"x"]', "d": True, "e": 1.5, "feature": "search", "x": "true",
                    "y": "true", "graph.node.id": "n"}  # fmt: skip
    assert found.row.feature == "search"


def test_langchains_tools_and_searches() -> None:
    output = {"type": "tool", "data": {"content": "sunny", "name": "look", "tool_call_id": "call_1"}}
    found = stored_span(of("TOOL", tool__name="look", input__value="Paris", output__value=json.dumps(output)))
    assert (found.made[semconv.TOOL_CALL_ID], found.row.tool_arguments) == ("call_1", "Paris")
    assert json.loads(found.row.tool_result or "") == output
    for odd in ('{"data": 7}', '{"data": {"tool_call_id": 7}}', "[1]"):
        assert semconv.TOOL_CALL_ID not in stored_span(of("TOOL", output__value=odd)).made
    for given, query in (('{"query": "lit?", "k": 3}', "lit?"), ('["lit?"]', "lit?"), ("lit?", "lit?"), ("42", "42"),
                         ('{"k": 3}', '{"k": 3}')):  # fmt: skip
        assert stored_span(of("RETRIEVER", input__value=given)).row.retrieval_query == query


@pytest.mark.parametrize("kind", ["CHAIN", "PROMPT", "GUARDRAIL", "EVALUATOR", "UNKNOWN"])
def test_steps_keep_no_messages(kind: str) -> None:
    found = stored_span(of(kind, input__value="hi", output__value="there") | {
        "llm.input_messages.0.message.content": "hi", "llm.token_count.prompt": 5}, parent=0)  # fmt: skip
    assert (found.input, found.output, found.row.input_tokens) == (None, None, None)


def test_the_whole_answer_fills_what_is_lacking() -> None:
    answer = {"id": "r", "model": "m-1", "usage": {"prompt_tokens": 3, "completion_tokens": 1}}
    used = {"llm.token_count.prompt": 5, "llm.input_messages.0.message.content": "hi"}

    def row(output: str, **more: Any) -> tuple[Any, ...]:
        found = stored_span(of("LLM", llm__model_name="m", output__value=output) | more).row
        return found.response_id, found.response_model, found.input_tokens

    asked = used | {"llm.invocation_parameters": '{"model": "m"}'}
    assert row(json.dumps(answer)) == ("r", "m-1", 3)
    assert row(json.dumps(answer), **used) == ("r", "m-1", 5)
    assert row(json.dumps(answer), **asked) == ("r", "m", 5)
    assert row(json.dumps({"choices": [], "id": "r"}), **asked) == ("r", "m", 5)
    assert row('{"id":"r","choices":[{"mess', **asked) == ("r", "m", 5), "broken off"
    assert row('{"id":"r\\u0041"}', **asked) == ("rA", "m", 5)
    for odd in ('{"id":7}', '{"id":""}', '{"id":"', '{"id', "{", "[1]", '{"a":1}'):
        assert row(odd, **asked) == (None, "m", 5)
        assert row(odd)[2] is None
    embedded = of("EMBEDDING", embedding__model_name="e", output__value='{"data": [], "usage": {"prompt_tokens": 7}}')
    assert stored_span(embedded).row.input_tokens == 7


@pytest.mark.parametrize("odd", [None, 7, -1.5, True, "", "{", "[1", '{"a"', [], ["x", None], {"a": {"b": 1}}, "x" * 9])
def test_odd_values_raise_nothing(odd: Any) -> None:
    keys = [
        "llm.model_name", "llm.provider", "llm.invocation_parameters", "llm.token_count.prompt", "llm.finish_reason",
        "input.value", "output.value", "metadata", "tag.tags", "llm.prompt_template.variables", "session.id",
        "llm.input_messages.0.message.role", "llm.input_messages.0.message.content", "llm.cost.total",
        "llm.input_messages.0.message.contents.0.message_content.type", "llm.tools.0.tool.json_schema",
        "llm.output_messages.0.message.tool_calls.0.tool_call.id",
        "llm.output_messages.0.message.tool_calls.0.tool_call.x",
        "retrieval.documents.0.document.metadata", "retrieval.documents.0.document.score", "tool.parameters",
        "embedding.embeddings.0.embedding.vector", "embedding.embeddings.0.embedding.text", "llm.function_call",
        "reranker.output_documents.0.document.id", "agent.name", "llm.input_messages", "llm.prompts", "llm.tools",
        "retrieval.documents", "embedding.embeddings", "reranker.output_documents", "llm.tools.1.tool.name",
        "llm.output_messages.0.message.contents", "llm.output_messages.0.message.contents.", "llm.output_messages.0",
        "llm.output_messages.0.message.tool_calls.0", "llm.cost.prompt", "llm.cost.completion", "prompt.id",
        "llm.prompt_template.version", "llm.token_count.prompt_details.cache_input", "llm.system", "tool.id",
        "gen_ai.operation.name", "graph.node.id", "reranker.query",
        "llm.input_messages.1.message.contents.0.message_content.audio.audio.url",
    ]  # fmt: skip
    for kind in ("LLM", "EMBEDDING", "TOOL", "RETRIEVER", "RERANKER", "AGENT", "CHAIN", odd):
        attributes = {"openinference.span.kind": kind, **dict.fromkeys(keys, odd)}
        for chosen in (attributes, *({**of("LLM"), key: odd} for key in keys)):
            VOCABULARY.read(Foreign("x", "", chosen, (), START_NS, START_NS + 1, is_root=True, is_error=True))
