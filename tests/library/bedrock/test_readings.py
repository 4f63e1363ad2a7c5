"""What Converse's answers say, whole and streamed: every count, reason, tool and text of the bytes is on the span."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest
from wire import frames
from wire.server import whole

from otelllm import semconv

from .app import MODEL, QUESTION, knows

if TYPE_CHECKING:
    from telemetry import Telemetry
    from wire.server import Provider

    from .app import App

ASKED: dict[str, Any] = {"modelId": MODEL, "messages": [{"role": "user", "content": [{"text": QUESTION}]}]}
USAGE = {"inputTokens": 10, "outputTokens": 5, "totalTokens": 15}
SEALED = base64.b64encode(b"sealed").decode()
WEATHER = {"toolUseId": "tooluse_1", "name": "weather"}
CITED = {"title": "Lighthouses", "source": "a.pdf", "sourceContent": [{"text": "It was lit in 1858."}],
         "location": {"documentPage": {"documentIndex": 0, "start": 1, "end": 2}}}  # fmt: skip
RUN = {"toolUseId": "tooluse_2", "name": "nova_code_interpreter", "type": "server_tool_use"}
RAN = {"toolUseId": "tooluse_2", "type": "nova_code_interpreter_result", "status": "success"}


@dataclass(frozen=True, slots=True)
class Case:
    """An answer, what is sent of it whole and in pieces, and what the span says."""

    name: str
    content: list[dict[str, Any]]
    pieces: list[tuple[str, dict[str, Any]]]
    """Of the same content: "start" or "delta" with what is in it; each change of the block's kind is a new index."""
    parts: list[dict[str, Any]]
    reason: str = "end_turn"
    finish: str = "stop"
    usage: dict[str, Any] = field(default_factory=lambda: USAGE)
    more: dict[str, Any] = field(default_factory=dict)
    """Beside `usage`, in the answer and in a stream's last event."""
    facts: dict[str, Any] = field(default_factory=dict)
    needs: tuple[str, str] | None = None
    """(shape, member) of the service's description, without which this botocore drops the field."""


TEXT = [{"text": "Lit in 1858."}]
TEXT_PIECES: list[tuple[str, dict[str, Any]]] = [("delta", {"text": "Lit in "}), ("delta", {"text": "1858."})]
SAID = [{"type": "text", "content": "Lit in 1858."}]


def _told(name: str, **more: Any) -> Case:
    return Case(name, TEXT, TEXT_PIECES, SAID, **more)


CASES = [
    _told("plain", facts={semconv.USAGE_INPUT: 10, semconv.USAGE_OUTPUT: 5, semconv.USAGE_CACHE_READ: None}),
    _told(
        "cached", usage={**USAGE, "cacheReadInputTokens": 7000, "cacheWriteInputTokens": 502},
        facts={semconv.USAGE_INPUT: 7512, semconv.USAGE_CACHE_READ: 7000, semconv.USAGE_CACHE_WRITE: 502,
               semconv.USAGE_CACHE_WRITE_1H: None},
    ),
    _told(
        "zeros", usage={"inputTokens": 0, "outputTokens": 0, "totalTokens": 0, "cacheReadInputTokens": 0,
                        "cacheWriteInputTokens": 0},
        facts={semconv.USAGE_INPUT: 0, semconv.USAGE_OUTPUT: 0, semconv.USAGE_CACHE_READ: 0,
               semconv.USAGE_CACHE_WRITE: 0},
    ),
    _told(
        "kept for an hour", needs=("TokenUsage", "cacheDetails"),
        usage={**USAGE, "cacheReadInputTokens": 0, "cacheWriteInputTokens": 502,
               "cacheDetails": [{"ttl": "1h", "inputTokens": 500}, {"ttl": "5m", "inputTokens": 2}]},
        facts={semconv.USAGE_INPUT: 512, semconv.USAGE_CACHE_WRITE: 502, semconv.USAGE_CACHE_WRITE_1H: 500},
    ),
    _told("out of tokens", reason="max_tokens", finish="length"),
    _told("out of context", reason="model_context_window_exceeded", finish="length"),
    _told("a stop sequence", reason="stop_sequence"),
    _told("filtered", reason="content_filtered", finish="content_filter"),
    _told("malformed", reason="malformed_model_output", finish="error"),
    _told("a reason of next year", reason="bored", finish="bored", facts={semconv.FINISH_REASONS: None}),
    _told(
        "guardrail", reason="guardrail_intervened", finish="content_filter",
        more={"trace": {"guardrail": {"actionReason": "Guardrail blocked."}}},
    ),
    _told(
        "routed", more={"trace": {"promptRouter": {"invokedModelId": "us.anthropic.claude-haiku-4-5-20251001-v1:0"}}},
        facts={semconv.RESPONSE_MODEL: "us.anthropic.claude-haiku-4-5-20251001-v1:0", semconv.COST_STATUS: "exact",
               semconv.COST: (10 * 1.1 + 5 * 5.5) / 1e6},
    ),
    _told("a tier", more={"serviceTier": {"type": "flex"}}, facts={semconv.TIER: "flex"},
          needs=("ConverseResponse", "serviceTier")),
    _told("a tier of no price", more={"performanceConfig": {"latency": "optimized"}},
          facts={semconv.TIER: "optimized", semconv.COST_STATUS: "approximate"}),
    Case(
        "a tool", [{"text": "I look."}, {"toolUse": {**WEATHER, "input": {"city": "Skagen"}}}],
        [("delta", {"text": "I look."}), ("start", {"toolUse": WEATHER}),
         ("delta", {"toolUse": {"input": '{"city": '}}), ("delta", {"toolUse": {"input": '"Skagen"}'}})],
        [{"type": "text", "content": "I look."},
         {"type": "tool_call", "id": "tooluse_1", "name": "weather", "arguments": {"city": "Skagen"}}],
        reason="tool_use", finish="tool_call",
    ),
    Case(
        "two tools without arguments",
        [{"toolUse": {**WEATHER, "input": {}}}, {"toolUse": {**WEATHER, "toolUseId": "tooluse_3", "input": {}}}],
        [("start", {"toolUse": WEATHER}), ("start", {"toolUse": {**WEATHER, "toolUseId": "tooluse_3"}}),
         ("delta", {"toolUse": {"input": ""}})],
        [{"type": "tool_call", "id": "tooluse_1", "name": "weather", "arguments": {}},
         {"type": "tool_call", "id": "tooluse_3", "name": "weather", "arguments": {}}],
        reason="tool_use", finish="tool_call",
    ),
    Case(
        "a server tool", needs=("ToolUseBlock", "type"),
        content=[{"toolUse": {**RUN, "input": {"snippet": "1+1"}}},
                 {"toolResult": {**RAN, "content": [{"json": {"out": "2"}}]}}, *TEXT],
        pieces=[("start", {"toolUse": RUN}), ("delta", {"toolUse": {"input": '{"snippet":"1+1"}'}}),
         ("start", {"toolResult": RAN}), ("delta", {"toolResult": [{"json": {"out": "2"}}]}), *TEXT_PIECES],
        parts=[{"type": "server_tool_call", "id": "tooluse_2", "name": "nova_code_interpreter",
          "server_tool_call": {"type": "nova_code_interpreter", "input": {"snippet": "1+1"}}},
         {"type": "server_tool_call_response", "id": "tooluse_2",
          "server_tool_call_response": {"type": "nova_code_interpreter_result", "content": {"out": "2"}}}, *SAID],
    ),
    Case(
        "a server tool's text", needs=("ToolUseBlock", "type"),
        content=[{"toolResult": {**RAN, "content": [{"text": "two"}]}}],
        pieces=[("start", {"toolResult": RAN}), ("delta", {"toolResult": [{"text": "t"}]}),
                ("delta", {"toolResult": [{"text": "wo"}]})],
        parts=[{"type": "server_tool_call_response", "id": "tooluse_2",
                "server_tool_call_response": {"type": "nova_code_interpreter_result", "content": "two"}}],
    ),
    Case(
        "reasoning",
        [{"reasoningContent": {"reasoningText": {"text": "It was old.", "signature": "c2ln"}}}, *TEXT],
        [("delta", {"reasoningContent": {"text": "It was "}}), ("delta", {"reasoningContent": {"text": "old."}}),
         ("delta", {"reasoningContent": {"signature": "c2ln"}}), *TEXT_PIECES],
        [{"type": "reasoning", "content": "It was old."}, *SAID],
    ),
    Case(
        "sealed reasoning", [{"reasoningContent": {"redactedContent": SEALED}}, *TEXT],
        [("delta", {"reasoningContent": {"redactedContent": SEALED}}), *TEXT_PIECES],
        [{"type": "redacted_reasoning"}, *SAID],
    ),
    Case(
        "citations", needs=("ContentBlock", "citationsContent"),
        content=[{"citationsContent": {"content": [{"text": "Lit in "}, {"text": "1858."}], "citations": [CITED]}}],
        pieces=[("delta", {"text": "Lit in 1858."}), ("delta", {"citation": CITED})],
        parts=[{**SAID[0], "citations": [{name: CITED[name] for name in ("title", "source", "location")}]}],
    ),
    Case("nothing at all", [], [], [], facts={semconv.USAGE_INPUT: 10}),
]  # fmt: skip


def _events(case: Case) -> list[bytes]:
    made, index, before = [("messageStart", {"role": "assistant"})], -1, ""
    for what, inner in case.pieces:
        kind = next(iter(inner))
        if what == "start" or kind not in {before, "citation"}:
            index, before = index + 1, kind
        name = {"start": "contentBlockStart", "delta": "contentBlockDelta"}[what]
        made.append((name, {"contentBlockIndex": index, what: inner}))
    made += [("contentBlockStop", {"contentBlockIndex": index}), ("messageStop", {"stopReason": case.reason})]
    made.append(("metadata", {"usage": case.usage, "metrics": {"latencyMs": 1}, **case.more}))
    return [frames.event(name, payload) for name, payload in made]


@pytest.mark.parametrize("is_streamed", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_an_answer(otel: Telemetry, sync_app: App, provider: Provider, case: Case, is_streamed: bool) -> None:
    """The same answer is read the same, however it came."""
    if case.needs and not knows(sync_app.client, *case.needs):
        pytest.skip(f"this botocore has no {case.needs[1]}")
    otel.instrument(capture="full")
    client = sync_app.client
    if is_streamed:
        provider.reply(frames.stream(_events(case)))
        sync_app.read(client.converse_stream(**ASKED)["stream"])
    else:
        message = {"role": "assistant", "content": case.content}
        body = {
            "output": {"message": message},
            "stopReason": case.reason,
            "usage": case.usage,
            "metrics": {"latencyMs": 1},
        }
        provider.reply(whole({**body, **case.more}))
        client.converse(**ASKED)
    found = otel.attributes
    assert found[semconv.RESPONSE_FINISH_REASONS] == (case.finish,)
    if semconv.FINISH_REASONS not in case.facts:
        assert found[semconv.FINISH_REASONS] == (case.reason,)
    assert {name: found.get(name) for name in case.facts} == case.facts
    written = otel.messages(semconv.OUTPUT_MESSAGES) if semconv.OUTPUT_MESSAGES in found else []
    assert written == ([{"role": "assistant", "parts": case.parts}] if case.parts else [])


def test_fields_missing_null_or_wrong(otel: Telemetry, sync_app: App, provider: Provider) -> None:
    """Nothing raises, nothing is made up; what is there is read."""
    shapes: list[dict[str, Any]] = [
        {}, {"usage": {}}, {"usage": None, "stopReason": None}, {"output": None}, {"output": {"message": {}}},
        {"output": {"message": {"content": None}}}, {"output": {"message": {"content": []}}},
        {"output": {"message": {"role": "assistant", "content": [{"text": ""}, {"hologram": {}}]}}},
        {"usage": {"inputTokens": 3}}, {"trace": {}}, {"trace": {"promptRouter": {}}}, {"serviceTier": None},
    ]  # fmt: skip
    otel.instrument(capture="full")
    for shape in shapes:
        otel.clear()
        provider.reply(whole(shape))
        sync_app.client.converse(**ASKED)
        found = otel.attributes
        assert found.get(semconv.USAGE_INPUT) == (3 if shape == {"usage": {"inputTokens": 3}} else None)
        assert semconv.USAGE_OUTPUT not in found
        assert semconv.RESPONSE_FINISH_REASONS not in found
        assert semconv.RESPONSE_MODEL not in found


def test_events_missing_null_or_unknown(otel: Telemetry, sync_app: App, provider: Provider) -> None:
    """One odd event costs the others nothing, and the app sees what it would see."""
    odd = [
        ("contentBlockDelta", {}), ("contentBlockDelta", {"contentBlockIndex": 1, "delta": {"hologram": {}}}),
        ("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"text": ""}}),
        ("contentBlockStart", {"contentBlockIndex": 0}),
        ("somethingNew", {"a": 1}), ("contentBlockStop", {}), ("metadata", {}), ("metadata", {"usage": {}}),
    ]  # fmt: skip
    otel.instrument(capture="full")
    plain = next(case for case in CASES if case.name == "plain")
    events = _events(plain)
    provider.reply(frames.stream([events[0], *(frames.event(*one) for one in odd), *events[1:]]))
    seen = sync_app.read(sync_app.client.converse_stream(**ASKED)["stream"])
    found = otel.attributes
    assert (found[semconv.USAGE_INPUT], found[semconv.USAGE_OUTPUT]) == (10, 5)
    assert found[semconv.STREAM_END] == "complete"
    assert otel.messages(semconv.OUTPUT_MESSAGES) == [{"role": "assistant", "parts": SAID}]
    assert found[semconv.STREAM_CHUNKS] == len(seen)


def test_without_content(otel: Telemetry, app: App, provider: Provider) -> None:
    """Counts and reasons are there, no word of the prompt or the answer is."""
    case = next(case for case in CASES if case.name == "a tool")
    provider.reply(whole({"output": {"message": {"role": "assistant", "content": case.content}}, "usage": USAGE,
                          "stopReason": "tool_use"}), frames.stream(_events(case)))  # fmt: skip
    app.call(app.client.converse, **ASKED)
    app.read(app.call(app.client.converse_stream, **ASKED)["stream"])
    for span in otel.spans:
        assert (span.attributes or {})[semconv.USAGE_INPUT] == 10
        assert (span.attributes or {})[semconv.RESPONSE_FINISH_REASONS] == ("tool_call",)
    for word in ("Skagen", "weather", "I look"):
        assert word not in otel.everything()


@pytest.mark.parametrize(
    ("model", "dollars"),
    [
        (MODEL, 3.3), ("anthropic.claude-sonnet-4-5-20250929-v1:0", 3.3),
        ("global.anthropic.claude-sonnet-4-5-20250929-v1:0", 3.0),
        (f"arn:aws:bedrock:us-east-1:123456789012:inference-profile/{MODEL}", 3.3),
        ("arn:aws:bedrock:us-east-1::foundation-model/anthropic.claude-3-haiku-20240307-v1:0", 0.25),
        ("us.amazon.nova-lite-v1:0", 0.06), ("eu.amazon.nova-micro-v1:0", 0.035),
        ("us.meta.llama3-3-70b-instruct-v1:0", 0.72),
        ("arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/a1b2c3", None),
    ],
)  # fmt: skip
def test_prices(otel: Telemetry, sync_app: App, provider: Provider, model: str, dollars: float | None) -> None:
    """Regions' prefixes and ARNs are the model that they name; an opaque ARN is honestly unknown."""
    provider.reply(whole({"usage": {"inputTokens": 1_000_000, "outputTokens": 0, "totalTokens": 1}}))
    sync_app.client.converse(**{**ASKED, "modelId": model})
    found = otel.attributes
    assert found[semconv.COST_STATUS] == ("unknown_model" if dollars is None else "exact")
    assert found.get(semconv.COST) == (None if dollars is None else pytest.approx(dollars))


def test_the_price_is_of_the_model_that_was_asked_for(otel: Telemetry, sync_app: App, provider: Provider) -> None:
    """The answer's own name lacks the region, which is a tenth dearer."""
    answer = {"model": "claude-sonnet-4-5-20250929", "usage": {"input_tokens": 1_000_000, "output_tokens": 0}}
    provider.reply(whole(answer))
    body = json.dumps({"anthropic_version": "bedrock-2023-05-31", "max_tokens": 1, "messages": []})
    sync_app.client.invoke_model(modelId=MODEL, body=body)["body"].read()
    assert otel.attributes[semconv.RESPONSE_MODEL] == "claude-sonnet-4-5-20250929"
    assert otel.attributes[semconv.COST] == pytest.approx(3.3)
