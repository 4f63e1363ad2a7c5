"""Older generations of the GenAI conventions, and messages that are not quite in the conventions' shape."""

from __future__ import annotations

import json
from typing import Any

import pytest
from collector.vocabularies.spans import Stored, says, stored_span

from otelllm_collector.normalise.repair import repaired

HI = {"role": "user", "parts": [{"type": "text", "content": "hi"}]}
CALL = {"type": "tool_call", "id": "call_1", "name": "get_weather", "arguments": {"city": "Paris"}}
OLD_CALL = {
    "id": "call_1",
    "type": "function",
    "function": {"name": "get_weather", "arguments": '{"city":"Paris"}'},
}
SUNNY = {"role": "tool", "parts": [{"type": "tool_call_response", "id": "call_1", "response": "sunny"}]}


def event(name: str, at: float = 0, **attributes: Any) -> dict[str, Any]:
    return {"name": name, "offset_ms": at, "attributes": attributes}


def old(attributes: dict[str, Any], **more: Any) -> Stored:
    return stored_span({"gen_ai.system": "openai", **attributes}, **more)


@pytest.mark.parametrize(
    ("name", "value", "column", "expected"),
    [
        ("gen_ai.usage.prompt_tokens", 100, "input_tokens", 100),
        ("gen_ai.usage.prompt_tokens", "100", "input_tokens", 100),
        ("gen_ai.usage.completion_tokens", 30.0, "output_tokens", 30),
        ("gen_ai.usage.cache_read_input_tokens", 40, "cache_read_tokens", 40),
        ("gen_ai.usage.cached_tokens", 40, "cache_read_tokens", 40),
        ("gen_ai.usage.input_tokens.cached", 40, "cache_read_tokens", 40),
        ("gen_ai.usage.input_cached_tokens", 40, "cache_read_tokens", 40),
        ("gen_ai.usage.cache_creation.input_tokens", 25, "cache_write_tokens", 25),
        ("gen_ai.usage.cache_creation_input_tokens", 25, "cache_write_tokens", 25),
        ("gen_ai.usage.cache_write.input_tokens", 25, "cache_write_tokens", 25),
        ("gen_ai.usage.reasoning_tokens", 12, "reasoning_tokens", 12),
        ("gen_ai.usage.output_tokens.reasoning", 12, "reasoning_tokens", 12),
        ("gen_ai.usage.details.reasoning_tokens", 12, "reasoning_tokens", 12),
        ("gen_ai.usage.thoughts_tokens", 12, "reasoning_tokens", 12),
        ("gen_ai.response.finish_reason", "tool_calls", "finish_reasons", ["tool_call"]),
        ("gen_ai.system", "az.ai.openai", "provider", "azure.ai.openai"),
        ("gen_ai.system", "az.ai.inference", "provider", "azure.ai.inference"),
        ("gen_ai.system", "gemini", "provider", "gcp.gemini"),
        ("gen_ai.system", "vertex_ai", "provider", "gcp.vertex_ai"),
        ("gen_ai.system", "gcp.gen_ai", "provider", "gcp.gen_ai"),
        ("gen_ai.system", "xai", "provider", "x_ai"),
        ("gen_ai.system", "OpenAI", "provider", "openai"),
        ("gen_ai.system", "langchain", "provider", None),
        ("gen_ai.system", 5, "provider", None),
        ("gen_ai.usage.prompt_tokens", -1, "input_tokens", None),
        ("gen_ai.usage.prompt_tokens", "many", "input_tokens", None),
        ("gen_ai.usage.prompt_tokens", True, "input_tokens", None),
    ],
)
def test_old_names(name: str, value: Any, column: str, expected: Any) -> None:
    found = stored_span({name: value})
    assert getattr(found.row, column) == expected
    if name not in {"gen_ai.usage.cache_write.input_tokens"}:
        assert found.attributes[name] == value


@pytest.mark.parametrize(
    ("name", "value", "today", "expected"),
    [
        ("gen_ai.openai.request.seed", 7, "gen_ai.request.seed", 7),
        ("gen_ai.openai.request.response_format", "json", "gen_ai.output.type", "json"),
        ("gen_ai.openai.request.service_tier", "flex", "openai.request.service_tier", "flex"),
        ("gen_ai.openai.response.service_tier", "flex", "openai.response.service_tier", "flex"),
        ("gen_ai.openai.response.system_fingerprint", "fp", "openai.response.system_fingerprint", "fp"),
    ],
)
def test_old_names_without_a_column(name: str, value: Any, today: str, expected: Any) -> None:
    assert old({name: value}).made[today] == expected
    assert today not in old({name: value, today: "theirs"}).made


def test_todays_name_counts_where_both_are_there() -> None:
    found = old({"gen_ai.provider.name": "groq", "gen_ai.usage.input_tokens": 5, "gen_ai.usage.prompt_tokens": 9})
    assert (found.row.provider, found.row.input_tokens) == ("groq", 5)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("az.ai.openai", "azure.ai.openai"),
        ("OpenAI", "openai"),
        ("vertex_ai", "gcp.vertex_ai"),
        ("gcp.gen_ai", "gcp.gen_ai"),
        ("my.own.gateway", "my.own.gateway"),
        ("strands-agents", "strands-agents"),
    ],
)
def test_old_providers_under_todays_name(given: str, expected: str) -> None:
    assert stored_span({"gen_ai.provider.name": given}).row.provider == expected


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("completion", "text_completion"),
        ("embedding", "embeddings"),
        ("tool", "execute_tool"),
        ("agent", "invoke_agent"),
        ("create_agent", "create_agent"),
        ("chat", "chat"),
        ("custom", "custom"),
    ],
)
def test_old_operations(given: str, expected: str) -> None:
    assert old({"gen_ai.operation.name": given}).row.operation == expected


@pytest.mark.parametrize(
    ("name", "attributes", "expected"),
    [
        ("chat gpt-4", {}, "chat"),
        ("embedding ada", {}, "embeddings"),
        ("openai.chat", {"gen_ai.request.model": "m", "gen_ai.usage.completion_tokens": 3}, "chat"),
        ("openai.chat", {"gen_ai.usage.completion_tokens": 3}, None),
        ("GET /", {}, None),
    ],
)
def test_an_operation_that_is_not_said(name: str, attributes: dict[str, Any], expected: str | None) -> None:
    assert old(attributes, name=name).row.operation == expected


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (["tool_calls"], ["tool_call"]),
        ('["STOP"]', ["stop"]),
        ("max_tokens", ["length"]),
        (["content-filter", "stop"], ["content_filter", "stop"]),
        (["stop"], ["stop"]),
        (["own_word"], ["own_word"]),
    ],
)
def test_finish_reasons(given: Any, expected: list[str]) -> None:
    assert old({"gen_ai.response.finish_reasons": given}).row.finish_reasons == expected


@pytest.mark.parametrize(("given", "expected"), [(60, 125), (64, 129), (65, 65), (200, 200)])
def test_fewer_tokens_than_were_cached_leave_those_out(given: int, expected: int) -> None:
    found = old(
        {
            "gen_ai.usage.input_tokens": given,
            "gen_ai.usage.cache_read_input_tokens": 40,
            "gen_ai.usage.cache_creation_input_tokens": 25,
        }
    )
    assert found.row.input_tokens == expected
    by_old_name = old({"gen_ai.usage.prompt_tokens": given, "gen_ai.usage.cached_tokens": 65})
    assert by_old_name.row.input_tokens == expected


def test_prompt_and_completion_in_attributes_and_in_events_of_their_own() -> None:
    prompt = json.dumps([{"role": "system", "content": "Be brief."}, {"role": "user", "content": "hi"}])
    completion = json.dumps([{"role": "assistant", "content": "yes", "tool_calls": [OLD_CALL]}])
    answer = {"role": "assistant", "parts": [{"type": "text", "content": "yes"}, CALL]}
    for found in (
        old({"gen_ai.prompt": prompt, "gen_ai.completion": completion}),
        old(
            {},
            events=[
                event("gen_ai.content.prompt", **{"gen_ai.prompt": prompt}),
                event("gen_ai.content.completion", 5, **{"gen_ai.completion": completion}),
            ],
        ),
    ):
        assert (found.input, found.output) == ([says("system", "Be brief."), HI], [answer])
    plain = old({"gen_ai.prompt": "hi", "gen_ai.completion": "yes"})
    assert (plain.input, plain.output) == ([HI], [says("assistant", "yes")])


def test_a_message_an_event() -> None:
    called = json.dumps({"tool_calls": [OLD_CALL]})
    found = old(
        {},
        events=[
            event("gen_ai.choice", 9, index=1, finish_reason="stop", message='{"content": "second"}'),
            event("gen_ai.choice", 8, index=0, finish_reason="tool_calls", message=called),
            event("gen_ai.tool.message", 3, content="sunny", id="call_1"),
            event("gen_ai.system.message", 0, content="Be brief."),
            event("gen_ai.user.message", 1, content="hi", role="user"),
            event("gen_ai.assistant.message", 2, tool_calls=json.dumps([OLD_CALL])),
            event("unrelated", 4, content="no"),
        ],
    )
    asked = {"role": "assistant", "parts": [CALL]}
    assert found.input == [says("system", "Be brief."), HI, asked, SUNNY]
    assert found.output == [asked, says("assistant", "second")]
    assert found.row.finish_reasons == ["tool_call", "stop"]


def test_events_whose_body_is_in_one_attribute() -> None:
    found = old(
        {},
        events=[
            event("gen_ai.user.message", 0, **{"gen_ai.event.content": '{"role": "user", "content": "hi"}'}),
            event("gen_ai.tool.message", 1, content='[{"text": "sunny"}]', **{"gen_ai.tool.message.id": "call_1"}),
            event("gen_ai.choice", 2, **{"gen_ai.event.content": '{"index": 0, "message": {"content": "yes"}}'}),
        ],
    )
    assert (found.input, found.output) == ([HI, SUNNY], [says("assistant", "yes")])
    blocks = old({}, events=[event("gen_ai.choice", message='[{"text": "yes"}]', finish_reason="end_turn")])
    assert (blocks.output, blocks.row.finish_reasons) == ([says("assistant", "yes")], ["stop"])


def test_json_that_a_user_asked_about_stays_his_words() -> None:
    for asked in ("[1, 2]", '{"a": 1}', '[{"name": "x"}]', "5"):
        found = old({}, events=[event("gen_ai.user.message", content=asked)])
        assert found.input == [says("user", asked)]


def test_the_details_event_fills_only_what_the_span_lacks() -> None:
    details = event(
        "gen_ai.client.inference.operation.details",
        **{"gen_ai.input.messages": json.dumps([HI]), "gen_ai.output.messages": json.dumps([says("assistant", "yes")])},
    )
    beside = {"gen_ai.operation.name": "chat", "gen_ai.provider.name": "openai"}
    found = stored_span(beside, events=[details])
    assert (found.input, found.output) == ([HI], [says("assistant", "yes")])
    both = stored_span({**beside, "gen_ai.input.messages": json.dumps([says("user", "own")])}, events=[details])
    assert (both.input, both.output) == ([says("user", "own")], [says("assistant", "yes")])


@pytest.mark.parametrize(
    ("given", "parts"),
    [
        ({"role": "user", "content": "hi"}, HI["parts"]),
        ({"role": "user", "content": [{"type": "text", "text": "hi"}]}, HI["parts"]),
        ({"role": "user", "parts": ["hi"]}, HI["parts"]),
        ({"role": "user", "parts": [{"type": "text", "text": "hi"}]}, HI["parts"]),
        ({"role": "assistant", "parts": [{**CALL, "arguments": '{"city":"Paris"}'}]}, [CALL]),
        ({"role": "tool", "parts": [{"type": "tool_call_response", "id": "1", "result": "x"}]},
         [{"type": "tool_call_response", "id": "1", "response": "x"}]),
        ({"role": "tool", "parts": [{"type": "tool_call_response", "id": "1", "content": {"a": 1}}]},
         [{"type": "tool_call_response", "id": "1", "response": {"a": 1}}]),
        ({"role": "assistant", "parts": [{"type": "thinking", "thinking": "hm"}]},
         [{"type": "reasoning", "content": "hm"}]),
        ({"role": "user", "parts": [{"type": "uri", "modality": "image", "uri": "data:image/png;base64,QUJD"}]},
         [{"type": "blob", "mime_type": "image/png", "modality": "image", "content": "QUJD"}]),
        ({"role": "user", "parts": [{"type": "blob", "modality": "image", "content": "data:image/png;base64,QUJD"}]},
         [{"type": "blob", "mime_type": "image/png", "modality": "image", "content": "QUJD"}]),
        ({"role": "assistant", "content": None, "tool_calls": [OLD_CALL]}, [CALL]),
    ],
)  # fmt: skip
def test_messages_that_deviate(given: dict[str, Any], parts: list[Any]) -> None:
    fine = says("user", "before")
    for spelled in (json.dumps([fine, given]), json.dumps([fine, given], separators=(",", ":"))):
        found = stored_span({"gen_ai.operation.name": "chat", "gen_ai.input.messages": spelled})
        assert found.input == [fine, {"role": given["role"], "parts": parts}]
        assert found.attributes["gen_ai.input.messages"] == spelled
    assert repaired([fine, given]) == [fine, {"role": given["role"], "parts": parts}]


@pytest.mark.parametrize(
    "fine",
    [
        [{"role": "user", "parts": [{"type": "of_their_own", "content": "x"}]}],
        [HI],
        [],
        [{"role": "assistant", "parts": [CALL], "finish_reason": "tool_call"}, SUNNY],
        [says("user", 'is "parts" or "result" or "thinking" a word? "data:x"')],
        [{"role": "user", "parts": [{"type": "uri", "modality": "image", "uri": "https://x/a.png", "extra": 1}]}],
        [{"role": "user", "parts": [{"type": "file", "modality": "image", "mime_type": "image/png", "file_id": "f"}]}],
        [{"role": "assistant", "parts": [{"type": "server_tool_call", "name": "web", "server_tool_call": {"q": 1}}]}],
        [{"role": "assistant", "parts": [{**CALL, "arguments": {"text": "x", "role": "y", "result": 1}}]}],
        [{"role": "tool", "parts": [{"type": "tool_call_response", "id": "1", "response": {"content": "x"}}]}],
        [{"role": "assistant", "parts": [{"type": "tool_call", "name": "f", "arguments": "no JSON"}]}],
    ],
)
def test_messages_in_the_conventions_shape_are_let_alone(fine: list[Any]) -> None:
    assert repaired(json.dumps(fine)) is None
    assert repaired(fine) is None
    found = stored_span({"gen_ai.operation.name": "chat", "gen_ai.input.messages": json.dumps(fine)})
    assert found.input == fine
    assert "gen_ai.input.messages" not in found.attributes


@pytest.mark.parametrize(
    "text", ["just text", "", "[", '[{"role": "user"', '{"a"', "null", "[1, 2]", '["x"]', "5", '"x"']
)
def test_what_is_no_message_is_let_alone(text: str) -> None:
    assert repaired(text) is None
    assert stored_span({"gen_ai.input.messages": text}).row.vocabulary is None


def test_instructions_in_a_providers_blocks() -> None:
    given = '[{"type": "text", "text": "Be brief."}]'
    assert stored_span({"gen_ai.system_instructions": given}).system == [{"type": "text", "content": "Be brief."}]
    assert stored_span({"gen_ai.system_instructions": "Be brief."}).system == "Be brief."


def test_an_exceptions_type_where_the_span_names_none() -> None:
    failed = {"status": {"code": "ERROR", "message": "m"}, "events": [event("exception", **{"exception.type": "E"})]}
    assert old({}, **failed).row.error_type == "E"
    assert old({"error.type": "timeout"}, **failed).row.error_type == "timeout"
    assert old({}, events=failed["events"]).row.error_type is None


@pytest.mark.parametrize("odd", ["", "{", "[", 5, True, [1, "x"], "null", '[[["x"]]]', '{"message": 5}', '{"role": 5}'])
def test_odd_values_do_no_harm(odd: Any) -> None:
    names = ("gen_ai.system.message", "gen_ai.user.message", "gen_ai.tool.message", "gen_ai.choice")
    keys = ("content", "message", "tool_calls", "id", "index", "role", "finish_reason", "gen_ai.event.content")
    for name in names:
        assert old({}, events=[event(name, **dict.fromkeys(keys, odd))]).row.provider == "openai"
        for key in keys:
            assert old({}, events=[event(name, **{key: odd})]).row.provider == "openai"
    olds = ("gen_ai.prompt", "gen_ai.completion", "gen_ai.input.messages", "gen_ai.output.messages")
    olds = (*olds, "gen_ai.system_instructions", "gen_ai.response.finish_reasons", "gen_ai.operation.name")
    assert old(dict.fromkeys(olds, odd)).row.provider == "openai"
    assert old({}, events=[event("gen_ai.content.prompt", **{"gen_ai.prompt": odd})]).row.provider == "openai"


def test_deep_nesting_is_kept() -> None:
    for depth in (100, 240, 250, 253, 300, 1000):
        deep = '{"a":' * depth + "1" + "}" * depth
        message = {"role": "assistant", "parts": [{**CALL, "arguments": deep}]}
        assert stored_span({"gen_ai.output.messages": json.dumps([message])}).output is not None
        assert old({"gen_ai.prompt": deep}).row.provider == "openai"
