"""Content: nothing of it by default, redacted or whole when asked for, in the conventions' shape."""

from __future__ import annotations

import base64
import hashlib
import json
from typing import TYPE_CHECKING, Any

import openai
import pytest
from openai.types.chat import ChatCompletionMessage
from wire import files
from wire.server import Gate, sse, whole

import otelllm
from otelllm import semconv

from .surfaces import CHAT, COMPLETIONS, EMBEDDINGS, MESSAGES, RESPONSES, STREAMING, SURFACES, Surface

if TYPE_CHECKING:
    from collections.abc import Mapping

    from telemetry import Telemetry
    from wire.server import Provider

    from .app import App

CANARY = "canary-7f3a"
PIXELS = base64.b64encode(CANARY.encode() * 40).decode()
PICTURE = f"data:image/png;base64,{PIXELS}"

FUNCTION = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": f"weather {CANARY}",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
    },
}
SECRET_CHAT: dict[str, Any] = {
    "model": "gpt-4o-mini",
    "messages": [
        {"role": "system", "content": CANARY},
        {"role": "user", "content": [
            {"type": "text", "text": CANARY},
            {"type": "image_url", "image_url": {"url": PICTURE}},
        ], "name": CANARY},
        {"role": "assistant", "content": None, "tool_calls": [
            {"id": "call_1", "type": "function", "function": {"name": "f", "arguments": json.dumps({"x": CANARY})}}
        ]},
        {"role": "tool", "tool_call_id": "call_1", "content": CANARY},
    ],
    "tools": [FUNCTION],
    "metadata": {"note": CANARY},
    "prediction": {"type": "content", "content": CANARY},
    "extra_headers": {"x-note": CANARY},
    "extra_body": {"note": CANARY},
}  # fmt: skip
SECRET: Mapping[str, dict[str, Any]] = {
    "chat": SECRET_CHAT,
    "responses": {
        "model": "gpt-4o-mini",
        "instructions": CANARY,
        "input": [{"role": "user", "content": [{"type": "input_text", "text": CANARY}]}],
        "tools": [{"type": "function", "name": "f", "description": CANARY, "parameters": {}, "strict": False}],
    },
    "completions": {"model": "gpt-3.5-turbo-instruct", "prompt": CANARY, "suffix": CANARY},
    "embeddings": {"model": "text-embedding-3-small", "input": [CANARY]},
}


def _with_canary(text: bytes) -> bytes:
    return text.replace(b"Skagen", CANARY.encode())


@pytest.mark.parametrize("surface", SURFACES, ids=lambda surface: surface.name)
def test_by_default_no_content_leaves_the_process(
    otel: Telemetry, app: App, provider: Provider, caplog: pytest.LogCaptureFixture, surface: Surface
) -> None:
    """A secret in every input and output is nowhere in spans, logs and metrics."""
    variables = {"question": CANARY}
    with otelllm.context(prompt=("greeting", "v3"), variables=variables):
        provider.reply(whole(_with_canary(surface.body)))
        app.call(surface.method(app.client), **SECRET[surface.name])
        if surface.stream:
            provider.reply(sse(*map(_with_canary, surface.events)))
            app.read(app.call(surface.method(app.client), **SECRET[surface.name], stream=True))
    assert CANARY.encode() in provider.last.body
    assert otel.spans
    # The openai package's own debug log has the request; ours has nothing.
    ours = [record.getMessage() for record in caplog.records if record.name.startswith("otelllm")]
    assert CANARY not in otel.everything() + "".join(ours)
    assert PIXELS[:40] not in otel.everything()
    for span in otel.spans:
        assert (span.attributes or {}).get(semconv.CONTENT_CAPTURED) in (None, "off")


@pytest.mark.parametrize("surface", SURFACES, ids=lambda surface: surface.name)
def test_an_error_repeats_nothing(otel: Telemetry, app: App, provider: Provider, surface: Surface) -> None:
    """Providers' 401 texts repeat the key: with capture off the kind of the error is all that is kept."""
    provider.reply(whole(files.body("openai/error_401.json"), status=401))
    with pytest.raises(openai.AuthenticationError, match="sk-canary-key"):
        app.call(surface.method(app.client), **surface.arguments)
    assert "sk-canary-key" not in otel.everything()
    assert otel.span.status.description is None
    assert all(semconv.EXCEPTION_MESSAGE not in (event.attributes or {}) for event in otel.span.events)
    assert all(semconv.EXCEPTION_STACKTRACE not in (event.attributes or {}) for event in otel.span.events)


@pytest.mark.parametrize("surface", STREAMING, ids=lambda surface: surface.name)
def test_an_error_in_a_stream_repeats_nothing(otel: Telemetry, app: App, provider: Provider, surface: Surface) -> None:
    """The same for an error event, and for one inside an answer of success."""
    error = files.event({"error": {"message": f"bad key {CANARY}", "code": "invalid_api_key"}})
    provider.reply(sse(surface.events[:2], error))
    with pytest.raises(openai.APIError, match=CANARY):
        app.read(app.call(surface.method(app.client), **surface.streaming))
    body = files.body(surface.error_in_200).replace(b"overloaded", CANARY.encode())
    provider.reply(whole(body))
    app.call(surface.method(app.client), **surface.arguments)
    assert CANARY not in otel.everything()


@pytest.mark.parametrize("capture", ["redacted", "full"])
def test_an_error_is_redacted_where_content_is_captured(
    otel: Telemetry, app: App, provider: Provider, capture: str
) -> None:
    """With content captured the message is kept; redaction takes a provider's key out of it."""
    otel.instrument(capture=capture)
    key = "sk-proj-abcdefghijklmnopqrstuvwxyz0123456789"
    body = files.body("openai/error_401.json").replace(b"sk-canary-key", key.encode())
    provider.reply(whole(body, status=401))
    with pytest.raises(openai.AuthenticationError):
        app.call(CHAT.method(app.client), **CHAT.arguments)
    (event,) = otel.span.events
    assert event.name == semconv.EVENT_EXCEPTION
    assert event.attributes is not None
    assert "Incorrect API key" in str(event.attributes[semconv.EXCEPTION_MESSAGE])
    assert (key in otel.everything()) is (capture == "full")


def test_redaction_takes_out_what_looks_secret(otel: Telemetry, app: App, provider: Provider) -> None:
    """Mail addresses, keys and card numbers go; the rest of the text stays."""
    otel.instrument(capture="redacted")
    provider.reply(whole(CHAT.body))
    text = "Write to ada@example.com, card 4111 1111 1111 1111, key sk-proj-abcdefghijklmnopqrstuvwx0123456789 now"
    app.call(CHAT.method(app.client), model="gpt-4o-mini", messages=[{"role": "user", "content": text}])
    kept = otel.messages(semconv.INPUT_MESSAGES)[0]["parts"][0]["content"]
    assert kept.startswith("Write to ")
    assert kept.endswith(" now")
    for secret in ("ada@example.com", "4111 1111", "sk-proj"):
        assert secret not in otel.everything()
    assert otel.attributes[semconv.CONTENT_REDACTIONS] == 3
    assert otel.attributes[semconv.CONTENT_CAPTURED] == "redacted"


TEXT = "The lighthouse at Skagen was lit in 1858."


@pytest.mark.parametrize("is_streamed", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("surface", STREAMING, ids=lambda surface: surface.name)
def test_full_capture_is_what_was_said(
    otel: Telemetry, app: App, provider: Provider, surface: Surface, is_streamed: bool
) -> None:
    """Messages sent and received, as parts."""
    otel.instrument(capture="full")
    if is_streamed:
        provider.reply(sse(surface.events))
        app.read(app.call(surface.method(app.client), **surface.streaming))
    else:
        provider.reply(whole(surface.body))
        app.call(surface.method(app.client), **surface.arguments)
    system = {"role": "system", "parts": [{"type": "text", "content": MESSAGES[0]["content"]}]}
    user = {"role": "user", "parts": [{"type": "text", "content": MESSAGES[1]["content"]}]}
    assert otel.messages(semconv.INPUT_MESSAGES) == ([system, user] if surface is CHAT else [user])
    if surface is RESPONSES:
        assert otel.messages(semconv.SYSTEM_INSTRUCTIONS) == system["parts"]
    answer = "\n\nSkagen." if surface is COMPLETIONS else TEXT
    assert otel.messages(semconv.OUTPUT_MESSAGES) == [
        {"role": "assistant", "parts": [{"type": "text", "content": answer}]}
    ]
    assert otel.attributes[semconv.CONTENT_CAPTURED] == "full"


WEATHER = {
    "type": "tool_call",
    "id": "call_wire1",
    "name": "get_weather",
    "arguments": {"city": "Skagen", "unit": "celsius"},
}
TIME = {"type": "tool_call", "id": "call_wire2", "name": "get_time", "arguments": {"zone": "Europe/Copenhagen"}}


@pytest.mark.parametrize(
    "file",
    [
        "chat_tools.json",
        "chat_stream_tools.sse",
        "chat_stream_tools_interleaved.sse",
        "chat_stream_tools_no_index.sse",
        "chat_stream_tools_zero_index.sse",
        "chat_stream_tools_null_arguments.sse",
    ],
)
def test_parallel_tool_calls_are_told_apart(otel: Telemetry, app: App, provider: Provider, file: str) -> None:
    """However a server numbers and cuts the fragments, the same two calls come out."""
    otel.instrument(capture="full")
    _answer(app, provider, CHAT, file)
    (message,) = otel.messages(semconv.OUTPUT_MESSAGES)
    assert message == {"role": "assistant", "parts": [WEATHER, TIME]}


def _answer(app: App, provider: Provider, surface: Surface, file: str, **more: Any) -> Any:
    name = f"openai/{file}"
    if file.endswith(".sse"):
        provider.reply(sse(files.events(name)))
        return app.read(app.call(surface.method(app.client), **surface.arguments, **more, stream=True))
    provider.reply(whole(files.body(name)))
    return app.call(surface.method(app.client), **surface.arguments, **more)


def _text(content: str) -> dict[str, str]:
    return {"type": "text", "content": content}


SQL = {"type": "tool_call", "id": "call_wire3", "name": "run_sql", "arguments": "select 1"}
LEGACY = {"type": "tool_call", "name": "get_weather", "arguments": {"city": "Skagen"}}
PARTS: list[tuple[Surface, str, list[list[dict[str, Any]]]]] = [
    (CHAT, "chat_two.json", [[_text("One.")], [_text("Two, cut")]]),
    (CHAT, "chat_stream_two.sse", [[_text("One.")], [_text("Two, cut")]]),
    (CHAT, "chat_refusal.json", [[_text("I can't help with that.")]]),
    (CHAT, "chat_stream_refusal.sse", [[_text("I can't help with that.")]]),
    (CHAT, "chat_custom_tool.json", [[SQL]]),
    (CHAT, "chat_stream_custom_tool.sse", [[SQL]]),
    (CHAT, "chat_function_call.json", [[LEGACY]]),
    (CHAT, "chat_stream_reasoning.sse", [[{"type": "reasoning", "content": "Count first."}, _text("It is 42.")]]),
    (CHAT, "chat_stream_azure.sse", [[_text(TEXT)]]),
    (CHAT, "chat_stream_cumulative.sse", [[_text(TEXT)]]),
    (CHAT, "chat_stream_logprobs.sse", [[_text("Yes")]]),
    (RESPONSES, "responses_refusal.json", [[_text("I can't help with that.")]]),
    (RESPONSES, "responses_incomplete.json", [[_text("The light")]]),
    (RESPONSES, "responses_stream_incomplete.sse", [[_text("The light")]]),
    (RESPONSES, "responses_stream_unknown.sse", [[_text(TEXT)]]),
]  # fmt: skip


@pytest.mark.parametrize(("surface", "file", "parts"), PARTS, ids=[file for _, file, _ in PARTS])
def test_parts_of_an_answer(
    otel: Telemetry, app: App, provider: Provider, surface: Surface, file: str, parts: list[list[dict[str, Any]]]
) -> None:
    """Each choice a message, each thing said a part of its own kind."""
    otel.instrument(capture="full")
    _answer(app, provider, surface, file)
    assert [message["parts"] for message in otel.messages(semconv.OUTPUT_MESSAGES)] == parts


@pytest.mark.parametrize("file", ["responses_tools.json", "responses_stream_tools.sse"])
def test_items_of_a_response(otel: Telemetry, app: App, provider: Provider, file: str) -> None:
    """Reasoning, a search by the provider, a text and two calls, in their order."""
    otel.instrument(capture="full")
    _answer(app, provider, RESPONSES, file)
    parts = [part for message in otel.messages(semconv.OUTPUT_MESSAGES) for part in message["parts"]]
    kinds = [part["type"] for part in parts]
    assert kinds == ["reasoning", "server_tool_call", "text", "tool_call", "tool_call"]
    assert parts[0]["content"] == "Look it up first."
    assert parts[1]["server_tool_call"]["type"] == "web_search"
    assert parts[3:] == [WEATHER, TIME]


OPEN = [
    # How much of the stream comes, and the parts of it then: whole items, and as much of the open one as came.
    (5, [{"type": "reasoning", "content": "Look it up "}]),
    (23, [{"type": "tool_call", "id": "call_wire1", "name": "get_weather", "arguments": '{"city":"'}]),
]


@pytest.mark.parametrize(("count", "last"), OPEN, ids=["reasoning", "arguments"])
def test_items_of_a_response_that_was_left(
    otel: Telemetry, app: App, provider: Provider, count: int, last: list[dict[str, Any]]
) -> None:
    """An item that was not finished keeps what came of it."""
    otel.instrument(capture="full")
    provider.reply(sse(files.events("openai/responses_stream_tools.sse")[:count], Gate()))
    app.leave(app.call(RESPONSES.method(app.client), **RESPONSES.streaming), count)
    (message,) = otel.messages(semconv.OUTPUT_MESSAGES)
    assert message["parts"][-1:] == last


def test_a_refusal_that_was_left(otel: Telemetry, app: App, provider: Provider) -> None:
    """A refusal is a text, too."""
    otel.instrument(capture="full")
    refusal = {"type": "response.refusal.delta", "output_index": 0, "content_index": 0, "delta": "I can't"}
    provider.reply(sse(RESPONSES.events[:3], files.event(refusal), Gate()))
    app.leave(app.call(RESPONSES.method(app.client), **RESPONSES.streaming), 4)
    assert otel.messages(semconv.OUTPUT_MESSAGES)[0]["parts"] == [_text("I can't")]


def test_a_whole_conversation_keeps_its_parts(otel: Telemetry, app: App, provider: Provider) -> None:
    """Tool calls and their results, a picture as type, size and hash, the SDK's own objects passed back."""
    otel.instrument(capture="full")
    provider.reply(whole(CHAT.body))
    earlier = ChatCompletionMessage(role="assistant", content="earlier")
    app.call(CHAT.method(app.client), **{**SECRET_CHAT, "messages": [*SECRET_CHAT["messages"], earlier]})
    system, user, call, result, last = otel.messages(semconv.INPUT_MESSAGES)
    assert system == {"role": "system", "parts": [_text(CANARY)]}
    picture = base64.b64decode(PIXELS)
    assert user["parts"] == [
        _text(CANARY),
        {
            "type": "blob",
            "mime_type": "image/png",
            "modality": "image",
            "size": len(picture),
            "sha256": hashlib.sha256(picture).hexdigest(),
        },
    ]
    assert user["name"] == CANARY
    assert call["parts"] == [{"type": "tool_call", "id": "call_1", "name": "f", "arguments": {"x": CANARY}}]
    assert result == {"role": "tool", "parts": [{"type": "tool_call_response", "id": "call_1", "response": CANARY}]}
    assert last == {"role": "assistant", "parts": [_text("earlier")]}
    (tool,) = otel.messages(semconv.TOOL_DEFINITIONS)
    assert (tool["type"], tool["name"]) == ("function", "get_weather")
    assert tool["parameters"] == FUNCTION["function"]["parameters"]


def test_large_content_is_cut_inside_its_structure(otel: Telemetry, app: App, provider: Provider) -> None:
    """A text of 3 MB and a picture of 20 MB: the span stays small, its JSON valid, the cut is said."""
    otel.instrument(capture="full")
    provider.reply(whole(CHAT.body))
    picture = "data:image/png;base64," + "QUJD" * 5_000_000
    content = [{"type": "text", "text": "ä" * 1_500_000}, {"type": "image_url", "image_url": {"url": picture}}]
    app.call(CHAT.method(app.client), model="gpt-4o-mini", messages=[{"role": "user", "content": content}])
    text, blob = otel.messages(semconv.INPUT_MESSAGES)[0]["parts"]
    assert 1000 < len(text["content"].encode()) <= 64 * 1024 + 100
    assert (blob["type"], blob["size"], "content" in blob) == ("blob", 15_000_000, False)
    assert otel.attributes[semconv.CONTENT_TRUNCATED] is True
    assert len(str(otel.attributes[semconv.INPUT_MESSAGES])) < 80_000


def test_usage_stands_before_content(otel: Telemetry, app: App, provider: Provider) -> None:
    """Back ends that cut a bag of attributes lose the content and keep the tokens."""
    otel.instrument(capture="full")
    _answer(app, provider, CHAT, "chat.json")
    names = list(otel.attributes)
    assert names.index(semconv.USAGE_INPUT) < names.index(semconv.INPUT_MESSAGES)
    assert names.index(semconv.COST) < names.index(semconv.OUTPUT_MESSAGES)


def test_later_changes_by_the_app_change_nothing(otel: Telemetry, app: App, provider: Provider) -> None:
    """What was sent is kept as it was at the moment of the call."""
    otel.instrument(capture="full")
    messages = [{"role": "user", "content": "before"}]
    provider.reply(sse(CHAT.events[:4], Gate()))
    stream = app.call(CHAT.method(app.client), model="gpt-4o-mini", messages=messages, stream=True)
    messages[0]["content"] = "after"
    messages.append({"role": "user", "content": "more"})
    app.close(stream)
    assert otel.messages(semconv.INPUT_MESSAGES) == [{"role": "user", "parts": [_text("before")]}]


def test_an_embedding_keeps_its_input_and_no_vector(otel: Telemetry, app: App, provider: Provider) -> None:
    """Vectors are large and say nothing to a reader."""
    otel.instrument(capture="full")
    _answer(app, provider, EMBEDDINGS, "embeddings.json")
    assert "0.125" not in otel.everything()
    assert semconv.OUTPUT_MESSAGES not in otel.attributes


def test_prompt_name_is_no_content_and_its_variables_are(otel: Telemetry, app: App, provider: Provider) -> None:
    """The version that was used is always there; what filled it only where content is captured."""
    for capture in ("off", "full"):
        otel.instrument(capture=capture)
        otel.clear()
        with otelllm.context(prompt=("greeting", "v3"), variables={"name": "Ada"}):
            _answer(app, provider, CHAT, "chat.json")
        found = otel.attributes
        assert (found[semconv.PROMPT_NAME], found[semconv.PROMPT_VERSION]) == ("greeting", "v3")
        assert (semconv.PROMPT_VARIABLE + "name" in found) is (capture == "full")


def test_the_conventions_variable_switches_content_on(
    otel: Telemetry, app: App, provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    """OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT counts where nothing else was said."""
    monkeypatch.setenv("OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT", "SPAN_ONLY")
    otel.instrument(capture=None)
    _answer(app, provider, CHAT, "chat.json")
    assert otel.attributes[semconv.CONTENT_CAPTURED] == "full"
    assert semconv.INPUT_MESSAGES in otel.attributes


def test_events_carry_content_where_asked(
    otel: Telemetry, app: App, provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    """EVENT_ONLY: the log event has the messages as structures, the span none."""
    monkeypatch.setenv("OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT", "EVENT_ONLY")
    otel.instrument(capture=None)
    _answer(app, provider, CHAT, "chat.json")
    assert semconv.INPUT_MESSAGES not in otel.attributes
    (record,) = otel.logs
    assert record.event_name == semconv.EVENT_DETAILS
    assert record.trace_id == otel.span.context.trace_id
    assert record.attributes[semconv.OUTPUT_MESSAGES][0]["parts"][0]["content"] == TEXT
