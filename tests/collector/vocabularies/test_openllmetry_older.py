"""OpenLLMetry's older releases: names and messages from before the conventions had any, a leaf an attribute."""

from __future__ import annotations

import json
from typing import Any

import pytest
from collector.vocabularies.spans import Stored, says, stored_span, usage

LIBRARIES = "opentelemetry.instrumentation."
CITY = {"type": "object", "properties": {"city": {"type": "string"}}}
WEATHER = {"type": "function", "name": "get_weather", "description": "w", "parameters": CITY}


def call(arguments: Any, own_id: str = "call_1") -> dict[str, Any]:
    return {"type": "tool_call", "name": "get_weather", "id": own_id, "arguments": arguments}


def older(library: str = "openai.v1", name: str = "openai.chat", **attributes: Any) -> Stored:
    """A span of an older release: `__` in a name is a dot."""
    span = {key: attributes.pop(key) for key in ("events", "status") if key in attributes}
    given = {key.replace("__", "."): value for key, value in attributes.items()}
    return stored_span(given, scope=LIBRARIES + library, name=name, **span)


def flat(prefix: str, *said: dict[str, Any]) -> dict[str, Any]:
    return {f"gen_ai.{prefix}.{index}.{key}": value for index, one in enumerate(said) for key, value in one.items()}


@pytest.mark.parametrize(
    ("written", "name", "operation"),
    [
        ("chat", "openai.chat", "chat"),
        ("completion", "openai.completion", "text_completion"),
        ("completion", "anthropic.chat", "chat"),
        ("completion", "anthropic.completion", "text_completion"),
        ("embedding", "openai.embeddings", "embeddings"),
        ("rerank", "cohere.rerank", "rerank"),
        ("CHAT", "ChatOpenAI.chat", "chat"),
        ("unknown", "openai.chat", "chat"),
        (None, "openai.response", "chat"),
        (None, "openai.embeddings", "embeddings"),
        (None, "something.else", None),
    ],
)
def test_what_a_call_is_of_older_releases(written: str | None, name: str, operation: str | None) -> None:
    more = {} if written is None else {"llm__request__type": written}
    found = older(name=name, gen_ai__system="OpenAI", gen_ai__request__model="gpt-4o", **more)
    assert (found.row.operation, found.row.provider) == (operation, "openai")


def test_the_conventions_own_operation_counts() -> None:
    found = older(gen_ai__operation__name="generate_content", llm__request__type="chat")
    assert found.row.operation == "generate_content"


@pytest.mark.parametrize(
    ("key", "written", "base", "model", "provider"),
    [
        ("gen_ai.system", "OpenAI", None, "gpt-4o", "openai"),
        ("gen_ai.system", "Anthropic", None, "m", "anthropic"),
        ("gen_ai.system", "Langchain", None, "gpt-4o", "openai"),
        ("gen_ai.system", "Langchain", None, "mine", None),
        ("gen_ai.provider.name", "langchain", None, "mine", None),
        ("gen_ai.provider.name", "langchain", None, "claude-3", "anthropic"),
        ("gen_ai.provider.name", "AWS", None, "m", "aws.bedrock"),
        ("gen_ai.provider.name", "openai", "https://x.openai.azure.com/openai/", "gpt-4o", "azure.ai.openai"),
        ("gen_ai.provider.name", "openai", "https://openrouter.ai/api/v1", "gpt-4o", "openrouter"),
        ("gen_ai.system", "OpenAI", "https://api.groq.com/openai/v1", "llama", "groq"),
        ("gen_ai.system", "OpenAI", "http://127.0.0.1:99999/v1", "gpt-4o", "openai"),
        ("gen_ai.system", "OpenAI", "http://[::1", "gpt-4o", "openai"),
        ("gen_ai.provider.name", "anthropic", "https://openrouter.ai/api/v1", "m", "anthropic"),
    ],
)
def test_whose_service_it_is(key: str, written: str, base: str | None, model: str, provider: str | None) -> None:
    given = {key: written, "llm.request.type": "chat", "gen_ai.request.model": model}
    more = {} if base is None else {"gen_ai.openai.api_base": base}
    assert stored_span({**given, **more}, scope=LIBRARIES + "openai.v1").row.provider == provider


def test_langchain_says_the_provider_in_its_metadata() -> None:
    given = {"gen_ai.system": "Langchain", "llm.request.type": "chat", "gen_ai.request.model": "mine"}
    found = stored_span({**given, "traceloop.association.properties.ls_provider": "mistralai"})
    assert found.row.provider == "mistral_ai"


def test_names_of_older_releases() -> None:
    found = older(
        **{"llm.request.type": "chat", "gen_ai.system": "OpenAI", "gen_ai.request.model": "gpt-4o"},
        **{"gen_ai.usage.prompt_tokens": "100", "gen_ai.usage.completion_tokens": 30.0, "llm.usage.total_tokens": 130},
        **{"gen_ai.usage.cache_read_input_tokens": 40, "gen_ai.usage.cache_creation_input_tokens": 25},
        **{"llm.usage.reasoning_tokens": 12, "llm.is_streaming": "true", "llm.user": "u1", "llm.headers": "None"},
        **{"llm.top_k": 5, "llm.frequency_penalty": 0.1, "llm.presence_penalty": 0.2},
        **{"llm.chat.stop_sequences": ["a", "b"], "llm.request.reasoning_effort": []},
        **{"gen_ai.request.max_completion_tokens": 9, "gen_ai.request.n": 2},
        **{"gen_ai.request.structured_output_schema": "{}", "llm.response.finish_reason": "length"},
    )
    assert usage(found) == (100, 30, 40, 25, 12)
    assert (found.row.user_id, found.row.finish_reasons) == ("u1", ["length"])
    assert {
        key: value for key, value in found.made.items() if key.startswith(("gen_ai.request.", "gen_ai.output"))
    } == {
        "gen_ai.request.stream": True,
        "gen_ai.request.top_k": 5.0,
        "gen_ai.request.frequency_penalty": 0.1,
        "gen_ai.request.presence_penalty": 0.2,
        "gen_ai.request.stop_sequences": ["a", "b"],
        "gen_ai.request.max_tokens": 9,
        "gen_ai.request.choice.count": 2,
        "gen_ai.output.type": "json",
    }
    found = older(**{"gen_ai.request.reasoning_effort": "high", "llm.chat.stop_sequences": '["x"]', "llm.user": "None"})
    assert found.row.vocabulary is None or found.row.user_id is None
    assert found.made["gen_ai.request.reasoning.level"] == "high"
    assert found.made["gen_ai.request.stop_sequences"] == ["x"]


@pytest.mark.parametrize("prefix", ["gen_ai", "llm"])
def test_the_first_of_the_chunks(prefix: str) -> None:
    event = f"{prefix}.content.completion.chunk"
    events = [{"name": event, "offset_ms": at, "attributes": {}} for at in (30, 20, 40)]
    found = older(llm__request__type="chat", events=events)
    assert (found.row.ttft_s, found.made["gen_ai.request.stream"]) == (pytest.approx(0.02), True)
    late = [{"name": event, "offset_ms": 5_000, "attributes": {}}]
    assert older(llm__request__type="chat", events=late).row.ttft_s is None


def test_flattened_messages() -> None:
    image = json.dumps(
        [
            {"type": "text", "text": "What?"},
            {"type": "image_url", "image_url": {"url": "https://x.test/a.png"}},
            {"type": "image_url", "image_url": {"url": "data:image/png;base64,aGk="}},
        ]
    )
    asking = {
        "tool_calls.0.id": "call_1",
        "tool_calls.0.name": "get_weather",
        "tool_calls.0.arguments": '{"city": "P"}',
    }
    more = {"tool_calls.1.id": "call_2", "tool_calls.1.name": "now", "tool_calls.1.arguments": "{broken"}
    found = older(
        **{"llm.request.type": "chat"},
        **flat(
            "prompt",
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": image},
            {"role": "assistant", **more, **asking},
            {"role": "tool", "tool_call_id": "call_1", "content": '{"sky": "blue"}'},
            {"role": "user"},
            {"role": "human", "content": "[not JSON"},
        ),
        **flat(
            "completion",
            {"content": "It is.", "finish_reason": "stop", "reasoning": "Well."},
            {"role": "assistant", "finish_reason": "tool_calls", **asking},
            {"role": "assistant", "function_call.name": "f", "function_call.arguments": "{}"},
        ),
    )
    called = call({"city": "P"})
    assert found.input == [
        says("system", "Be brief."),
        says(
            "user",
            "What?",
            {"type": "uri", "modality": "image", "uri": "https://x.test/a.png"},
            {"type": "blob", "mime_type": "image/png", "modality": "image", "content": "aGk="},
        ),
        says("assistant", called, {"type": "tool_call", "id": "call_2", "name": "now", "arguments": "{broken"}),
        says("tool", {"type": "tool_call_response", "id": "call_1", "response": {"sky": "blue"}}),
        says("user", "[not JSON"),
    ]
    assert found.output == [
        says("assistant", {"type": "reasoning", "content": "Well."}, "It is."),
        says("assistant", called),
        says("assistant", {"type": "tool_call", "name": "f", "arguments": {}}),
    ]
    assert found.row.finish_reasons == ["stop", "tool_call"]


def test_flattened_messages_in_any_order() -> None:
    given = flat("prompt", *({"content": str(index), "role": "user"} for index in range(12)))
    found = stored_span(dict(sorted(given.items(), reverse=True)))
    assert found.input == [says("user", str(index)) for index in range(12)]
    assert (found.row.vocabulary or "").startswith("openllmetry")


def test_flattened_messages_of_anthropic() -> None:
    """Calls are there twice, and thinking is a completion of its own."""
    blocks = [
        {"type": "text", "text": "Let me look."},
        {"type": "tool_use", "id": "toolu_1", "name": "get_weather", "input": {"city": "P"}},
    ]
    results = [{"type": "tool_result", "tool_use_id": "toolu_1", "content": [{"type": "text", "text": "sunny"}]}]
    twice = {
        "tool_calls.0.id": "toolu_1",
        "tool_calls.0.name": "get_weather",
        "tool_calls.0.arguments": '{"city": "P"}',
    }
    found = older(
        *("anthropic", "anthropic.chat"),
        **{"llm.request.type": "completion", "gen_ai.system": "Anthropic"},
        **flat(
            "prompt",
            {"role": "system", "content": "Be brief."},
            {"role": "assistant", "content": json.dumps(blocks), **twice},
            {"role": "user", "content": json.dumps(results)},
        ),
        **flat(
            "completion",
            {"role": "thinking", "content": "Hm.", "finish_reason": "end_turn"},
            {"role": "assistant", "content": "Sunny."},
        ),
    )
    assert (found.row.operation, found.row.provider, found.row.finish_reasons) == ("chat", "anthropic", ["stop"])
    assert found.input == [
        says("system", "Be brief."),
        says("assistant", "Let me look.", call({"city": "P"}, "toolu_1")),
        says("user", {"type": "tool_call_response", "id": "toolu_1", "response": "sunny"}),
    ]
    assert found.output == [says("assistant", {"type": "reasoning", "content": "Hm."}, "Sunny.")]
    of_completion = older("anthropic", "anthropic.completion", **{"gen_ai.prompt.0.user": "hi", "gen_ai.system": "x"})
    assert (of_completion.row.operation, of_completion.input) == ("text_completion", [says("user", "hi")])


def test_thinking_is_part_of_the_answer_that_follows() -> None:
    def of(*said: dict[str, Any]) -> Stored:
        return older("anthropic", "anthropic.chat", **flat("completion", *said))

    hm, well = ({"role": "thinking", "content": one, "finish_reason": "end_turn"} for one in ("Hm.", "Well."))
    thoughts = [{"type": "reasoning", "content": one} for one in ("Hm.", "Well.")]
    streamed = of(hm, well, {"role": "assistant", "content": "Sunny.", "finish_reason": "end_turn"})
    assert streamed.output == [says("assistant", *thoughts, "Sunny.")]
    assert streamed.row.finish_reasons == ["stop"]
    assert of(hm).output == [says("assistant", thoughts[0])]
    assert of(hm, {"role": "tool", "content": "x"}).output == [says("assistant", thoughts[0]), says("tool", "x")]


def test_roles_and_empty_contents_of_langchain() -> None:
    found = older(
        "langchain",
        **flat("prompt", {"role": "unknown", "content": "hi"}),
        **flat("completion", {"role": "unknown", "content": '""', "tool_calls.0.name": "f", "tool_calls.0.id": "1"}),
    )
    assert found.input == [says("user", "hi")]
    assert found.output == [says("assistant", {"type": "tool_call", "id": "1", "name": "f"})]


def test_definitions_of_older_releases() -> None:
    one = {"name": "get_weather", "description": "w", "parameters": json.dumps(CITY)}
    two = {"name": "get_weather", "description": "w", "input_schema": json.dumps(CITY)}
    given = {
        f"llm.request.functions.{index}.{key}": value
        for index, tool in ((10, two), (2, one), (3, {"description": "nameless"}))
        for key, value in tool.items()
    }
    assert stored_span(given).tools == [WEATHER, WEATHER]


def test_empty_parts_go_and_the_rest_stays() -> None:
    given = [says("assistant", "", "x", finish_reason="stop"), {"role": "assistant", "content": "y"}, 3]
    found = older(**{"gen_ai.is_streaming": True, "gen_ai.output.messages": json.dumps(given)})
    assert found.output == [says("assistant", "x", finish_reason="stop"), says("assistant", "y"), 3]
    untouched = "not JSON"
    assert older(**{"gen_ai.is_streaming": True, "gen_ai.output.messages": untouched}).output == [untouched]


def test_a_rerank() -> None:
    found = older(
        *("cohere", "cohere.rerank"),
        **{"llm.request.type": "rerank", "gen_ai.system": "Cohere", "gen_ai.request.model": "rerank-v3"},
        **flat("prompt", *({"role": "system", "content": one} for one in "ab"), {"role": "user", "content": "q"}),
        **flat(
            "completion", {"role": "assistant", "content": "Doc 1, Score: 0.9"}, {"content": "Doc 0, Score: 0.1\nA"}
        ),
    )
    row = found.row
    assert (row.operation, row.provider, row.retrieval_query, row.rerank_in, row.rerank_out) == (
        *("rerank", "cohere", "q", 2, 2),
    )
    assert json.loads(row.retrieval_documents or "") == [
        {"id": "1", "score": 0.9, "content": "b"},
        {"id": "0", "score": 0.1, "content": "A"},
    ]
    assert (found.input, found.output) == (None, None)
