"""What Together's answers say, whole and streamed, is on the span: tokens, ids, finish reasons, tool calls, texts."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest
import together
from driving import replay
from wire import files
from wire.server import whole

from otelllm import semconv
from otelllm.providers.together import PROVIDER

if TYPE_CHECKING:
    from telemetry import Telemetry
    from wire.server import Provider

    from .app import App

MODEL = "meta-llama/Llama-3.3-70B-Instruct-Turbo"
ASKED: dict[str, Any] = {"model": MODEL, "messages": [{"role": "user", "content": "When was the lighthouse lit?"}]}
ID = "oCfwJ4t-4yUbBN-8b43a5cfadf99e5c"
ANSWER = {"type": "text", "content": "The lighthouse at Skagen was lit in 1858."}
THOUGHT = {"type": "reasoning", "content": "Grey Lighthouse, Skagen: 1858."}
TOOLS = [
    {"type": "tool_call", "id": "4vgxtgdfg", "name": "get_weather", "arguments": {"city": "Skagen"}},
    {"type": "tool_call", "id": "8hq2m1zzz", "name": "get_tide", "arguments": {"city": "Skagen", "day": 1}},
]


def _facts(finish: tuple[str, ...], used: tuple[int | None, ...], own: Any = None, model: str = MODEL) -> Any:
    given, made, read, reasoning = (*used, None, None)[:4]
    return {
        semconv.RESPONSE_ID: ID, semconv.RESPONSE_MODEL: model, semconv.RESPONSE_FINISH_REASONS: finish,
        semconv.FINISH_REASONS: own, semconv.USAGE_INPUT: given, semconv.USAGE_OUTPUT: made,
        semconv.USAGE_CACHE_READ: read, semconv.USAGE_REASONING: reasoning, semconv.USAGE_ESTIMATED: None,
        semconv.ERROR_TYPE: None,
    }  # fmt: skip


@dataclass(frozen=True, slots=True)
class Case:
    """A wire file, what must be on the span (None: absent), and the parts of each message."""

    file: str
    facts: dict[str, Any]
    messages: list[list[dict[str, Any]]] = field(default_factory=lambda: [[ANSWER]])

    def __str__(self) -> str:
        return self.file


THINKING = _facts(("stop",), (90, 40, 0, 25), model="openai/gpt-oss-120b")
CALLING = _facts(("tool_call",), (230, 31), ("tool_calls",))
TWO = _facts(("stop", "length"), (20, 9))
PAIR = [[{"type": "text", "content": "In 1858."}], [{"type": "text", "content": "1858, by"}]]

CASES = [
    Case("chat.json", _facts(("stop",), (1200, 50, 1024))),
    Case("chat_stream.sse", _facts(("stop",), (1200, 50, 1024)) | {semconv.PROVIDER_REQUEST_ID: "req_wire"}),
    Case("chat_eos.json", _facts(("stop",), (12, 27), ("eos",))),
    Case("chat_stream_eos.sse", _facts(("stop",), (12, 27), ("eos",))),
    Case("chat_reasoning.json", THINKING, [[THOUGHT, ANSWER]]),
    Case("chat_stream_reasoning.sse", THINKING, [[THOUGHT, ANSWER]]),
    Case("chat_tools.json", CALLING, [TOOLS]),
    Case("chat_stream_tools.sse", CALLING, [TOOLS]),
    Case("chat_two.json", TWO, PAIR),
    Case("chat_stream_two.sse", TWO, PAIR),
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_what_the_answer_says_is_on_the_span(otel: Telemetry, app: App, provider: Provider, case: Case) -> None:
    """Copied, never computed; a zero that was given is kept, what was not said is absent."""
    otel.instrument(capture="full")
    replay(app, provider, app.client.chat.completions.create, f"together/{case.file}", **ASKED)
    found = otel.attributes
    assert {name: found.get(name) for name in case.facts} == case.facts
    assert [message["parts"] for message in otel.messages(semconv.OUTPUT_MESSAGES)] == case.messages


@pytest.mark.parametrize("file", ["completions.json", "completions_stream.sse"])
def test_completions(otel: Telemetry, app: App, provider: Provider, file: str) -> None:
    """A finish reason stands in the choice of a whole answer, and in the chunk itself of a stream."""
    otel.instrument(capture="full")
    asked = {"model": MODEL, "prompt": "When was the lighthouse lit?", "max_tokens": 8, "stop": ["\n"]}
    replay(app, provider, app.client.completions.create, f"together/{file}", **asked)
    expected = _facts(("stop",), (10, 6), ("eos",)) | {
        semconv.REQUEST_MAX_TOKENS: 8,
        semconv.OPERATION: "text_completion",
    }
    assert {name: otel.attributes.get(name) for name in expected} == expected
    assert otel.messages(semconv.OUTPUT_MESSAGES)[0]["parts"] == [{"type": "text", "content": " In 1858."}]
    assert otel.messages(semconv.INPUT_MESSAGES)[0]["parts"][0]["content"] == "When was the lighthouse lit?"


def test_rerank(otel: Telemetry, app: App, provider: Provider) -> None:
    """How many went in and came out is no content; the query, and which documents, are."""
    documents = ["Bovbjerg", {"title": "Hirtshals"}, "Skagen"]
    asked = {"model": "Salesforce/Llama-Rank-v1", "query": "Where?", "documents": documents, "top_n": 2}
    expected = {
        semconv.OPERATION: "rerank", semconv.RESPONSE_MODEL: "Salesforce/Llama-Rank-v1", semconv.RETRIEVAL_TOP_K: 2,
        semconv.RERANK_IN: 3, semconv.RERANK_OUT: 2, semconv.USAGE_INPUT: 1837, semconv.USAGE_OUTPUT: 0,
    }  # fmt: skip
    for capture in ("off", "full"):
        otel.instrument(capture=capture)
        otel.clear()
        replay(app, provider, app.client.rerank.create, "together/rerank.json", **asked)
        assert {name: otel.attributes.get(name) for name in expected} == expected
        assert (semconv.RETRIEVAL_QUERY in otel.attributes) is (capture == "full")
    assert otel.attributes[semconv.RETRIEVAL_QUERY] == "Where?"
    assert otel.messages(semconv.RETRIEVAL_DOCUMENTS) == [
        {"id": "2", "score": 0.98, "content": "Skagen"},
        {"id": "0", "score": 0.02, "content": "Bovbjerg"},
    ]


@pytest.mark.parametrize(
    ("file", "status", "error", "kind"),
    [
        ("error_401.json", 401, together.AuthenticationError, "invalid_api_key"),
        ("error_404.json", 404, together.NotFoundError, "model_not_available"),
        ("error_429.json", 429, together.RateLimitError, "429"),
    ],
)
def test_an_error_by_the_providers_word(
    otel: Telemetry, app: App, provider: Provider, file: str, status: int, error: type[Exception], kind: str
) -> None:
    """Its code, else the status."""
    provider.reply(whole(files.body(f"together/{file}"), status=status))
    with pytest.raises(error):
        app.call(app.client.chat.completions.create, **ASKED)
    assert otel.attributes[semconv.ERROR_TYPE] == kind


def test_an_error_inside_an_answer_of_success(otel: Telemetry, app: App, provider: Provider) -> None:
    """The SDK returns an object without choices; the span says what went wrong."""
    replay(app, provider, app.client.chat.completions.create, "together/error_in_200.json", **ASKED)
    assert otel.attributes[semconv.ERROR_TYPE] == "overloaded"


def test_the_span_has_what_was_asked(otel: Telemetry, app: App, provider: Provider) -> None:
    """Every parameter under its conventional name and type; sentinels are nothing."""
    asked: dict[str, Any] = {
        "temperature": 1, "top_p": 0.5, "top_k": 40, "max_tokens": 100, "presence_penalty": 0.25, "seed": 7,
        "stop": ["END"], "n": 2, "reasoning_effort": "low", "response_format": {"type": "json_object"},
        "tools": together.NOT_GIVEN,
    }  # fmt: skip
    replay(app, provider, app.client.chat.completions.create, "together/chat_two.json", **ASKED, **asked)
    expected = {
        semconv.PROVIDER: "together_ai",
        semconv.REQUEST_TEMPERATURE: 1.0,
        semconv.REQUEST_TOP_P: 0.5,
        semconv.REQUEST_TOP_K: 40.0,
        semconv.REQUEST_MAX_TOKENS: 100,
        semconv.REQUEST_PRESENCE_PENALTY: 0.25,
        semconv.REQUEST_SEED: 7,
        semconv.REQUEST_STOP_SEQUENCES: ("END",),
        semconv.REQUEST_CHOICE_COUNT: 2,
        semconv.REQUEST_REASONING_LEVEL: "low",
        semconv.OUTPUT_TYPE: "json",
        semconv.OPENAI_API_TYPE: None,
    }
    assert {name: otel.attributes.get(name) for name in expected} == expected
    assert type(otel.attributes[semconv.REQUEST_TOP_K]) is float


def test_where_a_call_goes() -> None:
    """The provider by the client's base URL, a gateway's included; by the SDK where the host says nothing."""
    client = together.Together(api_key="k")
    assert PROVIDER.endpoint(client.chat.completions) == (
        "together_ai",
        together.Together(api_key="k").base_url.host,
        443,
    )
    gateway = client.with_options(base_url="https://openrouter.ai/api/v1")
    assert PROVIDER.endpoint(gateway.chat.completions) == ("openrouter", "openrouter.ai", 443)
    own = client.with_options(base_url="http://10.0.0.7:8080")
    assert PROVIDER.endpoint(own.chat.completions)[1:] == ("10.0.0.7", 8080)
