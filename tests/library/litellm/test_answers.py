"""One span a call whichever way LiteLLM sends it, with what the provider said: tokens, ids, models, texts, tools."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest
from driving import replay

from otelllm import semconv

if TYPE_CHECKING:
    from telemetry import Telemetry
    from wire.server import Provider

    from .app import App

GPT, LLAMA = "openai/gpt-4o-mini", "groq/llama-3.3-70b-versatile"
ASKED = [{"role": "user", "content": "When was the lighthouse lit?"}]
ANSWER = "The lighthouse at Skagen was lit in 1858."


@dataclass(frozen=True, slots=True)
class Case:
    """A function, its model, a wire file, and what must be on the span (None: absent)."""

    function: str
    model: str
    file: str
    facts: dict[str, Any]
    text: str | None = ANSWER
    more: dict[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.function}-{self.file}"


def _facts(provider: str, model: str, finish: str, used: tuple[int | None, ...], **more: Any) -> dict[str, Any]:
    given, made, read, written = (*used, None, None)[:4]
    return {
        semconv.PROVIDER: provider, semconv.REQUEST_MODEL: model, semconv.RESPONSE_FINISH_REASONS: (finish,),
        semconv.USAGE_INPUT: given, semconv.USAGE_OUTPUT: made, semconv.USAGE_CACHE_READ: read,
        semconv.USAGE_CACHE_WRITE: written, semconv.USAGE_ESTIMATED: None, semconv.SERVER_ADDRESS: "127.0.0.1",
        semconv.ERROR_TYPE: None, **more,
    }  # fmt: skip


OPENAI = _facts("openai", "gpt-4o-mini", "stop", (1200, 50, 1024)) | {
    semconv.RESPONSE_MODEL: "gpt-4o-mini-2024-07-18", semconv.COST_STATUS: "exact",
}  # fmt: skip
GROQ = _facts("groq", "llama-3.3-70b-versatile", "stop", (1200, 50, 1024))
SONNET = "anthropic/claude-sonnet-4-6"
CLAUDE = _facts("anthropic", "claude-sonnet-4-6", "stop", (1200, 50, 1000, 24), **{semconv.COST_STATUS: "exact"})
CACHED = _facts("anthropic", "claude-sonnet-4-6", "stop", (2600, 40, 2000, 500)) | {
    semconv.USAGE_CACHE_WRITE_1H: 300, "otelllm.usage.server_tool.web_search": 2, semconv.COST_STATUS: "exact",
}  # fmt: skip
ARGUMENTS = [{"city": "Skagen", "unit": "celsius"}, {"zone": "Europe/Copenhagen"}]
CALLED = {semconv.RESPONSE_FINISH_REASONS: ("tool_call",), semconv.USAGE_ESTIMATED: None, semconv.ERROR_TYPE: None}
TWO = {semconv.RESPONSE_FINISH_REASONS: ("stop", "length"), semconv.ERROR_TYPE: None}
CASES = [
    Case("completion", GPT, "openai/chat.json", OPENAI),
    Case("completion", GPT, "openai/chat_stream.sse", OPENAI),
    Case("completion", GPT, "openai/chat_stream.sse", OPENAI, more={"stream_options": {"include_usage": True}}),
    Case("completion", LLAMA, "groq/chat.json", GROQ),
    Case("completion", LLAMA, "groq/chat_stream_usage.sse", GROQ),
    Case("completion", SONNET, "anthropic/message.json", CLAUDE),
    Case("completion", SONNET, "anthropic/message_stream.sse", CLAUDE),
    Case("completion", SONNET, "anthropic/message_cached.json", CACHED),
    Case("completion", SONNET, "anthropic/message_stream_cached.sse", CACHED),
    Case("completion", GPT, "openai/chat_tools.json", CALLED, None),
    Case("completion", GPT, "openai/chat_stream_tools.sse", CALLED, None),
    Case("completion", SONNET, "anthropic/message_tools.json", CALLED, None),
    Case("completion", SONNET, "anthropic/message_stream_tools.sse", CALLED, None),
    Case("completion", GPT, "openai/chat_two.json", TWO, None),
    Case("completion", GPT, "openai/chat_stream_no_usage.sse", {semconv.USAGE_ESTIMATED: True}, None),
    Case("completion", GPT, "openai/chat_no_usage.json", {semconv.USAGE_INPUT: None, semconv.COST: None}, None),
    Case("completion", SONNET, "anthropic/message_stream_thinking.sse", {semconv.USAGE_INPUT: 20}, None),
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_what_the_answer_says_is_on_the_one_span(otel: Telemetry, app: App, provider: Provider, case: Case) -> None:
    """The openai SDK below LiteLLM makes none; LiteLLM's own HTTP has nothing below it."""
    otel.instrument(capture="full")
    function = getattr(app.client, case.function)
    replay(app, provider, function, case.file, model=case.model, messages=ASKED, **case.more)
    found = otel.attributes
    assert {name: found.get(name) for name in case.facts} == case.facts
    if case.text is not None:
        assert otel.messages(semconv.OUTPUT_MESSAGES)[0]["parts"] == [{"type": "text", "content": case.text}]
    tools = [part for part in otel.messages(semconv.OUTPUT_MESSAGES)[0]["parts"] if part["type"] == "tool_call"]
    assert [tool["arguments"] for tool in tools[:2]] == (ARGUMENTS if "tools" in case.file else [])
