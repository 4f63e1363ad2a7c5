"""What an answer says, whole and streamed, in both versions of the API: usage, cost, finish reasons, content, ids."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest
from wire import files
from wire.server import Reply, ndjson, sse, whole

from otelllm import semconv

from .app import MODEL, QUESTION, LegacyAsyncApp, LegacySyncApp

if TYPE_CHECKING:
    from collections.abc import Iterator

    from telemetry import Telemetry
    from wire.server import Provider

    from .app import App

FINISH, OWN = semconv.RESPONSE_FINISH_REASONS, semconv.FINISH_REASONS
COST, STATUS = semconv.COST, semconv.COST_STATUS
OTHER = semconv.USAGE_OTHER
ID, LEGACY_ID = "c14c80c3-18eb-4519-9460-6c92edd8cfb4", "b4f3c2a1-0000-4000-8000-9460fee1dead"
TEXT = {"type": "text", "content": "The lighthouse at Skagen was lit in 1858."}
IN_1858 = {"type": "text", "content": "In 1858."}
PLAN = {"type": "reasoning", "content": "I will look up both."}
THOUGHT = {"type": "reasoning", "content": "The user asks for a year."}
WEATHER = {"type": "tool_call", "name": "get_weather", "arguments": {"city": "Skagen", "days": 2}}
TIME = {"type": "tool_call", "name": "get_time", "arguments": {}}
CALLS = [PLAN, {**WEATHER, "id": "get_weather_1a"}, {**TIME, "id": "get_time_2b"}]
LEGACY_CALLS = [{"type": "text", "content": "I will look up both."}, WEATHER, TIME]
CITATIONS = [
    {"start": 4, "end": 14, "text": "lighthouse", "sources": [{"type": "document", "id": "doc:0"}]},
    {"start": 36, "end": 40, "text": "1858", "sources": [{"type": "tool", "id": "get_year:0"}]},
]
LEGACY_CITATION = {"start": 4, "end": 14, "text": "lighthouse", "sources": [{"type": "document", "id": "doc_0"}]}


def _tokens(given: int | None, made: int | None, read: int | None = None, **billed: int | None) -> dict[str, Any]:
    return {
        semconv.USAGE_INPUT: given,
        semconv.USAGE_OUTPUT: made,
        semconv.USAGE_CACHE_READ: read,
        OTHER + "billed.input_tokens": billed.get("paid_in"),
        OTHER + "billed.output_tokens": billed.get("paid_out"),
    }


# command-a: 2.50 in, 10 out for a million tokens that are billed.
USED = {**_tokens(1200, 50, 1024, paid_in=5, paid_out=50), COST: (5 * 2.5 + 50 * 10) / 1e6, STATUS: "exact"}
FULL = {**USED, FINISH: ("stop",), OWN: ("COMPLETE",), semconv.RESPONSE_ID: ID, semconv.RESPONSE_MODEL: None}
LEGACY = {**FULL, semconv.RESPONSE_ID: LEGACY_ID}
TOOLS = {**FULL, FINISH: ("tool_call",), OWN: ("TOOL_CALL",)}


@dataclass(frozen=True, slots=True)
class Case:
    """A wire file, what must be on the span (None where a name must be absent), and the parts of each message."""

    file: str
    expected: dict[str, Any]
    messages: list[list[Any]] = field(default_factory=lambda: [[IN_1858]])

    def __str__(self) -> str:
        return self.file


CASES = [
    Case("chat.json", FULL, [[TEXT]]),
    Case("chat_stream.sse", FULL, [[TEXT]]),
    Case("chat_thinking.json", FULL, [[THOUGHT, IN_1858]]),
    Case("chat_stream_thinking.sse", FULL, [[THOUGHT, IN_1858]]),
    Case("chat_tools.json", TOOLS, [CALLS]),
    Case("chat_stream_tools.sse", TOOLS, [CALLS]),
    Case("chat_stream_tools_interleaved.sse", TOOLS, [CALLS]),
    Case("chat_citations.json", FULL, [[{**TEXT, "citations": CITATIONS}]]),
    Case("chat_stream_citations.sse", FULL, [[{**TEXT, "citations": CITATIONS}]]),
    Case("chat_no_usage.json", {**_tokens(None, None), COST: None, STATUS: "no_usage"}),
    Case("chat_empty_usage.json", {**_tokens(None, None), STATUS: "no_usage"}),
    Case("chat_zeros.json", {**_tokens(1200, 0, 0, paid_in=0, paid_out=0), COST: 0.0, STATUS: "exact"}),
    Case("chat_billed_only.json", {**_tokens(9, 4), OTHER + "searches": 2}),
    Case("chat_same_billed.json", {**_tokens(9, 4), COST: (9 * 2.5 + 4 * 10) / 1e6}),
    Case("chat_max_tokens.json", {FINISH: ("length",), OWN: ("MAX_TOKENS",)}, [[{"type": "text", "content": "In 18"}]]),
    Case(
        "chat_error.json",
        {**FULL, FINISH: ("error",), OWN: ("ERROR",), semconv.ERROR_TYPE: "error"},
        [[{"type": "text", "content": "In 18"}]],
    ),
    Case("chat_two_texts.json", FULL, [[{"type": "text", "content": "In "}, {"type": "text", "content": "1858."}]]),
    Case("chat_stream_unknown.sse", FULL),
    Case("v1_chat.json", LEGACY, [[TEXT]]),
    Case("v1_chat_stream.ndjson", LEGACY, [[TEXT]]),
    Case("v1_chat_tools.json", LEGACY, [LEGACY_CALLS]),
    Case("v1_chat_stream_tools.ndjson", LEGACY, [LEGACY_CALLS]),
    Case("v1_chat_citations.json", LEGACY, [[{**TEXT, "citations": [LEGACY_CITATION]}]]),
    Case("v1_chat_stream_citations.ndjson", LEGACY, [[{**TEXT, "citations": [LEGACY_CITATION]}]]),
    Case("v1_chat_toxic.json", {FINISH: ("content_filter",), OWN: ("ERROR_TOXIC",), semconv.ERROR_TYPE: None}, []),
    Case("v1_chat_stream_limit.ndjson", {FINISH: ("length",)}, [[{"type": "text", "content": "In 18"}]]),
    Case("v1_chat_stream_bedrock.ndjson", _tokens(11, 4)),
    Case("v1_generate.json", {**_tokens(1200, 50), FINISH: ("stop",), semconv.RESPONSE_ID: ID}, [[TEXT]]),
    Case("v1_generate_stream.ndjson", {**_tokens(1200, 50), FINISH: ("stop",), semconv.RESPONSE_ID: ID}, [[TEXT]]),
    Case(
        "v1_generate_two.json",
        {FINISH: ("stop", "length"), OWN: ("COMPLETE", "MAX_TOKENS")},
        [[IN_1858], [{"type": "text", "content": "In 18"}]],
    ),
]


def _reply(file: str) -> Reply:
    if file.endswith(".json"):
        return whole(files.body(f"cohere/{file}"))
    return sse(files.events(f"cohere/{file}")) if file.endswith(".sse") else ndjson(files.lines(f"cohere/{file}"))


def _answer(app: Any, provider: Provider, file: str, **more: Any) -> Any:
    """The app's result, read to its end, of the call that the wire file answers."""
    is_streamed = not file.endswith(".json")
    provider.reply(_reply(file))
    kind = "generate" if "generate" in file else "chat"
    method = getattr(app.client, f"{kind}_stream" if is_streamed else kind)
    given: dict[str, Any] = {"messages": QUESTION}
    if file.startswith("v1_"):
        given = {"message": "Skagen?"} if kind == "chat" else {"prompt": "Skagen?"}
    result = app.call(method, model=MODEL, **given, **more)
    return app.read(result) if is_streamed else result


@pytest.fixture(params=[LegacySyncApp, LegacyAsyncApp], ids=["sync", "async"])
def legacy_app(request: pytest.FixtureRequest, provider: Provider) -> Iterator[Any]:
    """An app of version 1 of the API."""
    it = request.param(provider.url)
    yield it
    it.stop()


def _check(otel: Telemetry, case: Case) -> None:
    found = {name: otel.attributes.get(name) for name in case.expected}
    cost = case.expected.get(COST)
    if cost is not None:
        assert found.pop(COST) == pytest.approx(cost, abs=1e-12)
    assert found == {name: value for name, value in case.expected.items() if name != COST or value is None}
    made = otel.messages(semconv.OUTPUT_MESSAGES) if semconv.OUTPUT_MESSAGES in otel.attributes else []
    assert made == [{"role": "assistant", "parts": parts} for parts in case.messages]


@pytest.mark.parametrize("case", [one for one in CASES if not one.file.startswith("v1_")], ids=str)
# The SDK's own: it serialises a content of a kind that it doesn't know when it logs.
def test_what_the_answer_says(otel: Telemetry, app: App, provider: Provider, case: Case) -> None:
    """Tokens as they were processed, cost by what is billed; zeros kept, what was not said absent, never added up."""
    otel.instrument(capture="full")
    _answer(app, provider, case.file)
    _check(otel, case)


@pytest.mark.parametrize("case", [one for one in CASES if one.file.startswith("v1_")], ids=str)
def test_what_the_answer_says_in_version_1(otel: Telemetry, legacy_app: Any, provider: Provider, case: Case) -> None:
    """The same of the older API."""
    otel.instrument(capture="full")
    _answer(legacy_app, provider, case.file)
    _check(otel, case)


def test_the_first_token_of_a_thinking_model(otel: Telemetry, app: App, provider: Provider) -> None:
    """Thoughts and plans are tokens; the answer's own first one is later."""
    _answer(app, provider, "chat_stream_thinking.sse")
    assert otel.attributes[semconv.TTFT] < otel.attributes[semconv.TTFT_CONTENT]
    otel.clear()
    _answer(app, provider, "chat_stream_tools.sse")
    assert semconv.TTFT in otel.attributes
    assert semconv.TTFT_CONTENT not in otel.attributes


def test_an_error_inside_a_stream(otel: Telemetry, app: App, provider: Provider) -> None:
    """The last event says it, the SDK raises nothing; its words are content."""
    _answer(app, provider, "chat_stream_error.sse")
    found = otel.attributes
    assert (found[semconv.STREAM_END], found[semconv.ERROR_TYPE], found[FINISH]) == ("broken", "error", ("error",))
    assert "Skagen" not in otel.everything()


def test_an_error_inside_a_stream_of_completions(otel: Telemetry, legacy_app: Any, provider: Provider) -> None:
    """An event of its own in version 1."""
    _answer(legacy_app, provider, "v1_generate_stream_error.ndjson")
    assert (otel.attributes[semconv.STREAM_END], otel.attributes[semconv.ERROR_TYPE]) == ("broken", "error")


@pytest.mark.parametrize("count", [1, 4])
def test_a_stream_that_ends_too_soon(otel: Telemetry, app: App, provider: Provider, count: int) -> None:
    """Whole by HTTP, without the provider's last word: the SDK raises nothing, the span says so."""
    provider.reply(sse(files.events("cohere/chat_stream.sse")[:count]))
    assert len(app.read(app.call(app.client.chat_stream, model=MODEL, messages=QUESTION))) == count
    found = otel.attributes
    assert (found[semconv.STREAM_END], found[semconv.ERROR_TYPE]) == ("broken", "incomplete")


def test_a_stream_with_an_event_that_the_sdk_skips(otel: Telemetry, app: App, provider: Provider) -> None:
    """It logs a warning and goes on."""
    head, *rest = files.events("cohere/chat_stream.sse")
    provider.reply(sse(head, b"event: content-delta\ndata: {oops\n\n", rest))
    app.read(app.call(app.client.chat_stream, model=MODEL, messages=QUESTION))
    assert otel.attributes[semconv.STREAM_END] == "complete"
    assert otel.attributes[semconv.USAGE_INPUT] == 1200


def test_an_unknown_part_and_finish_reason(otel: Telemetry, app: App, provider: Provider) -> None:
    """What we don't know is shown by its name."""
    otel.instrument(capture="full")
    _answer(app, provider, "chat_unknown_content.json")
    assert otel.attributes[FINISH] == ("SOMETHING_NEW",)
    (message,) = otel.messages(semconv.OUTPUT_MESSAGES)
    assert message["parts"][-1] == IN_1858
