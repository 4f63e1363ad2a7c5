"""Every family's body of InvokeModel: what is asked, what comes whole and in chunks, and a static answer of its."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest
from wire import frames
from wire.server import whole

import otelllm
from otelllm import semconv

if TYPE_CHECKING:
    from telemetry import Telemetry
    from wire.server import Provider

    from .app import App, SyncApp

PROMPT = "When was it lit?"
LIT = "Lit in 1858."
HEADERS = {"x_amzn_bedrock_input_token_count": "9", "x_amzn_bedrock_output_token_count": "6"}
METRICS = {"amazon-bedrock-invocationMetrics": {"inputTokenCount": 9, "outputTokenCount": 6, "invocationLatency": 3}}
OPAQUE = "arn:aws:bedrock:us-east-1:123456789012:provisioned-model/a1b2c3"
MESSAGES = [{"role": "user", "content": PROMPT}]
PARTS = [{"type": "text", "content": LIT}]


@dataclass(frozen=True, slots=True)
class Family:
    """A family's bodies. Of all of them 9 tokens go in and 6 come out, and the text is LIT."""

    model: str
    body: dict[str, Any]
    answer: dict[str, Any]
    chunks: list[dict[str, Any]]
    own: str
    """Its word for why it stopped."""
    finish: str = "stop"
    operation: str = "chat"
    counted: bool = True
    """The body says its tokens itself; else the headers, or the last chunk's metrics do."""
    facts: dict[str, Any] = field(default_factory=dict)
    asked: str = PROMPT
    sniffed: bool = True
    """It is told from its body alone where the model's id is opaque."""


def _choices(**more: Any) -> dict[str, Any]:
    return {"choices": [{"index": 0, **more}]}


CHAT_USAGE = {"usage": {"prompt_tokens": 9, "completion_tokens": 6, "total_tokens": 15}}
NOVA_USAGE = {"inputTokens": 4, "outputTokens": 6, "totalTokens": 15, "cacheReadInputTokenCount": 5,
              "cacheWriteInputTokenCount": 0}  # fmt: skip
FAMILIES = [
    Family(
        "us.anthropic.claude-sonnet-4-5-20250929-v1:0",
        {"anthropic_version": "bedrock-2023-05-31", "max_tokens": 50, "top_k": 5, "messages": MESSAGES,
         "thinking": {"type": "enabled", "budget_tokens": 1024}},
        {"id": "msg_bdrk_1", "type": "message", "role": "assistant", "model": "claude-sonnet-4-5-20250929",
         "content": [{"type": "text", "text": LIT}], "stop_reason": "end_turn",
         "usage": {"input_tokens": 4, "cache_read_input_tokens": 5, "output_tokens": 6}},
        [{"type": "message_start", "message": {"id": "msg_bdrk_1", "model": "claude-sonnet-4-5-20250929",
          "usage": {"input_tokens": 4, "cache_read_input_tokens": 5, "output_tokens": 1}}},
         {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": LIT}},
         {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 6}},
         {"type": "message_stop", **METRICS}],
        "end_turn",
        facts={semconv.RESPONSE_ID: "msg_bdrk_1", semconv.USAGE_CACHE_READ: 5, semconv.REQUEST_MAX_TOKENS: 50,
               semconv.REQUEST_TOP_K: 5.0, semconv.REQUEST_REASONING_LEVEL: "enabled",
               semconv.RESPONSE_MODEL: "claude-sonnet-4-5-20250929"},
    ),
    Family(
        "anthropic.claude-v2:1", {"prompt": PROMPT, "max_tokens_to_sample": 50},
        {"type": "completion", "completion": LIT, "stop_reason": "stop_sequence", "stop": "\n\nHuman:"},
        [{"completion": "Lit in ", "stop_reason": None},
         {"completion": "1858.", "stop_reason": "stop_sequence", **METRICS}],
        "stop_sequence", operation="text_completion", counted=False, facts={semconv.REQUEST_MAX_TOKENS: 50},
    ),
    Family(
        "us.amazon.nova-lite-v1:0",
        {"schemaVersion": "messages-v1", "messages": [{"role": "user", "content": [{"text": PROMPT}]}],
         "inferenceConfig": {"maxTokens": 50, "topK": 5, "stopSequences": ["|"]}},
        {"output": {"message": {"content": [{"text": LIT}], "role": "assistant"}}, "stopReason": "end_turn",
         "usage": NOVA_USAGE},
        [{"messageStart": {"role": "assistant"}},
         {"contentBlockDelta": {"delta": {"text": "Lit in "}, "contentBlockIndex": 0}},
         {"contentBlockDelta": {"delta": {"text": "1858."}, "contentBlockIndex": 0}},
         {"contentBlockStop": {"contentBlockIndex": 0}}, {"messageStop": {"stopReason": "end_turn"}},
         {"metadata": {"usage": NOVA_USAGE, "metrics": {}, "trace": {}}, **METRICS}],
        "end_turn",
        facts={semconv.USAGE_CACHE_READ: 5, semconv.USAGE_CACHE_WRITE: 0, semconv.REQUEST_MAX_TOKENS: 50,
               semconv.REQUEST_TOP_K: 5.0, semconv.REQUEST_STOP_SEQUENCES: ("|",)},
    ),
    Family(
        "amazon.titan-text-express-v1",
        {"inputText": PROMPT, "textGenerationConfig": {"maxTokenCount": 50, "topP": 0.5, "stopSequences": ["|"]}},
        {"inputTextTokenCount": 9, "results": [{"tokenCount": 6, "outputText": LIT, "completionReason": "LENGTH"}]},
        [{"outputText": "Lit in ", "index": 0, "totalOutputTextTokenCount": None, "completionReason": None,
          "inputTextTokenCount": 9},
         {"outputText": "1858.", "index": 0, "totalOutputTextTokenCount": 6, "completionReason": "LENGTH",
          "inputTextTokenCount": None, **METRICS}],
        "LENGTH", "length", "text_completion",
        facts={semconv.REQUEST_MAX_TOKENS: 50, semconv.REQUEST_TOP_P: 0.5, semconv.REQUEST_STOP_SEQUENCES: ("|",)},
    ),
    Family(
        "meta.llama3-8b-instruct-v1:0", {"prompt": PROMPT, "max_gen_len": 50, "temperature": 0.5},
        {"generation": LIT, "prompt_token_count": 9, "generation_token_count": 6, "stop_reason": "stop"},
        [{"generation": "Lit in ", "prompt_token_count": 9, "generation_token_count": 1, "stop_reason": None},
         {"generation": "1858.", "prompt_token_count": None, "generation_token_count": 6, "stop_reason": "stop",
          **METRICS}],
        "stop", operation="text_completion",
        facts={semconv.REQUEST_TEMPERATURE: 0.5, semconv.REQUEST_MAX_TOKENS: 50},
    ),
    Family(
        "mistral.mistral-7b-instruct-v0:2", {"prompt": PROMPT, "max_tokens": 50, "top_k": 5, "stop": ["|"]},
        {"outputs": [{"text": LIT, "stop_reason": "length"}]},
        [{"outputs": [{"text": "Lit in ", "stop_reason": None}]},
         {"outputs": [{"text": "1858.", "stop_reason": "length"}], **METRICS}],
        "length", "length", "text_completion", counted=False,
        facts={semconv.REQUEST_MAX_TOKENS: 50, semconv.REQUEST_TOP_K: 5.0, semconv.REQUEST_STOP_SEQUENCES: ("|",)},
    ),
    Family(
        "mistral.mistral-large-2407-v1:0", {"messages": MESSAGES, "max_tokens": 50},
        {"id": "m1", **_choices(message={"role": "assistant", "content": LIT}, stop_reason="stop")},
        [_choices(message={"role": "assistant", "content": "Lit in "}, stop_reason=None),
         {**_choices(message={"role": "assistant", "content": "1858."}, stop_reason="stop"), **METRICS}],
        "stop", counted=False, facts={semconv.REQUEST_MAX_TOKENS: 50},
    ),
    Family(
        "openai.gpt-oss-120b-1:0", {"messages": MESSAGES, "max_completion_tokens": 50, "reasoning_effort": "low"},
        {"id": "c1", "model": "openai.gpt-oss-120b-1:0", **CHAT_USAGE,
         **_choices(message={"role": "assistant", "content": LIT}, finish_reason="stop")},
        [{"id": "c1", **_choices(delta={"role": "assistant", "content": "Lit in "}, finish_reason=None)},
         {"id": "c1", **_choices(delta={"content": "1858."}, finish_reason="stop")},
         {"id": "c1", "choices": [], **CHAT_USAGE, **METRICS}],
        "stop",
        facts={semconv.RESPONSE_ID: "c1", semconv.REQUEST_REASONING_LEVEL: "low", semconv.REQUEST_MAX_TOKENS: 50,
               semconv.OPENAI_API_TYPE: None},
    ),
    Family(
        "us.deepseek.r1-v1:0", {"prompt": PROMPT, "max_tokens": 50},
        {"choices": [{"text": LIT, "stop_reason": "stop"}]},
        [{"choices": [{"text": "Lit in ", "stop_reason": None}]},
         {"choices": [{"text": "1858.", "stop_reason": "stop"}], **METRICS}],
        "stop", operation="text_completion", counted=False,
    ),
    Family(
        "cohere.command-r-v1:0", {"message": PROMPT, "max_tokens": 50, "p": 0.9, "k": 5},
        {"response_id": "r1", "text": LIT, "generation_id": "g1", "finish_reason": "COMPLETE",
         "chat_history": [{"role": "USER", "message": PROMPT}, {"role": "CHATBOT", "message": LIT}]},
        [{"event_type": "stream-start", "is_finished": False, "generation_id": "g1"},
         {"event_type": "text-generation", "text": "Lit in ", "is_finished": False},
         {"event_type": "text-generation", "text": "1858.", "is_finished": False},
         {"event_type": "stream-end", "is_finished": True, "finish_reason": "COMPLETE", **METRICS,
          "response": {"response_id": "r1", "text": LIT, "generation_id": "g1", "finish_reason": "COMPLETE"}}],
        "COMPLETE", counted=False, facts={semconv.REQUEST_TOP_P: 0.9, semconv.REQUEST_TOP_K: 5.0},
    ),
    Family(
        "cohere.command-text-v14", {"prompt": PROMPT, "max_tokens": 50},
        {"id": "i1", "generations": [{"id": "g1", "text": LIT, "finish_reason": "MAX_TOKENS"}], "prompt": PROMPT},
        [{"text": "Lit in ", "is_finished": False}, {"text": "1858.", "is_finished": False},
         {"is_finished": True, "finish_reason": "MAX_TOKENS", **METRICS}],
        "MAX_TOKENS", "length", "text_completion", counted=False,
    ),
    Family(
        "ai21.jamba-1-5-large-v1:0", {"messages": MESSAGES, "max_tokens": 50},
        {"id": "j1", "model": "jamba-1.5-large", **CHAT_USAGE,
         **_choices(message={"role": "assistant", "content": LIT}, finish_reason="stop")},
        [{"id": "j1", **_choices(delta={"content": LIT}, finish_reason=None)},
         {"id": "j1", **_choices(delta={}, finish_reason="stop"), **CHAT_USAGE, **METRICS}],
        "stop", facts={semconv.RESPONSE_ID: "j1"},
    ),
    Family(
        "ai21.j2-ultra-v1", {"prompt": PROMPT, "maxTokens": 50},
        {"id": 1234, "prompt": {"text": PROMPT, "tokens": [{}] * 9},
         "completions": [{"data": {"text": LIT, "tokens": [{}] * 6}, "finishReason": {"reason": "endoftext"}}]},
        [], "endoftext", operation="text_completion", facts={semconv.REQUEST_MAX_TOKENS: 50},
    ),
    Family(
        "us.twelvelabs.pegasus-1-2-v1:0",
        {"inputPrompt": PROMPT, "mediaSource": {"s3Location": {"uri": "s3://b/film.mp4"}}},
        {"message": LIT, "finishReason": "stop"},
        [{"message": "Lit in "}, {"message": "1858.", "finishReason": "stop", **METRICS}],
        "stop", counted=False,
    ),
]  # fmt: skip


def _check(otel: Telemetry, family: Family, model: str) -> None:
    found = otel.attributes
    assert otel.span.name == f"{family.operation} {model}"
    assert (found[semconv.USAGE_INPUT], found[semconv.USAGE_OUTPUT]) == (9, 6)
    assert found[semconv.RESPONSE_FINISH_REASONS] == (family.finish,)
    assert found.get(semconv.FINISH_REASONS, found[semconv.RESPONSE_FINISH_REASONS]) == (family.own,)
    assert {name: found.get(name) for name in family.facts} == family.facts
    assert otel.messages(semconv.OUTPUT_MESSAGES) == [{"role": "assistant", "parts": PARTS}]
    (asked,) = otel.messages(semconv.INPUT_MESSAGES)
    assert asked == {"role": "user", "parts": [{"type": "text", "content": PROMPT}]}


@pytest.mark.parametrize("is_opaque", [False, True], ids=["", "opaque"])
@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.model)
def test_whole(otel: Telemetry, sync_app: SyncApp, provider: Provider, family: Family, is_opaque: bool) -> None:
    """Whichever model: its texts, counts, ids and reasons. An opaque ARN is told from its body."""
    otel.instrument(capture="full")
    model = OPAQUE if is_opaque else family.model
    provider.reply(whole(family.answer, **({} if family.counted else HEADERS)))
    sync_app.client.invoke_model(modelId=model, body=json.dumps(family.body))["body"].read()
    _check(otel, family, model)


@pytest.mark.parametrize("family", [one for one in FAMILIES if one.chunks], ids=lambda family: family.model)
def test_streamed(otel: Telemetry, app: App, provider: Provider, family: Family) -> None:
    """The same in chunks: nothing doubled, counts of the last one."""
    otel.instrument(capture="full")
    provider.reply(frames.stream([frames.chunk(one) for one in family.chunks]))
    asked = {"modelId": family.model, "body": json.dumps(family.body)}
    app.read(app.call(app.client.invoke_model_with_response_stream, **asked)["body"])
    _check(otel, family, family.model)
    assert otel.attributes[semconv.STREAM_END] == "complete"
    assert semconv.USAGE_ESTIMATED not in otel.attributes


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.model)
def test_a_static_answer(otel: Telemetry, app: App, provider: Provider, family: Family) -> None:
    """In the family's own shape, which the app's own code reads: the same keys as in a real answer."""
    otel.instrument(policy={"kill": [{"when": {"provider": "*"}, "answer": LIT}]}, capture="full")
    asked = {"modelId": family.model, "body": json.dumps(family.body)}
    answer = json.loads(app.call(app.reading(app.client.invoke_model), **asked)["body"])
    assert LIT in json.dumps(answer)
    assert REQUIRED[family.operation] & _shape(family.answer) <= _shape(answer)
    assert otel.messages(semconv.OUTPUT_MESSAGES) == [{"role": "assistant", "parts": PARTS}]
    if not family.chunks:
        return
    otel.clear()
    stream = app.call(app.client.invoke_model_with_response_stream, **asked)["body"]
    assert any(LIT in event["chunk"]["bytes"].decode() for event in app.read(stream))
    assert otel.messages(semconv.OUTPUT_MESSAGES) == [{"role": "assistant", "parts": PARTS}]
    for name in (semconv.USAGE_INPUT, semconv.COST, semconv.PROVIDER_REQUEST_ID):
        assert name not in otel.attributes
    assert provider.requests == []


REQUIRED = {
    "chat": {"content", "text", "output", "choices", "usage", "stop_reason", "stopReason", "finishReason"},
    "text_completion": {"completion", "results", "outputText", "generation", "outputs", "text", "choices", "data",
                        "stop_reason", "generations", "completions", "inputTextTokenCount", "prompt_token_count"},
}  # fmt: skip
"""What code that reads an answer will ask for, where the family has it."""


def _shape(value: Any) -> set[str]:
    """The names of all that is in there."""
    if isinstance(value, list):
        return set().union(*map(_shape, value)) if value else set()
    return set(value).union(*map(_shape, value.values())) if isinstance(value, dict) else set()


@dataclass(frozen=True, slots=True)
class Embedded:
    """A body that asks for vectors, its answer, and what the span says."""

    model: str
    body: dict[str, Any]
    answer: dict[str, Any]
    size: int
    headers: dict[str, str] = field(default_factory=dict)
    tokens: int | None = 9


IN_HEADERS: dict[str, Any] = {"headers": HEADERS}
EMBEDDED = [
    Embedded(
        "amazon.titan-embed-text-v2:0", {"inputText": PROMPT, "dimensions": 3, "embeddingTypes": ["float"]},
        {"embedding": [1, 2, 3], "embeddingsByType": {"float": [1, 2, 3]}, "inputTextTokenCount": 9}, 3,
    ),
    Embedded(OPAQUE, {"inputText": PROMPT}, {"embedding": [0.1, 0.2], "inputTextTokenCount": 9}, 2),
    Embedded(
        "amazon.titan-embed-image-v1", {"inputText": PROMPT, "embeddingConfig": {"outputEmbeddingLength": 3}},
        {"embedding": [1, 2, 3], "inputTextTokenCount": 9, "message": None}, 3,
    ),
    Embedded(
        "cohere.embed-english-v3", {"texts": [PROMPT], "input_type": "search_query"},
        {"id": "e1", "embeddings": [[0.1, 0.2]], "texts": [PROMPT]}, 2, **IN_HEADERS,
    ),
    Embedded(
        "cohere.embed-v4:0", {"texts": [PROMPT], "embedding_types": ["float", "int8"]},
        {"id": "e1", "embeddings": {"float": [[0.1, 0.2]], "int8": [[1, 2]]}}, 2, **IN_HEADERS,
    ),
    Embedded(
        "amazon.nova-2-multimodal-embeddings-v1:0",
        {"taskType": "SINGLE_EMBEDDING", "singleEmbeddingParams": {"text": {"value": PROMPT}}},
        {"embeddings": [{"embeddingType": "TEXT", "embedding": [0.1, 0.2]}]}, 2, **IN_HEADERS,
    ),
    Embedded(
        "twelvelabs.marengo-embed-2-7-v1:0", {"inputType": "text", "inputText": PROMPT},
        {"data": [{"embedding": [0.1, 0.2]}]}, 2, tokens=None,
    ),
]  # fmt: skip


@pytest.mark.parametrize("one", EMBEDDED, ids=lambda one: one.model)
def test_embeddings(otel: Telemetry, sync_app: SyncApp, provider: Provider, one: Embedded) -> None:
    """The input's tokens, no output, the vector's size; no vector is content."""
    otel.instrument(capture="full")
    provider.reply(whole(one.answer, **one.headers))
    sync_app.client.invoke_model(modelId=one.model, body=json.dumps(one.body))["body"].read()
    found = otel.attributes
    assert otel.span.name == f"embeddings {one.model}"
    assert (found.get(semconv.USAGE_INPUT), found.get(semconv.USAGE_OUTPUT)) == (one.tokens, None)
    assert found[semconv.EMBEDDINGS_DIMENSIONS] == one.size
    assert otel.messages(semconv.INPUT_MESSAGES)[0]["parts"] == [{"type": "text", "content": PROMPT}]
    assert semconv.OUTPUT_MESSAGES not in found


def test_a_ranking(otel: Telemetry, sync_app: SyncApp, provider: Provider) -> None:
    otel.instrument(capture="full")
    results = [{"index": 2, "relevance_score": 0.9}, {"index": 0, "relevance_score": 0.1}]
    provider.reply(whole({"results": results}))
    body = {"query": PROMPT, "documents": ["a", "b", "c"], "top_n": 2, "api_version": 2}
    sync_app.client.invoke_model(modelId="cohere.rerank-v3-5:0", body=json.dumps(body))["body"].read()
    found = otel.attributes
    assert otel.span.name == "rerank cohere.rerank-v3-5:0"
    assert (found[semconv.RERANK_IN], found[semconv.RERANK_OUT], found[semconv.RETRIEVAL_TOP_K]) == (3, 2, 2)
    assert found[semconv.RETRIEVAL_QUERY] == PROMPT
    assert otel.messages(semconv.RETRIEVAL_DOCUMENTS) == [
        {"id": "2", "score": 0.9, "content": "c"}, {"id": "0", "score": 0.1, "content": "a"},
    ]  # fmt: skip


DRAWN: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    ("amazon.nova-canvas-v1:0", {"taskType": "TEXT_IMAGE", "textToImageParams": {"text": PROMPT}},
     {"images": ["aW1n", "aW1n"], "error": None}),
    ("stability.stable-image-core-v1:1", {"prompt": PROMPT},
     {"seeds": [1, 2], "finish_reasons": [None, None], "images": ["aW1n", "aW1n"]}),
    ("stability.stable-diffusion-xl-v1", {"text_prompts": [{"text": PROMPT}]},
     {"result": "success", "artifacts": [{"base64": "aW1n", "finishReason": "SUCCESS"}] * 2}),
]  # fmt: skip


@pytest.mark.parametrize(("model", "body", "answer"), DRAWN)
def test_images(
    otel: Telemetry, sync_app: SyncApp, provider: Provider, model: str, body: dict[str, Any], answer: dict[str, Any]
) -> None:
    """How many there are; their bytes are no content of ours."""
    otel.instrument(capture="full")
    provider.reply(whole(answer))
    sync_app.client.invoke_model(modelId=model, body=json.dumps(body))["body"].read()
    assert otel.span.name == f"image_generation {model}"
    assert otel.attributes[semconv.USAGE_OTHER + "images"] == 2
    (asked,) = otel.messages(semconv.INPUT_MESSAGES)
    assert asked["parts"] == [{"type": "text", "content": PROMPT}]
    (drawn,) = otel.messages(semconv.OUTPUT_MESSAGES)
    assert [(part["type"], part["modality"], part["size"]) for part in drawn["parts"]] == [("blob", "image", 3)] * 2
    assert "aW1n" not in otel.everything()


def test_an_image_that_was_not_drawn(otel: Telemetry, sync_app: SyncApp, provider: Provider) -> None:
    provider.reply(whole({"images": [], "error": "Blocked by our filters."}))
    body = {"taskType": "TEXT_IMAGE", "textToImageParams": {"text": PROMPT}}
    sync_app.client.invoke_model(modelId="amazon.nova-canvas-v1:0", body=json.dumps(body))["body"].read()
    assert otel.attributes[semconv.ERROR_TYPE] == "error"
    assert "filters" not in otel.everything()


@pytest.mark.parametrize("is_streamed", [False, True], ids=["whole", "stream"])
def test_a_guardrail_that_intervened(otel: Telemetry, sync_app: SyncApp, provider: Provider, is_streamed: bool) -> None:
    """Wherever in the stream it says so; the model's own word for its end stays beside."""
    said = {"amazon-bedrock-guardrailAction": "INTERVENED"}
    family = FAMILIES[0]
    asked = {"modelId": family.model, "body": json.dumps(family.body), "guardrailIdentifier": "gr1",
             "guardrailVersion": "1"}  # fmt: skip
    if is_streamed:
        chunks = [{**one, **(said if index == 1 else {})} for index, one in enumerate(family.chunks)]
        provider.reply(frames.stream([frames.chunk(one) for one in chunks]))
        sync_app.read(sync_app.client.invoke_model_with_response_stream(**asked)["body"])
    else:
        provider.reply(whole({**family.answer, **said}))
        sync_app.client.invoke_model(**asked)["body"].read()
    found = otel.attributes
    assert (found[semconv.RESPONSE_FINISH_REASONS], found[semconv.FINISH_REASONS]) == (
        ("content_filter",),
        ("end_turn",),
    )
    assert found[semconv.AWS_BEDROCK_GUARDRAIL_ID] == "gr1"


def test_tools_of_command_r(otel: Telemetry, app: App, provider: Provider) -> None:
    otel.instrument(capture="full")
    calls = [{"name": "weather", "parameters": {"city": "Skagen"}}]
    body = {"message": PROMPT, "chat_history": [{"role": "CHATBOT", "message": "Hi."}], "preamble": "Be brief.",
            "tools": [{"name": "weather", "description": "How.", "parameter_definitions": {"city": {}}}]}  # fmt: skip
    asked = {"modelId": "cohere.command-r-v1:0", "body": json.dumps(body)}
    provider.reply(whole({"text": "I look.", "tool_calls": calls, "finish_reason": "COMPLETE"}, **HEADERS))
    app.call(app.reading(app.client.invoke_model), **asked)
    whole_parts = otel.messages(semconv.OUTPUT_MESSAGES)
    assert otel.messages(semconv.SYSTEM_INSTRUCTIONS) == [{"type": "text", "content": "Be brief."}]
    assert [one["role"] for one in otel.messages(semconv.INPUT_MESSAGES)] == ["assistant", "user"]
    assert otel.messages(semconv.TOOL_DEFINITIONS)[0]["parameters"] == {"city": {}}
    otel.clear()
    chunks = [{"event_type": "text-generation", "text": "I look."},
              {"event_type": "tool-calls-generation", "tool_calls": calls},
              {"event_type": "stream-end", "finish_reason": "COMPLETE", "response": {"tool_calls": calls}}]  # fmt: skip
    provider.reply(frames.stream([frames.chunk(one) for one in chunks]))
    app.read(app.call(app.client.invoke_model_with_response_stream, **asked)["body"])
    assert otel.messages(semconv.OUTPUT_MESSAGES) == whole_parts
    assert whole_parts[0]["parts"][1] == {"type": "tool_call", "name": "weather", "arguments": {"city": "Skagen"}}


def test_what_cannot_say_a_text_is_refused(otel: Telemetry, sync_app: SyncApp, provider: Provider) -> None:
    otel.instrument(policy={"kill": [{"when": {"provider": "*"}, "answer": LIT}]})
    for model, body in ((EMBEDDED[0].model, EMBEDDED[0].body), (DRAWN[0][0], DRAWN[0][1])):
        with pytest.raises(otelllm.KillSwitchOn):
            sync_app.client.invoke_model(modelId=model, body=json.dumps(body))
    assert provider.requests == []
