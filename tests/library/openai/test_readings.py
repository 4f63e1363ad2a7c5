"""What an answer says, whole and streamed: finish reasons, usage, tier, cost, ids, in the provider's own bytes."""

from __future__ import annotations

import inspect
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest
from wire import files
from wire.server import Gate, sse, whole

from otelllm import semconv

from .surfaces import CHAT, COMPLETIONS, EMBEDDINGS, RESPONSES, Surface

if TYPE_CHECKING:
    from telemetry import Telemetry
    from wire.server import Provider

    from .app import App


@dataclass(frozen=True, slots=True)
class Case:
    """A wire file, and what must be on the span; None where a name must be absent."""

    surface: Surface
    file: str
    expected: dict[str, Any]
    model: str = "gpt-4o-mini"
    more: dict[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        return self.file


def _tokens(given: int | None, made: int | None, **subsets: int | None) -> dict[str, Any]:
    names = {"read": semconv.USAGE_CACHE_READ, "reasoning": semconv.USAGE_REASONING}
    return {
        semconv.USAGE_INPUT: given,
        semconv.USAGE_OUTPUT: made,
        **{names[name]: subsets.get(name) for name in names},
    }


FINISH, OWN = semconv.RESPONSE_FINISH_REASONS, semconv.FINISH_REASONS
COST, STATUS, TIER = semconv.COST, semconv.COST_STATUS, semconv.TIER
# gpt-4o-mini: 0.15 in, 0.075 cached, 0.60 out for a million tokens; 176 plain, 1024 cached, 50 written.
MINI = (176 * 0.15 + 1024 * 0.075 + 50 * 0.60) / 1e6
# o4-mini by the flex tier: half of 1.1 and 4.4.
FLEX = (1000 * 0.55 + 500 * 2.2) / 1e6
FULL = {**_tokens(1200, 50, read=1024, reasoning=0), FINISH: ("stop",), OWN: None, COST: MINI, STATUS: "exact"}

CASES = [
    Case(CHAT, "chat.json", {**FULL, semconv.USAGE_AUDIO_INPUT: 0, semconv.USAGE_AUDIO_OUTPUT: 0, TIER: "standard"}),
    Case(CHAT, "chat_stream.sse", {**FULL, semconv.USAGE_AUDIO_INPUT: 0}),
    Case(CHAT, "chat_no_details.json", _tokens(1200, 50) | {semconv.OPENAI_SYSTEM_FINGERPRINT: None}),
    Case(CHAT, "chat_no_usage.json", _tokens(None, None) | {COST: None, STATUS: "no_usage", FINISH: ("stop",)}),
    Case(CHAT, "chat_stream_no_usage.sse", {FINISH: ("stop",), semconv.STREAM_END: "complete"}),
    Case(CHAT, "chat_reasoning.json", _tokens(75, 310, read=0, reasoning=256), "o4-mini"),
    Case(CHAT, "chat_audio.json", {semconv.USAGE_AUDIO_INPUT: 60, semconv.USAGE_AUDIO_OUTPUT: 55}, "gpt-4o-audio"),
    Case(CHAT, "chat_two.json", {FINISH: ("stop", "length"), semconv.REQUEST_CHOICE_COUNT: 2}, more={"n": 2}),
    Case(CHAT, "chat_stream_two.sse", {FINISH: ("stop", "length"), **_tokens(12, 9)}, more={"n": 2}),
    Case(CHAT, "chat_refusal.json", {FINISH: ("stop",)}),
    Case(CHAT, "chat_filtered.json", {FINISH: ("content_filter",), semconv.USAGE_OUTPUT: 0, COST: 40 * 0.15 / 1e6}),
    Case(CHAT, "chat_tools.json", {FINISH: ("tool_call",), OWN: ("tool_calls",)}),
    Case(CHAT, "chat_stream_tools.sse", {FINISH: ("tool_call",), OWN: ("tool_calls",)}),
    Case(CHAT, "chat_function_call.json", {FINISH: ("tool_call",), OWN: ("function_call",)}),
    Case(CHAT, "chat_custom_tool.json", {FINISH: ("tool_call",)}),
    Case(CHAT, "chat_logprobs.json", {FINISH: ("stop",), **_tokens(10, 1)}),
    Case(CHAT, "chat_flex.json", {COST: FLEX, TIER: "flex", STATUS: "exact"}, "o4-mini"),
    Case(CHAT, "chat_flex.json", {COST: FLEX, TIER: "flex"}, "o4-mini", {"service_tier": "auto"}),
    Case(CHAT, "chat_stream_flex.sse", {COST: FLEX, TIER: "flex"}, "o4-mini"),
    Case(CHAT, "chat_azure.json", {**FULL}),
    Case(CHAT, "chat_stream_azure.sse", {**FULL, semconv.RESPONSE_ID: "chatcmpl-wire2"}),
    Case(CHAT, "chat_stream_cumulative.sse", _tokens(1200, 50, read=1024) | {FINISH: ("stop",), COST: MINI}),
    Case(CHAT, "chat_stream_reasoning.sse", {**_tokens(20, 30, reasoning=22), FINISH: ("stop",)}, "deepseek-reasoner"),
    Case(COMPLETIONS, "completions.json", {**_tokens(7, 12), FINISH: ("length",)}, "gpt-3.5-turbo-instruct"),
    Case(COMPLETIONS, "completions_stream.sse", {**_tokens(7, 12), FINISH: ("stop",)}, "gpt-3.5-turbo-instruct"),
    Case(
        EMBEDDINGS,
        "embeddings.json",
        {
            **_tokens(9, None),
            COST: 9 * 0.02 / 1e6,
            semconv.EMBEDDINGS_DIMENSIONS: 4,
            semconv.REQUEST_ENCODING_FORMATS: None,
        },
        "text-embedding-3-small",
        {"dimensions": 4},
    ),
    Case(
        EMBEDDINGS,
        "embeddings_float.json",
        {semconv.REQUEST_ENCODING_FORMATS: ("float",)},
        "text-embedding-3-small",
        {"encoding_format": "float"},
    ),
    Case(RESPONSES, "responses.json", FULL),
    Case(RESPONSES, "responses_stream.sse", FULL),
    Case(
        RESPONSES, "responses_tools.json", {FINISH: ("tool_call",), **_tokens(300, 90, read=0, reasoning=40)}, "o4-mini"
    ),
    Case(RESPONSES, "responses_stream_tools.sse", {FINISH: ("tool_call",), semconv.USAGE_REASONING: 40}, "o4-mini"),
    Case(RESPONSES, "responses_incomplete.json", {FINISH: ("length",), **_tokens(20, 16, read=0, reasoning=0)}),
    Case(RESPONSES, "responses_stream_incomplete.sse", {FINISH: ("length",), semconv.USAGE_OUTPUT: 16}),
    Case(RESPONSES, "responses_failed.json", {FINISH: ("error",), semconv.ERROR_TYPE: "server_error", COST: None}),
    Case(RESPONSES, "responses_queued.json", {FINISH: None, semconv.ERROR_TYPE: None, COST: None}),
    Case(RESPONSES, "responses_refusal.json", {FINISH: ("stop",)}),
    Case(RESPONSES, "responses_stream_unknown.sse", FULL),
]


def _run(app: App, provider: Provider, case: Case) -> None:
    surface, name = case.surface, f"openai/{case.file}"
    arguments = {**surface.arguments, "model": case.model, **case.more}
    if name.endswith(".sse"):
        provider.reply(sse(files.events(name)))
        app.read(app.call(surface.method(app.client), **arguments, stream=True))
    else:
        provider.reply(whole(files.body(name)))
        app.call(surface.method(app.client), **arguments)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_what_the_answer_says_is_on_the_span(otel: Telemetry, app: App, provider: Provider, case: Case) -> None:
    """Copied, never computed; a zero that was given is kept, what was not said is absent."""
    _run(app, provider, case)
    found = {name: otel.attributes.get(name) for name in case.expected}
    cost = case.expected.get(COST)
    if cost is not None:
        assert found.pop(COST) == pytest.approx(cost, abs=1e-12)
    assert found == {name: value for name, value in case.expected.items() if name != COST or value is None}


def test_the_parts_of_a_cost_add_up(otel: Telemetry, app: App, provider: Provider) -> None:
    """Within 1e-9, with its source named."""
    _run(app, provider, CASES[0])
    found = otel.attributes
    parts = (
        semconv.COST_INPUT,
        semconv.COST_CACHE_READ,
        semconv.COST_CACHE_WRITE,
        semconv.COST_OUTPUT,
        semconv.COST_OTHER,
    )
    assert sum(found.get(name, 0.0) for name in parts) == pytest.approx(found[COST], abs=1e-9)
    assert found[semconv.COST_CACHE_READ] == pytest.approx(1024 * 0.075 / 1e6)
    assert str(found[semconv.COST_SOURCE]).startswith("genai-prices@")
    (point,) = otel.metrics()[semconv.METRIC_COST]
    assert point.value == pytest.approx(MINI)


def test_an_unknown_model_has_no_cost(otel: Telemetry, app: App, provider: Provider) -> None:
    """Absent with its status: a zero would be believed."""
    provider.reply(whole(files.edited("openai/chat.json", model="house-blend-7b")))
    app.call(CHAT.method(app.client), **{**CHAT.arguments, "model": "house-blend-7b"})
    assert COST not in otel.attributes
    assert otel.attributes[STATUS] == "unknown_model"
    assert semconv.METRIC_COST not in otel.metrics()


def test_the_span_has_what_was_asked(otel: Telemetry, app: App, provider: Provider) -> None:
    """Every parameter under its conventional name and type, whatever the app gave; sentinels and nulls are nothing."""
    provider.reply(whole(CHAT.body))
    asked = {
        "temperature": 1, "top_p": 0.5, "max_completion_tokens": 100, "frequency_penalty": 0, "presence_penalty": 0.25,
        "seed": 7, "stop": "END", "reasoning_effort": "low", "service_tier": "flex", "user": "u-1",
        "response_format": {"type": "json_object"}, "n": None, "logprobs": None,
    }  # fmt: skip
    app.call(CHAT.method(app.client), **CHAT.arguments, **asked)
    expected = {
        semconv.REQUEST_TEMPERATURE: 1.0,
        semconv.REQUEST_TOP_P: 0.5,
        semconv.REQUEST_MAX_TOKENS: 100,
        semconv.REQUEST_FREQUENCY_PENALTY: 0.0,
        semconv.REQUEST_PRESENCE_PENALTY: 0.25,
        semconv.REQUEST_SEED: 7,
        semconv.REQUEST_STOP_SEQUENCES: ("END",),
        semconv.REQUEST_REASONING_LEVEL: "low",
        semconv.OPENAI_REQUEST_SERVICE_TIER: "flex",
        semconv.OUTPUT_TYPE: "json",
        semconv.USER_ID: "u-1",
        semconv.OPENAI_API_TYPE: "chat_completions",
        semconv.REQUEST_CHOICE_COUNT: None,
    }
    found = otel.attributes
    assert {name: found.get(name) for name in expected} == expected
    assert type(found[semconv.REQUEST_TEMPERATURE]) is float


def test_responses_parameters(otel: Telemetry, app: App, provider: Provider) -> None:
    """The Responses API's own names for the same things."""
    provider.reply(whole(RESPONSES.body))
    method = RESPONSES.method(app.client)
    user = "safety_identifier" if "safety_identifier" in inspect.signature(method).parameters else "user"
    asked = {
        "max_output_tokens": 64, "reasoning": {"effort": "high"}, "previous_response_id": "resp_0",
        "text": {"format": {"type": "json_schema", "name": "a", "schema": {}}}, user: "u-2",
    }  # fmt: skip
    app.call(method, **RESPONSES.arguments, **asked)
    expected = {
        semconv.REQUEST_MAX_TOKENS: 64,
        semconv.REQUEST_REASONING_LEVEL: "high",
        semconv.REQUEST_PREVIOUS_RESPONSE_ID: "resp_0",
        semconv.OUTPUT_TYPE: "json",
        semconv.USER_ID: "u-2",
        semconv.OPENAI_API_TYPE: "responses",
    }
    assert {name: otel.attributes.get(name) for name in expected} == expected


def test_extra_body_wins(otel: Telemetry, app: App, provider: Provider) -> None:
    """What is sent is what counts: `extra_body` overrides the arguments."""
    provider.reply(whole(CHAT.body))
    app.call(CHAT.method(app.client), **CHAT.arguments, extra_body={"model": "gpt-4o", "seed": 3})
    assert provider.last.json["model"] == "gpt-4o"
    assert otel.attributes[semconv.REQUEST_MODEL] == "gpt-4o"
    assert otel.attributes[semconv.REQUEST_SEED] == 3


def test_the_request_id_of_a_stream(otel: Telemetry, app: App, provider: Provider) -> None:
    """It is in the headers only, and support asks for it."""
    provider.reply(sse(CHAT.events, x_request_id="req_42"))
    app.read(app.call(CHAT.method(app.client), **CHAT.streaming))
    assert otel.attributes[semconv.PROVIDER_REQUEST_ID] == "req_42"


def test_an_interrupted_stream_is_estimated_and_says_so(otel: Telemetry, app: App, provider: Provider) -> None:
    """The provider never said the usage: we count, the count is flagged, and so is its price."""
    provider.reply(sse(CHAT.events[:8], Gate()))
    stream = app.call(CHAT.method(app.client), **CHAT.streaming)
    app.take(stream, 8)
    app.close(stream)
    found = otel.attributes
    assert found[semconv.USAGE_ESTIMATED] is True
    assert found[STATUS] == "estimated"
    assert found[COST] > 0
    assert 1 <= found[semconv.USAGE_OUTPUT] <= 20
    assert semconv.METRIC_TOKENS not in otel.metrics(), "the conventions' metric holds the provider's counts only"
