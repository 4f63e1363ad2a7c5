"""What an answer says, whole and streamed: finish reasons, usage, tier, cost, ids, in the provider's own bytes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest
from wire import files
from wire.server import whole

from otelllm import semconv

from .surfaces import ARGUMENTS, BETA, MANAGER, MODEL, PLAIN, answer

if TYPE_CHECKING:
    from telemetry import Telemetry
    from wire.server import Provider

    from .app import App, SyncApp

FINISH, OWN = semconv.RESPONSE_FINISH_REASONS, semconv.FINISH_REASONS
COST, STATUS, TIER = semconv.COST, semconv.COST_STATUS, semconv.TIER
HOUR, SEARCHES = semconv.USAGE_CACHE_WRITE_1H, semconv.USAGE_OTHER + "server_tool.web_search"
FETCHES = semconv.USAGE_OTHER + "server_tool.web_fetch"


def _tokens(given: int | None, made: int | None, **subsets: int | None) -> dict[str, Any]:
    names = {"read": semconv.USAGE_CACHE_READ, "write": semconv.USAGE_CACHE_WRITE, "hour": HOUR,
             "reasoning": semconv.USAGE_REASONING}  # fmt: skip
    return {
        semconv.USAGE_INPUT: given,
        semconv.USAGE_OUTPUT: made,
        **{attribute: subsets.get(name) for name, attribute in names.items()},
    }


# claude-sonnet-4-6: 3 in, 0.30 read, 3.75 written (6 for an hour), 15 out for a million tokens; 10 for 1,000 searches.
SONNET = (176 * 3 + 1000 * 0.3 + 24 * 3.75 + 50 * 15) / 1e6
CACHED = (100 * 3 + 2000 * 0.3 + 200 * 3.75 + 300 * 6 + 40 * 15) / 1e6 + 2 * 10 / 1e3
FULL = {
    **_tokens(1200, 50, read=1000, write=24, hour=0, reasoning=0),
    FINISH: ("stop",), OWN: ("end_turn",), COST: SONNET, STATUS: "exact", TIER: "standard",
}  # fmt: skip
HELD = {**_tokens(2600, 40, read=2000, write=500, hour=300), SEARCHES: 2, FETCHES: 0, COST: CACHED, STATUS: "exact"}
# What the advisor's model and the summing up used is in no total: counted apart, and paid for (opus: 5 in, 25 out).
ADVISED = {
    **_tokens(412, 531, read=0, write=0), STATUS: "exact",
    **{f"{semconv.USAGE_OTHER}{name}_tokens": count for name, count in {
        "advisor.input": 823, "advisor.output": 1612, "compaction.input": 2100, "compaction.output": 300}.items()},
    COST: (412 * 3 + 531 * 15 + 823 * 5 + 1612 * 25 + 100 * 3 + 2000 * 0.3 + 300 * 15) / 1e6,
}  # fmt: skip
TOOLS = {FINISH: ("tool_call",), OWN: ("tool_use",), **_tokens(300, 90)}


@dataclass(frozen=True, slots=True)
class Case:
    """A wire file, and what must be on the span; None where a name must be absent."""

    file: str
    expected: dict[str, Any]
    model: str = MODEL
    more: dict[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        return self.file


CASES = [
    Case("message.json", FULL),
    Case("message_stream.sse", FULL),
    Case("message_cached.json", HELD),
    Case("message_stream_cached.sse", HELD),
    Case("message_plain.json", {**_tokens(12, 9), TIER: "standard", SEARCHES: None}),
    Case("message_zeros.json", {**_tokens(12, 9, read=0, write=0, hour=0), SEARCHES: 0, FETCHES: 0}),
    Case("message_stream_late_zero.sse", {**_tokens(1200, 50, read=1000, write=24, hour=0), COST: SONNET}),
    Case("message_stream_corrected.sse", _tokens(30, 50)),
    Case("message_stream_unknown.sse", {**FULL, semconv.USAGE_REASONING: None}),
    Case("message_thinking.json", {**_tokens(20, 30, reasoning=22), FINISH: ("stop",)}),
    Case("message_stream_thinking.sse", {**_tokens(20, 30, reasoning=22), FINISH: ("stop",)}),
    Case("message_tools.json", TOOLS),
    Case("message_stream_tools.sse", TOOLS),
    Case("message_stream_tools_interleaved.sse", TOOLS),
    Case("message_search.json", {**_tokens(500, 60), SEARCHES: 1, COST: (500 * 3 + 60 * 15) / 1e6 + 0.01}),
    Case("message_stream_search.sse", {**_tokens(500, 60), SEARCHES: 1, COST: (500 * 3 + 60 * 15) / 1e6 + 0.01}),
    Case("message_advised.json", ADVISED),
    Case("message_stream_advised.sse", ADVISED),
    Case("message_refusal.json", {FINISH: ("content_filter",), OWN: ("refusal",), **_tokens(40, 0)}),
    Case("message_cut.json", {FINISH: ("length",), OWN: ("max_tokens",)}),
    Case("message_fast.json", {**_tokens(1000, 500), TIER: "fast"}, "claude-opus-4-6"),
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_what_the_answer_says_is_on_the_span(otel: Telemetry, app: App, provider: Provider, case: Case) -> None:
    """Every class by the conventions, a zero that was given kept, what was not said absent; never added up."""
    answer(app, provider, case.file, model=case.model, **case.more)
    found = {name: otel.attributes.get(name) for name in case.expected}
    cost = case.expected.get(COST)
    if cost is not None:
        assert found.pop(COST) == pytest.approx(cost, abs=1e-12)
    assert found == {name: value for name, value in case.expected.items() if name != COST or value is None}


@pytest.mark.parametrize("surface", [BETA, MANAGER], ids=lambda surface: surface.name)
def test_other_ways_read_the_same(otel: Telemetry, app: App, provider: Provider, surface: Any) -> None:
    """Beta's classes and the managers are read by the same functions."""
    answer(app, provider, "message_stream_cached.sse", surface)
    assert otel.attributes[semconv.USAGE_INPUT] == 2600
    assert otel.attributes[COST] == pytest.approx(CACHED, abs=1e-12)


@pytest.mark.parametrize(
    ("own", "finish"),
    [
        ("end_turn", "stop"),
        ("stop_sequence", "stop"),
        ("max_tokens", "length"),
        ("model_context_window_exceeded", "length"),
        ("tool_use", "tool_call"),
        ("refusal", "content_filter"),
        ("compaction", "compaction"),
        ("pause_turn", "pause_turn"),
    ],
)
def test_finish_reasons_in_the_conventions_words(
    otel: Telemetry, sync_app: SyncApp, provider: Provider, own: str, finish: str
) -> None:
    """And the provider's own where it differs."""
    provider.reply(whole(files.edited("anthropic/message.json", stop_reason=own)))
    sync_app.client.messages.create(**ARGUMENTS)
    assert otel.attributes[FINISH] == (finish,)
    assert otel.attributes.get(OWN) == (None if own == finish else (own,))


def test_the_parts_of_a_cost_add_up(otel: Telemetry, app: App, provider: Provider) -> None:
    """Within 1e-9, cache reads and writes apart."""
    answer(app, provider, "message_cached.json")
    found = otel.attributes
    parts = (semconv.COST_INPUT, semconv.COST_CACHE_READ, semconv.COST_CACHE_WRITE, semconv.COST_OUTPUT,
             semconv.COST_OTHER)  # fmt: skip
    assert sum(found.get(name, 0.0) for name in parts) == pytest.approx(found[COST], abs=1e-9)
    assert found[semconv.COST_CACHE_READ] == pytest.approx(2000 * 0.3 / 1e6)
    assert found[semconv.COST_CACHE_WRITE] == pytest.approx((200 * 3.75 + 300 * 6) / 1e6)
    assert found[semconv.COST_OTHER] == pytest.approx(0.02)


def test_the_span_has_what_was_asked(otel: Telemetry, app: App, provider: Provider) -> None:
    """Every parameter under its conventional name and type; what is not set is nothing."""
    asked = {
        "stop_sequences": ["END"], "service_tier": "standard_only", "metadata": {"user_id": "u-1"},
        "thinking": {"type": "enabled", "budget_tokens": 1024}, "extra_body": {"temperature": 1, "top_k": 5},
        "tools": anthropic_omit(), "output_config": {"format": {"type": "json_schema", "schema": {}}},
    }  # fmt: skip
    answer(app, provider, "message.json", **asked)
    expected = {
        semconv.REQUEST_TEMPERATURE: 1.0,
        semconv.REQUEST_TOP_K: 5.0,
        semconv.REQUEST_TOP_P: None,
        semconv.REQUEST_MAX_TOKENS: 100,
        semconv.REQUEST_STOP_SEQUENCES: ("END",),
        semconv.REQUEST_REASONING_LEVEL: "enabled",
        semconv.OUTPUT_TYPE: "json",
        semconv.USER_ID: "u-1",
    }
    found = otel.attributes
    assert {name: found.get(name) for name in expected} == expected
    assert type(found[semconv.REQUEST_TOP_K]) is float


def anthropic_omit() -> Any:
    """The SDK's word for what is left out."""
    import anthropic

    return anthropic.omit


def test_a_threads_earlier_message_is_named(otel: Telemetry, app: App, provider: Provider) -> None:
    """Beta: the provider keeps the conversation, and the request names where it goes on."""
    thread = {"type": "continue", "previous_message_id": "msg_0"}
    answer(app, provider, "message.json", BETA, extra_body={"thread": thread})
    assert otel.attributes[semconv.REQUEST_PREVIOUS_RESPONSE_ID] == "msg_0"


def test_an_effort_says_more_than_a_mode(otel: Telemetry, app: App, provider: Provider) -> None:
    """Both may be given; the effort is the level."""
    answer(app, provider, "message.json", thinking={"type": "adaptive"}, output_config={"effort": "low"})
    assert otel.attributes[semconv.REQUEST_REASONING_LEVEL] == "low"


@pytest.mark.slow  # 72 calls, 2 s
@pytest.mark.parametrize("name", ["id", "model", "content", "stop_reason", "usage", "role"])
@pytest.mark.parametrize("value", [None, 7, "x", [], [None], {}], ids=repr)
def test_a_field_that_is_wrong_costs_nothing_else(
    otel: Telemetry, app: App, provider: Provider, name: str, value: Any
) -> None:
    """Servers that speak this format leave out what they like: one span, and the rest is on it."""
    otel.instrument(capture="full")
    provider.reply(whole(files.edited("anthropic/message.json", **{name: value})))
    app.call(PLAIN.method(app.client), **ARGUMENTS)
    assert otel.span.name == f"chat {MODEL}"
    if name != "usage":
        assert otel.attributes[semconv.USAGE_OUTPUT] == 50
