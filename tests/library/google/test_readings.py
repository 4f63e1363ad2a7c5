"""What an answer says, whole and streamed: finish reasons, usage, tier, cost, ids, in the provider's own bytes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest
from google.genai import types
from wire import files
from wire.server import sse, whole

from otelllm import semconv

from .app import MODEL, QUESTION, vertex

if TYPE_CHECKING:
    from collections.abc import Callable

    from telemetry import Telemetry
    from wire.server import Provider

    from .app import App

FINISH, OWN, COST = semconv.RESPONSE_FINISH_REASONS, semconv.FINISH_REASONS, semconv.COST


@dataclass(frozen=True, slots=True)
class Case:
    """A wire file, and what must be on the span; None where a name must be absent."""

    file: str
    expected: dict[str, Any]
    finish: tuple[str, ...] | None = ("stop",)
    own: tuple[str, ...] | None = None
    client: dict[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        return self.file


def _tokens(given: int | None, made: int | None, read: int | None = None, thought: int | None = None) -> dict[str, Any]:
    return {
        semconv.USAGE_INPUT: given,
        semconv.USAGE_OUTPUT: made,
        semconv.USAGE_CACHE_READ: read,
        semconv.USAGE_REASONING: thought,
    }


# gemini-2.5-flash: 0.30 in, 0.03 cached, 2.50 out for a million tokens, thoughts among them.
FLASH = (176 * 0.30 + 1024 * 0.03 + 114 * 2.50) / 1e6
FULL = {
    **_tokens(1200, 114, 1024, 64),
    COST: FLASH,
    semconv.USAGE_TEXT_INPUT: 1200,
    semconv.USAGE_TEXT_CACHE_READ: 1024,
}
CALLED = {"finish": ("tool_call",), "own": ("STOP",)}

CASES = [
    Case("generate.json", {**FULL, semconv.RESPONSE_ID: "resp_wire1", semconv.COST_STATUS: "exact"}),
    Case("generate_stream.sse", {**FULL, semconv.RESPONSE_ID: "resp_wire1", semconv.STREAM_END: "complete"}),
    Case("generate_stream_thoughts.sse", _tokens(9, 45, None, 40)),
    Case("generate_zeros.json", _tokens(9, 2, 0, 0)),
    Case("generate_no_usage.json", {**_tokens(None, None), COST: None, semconv.COST_STATUS: "no_usage"}),
    Case("generate_all_thoughts.json", _tokens(9, 64, None, 64), ("length",), ("MAX_TOKENS",)),
    Case(
        "generate_modalities.json",
        {
            **_tokens(400, 4, 60),
            semconv.USAGE_TEXT_INPUT: 10,
            semconv.USAGE_IMAGE_INPUT: 258,
            semconv.USAGE_AUDIO_INPUT: 132,
            semconv.USAGE_AUDIO_CACHE_READ: 60,
            semconv.USAGE_TEXT_OUTPUT: 4,
        },
    ),
    Case("generate_code.json", {**_tokens(35, 35, None, 5), semconv.USAGE_TEXT_INPUT: 35}),
    Case("generate_tools.json", _tokens(80, 30), **CALLED),
    Case("generate_stream_tools.sse", _tokens(80, 30), **CALLED),
    Case("generate_stream_tool_arguments.sse", _tokens(80, 30), **CALLED, client=vertex()),
    Case("generate_blocked.json", _tokens(12, None), ("content_filter",), ("PROHIBITED_CONTENT",)),
    Case("generate_stream_blocked.sse", {semconv.STREAM_END: "complete"}, ("content_filter",), ("SAFETY",)),
    Case("generate_safety.json", _tokens(12, 0), ("content_filter",), ("SAFETY",)),
    Case("generate_malformed_call.json", _tokens(12, None), ("error",), ("MALFORMED_FUNCTION_CALL",)),
    Case("generate_two.json", _tokens(12, 9), ("stop", "length"), ("stop", "MAX_TOKENS")),
    Case("generate_stream_two.sse", _tokens(12, 9), ("stop", "length"), ("stop", "MAX_TOKENS")),
    Case("generate_image.json", {**_tokens(8, 1290), semconv.USAGE_IMAGE_OUTPUT: 1290}),
    Case("generate_vertex.json", {**FULL, semconv.TIER: "flex", COST: None}, client=vertex()),
]


def _run(app: App, provider: Provider, file: str, **more: Any) -> Any:
    asked = {"model": MODEL, "contents": QUESTION, **more}
    if file.endswith(".sse"):
        provider.reply(sse(files.events(f"google/{file}")))
        return app.read(app.call(app.client.models.generate_content_stream, **asked))
    provider.reply(whole(files.body(f"google/{file}")))
    return app.call(app.client.models.generate_content, **asked)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_what_the_answer_says_is_on_the_span(
    otel: Telemetry, make_app: Callable[..., App], provider: Provider, case: Case
) -> None:
    """Copied and added up by the conventions; a zero that was given is kept, what was not said is absent."""
    _run(make_app(**case.client), provider, case.file)
    expected = {FINISH: case.finish, OWN: case.own, semconv.ERROR_TYPE: None, **case.expected}
    found = {name: otel.attributes.get(name) for name in expected}
    cost = expected.pop(COST, None)
    if cost is not None:
        assert found[COST] == pytest.approx(cost, abs=1e-12)
    found.pop(COST, None)
    assert found == expected
    for name, value in otel.attributes.items():
        assert value not in ("", None, "unknown"), name
        assert not name.endswith("_tokens") or type(value) is int, name


@pytest.mark.filterwarnings("ignore:TIRED is not a valid FinishReason")
def test_a_finish_reason_that_nobody_knows(otel: Telemetry, app: App, provider: Provider) -> None:
    """Kept in lower case: no word of ours takes its place."""
    _run(app, provider, "generate_unknown_finish.json")
    assert otel.attributes[FINISH] == ("tired",)


def test_the_span_names_model_server_and_provider(
    otel: Telemetry, make_app: Callable[..., App], provider: Provider
) -> None:
    """The model without its path; Vertex told from the client."""
    _run(make_app(**vertex()), provider, "generate_vertex.json", model=f"publishers/google/models/{MODEL}")
    found = otel.attributes
    assert otel.span.name == f"generate_content {MODEL}"
    assert found[semconv.PROVIDER] == "gcp.vertex_ai"
    assert found[semconv.REQUEST_MODEL] == found[semconv.RESPONSE_MODEL] == MODEL
    assert (found[semconv.SERVER_ADDRESS], found[semconv.SERVER_PORT]) == ("127.0.0.1", provider.port)
    otel.clear()
    _run(make_app(), provider, "generate.json")
    assert otel.attributes[semconv.PROVIDER] == "gcp.gemini"


@pytest.mark.parametrize(
    ("options", "provider_name", "address"),
    [
        ({"api_key": "k"}, "gcp.gemini", "generativelanguage.googleapis.com"),
        (vertex(), "gcp.vertex_ai", "europe-west1-aiplatform.googleapis.com"),
    ],
    ids=["gemini", "vertex"],
)
def test_where_a_plain_client_points(options: dict[str, Any], provider_name: str, address: str) -> None:
    """Without a base URL of the app's own."""
    from google import genai

    from otelllm.providers.google_genai import PROVIDER

    client = genai.Client(**options)
    assert PROVIDER.endpoint(client.models) == (provider_name, address, 443)
    client.close()


ASKED = {
    "temperature": 1, "top_p": 0.5, "top_k": 40, "max_output_tokens": 100, "frequency_penalty": 0.0,
    "presence_penalty": 0.25, "seed": 7, "stop_sequences": ["END"], "candidate_count": 2,
    "response_mime_type": "application/json", "response_schema": list[str],
    "thinking_config": {"thinking_level": "LOW"}, "service_tier": "flex",
}  # fmt: skip
CAMEL = {
    "temperature": 1, "topP": 0.5, "topK": 40, "maxOutputTokens": 100, "frequencyPenalty": 0.0,
    "presencePenalty": 0.25, "seed": 7, "stopSequences": ["END"], "candidateCount": 2,
    "responseMimeType": "application/json", "responseSchema": list[str],
    "thinkingConfig": {"thinkingLevel": "LOW"}, "serviceTier": "flex",
}  # fmt: skip


@pytest.mark.parametrize(
    "config", [ASKED, CAMEL, types.GenerateContentConfig(**ASKED)], ids=["snake", "camel", "object"]
)
@pytest.mark.parametrize("file", ["generate.json", "generate_stream.sse"])
def test_the_span_has_what_was_asked(otel: Telemetry, app: App, provider: Provider, file: str, config: Any) -> None:
    """Every parameter under its conventional name and type, in whichever shape the app gave its config."""
    _run(app, provider, file, config=config)
    expected = {
        semconv.REQUEST_TEMPERATURE: 1.0,
        semconv.REQUEST_TOP_P: 0.5,
        semconv.REQUEST_TOP_K: 40.0,
        semconv.REQUEST_MAX_TOKENS: 100,
        semconv.REQUEST_FREQUENCY_PENALTY: 0.0,
        semconv.REQUEST_PRESENCE_PENALTY: 0.25,
        semconv.REQUEST_SEED: 7,
        semconv.REQUEST_STOP_SEQUENCES: ("END",),
        semconv.REQUEST_CHOICE_COUNT: 2,
        semconv.REQUEST_REASONING_LEVEL: "low",
        semconv.OUTPUT_TYPE: "json",
        semconv.TIER: "flex",
    }
    found = otel.attributes
    assert {name: found.get(name) for name in expected} == expected
    assert type(found[semconv.REQUEST_TEMPERATURE]) is float


def test_an_answer_that_the_sdk_did_not_decode(otel: Telemetry, app: App, provider: Provider) -> None:
    """`should_return_http_response`: the app gets the body, and the span what it says."""
    otel.instrument(capture="full")
    config = types.GenerateContentConfig(should_return_http_response=True)
    answer = _run(app, provider, "generate_tools.json", config=config)
    assert answer.candidates is None
    found = otel.attributes
    assert (found[semconv.USAGE_INPUT], found[FINISH]) == (80, ("tool_call",))
    (message,) = otel.messages(semconv.OUTPUT_MESSAGES)
    assert message["parts"][0]["arguments"] == {"city": "Skagen", "unitSystem": "metric"}


@pytest.mark.parametrize(
    ("file", "client", "expected"),
    [
        ("embed.json", {}, {semconv.USAGE_INPUT: None, semconv.EMBEDDINGS_DIMENSIONS: 4}),
        ("embed_usage.json", {}, {semconv.USAGE_INPUT: 7, semconv.EMBEDDINGS_DIMENSIONS: 4}),
        ("embed_vertex.json", vertex(), {semconv.USAGE_INPUT: 9, semconv.EMBEDDINGS_DIMENSIONS: 3}),
    ],
)
def test_embeddings(
    otel: Telemetry, make_app: Callable[..., App], provider: Provider, file: str, client: Any, expected: Any
) -> None:
    """One span, its dimensions, and its tokens where the answer says them."""
    if file == "embed_usage.json" and "usage_metadata" not in types.EmbedContentResponse.model_fields:
        pytest.skip("this google-genai keeps no usage of embeddings")
    otel.instrument(capture="full")
    app = make_app(**client)
    provider.reply(whole(files.body(f"google/{file}")))
    app.call(app.client.models.embed_content, model="text-embedding-005", contents=["Skagen", "lighthouse"])
    found = otel.attributes
    assert otel.span.name == "embeddings text-embedding-005"
    assert found[semconv.OPERATION] == "embeddings"
    assert {name: found.get(name) for name in expected} == expected
    assert semconv.USAGE_OUTPUT not in found
    assert semconv.RESPONSE_FINISH_REASONS not in found
    (message,) = otel.messages(semconv.INPUT_MESSAGES)
    assert [part["content"] for part in message["parts"]] == ["Skagen", "lighthouse"]
