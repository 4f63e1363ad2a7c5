"""What Groq's answers say, whole and streamed, is on the span: tokens, ids, finish reasons, tool calls, texts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import groq
import pytest
from driving import replay
from wire import files
from wire.server import whole

from otelllm import semconv
from otelllm.providers.groq import PROVIDER

if TYPE_CHECKING:
    from telemetry import Telemetry
    from wire.server import Provider

    from .app import App, SyncApp

MODEL = "llama-3.3-70b-versatile"
ASKED: dict[str, Any] = {"model": MODEL, "messages": [{"role": "user", "content": "When was the lighthouse lit?"}]}
ID, REQUEST = "chatcmpl-5f0b6a7e-9d3c-4a53-8f6a-0d2a6a1f7c11", "req_01jadadp0femyae9kav1gpkhe8"
ANSWER = {"type": "text", "content": "The lighthouse at Skagen was lit in 1858."}
THOUGHT = {"type": "reasoning", "content": "Grey Lighthouse, Skagen: 1858."}
TOOLS = [
    {"type": "tool_call", "id": "4vgxtgdfg", "name": "get_weather", "arguments": {"city": "Skagen"}},
    {"type": "tool_call", "id": "8hq2m1zzz", "name": "get_tide", "arguments": {"city": "Skagen", "day": 1}},
]
PICTURE = {
    "type": "blob", "mime_type": "image/png", "modality": "image", "size": 8,
    "sha256": "4c4b6a3be1314ab86138bef4314dde022e600960d8689a2c8f8631802d20dab6",
}  # fmt: skip
FOUND = {"title": "Skagen Lighthouse", "url": "https://example.org/skagen", "content": "lit in 1858", "score": 0.91}
SEARCHED = {
    "type": "search", "output": "Title: Skagen Lighthouse\nContent: lit in 1858",
    "search_results": {"images": [], "results": [FOUND]},
}  # fmt: skip
COMPUTED = {"type": "python", "output": "167\n", "code_results": [{"text": "167\n", "png": PICTURE}]}
COMPOUND = [
    {"type": "reasoning", "content": "Search, then compute."},
    {"type": "server_tool_call", "name": "search",
     "server_tool_call": {"type": "search", "arguments": {"query": "Skagen lighthouse"}}},
    {"type": "server_tool_call_response", "server_tool_call_response": SEARCHED},
    {"type": "server_tool_call", "name": "python",
     "server_tool_call": {"type": "python", "arguments": {"code": "print(2025-1858)"}}},
    {"type": "server_tool_call_response", "server_tool_call_response": COMPUTED},
    {"type": "text", "content": "It was lit 167 years ago."},
]  # fmt: skip
# US dollars for a million tokens: llama-3.3-70b 0.59 in and 0.79 out, gpt-oss-120b 0.15 and 0.60.
SHARES = (400 * 0.59 + 60 * 0.79 + 1000 * 0.15 + 200 * 0.60) / 1e6


def _facts(model: str, finish: tuple[str, ...] | None, used: tuple[int | None, ...], **more: Any) -> dict[str, Any]:
    given, made, read, reasoning = (*used, None, None)[:4]
    return {
        semconv.RESPONSE_ID: ID, semconv.RESPONSE_MODEL: model, semconv.PROVIDER_REQUEST_ID: REQUEST,
        semconv.RESPONSE_FINISH_REASONS: finish, semconv.USAGE_INPUT: given, semconv.USAGE_OUTPUT: made,
        semconv.USAGE_CACHE_READ: read, semconv.USAGE_REASONING: reasoning, semconv.USAGE_ESTIMATED: None,
        semconv.FINISH_REASONS: None, semconv.ERROR_TYPE: None,
        **{getattr(semconv, name): value for name, value in more.items()},
    }  # fmt: skip


@dataclass(frozen=True, slots=True)
class Case:
    """A wire file, what must be on the span (None: absent), and the parts of each message."""

    file: str
    facts: dict[str, Any]
    messages: list[list[dict[str, Any]]]

    def __str__(self) -> str:
        return self.file


PLAIN = _facts(MODEL, ("stop",), (1200, 50, 1024), OPENAI_SYSTEM_FINGERPRINT="fp_c06d5113ec")
THINKING = _facts("openai/gpt-oss-120b", ("stop",), (90, 40, 0, 25))
CALLING = _facts(MODEL, ("tool_call",), (230, 31), FINISH_REASONS=("tool_calls",))
BUILT = _facts("groq/compound", ("stop",), (1400, 260), COST=pytest.approx(SHARES), COST_STATUS="approximate") | {
    "otelllm.usage.server_tool.web_search": 1, "otelllm.usage.server_tool.code_execution": 1,
}  # fmt: skip
TWO = _facts(MODEL, ("stop", "length"), (20, 9))
PAIR = [[{"type": "text", "content": "In 1858."}], [{"type": "text", "content": "1858, by"}]]
STOPPED = {
    semconv.RESPONSE_ID: ID, semconv.RESPONSE_MODEL: MODEL, semconv.PROVIDER_REQUEST_ID: REQUEST,
    semconv.RESPONSE_FINISH_REASONS: None, semconv.ERROR_TYPE: "error", semconv.STREAM_END: "broken",
    semconv.USAGE_ESTIMATED: True,
}  # fmt: skip

CASES = [
    Case(
        "chat.json", PLAIN | {semconv.OPENAI_RESPONSE_SERVICE_TIER: "on_demand", semconv.TIER: "standard"}, [[ANSWER]]
    ),
    Case("chat_stream.sse", PLAIN | {semconv.STREAM_END: "complete"}, [[ANSWER]]),
    Case("chat_stream_usage.sse", PLAIN | {semconv.OPENAI_RESPONSE_SERVICE_TIER: "on_demand"}, [[ANSWER]]),
    Case("chat_reasoning.json", THINKING | {semconv.TIER: "flex"}, [[THOUGHT, ANSWER]]),
    Case("chat_stream_reasoning.sse", THINKING, [[THOUGHT, ANSWER]]),
    Case("chat_tools.json", CALLING, [TOOLS]),
    Case("chat_stream_tools.sse", CALLING, [TOOLS]),
    Case("chat_stream_tools_fragments.sse", CALLING, [TOOLS]),
    Case("chat_compound.json", BUILT, [COMPOUND]),
    Case("chat_stream_compound.sse", BUILT, [COMPOUND]),
    Case("chat_two.json", TWO, PAIR),
    Case("chat_stream_two.sse", TWO, PAIR),
    Case("chat_stream_error.sse", STOPPED, [[{"type": "text", "content": "The lighthouse "}]]),
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_what_the_answer_says_is_on_the_span(otel: Telemetry, app: App, provider: Provider, case: Case) -> None:
    """Copied, never computed; a zero that was given is kept, what was not said is absent."""
    otel.instrument(capture="full")
    replay(app, provider, app.client.chat.completions.create, f"groq/{case.file}", **ASKED)
    found = otel.attributes
    assert {name: found.get(name) for name in case.facts} == case.facts
    assert [message["parts"] for message in otel.messages(semconv.OUTPUT_MESSAGES)] == case.messages


def test_server_tools_are_counted_without_content(otel: Telemetry, app: App, provider: Provider) -> None:
    """What is billed by the piece is known with capture off, whole and streamed."""
    for file in ("groq/chat_compound.json", "groq/chat_stream_compound.sse"):
        replay(app, provider, app.client.chat.completions.create, file, **ASKED)
        assert otel.attributes["otelllm.usage.server_tool.web_search"] == 1
        assert semconv.OUTPUT_MESSAGES not in otel.attributes
        otel.clear()


def test_the_span_has_what_was_asked(otel: Telemetry, app: App, provider: Provider) -> None:
    """Every parameter under its conventional name and type; sentinels and nulls are nothing."""
    asked = {
        "temperature": 1, "top_p": 0.5, "frequency_penalty": 0, "presence_penalty": 0.25, "seed": 7, "stop": "END",
        "user": "u-1", "response_format": {"type": "json_object"}, "n": None, "logprobs": None, "tools": groq.NOT_GIVEN,
        # No arguments yet in the oldest version.
        "extra_body": {"max_completion_tokens": 100, "reasoning_effort": "low", "service_tier": "flex"},
    }  # fmt: skip
    replay(app, provider, app.client.chat.completions.create, "groq/chat.json", **ASKED, **asked)
    expected = {
        semconv.PROVIDER: "groq",
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
        semconv.OPENAI_API_TYPE: None,
        semconv.REQUEST_CHOICE_COUNT: None,
    }
    assert {name: otel.attributes.get(name) for name in expected} == expected


@pytest.mark.parametrize(
    ("file", "status", "error", "kind"),
    [
        ("error_401.json", 401, groq.AuthenticationError, "invalid_api_key"),
        ("error_400_tool.json", 400, groq.BadRequestError, "tool_use_failed"),
        ("error_503.json", 503, groq.InternalServerError, "503"),
    ],
)
def test_an_error_by_the_providers_word(
    otel: Telemetry, app: App, provider: Provider, file: str, status: int, error: type[Exception], kind: str
) -> None:
    """Its code, else the status; the request id from its headers."""
    provider.reply(whole(files.body(f"groq/{file}"), status=status))
    with pytest.raises(error):
        app.call(app.client.chat.completions.create, **ASKED)
    assert (otel.attributes[semconv.ERROR_TYPE], otel.attributes[semconv.PROVIDER_REQUEST_ID]) == (kind, "req_wire")


def test_an_error_inside_an_answer_of_success(otel: Telemetry, app: App, provider: Provider) -> None:
    """The SDK returns an object without choices; the span says what went wrong."""
    replay(app, provider, app.client.chat.completions.create, "groq/error_in_200.json", **ASKED)
    assert otel.attributes[semconv.ERROR_TYPE] == "over_capacity"


def test_why_a_stream_ended_early_is_content(otel: Telemetry, app: App, provider: Provider) -> None:
    """Groq's own words for it: with capture off not on the span, its status included."""
    replay(app, provider, app.client.chat.completions.create, "groq/chat_stream_error.sse", **ASKED)
    assert "over_capacity" not in otel.everything()


def test_where_a_call_goes(sync_app: SyncApp) -> None:
    """The provider by the client's base URL, a gateway's included; by the SDK where the host says nothing."""
    client = sync_app.client.with_options(base_url="https://api.groq.com")
    assert PROVIDER.endpoint(client.chat.completions) == ("groq", "api.groq.com", 443)
    gateway = client.with_options(base_url="https://openrouter.ai/api/v1")
    assert PROVIDER.endpoint(gateway.chat.completions) == ("openrouter", "openrouter.ai", 443)
    own = client.with_options(base_url="http://10.0.0.7:8080")
    assert PROVIDER.endpoint(own.chat.completions)[1:] == ("10.0.0.7", 8080)
