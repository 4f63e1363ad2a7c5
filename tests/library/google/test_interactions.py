"""Interactions: whole, streamed, raw, continued, in the background; a span a request, each with its own usage."""

from __future__ import annotations

import gc
from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry.trace import StatusCode
from wire import files
from wire.server import CUT, Gate, Reply, sse, whole

import otelllm
from otelllm import semconv

from .app import QUESTION

if TYPE_CHECKING:
    from collections.abc import Callable

    from telemetry import Telemetry
    from wire.server import Provider

    from .app import App

pytest.importorskip("google.genai._gaos.interactions", reason="another SDK is inside older versions")
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning", "ignore::ResourceWarning", "ignore::DeprecationWarning")

MODEL = "gemini-3.5-flash"
TEXT = "The lighthouse at Skagen was lit in 1858."
STREAM, PLAIN = files.events("google/interaction_stream.sse"), files.events("google/interaction_stream_plain.sse")
THOUGHT = {"type": "reasoning", "content": "Skagen's light, then."}
SAID = {"type": "text", "content": TEXT}
FACTS = {
    semconv.OPERATION: "generate_content", semconv.PROVIDER: "gcp.gemini", semconv.REQUEST_MODEL: MODEL,
    semconv.RESPONSE_MODEL: MODEL, semconv.RESPONSE_ID: "v1_ChdwT3Z6", semconv.RESPONSE_FINISH_REASONS: ("stop",),
    semconv.FINISH_REASONS: ("completed",), semconv.USAGE_INPUT: 11, semconv.USAGE_OUTPUT: 335,
    semconv.USAGE_REASONING: 245, semconv.USAGE_CACHE_READ: 8, semconv.USAGE_TEXT_INPUT: 11,
    semconv.TIER: "standard", semconv.PROVIDER_REQUEST_ID: "req_wire",
}  # fmt: skip


def _ask(app: App, **more: Any) -> Any:
    return app.call(app.client.interactions.create, **{"model": MODEL, "input": QUESTION, **more})


def _whole(name: str, **changes: Any) -> Reply:
    return whole(files.edited(f"google/{name}.json", **changes))


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
def test_what_it_says(otel: Telemetry, app: App, provider: Provider, streamed: bool) -> None:
    """Ids, model, usage, tier, texts and thoughts as in the bytes."""
    otel.instrument(capture="full")
    provider.reply(sse(STREAM) if streamed else _whole("interaction"))
    got = _ask(app, stream=streamed)
    if streamed:
        assert type(got).__name__ == ("Stream" if app.kind == "sync" else "AsyncStream")
        assert len(app.read(got)) == len(STREAM) - 1
    else:
        assert got.steps[1].content[0].text == TEXT
    found = otel.attributes
    assert {name: found.get(name) for name in FACTS} == FACTS
    assert otel.span.name == f"generate_content {MODEL}"
    assert found.get(semconv.STREAM_END) == ("complete" if streamed else None)
    (message,) = otel.messages(semconv.OUTPUT_MESSAGES)
    assert message["parts"] == [THOUGHT, SAID]
    (asked,) = otel.messages(semconv.INPUT_MESSAGES)
    assert asked == {"role": "user", "parts": [{"type": "text", "content": QUESTION}]}


TIDE = {"type": "tool_call", "id": "call_1", "name": "get_tide", "arguments": {"harbour": "Skagen"}}
SEARCH = {"type": "server_tool_call", "id": "gs_1", "name": "google_search",
          "server_tool_call": {"type": "google_search", "arguments": {"queries": ["Skagen"]}}}  # fmt: skip
FOUND = {"type": "server_tool_call_response", "id": "gs_1", "server_tool_call_response": {
    "type": "google_search", "result": [{"search_suggestions": "<b>"}]}}  # fmt: skip


@pytest.mark.parametrize(
    ("file", "parts", "finish"),
    [
        ("interaction_tools.json", [TIDE], "tool_call"),
        ("interaction_stream_tools.sse", [TIDE, SEARCH], "tool_call"),
        ("interaction_search.json", [SEARCH, FOUND, SAID], "stop"),
    ],
)
def test_calls_and_tools(
    otel: Telemetry, app: App, provider: Provider, file: str, parts: list[Any], finish: str
) -> None:
    """Functions by their pieces, searches with what they found, and how often."""
    otel.instrument(capture="full")
    if file.endswith(".sse"):
        provider.reply(sse(files.events(f"google/{file}")))
        app.read(_ask(app, stream=True))
    else:
        provider.reply(_whole(file.removesuffix(".json")))
        _ask(app)
    found = otel.attributes
    (message,) = otel.messages(semconv.OUTPUT_MESSAGES)
    assert message["parts"] == parts
    assert found[semconv.RESPONSE_FINISH_REASONS] == (finish,)
    if "search" in file:
        assert (found[semconv.USAGE_INPUT], found[semconv.USAGE_OTHER + "server_tool.web_search"]) == (51, 2)


def test_what_was_asked(otel: Telemetry, app: App, provider: Provider) -> None:
    """Settings under the conventions' names; steps, turns and contents as messages."""
    otel.instrument(capture="full")
    provider.reply(_whole("interaction"))
    steps = [
        {"type": "user_input", "content": [{"type": "text", "text": QUESTION}]},
        {"type": "function_call", "id": "call_1", "name": "get_tide", "arguments": {"harbour": "Skagen"}},
        {"type": "function_result", "call_id": "call_1", "name": "get_tide", "result": "0.3 m"},
    ]
    config = {"temperature": 0.5, "max_output_tokens": 64, "seed": 7, "stop_sequences": ["END"],
              "thinking_level": "low"}  # fmt: skip
    tools = [{"type": "function", "name": "get_tide", "description": "d", "parameters": {"type": "object"}}]
    _ask(app, input=steps, generation_config=config, tools=tools, system_instruction="Be brief.",
         previous_interaction_id="v1_before", response_mime_type="application/json",
         response_format={"type": "text", "mime_type": "application/json", "schema": {}})  # fmt: skip
    expected = {
        semconv.REQUEST_TEMPERATURE: 0.5, semconv.REQUEST_MAX_TOKENS: 64, semconv.REQUEST_SEED: 7,
        semconv.REQUEST_STOP_SEQUENCES: ("END",), semconv.REQUEST_REASONING_LEVEL: "low",
        semconv.REQUEST_PREVIOUS_RESPONSE_ID: "v1_before", semconv.OUTPUT_TYPE: "json",
    }  # fmt: skip
    assert {name: otel.attributes.get(name) for name in expected} == expected
    assert otel.messages(semconv.INPUT_MESSAGES) == [
        {"role": "user", "parts": [{"type": "text", "content": QUESTION}]},
        {"role": "assistant", "parts": [TIDE]},
        {"role": "tool", "parts": [{"type": "tool_call_response", "id": "call_1", "response": "0.3 m"}]},
    ]
    assert otel.messages(semconv.SYSTEM_INSTRUCTIONS) == [{"type": "text", "content": "Be brief."}]
    (tool,) = otel.messages(semconv.TOOL_DEFINITIONS)
    assert (tool["type"], tool["name"]) == ("function", "get_tide")


def test_an_agent_in_the_background_is_counted_when_it_is_asked_for(
    otel: Telemetry, app: App, provider: Provider
) -> None:
    """Begun: no usage yet. Looked at: a span of its own, which never has any, however often."""
    provider.reply(_whole("interaction_background"), _whole("interaction"), _whole("interaction"))
    begun = app.call(
        app.client.interactions.create, agent="deep-research-preview-04-2026", input=QUESTION, background=True
    )
    first = otel.attributes
    assert (first[semconv.AGENT_ID], otel.span.name) == ("deep-research-preview-04-2026", "generate_content")
    assert semconv.USAGE_INPUT not in first
    assert semconv.RESPONSE_FINISH_REASONS not in first
    for _ in range(2):
        otel.clear()
        app.call(app.client.interactions.get, id=begun.id)
        assert otel.span.name == "fetch_response"
        assert otel.attributes[semconv.RESPONSE_ID] == "v1_ChdwT3Z6"
        assert semconv.USAGE_INPUT not in otel.attributes
    assert semconv.METRIC_TOKENS not in otel.metrics()


def test_a_continued_answer_is_a_span_a_request(otel: Telemetry, app: App, provider: Provider) -> None:
    """The SDK asks again with a token: the app reads one stream, each request is counted for itself."""
    otel.instrument(capture="full")
    provider.reply(*(sse(files.events(f"google/interaction_stream_continued_{place}.sse")) for place in (1, 2)))
    events = app.read(_ask(app, stream=True))
    said = [one.delta.text for one in events if one.event_type == "step.delta"]
    assert "".join(said) == TEXT
    first, second = (span.attributes or {} for span in otel.spans)
    assert [(it[semconv.USAGE_INPUT], it[semconv.USAGE_OUTPUT]) for it in (first, second)] == [(11, 40), (51, 50)]
    assert [it[semconv.RESPONSE_ID] for it in (first, second)] == ["v1_ChdwT3Z6", "v1_second"]
    assert {it[semconv.STREAM_END] for it in (first, second)} == {"complete"}


def _left(app: App, stream: Any) -> None:
    app.leave(stream, 4)


def _closed(app: App, stream: Any) -> None:
    app.take(stream, 4)
    call = stream.close()
    if app.kind == "async":
        app._await(call)


def _dropped(app: App, stream: Any) -> None:
    app.take(stream, 4)


@pytest.mark.parametrize("continues", [True, False], ids=["continues", "does not"])
@pytest.mark.parametrize(("act", "end"), [(_left, "closed"), (_closed, "closed"), (_dropped, "abandoned")])
def test_left_early(
    otel: Telemetry, app: App, provider: Provider, act: Callable[[App, Any], None], end: str, continues: bool
) -> None:
    """By `with`, by close(), by letting go: one span, with what had come."""
    otel.instrument(capture="full")
    provider.reply(sse(PLAIN[:4], Gate()))
    act(app, _ask(app, stream=True, automatic_continuation=continues))
    for _ in range(2):
        gc.collect()
        app.settle()
    if app.kind == "async" and continues and end == "closed":
        # The SDK's nested generators: the inner one is finalised by the loop, closed or not.
        assert otel.attributes[semconv.STREAM_END] in {"closed", "abandoned"}
    else:
        assert otel.attributes[semconv.STREAM_END] == end
    (message,) = otel.messages(semconv.OUTPUT_MESSAGES)
    assert message["parts"] == [{"type": "text", "content": "The lighthouse "}]
    assert semconv.ERROR_TYPE not in otel.attributes


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
def test_a_refusal(otel: Telemetry, app: App, provider: Provider, streamed: bool) -> None:
    """The SDK's own exception to the app, the provider's word to the span."""
    provider.reply(whole(files.body("google/interaction_error.json"), status=400))
    with pytest.raises(Exception, match="Unknown model"):
        _ask(app, stream=streamed)
    found = otel.attributes
    assert found[semconv.ERROR_TYPE] == "invalid_request"
    assert otel.span.status.status_code is StatusCode.ERROR
    assert semconv.COST not in found


def test_what_breaks_in_a_stream(otel: Telemetry, app: App, provider: Provider) -> None:
    """An error is an event to the app; a body that ends too soon, or is cut, is one too few."""
    provider.reply(sse(files.events("google/interaction_stream_error.sse")))
    app.read(_ask(app, stream=True, automatic_continuation=False))
    assert (otel.attributes[semconv.STREAM_END], otel.attributes[semconv.ERROR_TYPE]) == ("broken", "overloaded")
    otel.clear()
    provider.reply(sse(PLAIN[:4]))
    app.read(_ask(app, stream=True, automatic_continuation=False))
    assert (otel.attributes[semconv.STREAM_END], otel.attributes[semconv.ERROR_TYPE]) == ("broken", "incomplete")
    otel.clear()
    provider.reply(sse(PLAIN[:4], CUT))
    with pytest.raises(Exception, match=r"(?i)peer|connection"):
        app.read(_ask(app, stream=True, automatic_continuation=False))
    assert otel.attributes[semconv.STREAM_END] == "broken"


def test_a_failed_interaction_is_an_error(otel: Telemetry, app: App, provider: Provider) -> None:
    """Answered, with nothing."""
    provider.reply(_whole("interaction_failed"))
    _ask(app)
    assert (otel.attributes[semconv.ERROR_TYPE], otel.span.status.status_code) == ("failed", StatusCode.ERROR)


def test_raw_views(otel: Telemetry, app: App, provider: Provider) -> None:
    """Read by then, or read later: the body is seen once, whoever parses it."""
    provider.reply(_whole("interaction"), _whole("interaction"))
    raw = app.call(app.client.interactions.with_raw_response.create, model=MODEL, input=QUESTION)
    assert raw.headers["x-request-id"] == "req_wire"
    assert {name: otel.attributes.get(name) for name in FACTS} == FACTS
    otel.clear()
    manager = app.client.interactions.with_streaming_response.create(model=MODEL, input=QUESTION)
    app.within(manager, lambda response: response.parse())
    assert {name: otel.attributes.get(name) for name in FACTS} == FACTS


BACK_SOON: Any = {"kill": [{"when": {"provider": "*"}, "answer": "Back soon."}]}


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
def test_a_switched_off_model_gets_the_static_answer(
    otel: Telemetry, app: App, provider: Provider, streamed: bool
) -> None:
    """In the SDK's own types, with no request sent, nothing used and nothing billed."""
    otel.instrument(policy=BACK_SOON)
    got = _ask(app, stream=streamed)
    if streamed:
        said = [one.delta.text for one in app.read(got) if one.event_type == "step.delta"]
    else:
        said = [got.steps[0].content[0].text]
    assert "".join(said) == "Back soon."
    assert provider.requests == []
    for name in (semconv.USAGE_INPUT, semconv.COST):
        assert name not in otel.attributes
    with pytest.raises(otelllm.KillSwitchOn):
        app.call(app.client.interactions.get, id="v1_x")


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
def test_the_app_sees_what_it_would_see_without_us(
    otel: Telemetry, make_app: Callable[..., App], provider: Provider, streamed: bool
) -> None:
    """Same objects, same request."""
    seen: list[Any] = []
    for is_bare in (True, False):
        otelllm.uninstrument() if is_bare else otel.instrument(capture="full")
        app = make_app()
        provider.reply(sse(STREAM) if streamed else _whole("interaction"))
        got = _ask(app, stream=streamed)
        things = app.read(got) if streamed else [got]
        sent = provider.last
        seen.append(([(type(one), repr(one)) for one in things], sent.path, sent.body, {**sent.headers, "host": ""}))
    assert seen[0] == seen[1]


def test_the_keys_hash_and_the_traces_id(otel: Telemetry, app: App, provider: Provider) -> None:
    """A short hash says which key it was, never the key; the trace goes along where that is asked for."""
    otel.instrument(propagate=True)
    provider.reply(_whole("interaction"))
    _ask(app, extra_headers={"x-own": "1"})
    assert len(str(otel.attributes[semconv.KEY])) >= 6
    assert "test-key" not in otel.everything()
    assert provider.last.headers["x-own"] == "1"
    assert f"{otel.span.context.span_id:016x}" in provider.last.headers["traceparent"]
