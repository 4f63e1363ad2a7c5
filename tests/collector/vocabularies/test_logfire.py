"""Logfire's instrumentations of OpenAI, Anthropic and the Agents SDK."""

from __future__ import annotations

import json
from typing import Any

import pytest
from collector.vocabularies.spans import Stored, says, stored, stored_span, text

from otelllm_collector.enrich import summarise

OPENAI, ANTHROPIC, AGENTS = "logfire.openai", "logfire.anthropic", "logfire.openai_agents"
ERROR = {"code": "ERROR", "message": "429"}

IMAGE = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg=="
SYSTEM = {"role": "system", "parts": [{"type": "text", "content": "Be brief."}]}
ASKED = {
    "role": "user",
    "parts": [
        {"type": "text", "content": "Weather in Paris?"},
        {"type": "blob", "mime_type": "image/png", "modality": "image", "content": IMAGE},
    ],
}
HI = {"role": "user", "parts": [{"type": "text", "content": "hi"}]}
SUNNY = {"role": "tool", "parts": [{"type": "tool_call_response", "id": "call_1", "response": "sunny"}]}
PARAMETERS = {"type": "object", "properties": {"city": {"type": "string"}}}
TOOLS = [{"type": "function", "name": "get_weather", "description": "w", "parameters": PARAMETERS}]


def call(arguments: Any = None, id: str = "call_1") -> dict[str, Any]:  # noqa: A002
    arguments = {"city": "Paris"} if arguments is None else arguments
    return {"type": "tool_call", "id": id, "name": "get_weather", "arguments": arguments}


def usage(one: Stored) -> tuple[Any, ...]:
    row = one.row
    return (
        *(row.input_tokens, row.output_tokens, row.cache_read_tokens, row.cache_write_tokens, row.reasoning_tokens),
        *(row.cost_usd, row.cost_status),
    )


def test_openai() -> None:
    spans = stored("logfire-openai")
    assert [one.row.operation for one in spans] == [
        *("chat", "chat", "task", "chat", "task", "chat", "chat", "chat", "embeddings", "chat"),
    ]  # fmt: skip
    assert {one.row.provider for one in spans} == {"openai"}
    assert [one.row.request_model for one in spans] == [*["gpt-4o"] * 8, "text-embedding-3-small", "fail"]
    dated = "gpt-4o-2024-08-06"
    assert [one.row.response_model for one in spans] == [
        *(dated, dated, *["gpt-4o"] * 4, dated, dated, "text-embedding-3-small", "fail"),
    ]  # fmt: skip
    assert [one.row.response_id for one in spans] == [
        *("chatcmpl-39", "chatcmpl-40", None, None, None, None, "resp_43", "resp_44", None, None),
    ]  # fmt: skip
    assert [one.row.finish_reasons for one in spans] == [
        *(["tool_call"], ["stop"], None, ["stop"], None, ["tool_call"], None, None, None, None),
    ]  # fmt: skip
    full, none = (100, 30, 40, None, 12, 0.0005, "reported"), (None,) * 7
    assert [usage(one) for one in spans] == [
        *(full, full, none, full, none, none, full, full),
        *((7, None, None, None, None, 1.4e-07, "reported"), none),
    ]  # fmt: skip
    assert [one.row.error_type for one in spans] == [*[None] * 9, "openai.RateLimitError"]
    assert [one.made.get("gen_ai.request.stream") for one in spans] == [
        *(None, None, True, True, True, True, None, None, None, None),
    ]  # fmt: skip
    assert all((one.row.vocabulary or "").startswith("logfire") for one in spans)
    assert not any(name.startswith("otelllm.tag.") for one in spans for name in one.made)


def test_openais_messages() -> None:
    spans = stored("logfire-openai")
    answer = says("assistant", "It is sunny.", finish_reason="stop")
    assert [one.input for one in spans] == [
        [SYSTEM, ASKED],
        [SYSTEM, ASKED, says("assistant", call()), SUNNY],
        *([SYSTEM, HI], [SYSTEM, HI], [HI], [HI]),
        [{"role": "user", "parts": [text("Weather?")]}],
        [{"role": "user", "parts": [text("Weather?")]}, says("assistant", call({})), SUNNY],
        *(None, [HI]),
    ]  # fmt: skip
    assert [one.output for one in spans] == [
        [says("assistant", call(), finish_reason="tool_calls")],
        [answer],
        *(None, [says("assistant", "Hello there", finish_reason="stop")]),
        *(None, [says("assistant", call(), finish_reason="tool_calls")]),
        *([says("assistant", call())], [says("assistant", "It is sunny.")]),
        *(None, None),
    ]  # fmt: skip
    assert [one.system for one in spans] == [*[None] * 6, [text("Be brief.")], None, None, None]
    small = [{"type": "function", "name": "get_weather", "parameters": {"type": "object", "properties": {}}}]
    assert [one.tools for one in spans] == [
        TOOLS, TOOLS, None, None, TOOLS, TOOLS, small, None, None, None,
    ]  # fmt: skip
    assert "data:image/png;base64," in spans[0].attributes["gen_ai.input.messages"]


def test_anthropic() -> None:
    first, second, request, native, log = stored("logfire-anthropic")
    assert [one.row.operation for one in (first, second, request, log)] == ["chat", "chat", "task", "chat"]
    for one in (first, second, log):
        assert usage(one) == (125, 30, 40, 25, None, 0.00073575, "reported")
    assert usage(request) == (None,) * 7
    for one in (first, second, request, log):
        assert (one.row.provider, one.row.request_model) == ("anthropic", "claude-sonnet-4-5")
    assert [one.row.finish_reasons for one in (first, second, log)] == [["tool_call"], ["stop"], ["stop"]]
    assert [one.row.response_id for one in (first, second, native)] == ["msg_55", "msg_56", "msg_57"]
    called = call(id="toolu_1")
    assert first.output == [says("assistant", "Let me look.", called, finish_reason="tool_use")]
    assert second.input == [
        {"role": "user", "parts": [text("Weather?")]},
        says("assistant", called),
        {"role": "user", "parts": [{"type": "tool_call_response", "id": "toolu_1", "response": "sunny"}]},
    ]
    assert (log.input, log.output) == ([HI], [says("assistant", "Let me look.", finish_reason="end_turn")])
    assert (first.tools, first.system) == (TOOLS, [text("Be brief.")])
    assert (native.row.vocabulary or "").startswith("anthropic-sdk,logfire")
    assert (usage(native)[:4], native.row.first_chunk_s) == ((125, 30, 40, 25), 0.231940173)


def test_a_stream_is_counted_once() -> None:
    (trace,) = summarise([one.row for one in stored("logfire-openai")]).values()
    # Two chats, two streams (one without usage), two responses, an embedding and a call that failed.
    assert (trace.calls, trace.errors, trace.unpriced_calls) == (8, 1, 0)
    assert (trace.input_tokens, trace.output_tokens, trace.cache_read_tokens) == (507, 150, 200)
    assert trace.cost_usd == pytest.approx(5 * 0.0005 + 1.4e-07)
    # The SDK's own span of the stream is the same call again, which one span does not tell (test_counted_once).
    theirs = [one.row for one in stored("logfire-anthropic") if one.row.name != "anthropic.messages.create"]
    (trace,) = summarise(theirs).values()
    assert (trace.calls, trace.input_tokens, trace.output_tokens, trace.cache_read_tokens) == (3, 375, 90, 120)
    assert trace.cost_usd == pytest.approx(3 * 0.00073575)


CALLED = {"gen_ai.operation.name": "chat", "gen_ai.request.model": "m", "logfire.span_type": "span"}


@pytest.mark.parametrize(
    ("more", "operation"),
    [
        ({}, "task"),
        ({"request_data": '{"model": "m", "stream": true}'}, "task"),
        ({"request_data": '{"model": "m", "stream": false}'}, "chat"),
        ({"gen_ai.response.id": "r"}, "chat"),
        ({"gen_ai.usage.input_tokens": 1}, "chat"),
        ({"response_data": "{}"}, "chat"),
        ({"logfire.span_type": "log"}, "chat"),
        ({"logfire.span_type": "pending_span"}, "task"),
        ({"gen_ai.operation.name": "embeddings"}, "embeddings"),
    ],
)
def test_which_spans_are_calls(more: dict[str, Any], operation: str) -> None:
    assert stored_span({**CALLED, **more}, scope=OPENAI).row.operation == operation


def test_what_failed_before_its_stream_began_is_a_call() -> None:
    found = stored_span(CALLED, scope=OPENAI, status=ERROR)
    assert (found.row.operation, found.row.status) == ("chat", "error")


def test_an_announced_span_is_no_call_whoever_wrote_it() -> None:
    found = stored_span({**CALLED, "logfire.span_type": "pending_span"}, scope="pydantic-ai", name="chat m")
    assert found.row.operation == "task"
    assert "gen_ai.request.stream" not in found.made
    plain = stored_span({"logfire.span_type": "pending_span"}, scope="my.app")
    assert (plain.row.operation, plain.row.vocabulary) == (None, "logfire")


def test_whole_bodies_of_the_first_version() -> None:
    message = {
        "role": "assistant",
        "content": "I look",
        "tool_calls": [
            {"id": "call_1", "type": "function", "function": {"name": "get_weather", "arguments": '{"city":"Paris"}'}}
        ],
    }
    request = {
        "model": "gpt-4o",
        "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "hi"}],
        "tools": [{"type": "function", "function": {"name": "get_weather", "parameters": PARAMETERS}}],
    }
    answer = {
        "message": message,
        "usage": {
            "prompt_tokens": 100,
            "completion_tokens": 30,
            "prompt_tokens_details": {"cached_tokens": 40},
            "completion_tokens_details": {"reasoning_tokens": 12},
        },
    }
    found = stored_span(
        {"request_data": json.dumps(request), "response_data": json.dumps(answer), "logfire.span_type": "span"},
        scope=OPENAI,
        name="Chat Completion with {request_data[model]!r}",
    )
    assert (found.row.operation, found.row.provider, found.row.request_model) == ("chat", "openai", "gpt-4o")
    assert usage(found) == (100, 30, 40, None, 12, None, None)
    assert (found.input, found.output) == ([SYSTEM, HI], [says("assistant", "I look", call())])
    assert found.tools == [{"type": "function", "name": "get_weather", "parameters": PARAMETERS}]


def test_anthropics_bodies_leave_out_of_the_input_what_was_cached() -> None:
    function = {"name": "get_weather", "arguments": '{"input":{"city":"Paris"}}'}
    answer = {
        "message": {"role": "assistant", "content": "hm", "tool_calls": [{"id": "toolu_1", "function": function}]},
        "usage": {
            "input_tokens": 60,
            "output_tokens": 30,
            "cache_read_input_tokens": 40,
            "cache_creation_input_tokens": 25,
            "cache_creation": {"ephemeral_1h_input_tokens": 5},
        },
    }
    request = {"model": "c", "system": "Be brief.", "messages": [{"role": "user", "content": "hi"}]}
    found = stored_span(
        {
            "request_data": json.dumps(request),
            "response_data": json.dumps(answer),
            "gen_ai.usage.input_tokens": 60,
            "gen_ai.usage.output_tokens": 30,
        },
        scope=ANTHROPIC,
        name="Message with {request_data[model]!r}",
    )
    assert usage(found)[:4] == (125, 30, 40, 25)
    assert found.made["otelllm.usage.cache_write_1h.input_tokens"] == 5
    assert (found.row.operation, found.row.provider) == ("chat", "anthropic")
    assert (found.input, found.system) == ([HI], [text("Be brief.")])
    assert found.output == [says("assistant", "hm", call(id="toolu_1"))]


@pytest.mark.parametrize(
    ("name", "answer", "operation"),
    [
        ("streaming response from {request_data[model]!r}", {"combined_chunk_content": "Hello"}, "chat"),
        ("Completion with {request_data[model]!r}", {"text": "Hello", "finish_reason": "stop"}, "text_completion"),
    ],
)
def test_other_bodies(name: str, answer: dict[str, Any], operation: str) -> None:
    request = (
        {"model": "m", "messages": [{"role": "user", "content": "hi"}]} if operation == "chat" else {"prompt": "hi"}
    )
    found = stored_span(
        {"request_data": json.dumps(request), "response_data": json.dumps(answer)}, scope=OPENAI, name=name
    )
    assert (found.row.operation, found.input, found.output) == (operation, [HI], [says("assistant", "Hello")])
    assert found.row.finish_reasons == (["stop"] if "finish_reason" in answer else None)


def test_events_of_the_responses_api() -> None:
    arguments = {"name": "get_weather", "arguments": '{"city":"Paris"}'}
    events = [
        {"event.name": "gen_ai.system.message", "content": "Be brief.", "role": "system"},
        {"event.name": "gen_ai.user.message", "content": "hi", "role": "user"},
        {
            "event.name": "gen_ai.assistant.message",
            "role": "assistant",
            "tool_calls": [{"id": "call_1", "type": "function", "function": arguments}],
        },
        {
            "event.name": "gen_ai.tool.message",
            "role": "tool",
            "id": "call_1",
            "content": "sunny",
            "name": "get_weather",
        },
        {
            "event.name": "gen_ai.unknown",
            "role": "assistant",
            "content": "reasoning\n\nSee JSON for details",
            "data": {"type": "reasoning", "summary": [{"type": "summary_text", "text": "hm"}]},
        },
        {"event.name": "gen_ai.assistant.message", "content": "It is sunny.", "role": "assistant"},
    ]
    found = stored_span({"events": json.dumps(events), "gen_ai.request.model": "m"}, scope=OPENAI, name="Responses API")
    assert found.input == [SYSTEM, HI, says("assistant", call()), SUNNY]
    assert found.output == [
        says("assistant", {"type": "reasoning", "content": "hm"}),
        says("assistant", "It is sunny."),
    ]


def test_a_role_named_in_every_chunk_is_one_role() -> None:
    said = {"role": "assistantassistantassistant", "parts": [text("x")], "finish_reason": "stop"}
    found = stored_span({**CALLED, "gen_ai.output.messages": json.dumps([said])}, scope=OPENAI)
    assert found.output == [{**said, "role": "assistant"}]
    assert found.row.finish_reasons == ["stop"]


def test_an_image_of_anthropics_has_its_type() -> None:
    part = {"type": "blob", "modality": "image", "media_type": "image/png", "content": "QUJD"}
    found = stored_span({**CALLED, "gen_ai.input.messages": json.dumps([{"role": "user", "parts": [part]}])})
    assert found.input is not None
    assert found.input[0]["parts"] == [
        {"type": "blob", "mime_type": "image/png", "modality": "image", "content": "QUJD"}
    ]


@pytest.mark.parametrize(
    ("given", "reasons"),
    [
        ('["tool_calls"]', ["tool_call"]),
        ('["stop", "length"]', ["stop", "length"]),
        (["end_turn"], ["stop"]),
        ("stop", ["stop"]),
        ('["stop', ['["stop']),
    ],
)
def test_finish_reasons(given: Any, reasons: list[str]) -> None:
    found = stored_span({**CALLED, "gen_ai.response.id": "r", "gen_ai.response.finish_reasons": given}, scope=OPENAI)
    assert found.row.finish_reasons == reasons


def test_what_was_scrubbed_is_nobodys_words() -> None:
    scrubbed = "[Scrubbed due to 'session']"
    keys = ("gen_ai.input.messages", "gen_ai.output.messages", "session.id", "gen_ai.tool.definitions")
    found = stored_span({**CALLED, **dict.fromkeys(keys, scrubbed), "gen_ai.response.id": "r"}, scope=OPENAI)
    assert (found.input, found.output, found.tools, found.row.session_id) == (None, None, None, None)
    assert found.attributes["session.id"] == scrubbed
    body = stored_span({"request_data": scrubbed, "response_data": scrubbed}, scope=OPENAI)
    assert (body.input, body.output, body.row.request_model) == (None, None, None)


def test_tags_but_its_own() -> None:
    found = stored_span({**CALLED, "logfire.tags": ["LLM", "eu", "beta"]}, scope=OPENAI)
    assert {key: value for key, value in found.made.items() if "tag" in key} == {
        "otelllm.tag.eu": "true",
        "otelllm.tag.beta": "true",
    }
    on_any = stored_span({"logfire.tags": ["eu"], "logfire.span_type": "span"}, scope="logfire")
    assert on_any.made == {"otelllm.tag.eu": "true"}


@pytest.mark.parametrize(
    "odd", ["", "{", "[", '{"messages": 1}', 5, True, [1, "x"], {"of": {"a": 1}}, "null", '{"usage": []}']
)
def test_odd_values_do_no_harm(odd: object) -> None:
    keys = (
        *("request_data", "response_data", "events", "logfire.tags", "logfire.msg_template", "logfire.span_type"),
        *("gen_ai.usage.raw", "usage", "operation.cost", "gen_ai.response.finish_reasons", "gen_ai.output.messages"),
        *("gen_ai.tool.definitions", "name", "group_id", "metadata", "input", "output", "gen_ai.system"),
    )
    for scope in (OPENAI, ANTHROPIC, AGENTS, "logfire"):
        for name in ("Chat Completion with", "Function: {name}", "OpenAI Agents trace: {name}"):
            assert stored_span(dict.fromkeys(keys, odd), scope=scope, name=name).row.vocabulary is not None
        for key in keys:
            assert stored_span({"gen_ai.operation.name": "chat", key: odd}, scope=scope).row.operation is not None


@pytest.mark.parametrize(
    "raw", ["{}", "[]", '{"input_tokens": "many"}', '{"prompt_tokens_details": 4}', '{"prompt_tok']
)
def test_usage_that_says_nothing_leaves_what_is_there(raw: str) -> None:
    found = stored_span({**CALLED, "gen_ai.usage.raw": raw, "gen_ai.usage.input_tokens": 9}, scope=OPENAI)
    assert usage(found)[:3] == (9, None, None)
