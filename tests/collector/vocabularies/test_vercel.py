"""The Vercel AI SDK to version 6, and its legacy integration in 7: `ai.*`. Its version 7: test_vercel_7.py."""

from __future__ import annotations

import json
from typing import Any

import pytest
from collector.vocabularies.spans import Stored, says, stored, stored_span, text, usage
from collector.vocabularies.vercel_weather import CALL, GPT, IMAGE, RESULT, TOOLS

from otelllm_collector.enrich import summarise

SYSTEM = {"role": "system", "parts": [{"type": "text", "content": "Be brief."}]}


def classic(operation: str, **attributes: Any) -> Stored:
    """A span of version 6; `__` in a name is a dot."""
    named = {f"ai.{key.replace('__', '.')}": value for key, value in attributes.items()}
    return stored_span({"ai.operationId": operation, **named}, scope="ai", name=operation)


def test_what_each_span_is_and_of_whom() -> None:
    spans = stored("vercel-ai6")
    assert [one.row.operation for one in spans] == [
        *("invoke_agent", "chat", "execute_tool", "chat", "invoke_agent", "chat", "invoke_agent", "chat"),
        *("embeddings", "task", "chat", "invoke_agent"),
    ]
    assert [one.row.provider for one in spans] == [
        *("openai", "openai", None, "openai", *["fake"] * 4, "openai", "openai", "fake", "fake"),
    ]
    assert [one.row.request_model for one in spans] == [
        *("gpt-4o", "gpt-4o", None, *["gpt-4o"] * 5, *["text-embedding-3-small"] * 2, "fail", "fail"),
    ]
    assert [one.row.response_model for one in spans] == [
        *(None, GPT, None, GPT, None, GPT, None, GPT, None, None, None, None),
    ]
    assert [one.row.response_id for one in spans] == [
        *(None, "resp_99", None, "resp_100", None, "chatcmpl-101", None, "chatcmpl-102", None, None, None, None),
    ]
    assert [one.row.finish_reasons for one in spans] == [
        *(["stop"], ["tool_call"], None, ["stop"], ["stop"], ["stop"], ["stop"], ["stop"], None, None, None, None),
    ]
    for one in spans:
        row = one.row
        assert (row.user_id, row.session_id, row.conversation_id) == ("u1", "s1", "s1")
        assert (row.feature, row.agent_name, row.cost_usd) == ("my-func", "my-func", None)
        assert (row.vocabulary or "").startswith("vercel")
        assert {key: value for key, value in one.made.items() if key.startswith("otelllm.tag.")} == {
            "otelllm.tag.a": "true",
            "otelllm.tag.b": "true",
        }
        assert one.attributes["ai.operationId"]


def test_usage_is_summed_once() -> None:
    spans = stored("vercel-ai6")
    one_call = (100, 30, 40, None, 12)
    assert [usage(one) for one in spans] == [
        *((200, 60, 80, None, 24), one_call, (None,) * 5, one_call, *[one_call] * 4),
        *((7, None, None, None, None), (7, None, None, None, None), (None,) * 5, (None,) * 5),
    ]
    (trace,) = summarise([one.row for one in spans]).values()
    assert (trace.calls, trace.input_tokens, trace.output_tokens, trace.cache_read_tokens) == (6, 407, 120, 160)
    assert (trace.sessions, trace.users, trace.features) == (["s1"], ["u1"], ["my-func"])


def test_streams_and_errors() -> None:
    spans = stored("vercel-ai6")
    assert [one.row.ttft_s for one in spans] == [None] * 7 + [pytest.approx(0.133425474)] + [None] * 4
    assert [one.made.get("gen_ai.request.stream") for one in spans] == [None] * 6 + [True, True] + [None] * 4
    assert [one.row.error_type for one in spans] == [None] * 10 + ["AI_APICallError"] * 2


def test_messages() -> None:
    spans = stored("vercel-ai6")
    asked, sunny = says("user", "Weather?"), says("assistant", "It is sunny.")
    assert [one.input for one in spans] == [
        *([asked], [SYSTEM, asked], None),
        [SYSTEM, asked, says("assistant", CALL), {"role": "tool", "parts": [RESULT]}],
        *(
            [says("user", "what is it", IMAGE)],
            [says("user", "what is it", IMAGE)],
            [says("user", "hi")],
            [SYSTEM, says("user", "hi")],
        ),
        *(
            [says("user", "a"), says("user", "b")],
            [says("user", "a"), says("user", "b")],
            [says("user", "hi")],
            [says("user", "hi")],
        ),
    ]
    hello = says("assistant", "Hello there")
    assert [one.output for one in spans] == [
        *(
            [sunny],
            [says("assistant", CALL)],
            None,
            [sunny],
            [sunny],
            [sunny],
            [hello],
            [hello],
            None,
            None,
            None,
            None,
        ),
    ]
    brief = [text("Be brief.")]
    assert [one.system for one in spans] == [brief, *[None] * 5, brief, *[None] * 5]
    assert [one.tools for one in spans] == [None, TOOLS, None, TOOLS, *[None] * 8]


def test_tools_and_vectors() -> None:
    spans = stored("vercel-ai6")
    row = spans[2].row
    assert (row.tool_name, row.tool_arguments, row.tool_result) == (
        *("get_weather", '{"city":"Paris"}', '{"w":"sunny"}'),
    )
    assert spans[2].made["gen_ai.tool.call.id"] == "call_1"
    assert [one.made.get("gen_ai.embeddings.dimension.count") for one in spans[8:10]] == [3, 3]


@pytest.mark.parametrize(
    ("id_", "operation"),
    [
        ("ai.generateText.doGenerate", "chat"),
        ("ai.streamText.doStream", "chat"),
        ("ai.generateObject.doGenerate", "chat"),
        ("ai.streamObject.doStream", "chat"),
        ("ai.embed.doEmbed", "embeddings"),
        ("ai.embedMany.doEmbed", "embeddings"),
        ("ai.rerank.doRerank", "rerank"),
        ("ai.generateText", "invoke_agent"),
        ("ai.streamText", "invoke_agent"),
        ("ai.generateObject", "invoke_agent"),
        ("ai.streamObject", "invoke_agent"),
        ("ai.embed", "task"),
        ("ai.embedMany", "task"),
        ("ai.rerank", "task"),
        ("ai.toolCall", "execute_tool"),
        ("ai.somethingNew", "task"),
    ],
)
def test_operation_ids(id_: str, operation: str) -> None:
    assert classic(id_).row.operation == operation
    # By the span's name where the attribute is lost or is no text, and by its id under another scope.
    assert stored_span({"ai.operationId": 5}, scope="ai", name=id_).row.operation == operation
    assert stored_span({"operation.name": f"{id_} f"}, scope="ai").row.operation == operation
    assert stored_span({"ai.operationId": id_}, scope="@vercel/otel").row.operation == operation
    streams = "stream" in id_.lower()
    assert classic(id_).made.get("gen_ai.request.stream") is (True if streams else None)


def test_function_id_may_be_the_resource_name_and_metadata_names_a_feature() -> None:
    found = stored_span({"ai.operationId": "ai.generateText", "resource.name": "f"}, scope="ai")
    assert (found.row.feature, found.row.agent_name) == ("f", "f")
    named = classic("ai.generateText", telemetry__functionId="f", telemetry__metadata__feature="search")
    assert (named.row.feature, named.row.agent_name) == ("search", "f")


def test_metadata_of_all_types_and_version_7s_context() -> None:
    found = classic(
        "ai.generateText",
        telemetry__metadata__chatId="c1",
        telemetry__metadata__userId=7,
        telemetry__metadata__count=3,
        telemetry__metadata__beta=True,
        telemetry__metadata__tags="x, y",
    )
    assert (found.row.conversation_id, found.row.session_id, found.row.user_id) == ("c1", "c1", "7")
    assert found.made == {
        "otelllm.tag.count": 3,
        "otelllm.tag.beta": True,
        "otelllm.tag.x": "true",
        "otelllm.tag.y": "true",
    }
    legacy = classic("ai.generateText", settings__context__sessionId="s", settings__context__plan="pro")
    assert (legacy.row.session_id, legacy.made["otelllm.tag.plan"]) == ("s", "pro")


def test_usage_of_older_and_newer_versions() -> None:
    chat = "ai.generateText.doGenerate"
    assert usage(classic(chat, usage__promptTokens=100, usage__completionTokens="30")) == (
        *(100, 30, None, None, None),
    )
    details = {"usage__inputTokenDetails__cacheReadTokens": 40, "usage__inputTokenDetails__cacheWriteTokens": 25}
    reasoning = {"usage__outputTokenDetails__reasoningTokens": 12.0}
    given = classic(chat, usage__inputTokens=125, usage__outputTokens=30, **details, **reasoning)
    assert usage(given) == (125, 30, 40, 25, 12)
    # Fewer than what was cached: it is not in there, also under the conventions' own name.
    native = {"ai.operationId": chat, "ai.usage.inputTokens": 60, "gen_ai.usage.input_tokens": 60}
    cached = {"ai.usage.cachedInputTokens": 40, "ai.response.providerMetadata": json.dumps(
        {"anthropic": {"cacheCreationInputTokens": 25, "usage": {}}}
    )}  # fmt: skip
    assert usage(stored_span({**native, **cached}, scope="ai")) == (125, None, 40, 25, None)
    # Without a usage there is none, not one of zero.
    odd = classic(chat, usage__inputTokens="NaN", usage__outputTokens=-1, usage__cachedInputTokens=True)
    assert usage(odd) == (None,) * 5
    assert usage(classic("ai.embed.doEmbed", usage__tokens=7)) == (7, None, None, None, None)


@pytest.mark.parametrize(
    ("metadata"), ["", "null", "[]", '{"anthropic": 5}', '{"anthropic": {"cacheCreationInputTokens": null}}', "{"]
)
def test_odd_metadata_of_providers(metadata: str) -> None:
    found = classic(
        "ai.generateText.doGenerate", usage__inputTokens=1, response__providerMetadata=metadata
    )  # fmt: skip
    assert usage(found) == (1, None, None, None, None)


@pytest.mark.parametrize(
    ("name", "provider"),
    [
        ("openai.responses", "openai"),
        ("openai.chat", "openai"),
        ("anthropic.messages", "anthropic"),
        ("google.generative-ai", "gcp.gemini"),
        ("google.vertex.chat", "gcp.vertex_ai"),
        ("azure-openai.chat", "azure.ai.openai"),
        ("amazon-bedrock", "aws.bedrock"),
        ("mistral.chat", "mistral_ai"),
        ("xai.chat", "x_ai"),
    ],
)
def test_providers(name: str, provider: str) -> None:
    assert classic("ai.generateText.doGenerate", model__provider=name).row.provider == provider
    assert stored_span({"gen_ai.system": name}, scope="ai", name="ai.embed.doEmbed").row.provider == provider


def test_settings_are_the_requests() -> None:
    found = classic(
        "ai.generateText.doGenerate",
        settings__temperature=0.5,
        settings__maxOutputTokens=64,
        settings__topP=0.9,
        settings__topK=5,
        settings__presencePenalty=0.1,
        settings__frequencyPenalty=0.2,
        settings__seed=7,
        settings__stopSequences=["END"],
        settings__maxRetries=2,
    )
    assert found.made == {
        "gen_ai.request.temperature": 0.5,
        "gen_ai.request.max_tokens": 64,
        "gen_ai.request.top_p": 0.9,
        "gen_ai.request.top_k": 5.0,
        "gen_ai.request.presence_penalty": 0.1,
        "gen_ai.request.frequency_penalty": 0.2,
        "gen_ai.request.seed": 7,
        "gen_ai.request.stop_sequences": ["END"],
    }


def test_answers_of_all_kinds_are_one_message() -> None:
    calls = [
        {"toolCallId": "call_1", "toolName": "get_weather", "input": {"city": "Paris"}},
        {"toolCallId": "call_2", "toolName": "get_weather", "args": '{"city":"Rome"}'},
    ]
    files = [{"type": "file", "mediaType": "image/png", "data": "iVBORw0KGgo="}]
    found = classic(
        "ai.generateText.doGenerate",
        response__reasoning="Hm.",
        response__text='{"a": 1}',
        response__toolCalls=json.dumps(calls),
        response__files=json.dumps(files),
    )
    other = {**CALL, "id": "call_2", "arguments": {"city": "Rome"}}
    thought = {"type": "reasoning", "content": "Hm."}
    assert found.output == [says("assistant", thought, text('{"a": 1}'), CALL, other, IMAGE)]
    listed = classic("ai.generateText.doGenerate", response__reasoning='[{"type":"reasoning","text":"Hm."}]')
    assert listed.output == [says("assistant", thought)]
    whole = classic("ai.generateObject.doGenerate", response__object='{"name":"x"}')
    assert whole.output == [says("assistant", text('{"name":"x"}'))]
    assert whole.made["gen_ai.output.type"] == "json"


def test_parts_of_all_kinds() -> None:
    data = {"0": 137, "1": 80}
    said = [
        {
            "role": "user",
            "content": [
                {"type": "image", "image": "https://example.com/a.png"},
                {"type": "image", "image": data, "mimeType": "image/png"},
                {"type": "file", "data": "JVBERi0=", "mediaType": "application/pdf"},
                {"type": "file", "data": "https://example.com/a.png", "mediaType": "image/png"},
            ],
        },
        {"role": "assistant", "content": [{"type": "reasoning", "text": "Hm."}, {
            "type": "tool-call", "toolCallId": "call_1", "toolName": "get_weather", "args": {"city": "Paris"},
        }]},
        {"role": "tool", "content": [
            {"type": "tool-result", "toolCallId": "call_1", "toolName": "get_weather", "result": {"w": "sunny"}},
            {"type": "tool-result", "toolCallId": "b", "output": {"type": "error-text", "value": "no"}},
            {"type": "tool-result", "toolCallId": "c", "output": {
                "type": "content", "value": [{"type": "text", "text": "x"}],
            }},
        ]},
    ]  # fmt: skip
    found = classic("ai.generateText.doGenerate", prompt__messages=json.dumps(said))
    assert found.input == [
        says(
            "user",
            {"type": "uri", "modality": "image", "uri": "https://example.com/a.png"},
            {"type": "blob", "mime_type": "image/png", "modality": "image", "content": None},
            {"type": "blob", "mime_type": "application/pdf", "modality": "document", "content": "JVBERi0="},
            {"type": "uri", "modality": "image", "uri": "https://example.com/a.png"},
        ),
        says("assistant", {"type": "reasoning", "content": "Hm."}, CALL),
        {
            "role": "tool",
            "parts": [
                RESULT,
                {"type": "tool_call_response", "id": "b", "response": "no"},
                {"type": "tool_call_response", "id": "c", "response": "x"},
            ],
        },
    ]


def test_prompts_of_what_goes_around() -> None:
    brief = [text("Be brief.")]
    system = {"role": "system", "content": "Be brief."}
    for given in ("Be brief.", system, [system]):
        found = classic("ai.generateText", prompt=json.dumps({"system": given, "prompt": '{"a": 1}'}))
        assert (found.system, found.input) == (brief, [says("user", '{"a": 1}')])
    listed = classic("ai.generateText", prompt=json.dumps({"prompt": [{"role": "user", "content": "hi"}]}))
    assert listed.input == [says("user", "hi")]
    cut = classic("ai.generateText", prompt='{"prompt":"Wea')
    assert cut.input == [says("user", '{"prompt":"Wea')]
    assert classic("ai.generateText.doGenerate", prompt__messages='[{"role":"us').input == [
        says("user", '[{"role":"us')
    ]


def test_single_embeddings() -> None:
    found = classic("ai.embed", value='"a"', embedding="[0.1,0.2]", usage__tokens=7)
    assert (found.input, found.made["gen_ai.embeddings.dimension.count"]) == ([says("user", "a")], 2)
    odd = classic("ai.embed.doEmbed", values=[], embeddings=["[0.1"])
    assert (odd.input, odd.made) == (None, {})


def test_first_chunk_from_its_event() -> None:
    event = {"name": "ai.stream.firstChunk", "offset_ms": 250}
    given: dict[str, Any] = {"ai.operationId": "ai.streamText.doStream"}
    said = {"ai.response.msToFirstChunk": 133.5}
    assert stored_span(given, events=[{**event, "attributes": said}]).row.ttft_s == pytest.approx(0.1335)
    assert stored_span(given, events=[{**event, "attributes": {}}]).row.ttft_s == pytest.approx(0.25)
    assert classic("ai.streamText.doStream", response__msToFirstChunk="-1").row.ttft_s is None


ODD_CALL = '[{"role": "assistant", "content": "x", "tool_calls": [{"id": {"a": [1]}, "name": "f"}]}]'


@pytest.mark.parametrize(
    "value", [None, 5, 1.5, True, "", "x", "null", "[", "[1]", '{"a":1}', [1, "a"], {"a": 1}, ODD_CALL]
)
def test_values_of_wrong_types_are_kept_and_nothing_raises(value: Any) -> None:
    names = (
        *("model.id", "model.provider", "response.model", "response.finishReason", "response.toolCalls"),
        *("response.text", "response.reasoning", "response.files", "response.object", "prompt", "prompt.messages"),
        *("prompt.tools", "usage.inputTokens", "usage.tokens", "response.msToFirstChunk", "values", "embeddings"),
        *("response.providerMetadata", "telemetry.functionId", "telemetry.metadata.tags", "settings.stopSequences"),
    )
    given = {f"ai.{name}": str(value) if isinstance(value, dict) else value for name in names if value is not None}
    for id_ in ("ai.generateText.doGenerate", "ai.generateText", "ai.embed.doEmbed", "ai.toolCall"):
        found = stored_span({"ai.operationId": id_, **given}, scope="ai")
        assert found.row.vocabulary == "vercel"
        assert found.attributes.items() >= given.items()
