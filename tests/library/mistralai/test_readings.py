"""What an answer says, whole and streamed: finish reasons, usage, tier, cost, ids, in the provider's own bytes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
from wire import files
from wire.server import sse, whole

from otelllm import semconv

from .app import IS_CLOSED, has, method
from .surfaces import answer

if TYPE_CHECKING:
    from telemetry import Telemetry
    from wire.server import Provider

    from .app import App

FINISH, OWN, TIER = semconv.RESPONSE_FINISH_REASONS, semconv.FINISH_REASONS, semconv.TIER
COST, STATUS = semconv.COST, semconv.COST_STATUS
OTHER = semconv.USAGE_OTHER
NAMES = {"read": semconv.USAGE_CACHE_READ, "reasoning": semconv.USAGE_REASONING, "sound": semconv.USAGE_AUDIO_INPUT}


def _tokens(given: int | None, made: int | None, **subsets: int | None) -> dict[str, Any]:
    found = {semconv.USAGE_INPUT: given, semconv.USAGE_OUTPUT: made}
    return {**found, **{attribute: subsets.get(name) for name, attribute in NAMES.items()}}


@dataclass(frozen=True, slots=True)
class Case:
    """A wire file, and what must be on the span; None where a name must be absent."""

    file: str
    expected: dict[str, Any]
    needs: str = "chat"
    is_newer: bool = False
    """Of a shape that the types of 1.x refuse."""

    def __str__(self) -> str:
        return self.file


# mistral-small-latest: 0.15 in, 0.015 read, 0.6 out for a million tokens.
PLAIN = {
    **_tokens(1200, 50, read=1024), FINISH: ("stop",), OWN: None, semconv.RESPONSE_MODEL: "mistral-small-latest",
    semconv.RESPONSE_ID: "a7952046ef794d1697627b54231df17a",
}  # fmt: skip
TOOLS = {**_tokens(91, 29), FINISH: ("tool_call",), OWN: ("tool_calls",)}
THOUGHT = {**_tokens(12, 78), FINISH: ("stop",), semconv.RESPONSE_MODEL: "magistral-medium-latest"}
CONVERSED = {semconv.CONVERSATION_ID: "conv_019caeab2a14717f98fa1d9f6d3d1c3e"}
MESSAGE = {
    **CONVERSED, semconv.RESPONSE_MODEL: "mistral-medium-latest",
    semconv.RESPONSE_ID: "msg_019caeab2b1e7554afbc12f4fc750127",
}  # fmt: skip
AGENT = {semconv.AGENT_ID: "ag_019c72abc7447066a80fb494889902a3"}
# 7112 of 7355 tokens are what the search fed to the model: in the total, and not in the prompt's.
SEARCHED = {**MESSAGE, **AGENT, **_tokens(7300, 55), OTHER + "connector_tokens": 7112,
            OTHER + "server_tool.web_search": 1, FINISH: ("stop",)}  # fmt: skip
HEARD = {**_tokens(378, 41, read=0, sound=375), OTHER + "audio_seconds": 12, TIER: "standard",
         semconv.RESPONSE_MODEL: "voxtral-mini-latest"}  # fmt: skip
RESPONDED = {
    **_tokens(1200, 50, read=1024, reasoning=7), semconv.USAGE_CACHE_WRITE: 24, FINISH: ("stop",),
    semconv.RESPONSE_ID: "resp_a7952046", semconv.RESPONSE_MODEL: "mistral-small-latest", semconv.OPENAI_API_TYPE: None,
}  # fmt: skip

CASES = [
    Case("chat.json", PLAIN),
    Case("chat_stream.sse", PLAIN),
    Case("chat_every_count.json", {**_tokens(20, 9, read=16, reasoning=7), TIER: "priority"}),
    Case("chat_cached_elsewhere.json", _tokens(20, 9, read=16)),
    Case("chat_cached_other_spelling.json", _tokens(20, 9, read=16)),
    Case("chat_zeros.json", _tokens(20, 0, read=0)),
    Case("chat_no_counts.json", _tokens(20, None)),
    Case("chat_nulls.json", {**_tokens(None, None), STATUS: "no_usage", COST: None}),
    Case("chat_sound.json", {**_tokens(2629, 635), OTHER + "audio_seconds": 203}),
    Case("chat_tools.json", TOOLS),
    Case("chat_tools_no_ids.json", TOOLS),
    Case("chat_stream_tools.sse", TOOLS),
    Case("chat_stream_tools_fragments.sse", TOOLS),
    Case("chat_stream_tools_zero_index.sse", TOOLS),
    Case("chat_thinking.json", THOUGHT),
    Case("chat_stream_thinking.sse", THOUGHT),
    Case("chat_references.json", PLAIN, is_newer=True),
    Case("chat_stream_references.sse", PLAIN, is_newer=True),
    Case("chat_two.json", {**PLAIN, FINISH: ("stop", "length"), OWN: None}),
    Case("chat_stream_two.sse", {**PLAIN, FINISH: ("stop", "length"), OWN: ("stop", "model_length")}),
    Case("agent_messages.json", {**PLAIN, semconv.AGENT_ID: "ag_1"}, is_newer=True),
    Case("agent_stream_messages.sse", {**PLAIN, semconv.AGENT_ID: "ag_1"}),
    Case("fim.json", {**_tokens(15, 6), semconv.OPERATION: "text_completion"}),
    Case("fim_stream.sse", {**_tokens(15, 6), semconv.OPERATION: "text_completion"}),
    Case("embeddings.json", {**_tokens(15, None), semconv.EMBEDDINGS_DIMENSIONS: 3}),
    Case("conversation.json", {**MESSAGE, **_tokens(429, 24), FINISH: ("stop",)}, "conversations"),
    Case("conversation_agent.json", {**MESSAGE, **AGENT, **_tokens(429, 24)}, "conversations"),
    Case("conversation_tools.json", {**CONVERSED, **_tokens(91, 29), FINISH: ("tool_call",)}, "conversations"),
    Case("conversation_search.json", SEARCHED, "conversations"),
    Case("conversation_stream.sse", {**MESSAGE, **_tokens(429, 24), FINISH: ("stop",)}, "conversations"),
    Case("conversation_stream_tools.sse", {**CONVERSED, **_tokens(91, 29), FINISH: ("tool_call",)},
         "conversations"),
    Case("conversation_stream_search.sse", SEARCHED, "conversations", is_newer=True),
    Case("responses.json", RESPONDED, "responses"),
    Case("responses_stream.sse", RESPONDED, "responses"),
    Case("responses_tools.json", {**RESPONDED, FINISH: ("tool_call",)}, "responses"),
    Case("responses_incomplete.json", {**RESPONDED, FINISH: ("length",)}, "responses"),
    Case("ocr.json", {OTHER + "pages": 2, semconv.RESPONSE_MODEL: "mistral-ocr-2512", STATUS: "exact"}, "ocr"),
    Case("moderation.json", {semconv.RESPONSE_ID: "4d71ae510af942108ef7344f903e2b88"}, "ocr"),
    Case("classification.json", {semconv.RESPONSE_MODEL: "ft:classifier:1"}, "ocr"),
    Case("transcription.json", HEARD, "transcriptions"),
    Case("transcription_stream.sse", HEARD, "transcriptions"),
    Case("speech_stream.sse", _tokens(250, 99840), "speech"),
]  # fmt: skip


@pytest.mark.parametrize(
    "case", [case for case in CASES if has(case.needs) and not (case.is_newer and IS_CLOSED)], ids=str
)
def test_what_the_answer_says(otel: Telemetry, app: App, provider: Provider, case: Case) -> None:
    """Counts, ids, model and finish reasons are those of the bytes, each with its type; what was not said is absent."""
    answer(app, provider, case.file)
    found = dict(otel.attributes)
    assert {name: found.get(name) for name in case.expected} == case.expected
    assert (found.get(semconv.STREAM_END) == "complete") is case.file.endswith(".sse")
    for name, value in found.items():
        assert value not in ("", "null", None), name
        assert type(value) is int or not name.endswith("_tokens"), name
    assert semconv.ERROR_TYPE not in found


def test_it_is_priced(otel: Telemetry, app: App, provider: Provider) -> None:
    """Cached tokens at their price, if they have one of their own."""
    answer(app, provider, "chat_stream.sse")
    assert otel.attributes[STATUS] in {"exact", "approximate"}
    assert otel.attributes[COST] == pytest.approx((176 * 0.15 + 1024 * 0.015 + 50 * 0.6) / 1e6)


def test_a_stream_without_usage_is_estimated(otel: Telemetry, app: App, provider: Provider) -> None:
    """Some servers of Mistral's models say none: flagged, and in no metric of tokens."""
    answer(app, provider, "chat_stream_no_usage.sse")
    assert otel.attributes[semconv.USAGE_ESTIMATED] is True
    assert semconv.METRIC_TOKENS not in otel.metrics()


REQUEST = {
    "temperature": 0.3, "top_p": 0.9, "max_tokens": 64, "random_seed": 7, "n": 2, "stop": ["END"],
    "presence_penalty": 0.5, "frequency_penalty": 0.25, "response_format": {"type": "json_object"},
}  # fmt: skip
ASKED = {
    semconv.REQUEST_TEMPERATURE: 0.3, semconv.REQUEST_TOP_P: 0.9, semconv.REQUEST_MAX_TOKENS: 64,
    semconv.REQUEST_SEED: 7, semconv.REQUEST_STOP_SEQUENCES: ("END",), semconv.REQUEST_PRESENCE_PENALTY: 0.5,
    semconv.REQUEST_FREQUENCY_PENALTY: 0.25, semconv.OUTPUT_TYPE: "json",
}  # fmt: skip


@pytest.mark.parametrize("file", ["chat.json", "chat_stream.sse"])
def test_what_was_asked(otel: Telemetry, app: App, provider: Provider, file: str) -> None:
    """The parameters under the conventions' names; those left out leave nothing."""
    answer(app, provider, file, **REQUEST)
    found = otel.attributes
    expected = {**ASKED, semconv.REQUEST_CHOICE_COUNT: 2, semconv.OPENAI_API_TYPE: None}
    assert {name: found.get(name) for name in expected} == expected
    otel.clear()
    answer(app, provider, file)
    assert [name for name in otel.attributes if name.startswith("gen_ai.request.")] == [
        semconv.REQUEST_MODEL, *([semconv.REQUEST_STREAM] if file.endswith("sse") else [])]  # fmt: skip


@pytest.mark.skipif(not has("conversations"), reason="not in this version")
def test_what_was_asked_of_a_conversation(otel: Telemetry, app: App, provider: Provider) -> None:
    """Its settings are in an object of their own."""
    settings = {name: value for name, value in REQUEST.items() if name != "n"}
    answer(app, provider, "conversation.json", completion_args=settings)
    assert {name: otel.attributes.get(name) for name in ASKED} == ASKED


@pytest.mark.skipif(not has("conversations"), reason="not in this version")
@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("verb", ["append", "restart"])
def test_a_conversation_goes_on(otel: Telemetry, app: App, provider: Provider, verb: str, streamed: bool) -> None:
    """From its end, or from an entry: what the answer names is the conversation now; begun again it is another one."""
    file = "conversation_stream.sse" if streamed else "conversation.json"
    body = files.body(f"mistral/{file}")
    provider.reply(sse(files.events(f"mistral/{file}")) if streamed else whole(body))
    called = method(app.client, app.client.beta.conversations, f"{verb}_stream" if streamed else verb)
    more = {"from_entry_id": "msg_1"} if verb == "restart" else {}
    got = app.call(called, conversation_id="conv_old", inputs="And then?", **more)
    if streamed:
        app.read(got)
    assert otel.span.name == "chat"
    assert {name: otel.attributes.get(name) for name in MESSAGE} == MESSAGE
    assert otel.attributes[semconv.USAGE_INPUT] == 429


@pytest.mark.parametrize("verb", ["create", "get"])
def test_a_batchs_answers_are_counted_by_nobody(otel: Telemetry, app: App, provider: Provider, verb: str) -> None:
    """Begun, and looked after many times, its answers with it: no usage on any of these."""
    provider.reply(whole(files.body("mistral/batch.json")))
    more: dict[str, Any] = {"job_id": "b_ts_0f1"}
    if verb == "create":
        more = {"endpoint": "/v1/chat/completions", "input_files": ["f1"], "model": "mistral-small-latest"}
    app.call(method(app.client, app.client.batch.jobs, verb), **more)
    assert otel.span.name == ("batch mistral-small-latest" if verb == "create" else "batch")
    assert otel.attributes[semconv.RESPONSE_ID] == "b_ts_0f1"
    assert semconv.USAGE_INPUT not in otel.attributes
    assert semconv.COST not in otel.attributes
