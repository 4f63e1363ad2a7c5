"""Content: nothing of it by default, whole when asked for, in the conventions' shape."""

from __future__ import annotations

import base64
import hashlib
from typing import TYPE_CHECKING, Any

import anthropic
import pytest
from wire import files
from wire.server import sse, whole

from otelllm import semconv

from .surfaces import ARGUMENTS, MANAGER, MODEL, PLAIN, QUESTION, SYSTEM, TEXT, answer, open_stream

if TYPE_CHECKING:
    from telemetry import Telemetry
    from wire.server import Provider

    from .app import App

CANARY = "canary-7f3a"
PIXELS = base64.b64encode(CANARY.encode() * 40).decode()
WEATHER = {"name": "get_weather", "description": f"weather {CANARY}", "input_schema": {"type": "object"}}
SECRET: dict[str, Any] = {
    "model": MODEL,
    "max_tokens": 100,
    "system": [{"type": "text", "text": CANARY, "cache_control": {"type": "ephemeral"}}],
    "messages": [
        {"role": "user", "content": [
            {"type": "text", "text": CANARY},
            {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PIXELS}},
            {"type": "image", "source": {"type": "url", "url": f"https://example.com/{CANARY}.png"}},
            {"type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": PIXELS}},
            {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": CANARY}},
            {"type": "document", "source": {"type": "file", "file_id": "file_1"}},
        ]},
        {"role": "assistant", "content": [
            {"type": "thinking", "thinking": CANARY, "signature": "c2lnbmVk"},
            {"type": "tool_use", "id": "toolu_1", "name": "get_weather", "input": {"city": CANARY}},
        ]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "toolu_1", "content": CANARY}]},
    ],
    "tools": [WEATHER, {"type": "web_search_20250305", "name": "web_search"}],
    "extra_headers": {"x-note": CANARY},
    "extra_body": {"note": CANARY},
}  # fmt: skip


@pytest.mark.parametrize("surface", [PLAIN, MANAGER], ids=lambda surface: surface.name)
def test_by_default_no_content_leaves_the_process(
    otel: Telemetry, app: App, provider: Provider, caplog: pytest.LogCaptureFixture, surface: Any
) -> None:
    """A secret in every input and output is nowhere in spans, logs and metrics."""
    body = files.body("anthropic/message.json").replace(b"Skagen", CANARY.encode())
    provider.reply(whole(body), sse([one.replace(b"Skagen", CANARY.encode())
                                     for one in files.events("anthropic/message_stream.sse")]))  # fmt: skip
    app.call(PLAIN.method(app.client), **SECRET)
    app.read(open_stream(app, surface, **SECRET))
    provider.reply(whole(files.body("anthropic/error_401.json"), status=401))
    with pytest.raises(anthropic.AuthenticationError, match="sk-ant-canary-key"):
        app.call(PLAIN.method(app.client), **SECRET)
    assert CANARY.encode() in provider.last.body
    assert len(otel.spans) == 3
    ours = [record.getMessage() for record in caplog.records if record.name.startswith("otelllm")]
    told = otel.everything() + "".join(ours)
    assert CANARY not in told
    assert PIXELS[:40] not in told
    assert "sk-ant-canary-key" not in told


def _text(content: str) -> dict[str, str]:
    return {"type": "text", "content": content}


THOUGHT = {"type": "reasoning", "content": "Count first."}
CALLS = [
    {"type": "tool_call", "id": "toolu_wire1", "name": "get_weather",
     "arguments": {"city": "Skagen", "unit": "celsius"}},
    {"type": "tool_call", "id": "toolu_wire2", "name": "get_time", "arguments": {"zone": "Europe/Copenhagen"}},
    {"type": "tool_call", "id": "toolu_wire3", "name": "stop", "arguments": {}},
]  # fmt: skip
SEARCH = [
    {"type": "server_tool_call", "id": "srvtoolu_wire1", "name": "web_search",
     "server_tool_call": {"type": "web_search", "input": {"query": "Skagen lighthouse"}}},
    {"type": "server_tool_call_response", "id": "srvtoolu_wire1", "server_tool_call_response": {
        "type": "web_search",
        "content": [{"type": "web_search_result", "title": "Skagen", "url": "https://example.com/skagen"}],
    }},
    _text(TEXT),
]  # fmt: skip
PARTS: list[tuple[str, list[dict[str, Any]]]] = [
    ("message.json", [_text(TEXT)]),
    ("message_stream.sse", [_text(TEXT)]),
    ("message_thinking.json", [THOUGHT, {"type": "redacted_thinking"}, _text("It is 42.")]),
    ("message_stream_thinking.sse", [THOUGHT, {"type": "redacted_thinking"}, _text("It is 42.")]),
    ("message_tools.json", [_text("I look."), *CALLS]),
    ("message_stream_tools.sse", [_text("I look."), *CALLS]),
    ("message_stream_tools_interleaved.sse", [_text("I look."), *CALLS]),
    ("message_search.json", SEARCH),
    ("message_stream_search.sse", SEARCH),
    ("message_stream_unknown.sse", [_text(TEXT), {"type": "hologram"}]),
]


@pytest.mark.parametrize(("file", "parts"), PARTS, ids=[file for file, _ in PARTS])
def test_parts_of_an_answer(
    otel: Telemetry, app: App, provider: Provider, file: str, parts: list[dict[str, Any]]
) -> None:
    """Each block a part of its own kind, in the order in which they began, whole and streamed alike."""
    otel.instrument(capture="full")
    answer(app, provider, file)
    assert otel.messages(semconv.OUTPUT_MESSAGES) == [{"role": "assistant", "parts": parts}]
    assert otel.messages(semconv.INPUT_MESSAGES) == [{"role": "user", "parts": [_text(QUESTION)]}]
    assert otel.messages(semconv.SYSTEM_INSTRUCTIONS) == [_text(SYSTEM)]


def test_a_conversation_with_all_its_parts(otel: Telemetry, app: App, provider: Provider) -> None:
    """Pictures and files as type, size and hash, thoughts, tool calls, results, the SDK's own objects passed back."""
    otel.instrument(capture="full")
    earlier = answer(app, provider, "message_tools.json")
    otel.clear()
    messages = [*SECRET["messages"], {"role": "assistant", "content": earlier.content}]
    answer(app, provider, "message.json", **{**SECRET, "messages": messages})
    user, call, result, last = otel.messages(semconv.INPUT_MESSAGES)
    raw = base64.b64decode(PIXELS)
    stamp = {"size": len(raw), "sha256": hashlib.sha256(raw).hexdigest()}
    assert user == {"role": "user", "parts": [
        _text(CANARY),
        {"type": "blob", "mime_type": "image/png", "modality": "image", **stamp},
        {"type": "uri", "modality": "image", "uri": f"https://example.com/{CANARY}.png"},
        {"type": "blob", "mime_type": "application/pdf", "modality": "document", **stamp},
        _text(CANARY),
        {"type": "file", "modality": "document", "file_id": "file_1"},
    ]}  # fmt: skip
    assert call == {"role": "assistant", "parts": [
        {"type": "reasoning", "content": CANARY},
        {"type": "tool_call", "id": "toolu_1", "name": "get_weather", "arguments": {"city": CANARY}},
    ]}  # fmt: skip
    assert result == {"role": "tool", "parts": [{"type": "tool_call_response", "id": "toolu_1", "response": CANARY}]}
    assert last == {"role": "assistant", "parts": [_text("I look."), *CALLS]}
    assert otel.messages(semconv.SYSTEM_INSTRUCTIONS) == [_text(CANARY)]
    assert otel.messages(semconv.TOOL_DEFINITIONS) == [
        {"type": "function", "name": "get_weather", "description": f"weather {CANARY}",
         "parameters": {"type": "object"}},
        {"type": "web_search_20250305", "name": "web_search"},
    ]  # fmt: skip


def test_a_generator_of_messages_is_the_sdks_to_read(otel: Telemetry, app: App, provider: Provider) -> None:
    """We leave it alone, and the provider gets every message."""
    otel.instrument(capture="full")
    answer(app, provider, "message.json", messages=(one for one in ARGUMENTS["messages"]))
    assert provider.last.json["messages"] == ARGUMENTS["messages"]
    assert semconv.INPUT_MESSAGES not in otel.attributes
