"""Content: nothing of it by default, whole when asked for, in the conventions' shape."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from wire import files
from wire.server import sse, whole

from otelllm import semconv

from .app import IS_CLOSED, has, of
from .surfaces import ARGUMENTS, MODEL, QUESTION, TEXT, answer, call

if TYPE_CHECKING:
    from telemetry import Telemetry
    from wire.server import Provider

    from .app import App

CANARY = "canary-7f3a"
SECRET: dict[str, Any] = {
    "messages": [
        {"role": "system", "content": CANARY},
        {"role": "user", "content": [
            {"type": "text", "text": CANARY},
            {"type": "image_url", "image_url": f"https://example.com/{CANARY}.png"},
        ]},
        {"role": "assistant", "content": "", "tool_calls": [
            {"id": "6TI17yZkV", "function": {"name": "get_tide", "arguments": {"harbour": CANARY}}}]},
        {"role": "tool", "tool_call_id": "6TI17yZkV", "name": "get_tide", "content": CANARY},
    ],
    "tools": [{"type": "function", "function": {"name": "get_tide", "description": CANARY, "parameters": {}}}],
    "http_headers": {"x-note": CANARY},
}  # fmt: skip


@pytest.mark.parametrize("streamed", [False, True])
def test_by_default_no_content_leaves_the_process(
    otel: Telemetry, app: App, provider: Provider, caplog: pytest.LogCaptureFixture, streamed: bool
) -> None:
    """A secret in every input and output is nowhere in spans, logs and metrics."""
    body = files.body("mistral/chat.json").replace(b"Skagen", CANARY.encode())
    events = [one.replace(b"Skagen", CANARY.encode()) for one in files.events("mistral/chat_stream.sse")]
    provider.reply(sse(events) if streamed else whole(body))
    got = call(app, "chat", streamed=streamed, **SECRET)
    if streamed:
        app.read(got)
    assert CANARY in provider.last.body.decode()
    assert CANARY not in otel.everything() + caplog.text


def test_what_was_sent_is_kept(otel: Telemetry, app: App, provider: Provider) -> None:
    """Messages and tools as dicts."""
    otel.instrument(capture="full")
    answer(app, provider, "chat.json", **SECRET)
    assert otel.messages(semconv.INPUT_MESSAGES) == [
        {"role": "system", "parts": [{"type": "text", "content": CANARY}]},
        {"role": "user", "parts": [
            {"type": "text", "content": CANARY},
            {"type": "uri", "modality": "image", "uri": f"https://example.com/{CANARY}.png"},
        ]},
        {"role": "assistant", "parts": [
            {"type": "tool_call", "id": "6TI17yZkV", "name": "get_tide", "arguments": {"harbour": CANARY}}]},
        {"role": "tool", "parts": [{"type": "tool_call_response", "id": "6TI17yZkV", "response": CANARY}]},
    ]  # fmt: skip
    (tool,) = otel.messages(semconv.TOOL_DEFINITIONS)
    assert (tool["type"], tool["name"], tool["description"]) == ("function", "get_tide", CANARY)


def test_objects_of_the_sdk_are_read_like_dicts(otel: Telemetry, app: App, provider: Provider) -> None:
    """Messages made of its types, an answer passed back; what it made up (the id "null") is not there."""
    otel.instrument(capture="full")
    user = of("models", "UserMessage")(content=[of("models", "TextChunk")(text=QUESTION)])
    spoken = of("models", "AssistantMessage")(
        content=[of("models", "TextChunk")(text="Let me look.")],
        tool_calls=[of("models", "ToolCall")(function={"name": "get_tide", "arguments": "{}"})],
    )
    answer(app, provider, "chat.json", messages=[user, spoken])
    assert otel.messages(semconv.INPUT_MESSAGES) == [
        {"role": "user", "parts": [{"type": "text", "content": QUESTION}]},
        {"role": "assistant", "parts": [
            {"type": "text", "content": "Let me look."},
            {"type": "tool_call", "name": "get_tide", "arguments": {}},
        ]},
    ]  # fmt: skip


@pytest.mark.parametrize("streamed", [False, True])
def test_a_generator_of_messages_is_the_sdks_to_consume(
    otel: Telemetry, app: App, provider: Provider, streamed: bool
) -> None:
    """It is sent whole, and read by nobody else."""
    otel.instrument(capture="full")
    provider.reply(sse(files.events("mistral/chat_stream.sse")) if streamed else whole(files.body("mistral/chat.json")))
    got = call(app, "chat", streamed=streamed, messages=(one for one in SECRET["messages"]))
    if streamed:
        app.read(got)
    assert len(provider.last.json["messages"]) == 4
    assert semconv.INPUT_MESSAGES not in otel.attributes


def _said(content: str) -> dict[str, Any]:
    return {"type": "text", "content": content}


TIDE = {"type": "tool_call", "id": "6TI17yZkV", "name": "get_tide", "arguments": {"harbour": "Skagen"}}
WIND = {"type": "tool_call", "id": "D681PevKs", "name": "get_wind", "arguments": {"harbour": "Skagen", "unit": "m/s"}}
THOUGHT = {"type": "reasoning", "content": "Skagen's light, then."}
DOCUMENTS = {"type": "reference", "reference_ids": ["doc-2", 1]}
WHEN = "The lighthouse at Skagen was lit in 1858"
PAGE = {"type": "tool_reference", "tool": "web_search", "title": "Skagen Fyr", "url": "https://example.org/skagen"}
SEARCH = [
    {"type": "server_tool_call", "id": "tool_exec_1", "name": "web_search",
     "server_tool_call": {"type": "web_search", "arguments": {"query": "Skagen lighthouse"}}},
    {"type": "server_tool_call_response", "id": "tool_exec_1",
     "server_tool_call_response": {"type": "web_search", "status": "ok"}},
]  # fmt: skip


def _anonymous(call: dict[str, Any], **arguments: Any) -> dict[str, Any]:
    return {"type": "tool_call", "name": call["name"], "arguments": arguments or call["arguments"]}


OUTPUTS: list[tuple[str, list[list[dict[str, Any]]]]] = [
    ("chat.json", [[_said(TEXT)]]),
    ("chat_stream.sse", [[_said(TEXT)]]),
    ("chat_tools.json", [[TIDE, WIND]]),
    ("chat_stream_tools.sse", [[TIDE, WIND]]),
    ("chat_stream_tools_fragments.sse", [[TIDE, WIND]]),
    ("chat_stream_tools_zero_index.sse", [[TIDE, WIND]]),
    ("chat_tools_no_ids.json", [[_anonymous(TIDE), _anonymous(WIND, harbour="Skagen")]]),
    ("chat_stream_tools_no_ids.sse", [[_anonymous(TIDE), _anonymous(WIND)]]),
    ("chat_thinking.json", [[THOUGHT, _said(TEXT)]]),
    ("chat_stream_thinking.sse", [[THOUGHT, _said(TEXT)]]),
    ("chat_references.json", [[_said(WHEN), DOCUMENTS, _said("."), {"type": "hologram"}]]),
    ("chat_stream_references.sse", [[_said(WHEN), DOCUMENTS, _said("."), {"type": "hologram"}]]),
    ("chat_two.json", [[_said(TEXT)], [_said("In 1858, by")]]),
    ("chat_stream_two.sse", [[_said(TEXT)], [_said("In 1858, by")]]),
    ("responses.json", [[THOUGHT, _said(TEXT)]]),
    ("responses_stream.sse", [[_said(TEXT)]]),
    ("responses_tools.json", [[TIDE]]),
    ("fim.json", [[_said("    return 1858\n")]]),
    ("fim_stream.sse", [[_said("    return 1858\n")]]),
    ("transcription.json", [[_said(TEXT)]]),
    ("transcription_stream.sse", [[_said(TEXT)]]),
    ("ocr.json", [[_said("# Skagen"), _said("Lit in 1858."), _said('{"lit": 1858}')]]),
    ("moderation.json", [[{"type": "moderation", "flagged": True, "categories": ["violence_and_threats"],
                           "scores": {"sexual": 0.0001, "violence_and_threats": 0.93}}]]),
    ("classification.json", [[{"type": "classification", "scores": {"intent": {"ask": 0.9, "complain": 0.1}}}]]),
    ("conversation.json", [[_said(TEXT)]]),
    ("conversation_stream.sse", [[_said(TEXT)]]),
    ("conversation_tools.json", [[TIDE]]),
    ("conversation_stream_tools.sse", [[TIDE, {**_anonymous(WIND), "id": "D681PevKs", "arguments": {}}]]),
    ("conversation_search.json", [[*SEARCH, _said(WHEN), PAGE, _said(".")]]),
    ("conversation_stream_search.sse", [[
        *SEARCH, {"type": "agent_handoff", "from": "Desk", "to": "Pilot"},
        {"type": "reasoning", "content": "Skagen's light."}, _said(WHEN), PAGE, _said("."),
    ]]),
]  # fmt: skip
_NEWER = {"chat_references.json", "chat_stream_references.sse", "conversation_stream_search.sse"}
_NEEDS = {"conversation": "conversations", "transcription": "transcriptions", "ocr": "ocr", "moderation": "ocr",
          "classification": "ocr", "responses": "responses"}  # fmt: skip


@pytest.mark.parametrize(
    ("file", "expected"),
    [
        row
        for row in OUTPUTS
        if has(_NEEDS.get(row[0].split(".")[0].split("_")[0], "chat")) and not (IS_CLOSED and row[0] in _NEWER)
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_came_is_kept(
    otel: Telemetry, app: App, provider: Provider, file: str, expected: list[list[dict[str, Any]]]
) -> None:
    """Texts, thoughts, references and tool calls as in the bytes, streamed as whole."""
    otel.instrument(capture="full")
    answer(app, provider, file)
    messages = otel.messages(semconv.OUTPUT_MESSAGES)
    assert [message["parts"] for message in messages] == expected
    assert {message["role"] for message in messages} == {"assistant"}


@pytest.mark.skipif(IS_CLOSED, reason="the types of 1.x refuse it")
@pytest.mark.parametrize("file", ["agent_messages.json", "agent_stream_messages.sse"])
def test_an_agent_that_runs_tools_says_several_messages(
    otel: Telemetry, app: App, provider: Provider, file: str
) -> None:
    """Its call, the tool's answer and what it made of it, each a message."""
    otel.instrument(capture="full")
    answer(app, provider, file)
    assert otel.messages(semconv.OUTPUT_MESSAGES) == [
        {"role": "assistant", "parts": [TIDE]},
        {"role": "tool", "parts": [{"type": "tool_call_response", "id": "6TI17yZkV", "response": "0.3 m"}]},
        {"role": "assistant", "parts": [_said(TEXT)]},
    ]


@pytest.mark.skipif(not has("conversations"), reason="not in this version")
def test_what_was_sent_to_a_conversation_is_kept(otel: Telemetry, app: App, provider: Provider) -> None:
    """Entries, instructions and tools."""
    otel.instrument(capture="full")
    entries = [
        {"role": "user", "content": QUESTION},
        {
            "type": "function.call",
            "tool_call_id": "6TI17yZkV",
            "name": "get_tide",
            "arguments": '{"harbour": "Skagen"}',
        },
        {"type": "function.result", "tool_call_id": "6TI17yZkV", "result": "0.3 m"},
    ]
    answer(app, provider, "conversation.json", inputs=entries, instructions="Be brief.", tools=[{"type": "web_search"}])
    assert otel.messages(semconv.INPUT_MESSAGES) == [
        {"role": "user", "parts": [_said(QUESTION)]},
        {"role": "assistant", "parts": [TIDE]},
        {"role": "tool", "parts": [{"type": "tool_call_response", "id": "6TI17yZkV", "response": "0.3 m"}]},
    ]
    assert otel.messages(semconv.SYSTEM_INSTRUCTIONS) == [_said("Be brief.")]
    assert otel.messages(semconv.TOOL_DEFINITIONS) == [{"type": "web_search", "name": "web_search"}]


def test_a_code_completions_prompt_is_kept(otel: Telemetry, app: App, provider: Provider) -> None:
    """What is before the gap, and what is after."""
    otel.instrument(capture="full")
    answer(app, provider, "fim.json")
    (message,) = otel.messages(semconv.INPUT_MESSAGES)
    assert message["parts"] == [_said(ARGUMENTS["fim"]["prompt"]), _said(ARGUMENTS["fim"]["suffix"])]


def test_a_parsed_answer(otel: Telemetry, app: App, provider: Provider) -> None:
    """`chat.parse` calls `complete` itself: one span, of JSON."""
    from pydantic import BaseModel

    class Lit(BaseModel):
        year: int

    body = files.edited("mistral/chat.json")
    body["choices"][0]["message"]["content"] = '{"year": 1858}'
    provider.reply(whole(body))
    parse = app.client.chat.parse_async if app.kind == "async" else app.client.chat.parse
    got = app.call(parse, response_format=Lit, model=MODEL, messages=[{"role": "user", "content": QUESTION}])
    assert got.choices[0].message.parsed == Lit(year=1858)
    assert otel.attributes[semconv.OUTPUT_TYPE] == "json"
