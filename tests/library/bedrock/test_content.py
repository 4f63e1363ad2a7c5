"""What the app sends to Converse, as messages of the conventions: every kind of block and of parameter."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from wire import files, frames
from wire.server import whole

from otelllm import semconv

from .app import MODEL, QUESTION, knows

if TYPE_CHECKING:
    from telemetry import Telemetry
    from wire.server import Provider

    from .app import App, SyncApp

ANSWER = files.body("bedrock/converse.json")
IMAGE = b"\x89PNG not really"


def _ask(otel: Telemetry, app: SyncApp, provider: Provider, **asked: Any) -> None:
    otel.instrument(capture="full")
    provider.reply(whole(ANSWER))
    app.client.converse(modelId=MODEL, **asked)


def _user(*content: dict[str, Any]) -> list[dict[str, Any]]:
    return [{"role": "user", "content": list(content)}]


def test_a_whole_conversation(otel: Telemetry, sync_app: SyncApp, provider: Provider) -> None:
    """Roles, tools and their results, the system's own part, the tools offered."""
    spec = {"name": "weather", "description": "How it is.", "inputSchema": {"json": {"type": "object"}}}
    result = {"toolUseId": "t1", "content": [{"json": {"wind": 9}}]}
    failed = {"toolUseId": "t2", "content": [{"text": "no such city"}], "status": "error"}
    _ask(
        otel, sync_app, provider,
        system=[{"text": "Be brief."}],
        messages=[
            {"role": "user", "content": [{"text": QUESTION}]},
            {"role": "assistant", "content": [
                {"text": "I look."}, {"toolUse": {"toolUseId": "t1", "name": "weather", "input": {"city": "Skagen"}}},
                {"toolUse": {"toolUseId": "t2", "name": "weather", "input": {"city": "Atlantis"}}},
            ]},
            {"role": "user", "content": [{"toolResult": result}, {"toolResult": failed}]},
            {"role": "user", "content": [{"toolResult": result}, {"text": "And now?"}]},
        ],
        toolConfig={"tools": [{"toolSpec": spec}], "toolChoice": {"auto": {}}},
    )  # fmt: skip
    assert otel.messages(semconv.SYSTEM_INSTRUCTIONS) == [{"type": "text", "content": "Be brief."}]
    answered = {"type": "tool_call_response", "id": "t1", "response": {"wind": 9}}
    assert otel.messages(semconv.INPUT_MESSAGES) == [
        {"role": "user", "parts": [{"type": "text", "content": QUESTION}]},
        {"role": "assistant", "parts": [
            {"type": "text", "content": "I look."},
            {"type": "tool_call", "id": "t1", "name": "weather", "arguments": {"city": "Skagen"}},
            {"type": "tool_call", "id": "t2", "name": "weather", "arguments": {"city": "Atlantis"}},
        ]},
        {"role": "tool", "parts": [
            answered, {"type": "tool_call_response", "id": "t2", "response": "no such city", "is_error": True},
        ]},
        {"role": "user", "parts": [answered, {"type": "text", "content": "And now?"}]},
    ]  # fmt: skip
    assert otel.messages(semconv.TOOL_DEFINITIONS) == [
        {"type": "function", "name": "weather", "description": "How it is.", "parameters": {"type": "object"}}
    ]


def test_media(otel: Telemetry, sync_app: SyncApp, provider: Provider) -> None:
    """Bytes as hashes and sizes, places as places."""
    s3 = {"s3Location": {"uri": "s3://bucket/film.mkv"}}
    _ask(
        otel, sync_app, provider,
        messages=_user(
            {"image": {"format": "png", "source": {"bytes": IMAGE}}},
            {"document": {"format": "pdf", "name": "a", "source": {"bytes": bytearray(b"%PDF")}}},
            {"video": {"format": "mkv", "source": s3}},
        ),
    )  # fmt: skip
    (message,) = otel.messages(semconv.INPUT_MESSAGES)
    image, document, video = message["parts"]
    assert (image["type"], image["mime_type"], image["modality"], image["size"]) == ("blob", "image/png", "image", 15)
    assert "sha256" in image
    assert (document["mime_type"], document["size"]) == ("application/pdf", 4)
    assert video == {"type": "uri", "mime_type": "video/x-matroska", "modality": "video", "uri": "s3://bucket/film.mkv"}


NEWER: list[tuple[str, dict[str, Any], list[dict[str, Any]]]] = [
    ("cachePoint", {"cachePoint": {"type": "default"}}, []),
    ("guardContent", {"guardContent": {"text": {"text": "Is it?"}}}, [{"type": "text", "content": "Is it?"}]),
    ("guardContent", {"guardContent": {"image": {"format": "png", "source": {"bytes": IMAGE}}}}, [{"type": "blob"}]),
    ("reasoningContent", {"reasoningContent": {"reasoningText": {"text": "Hm.", "signature": "c2ln"}}},
     [{"type": "reasoning", "content": "Hm."}]),
    ("reasoningContent", {"reasoningContent": {"redactedContent": b"sealed"}}, [{"type": "redacted_reasoning"}]),
    ("citationsContent", {"citationsContent": {"content": [{"text": "Lit."}], "citations": []}},
     [{"type": "text", "content": "Lit."}]),
    ("searchResult", {"searchResult": {"source": "s", "title": "t", "content": [{"text": "Lit."}]}},
     [{"type": "text", "content": "Lit."}]),
    ("audio", {"audio": {"format": "webm", "source": {"bytes": b"sound"}}}, [{"type": "blob"}]),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "block", "parts"), NEWER)
def test_a_block(
    otel: Telemetry, sync_app: SyncApp, provider: Provider, kind: str, block: Any, parts: list[dict[str, Any]]
) -> None:
    if not knows(sync_app.client, "ContentBlock", kind):
        pytest.skip(f"this botocore has no {kind}")
    _ask(otel, sync_app, provider, messages=_user({"text": QUESTION}, block))
    (message,) = otel.messages(semconv.INPUT_MESSAGES)
    said = [
        {name: part.get(name) for name in expected} for part, expected in zip(message["parts"][1:], parts, strict=True)
    ]
    assert said == parts


def test_parameters(otel: Telemetry, app: App, provider: Provider) -> None:
    """What Converse has a name for, and what it passes on to the model under the model's own."""
    provider.reply(frames.stream(frames.events("bedrock/converse_stream.jsonl")))
    response = app.call(
        app.client.converse_stream, modelId=MODEL, messages=_user({"text": QUESTION}),
        inferenceConfig={"maxTokens": 50, "temperature": 0, "topP": 0.5, "stopSequences": ["|", "END"]},
        additionalModelRequestFields={"top_k": 5, "thinking": {"type": "enabled", "budget_tokens": 1024}},
        guardrailConfig={"guardrailIdentifier": "gr1", "guardrailVersion": "DRAFT"},
        performanceConfig={"latency": "optimized"},
    )  # fmt: skip
    app.read(response["stream"])
    found = otel.attributes
    expected = {
        semconv.REQUEST_MODEL: MODEL, semconv.REQUEST_MAX_TOKENS: 50, semconv.REQUEST_TEMPERATURE: 0.0,
        semconv.REQUEST_TOP_P: 0.5, semconv.REQUEST_TOP_K: 5.0, semconv.REQUEST_STOP_SEQUENCES: ("|", "END"),
        semconv.REQUEST_REASONING_LEVEL: "enabled", semconv.AWS_BEDROCK_GUARDRAIL_ID: "gr1",
        semconv.REQUEST_STREAM: True, semconv.TIER: "optimized",
    }  # fmt: skip
    assert {name: found.get(name) for name in expected} == expected


@pytest.mark.parametrize(
    ("more", "level"),
    [
        ({"reasoning_config": {"type": "enabled", "budget_tokens": 2000}}, "enabled"),
        ({"reasoning_config": "high"}, "high"),
        ({"reasoningConfig": {"type": "enabled", "maxReasoningEffort": "low"}}, "low"),
        ({"reasoning_effort": "medium"}, "medium"),
        ({"thinking": {"type": "adaptive"}, "output_config": {"effort": "max"}}, "max"),
        ({"inferenceConfig": {"topK": 3}}, None),
    ],
)
def test_how_much_it_shall_think(
    otel: Telemetry, sync_app: SyncApp, provider: Provider, more: dict[str, Any], level: str | None
) -> None:
    """Each model family has a field of its own for it."""
    _ask(otel, sync_app, provider, messages=_user({"text": QUESTION}), additionalModelRequestFields=more)
    assert otel.attributes.get(semconv.REQUEST_REASONING_LEVEL) == level


def test_a_schema_and_a_tier(otel: Telemetry, sync_app: SyncApp, provider: Provider) -> None:
    if not knows(sync_app.client, "ConverseRequest", "outputConfig"):
        pytest.skip("this botocore has no outputConfig")
    schema = {"type": "json_schema", "structure": {"jsonSchema": {"schema": "{}"}}}
    _ask(
        otel, sync_app, provider, messages=_user({"text": QUESTION}), outputConfig={"textFormat": schema},
        serviceTier={"type": "flex"},
    )  # fmt: skip
    assert (otel.attributes[semconv.OUTPUT_TYPE], otel.attributes[semconv.TIER]) == ("json", "flex")


def test_what_is_sent_is_read_before_the_app_changes_it(otel: Telemetry, sync_app: SyncApp, provider: Provider) -> None:
    messages = _user({"text": QUESTION})
    otel.instrument(capture="full")
    provider.reply(frames.stream(frames.events("bedrock/converse_stream.jsonl")))
    stream = sync_app.client.converse_stream(modelId=MODEL, messages=messages)["stream"]
    messages[0]["content"][0]["text"] = "changed"
    sync_app.read(stream)
    assert QUESTION in str(otel.attributes[semconv.INPUT_MESSAGES])


def test_secrets_are_redacted(otel: Telemetry, sync_app: SyncApp, provider: Provider) -> None:
    otel.instrument(capture="redacted")
    provider.reply(whole(ANSWER))
    secret = "sk-" + "a1B2c3D4" * 6
    sync_app.client.converse(modelId=MODEL, messages=_user({"text": f"my key is {secret}"}))
    assert secret not in otel.everything()
