"""What the app sent and got, as messages and parts of the conventions; and nothing of it where capture is off."""

from __future__ import annotations

import contextlib
import hashlib
from typing import TYPE_CHECKING, Any

import pytest
from google.genai import errors, types
from wire import files
from wire.server import sse, whole

from otelllm import semconv

from .app import MODEL, QUESTION, vertex

if TYPE_CHECKING:
    from collections.abc import Callable

    from telemetry import Telemetry
    from wire.server import Provider

    from .app import App

PNG = b"\x89PNG picture"
PICTURE = {
    "type": "blob", "mime_type": "image/png", "modality": "image",
    "sha256": hashlib.sha256(PNG).hexdigest(), "size": len(PNG),
}  # fmt: skip
CALL = {"type": "tool_call", "name": "get_weather", "arguments": {"city": "Skagen"}}
RESULT = {"type": "tool_call_response", "id": "get_weather", "response": {"result": "windy"}}
TEXT = {"type": "text", "content": "Hello"}


def _user(*parts: Any) -> list[dict[str, Any]]:
    return [{"role": "user", "parts": list(parts)}]


CONTENTS: dict[str, tuple[Any, list[dict[str, Any]]]] = {
    "a text": ("Hello", _user(TEXT)),
    "texts": (["Hello", "Hello"], _user(TEXT, TEXT)),
    "a part": (types.Part(text="Hello"), _user(TEXT)),
    "a content": (types.Content(role="user", parts=[types.Part(text="Hello")]), _user(TEXT)),
    "a dict": ({"role": "user", "parts": [{"text": "Hello"}]}, _user(TEXT)),
    "a dict of a part": ({"text": "Hello"}, _user(TEXT)),
    "a picture": (["Hello", types.Part.from_bytes(data=PNG, mime_type="image/png")], _user(TEXT, PICTURE)),
    "a picture in camel case": (
        [{"role": "user", "parts": [{"inlineData": {"mimeType": "image/png", "data": PNG}}]}], _user(PICTURE),
    ),
    "a file by its address": (
        [types.Part.from_uri(file_uri="gs://b/a.mp3", mime_type="audio/mpeg")],
        _user({"type": "uri", "modality": "audio", "uri": "gs://b/a.mp3", "mime_type": "audio/mpeg"}),
    ),
    "an uploaded file": (
        ["Hello", types.File(name="files/abc", uri="https://x/files/abc", mime_type="application/pdf")],
        _user(TEXT, {"type": "file", "mime_type": "application/pdf", "modality": "document", "file_id": "files/abc"}),
    ),
    "a loop of tools": (
        [
            types.Content(role="user", parts=[types.Part(text="Hello")]),
            types.Content(
                role="model",
                parts=[
                    types.Part(text="Weather?", thought=True),
                    types.Part.from_function_call(name="get_weather", args={"city": "Skagen"}),
                ],
            ),
            types.Content(
                role="user",
                parts=[types.Part.from_function_response(name="get_weather", response={"result": "windy"})],
            ),
        ],
        [
            *_user(TEXT),
            {"role": "assistant", "parts": [{"type": "reasoning", "content": "Weather?"}, CALL]},
            {"role": "tool", "parts": [RESULT]},
        ],
    ),
    "contents among texts": (
        ["Hello", types.Content(role="model", parts=[types.Part(text="Hello")]), "Hello"],
        [*_user(TEXT), {"role": "assistant", "parts": [TEXT]}, *_user(TEXT)],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CONTENTS)
def test_what_was_sent(otel: Telemetry, sync_app: Any, provider: Provider, name: str) -> None:
    """In every shape in which the SDK takes contents."""
    contents, expected = CONTENTS[name]
    otel.instrument(capture="full")
    provider.reply(whole(files.body("google/generate.json")))
    sync_app.client.models.generate_content(model=MODEL, contents=contents)
    assert otel.messages(semconv.INPUT_MESSAGES) == expected


@pytest.mark.parametrize(
    "given",
    [
        "Be brief.", ["Be brief."], {"parts": [{"text": "Be brief."}]}, types.Part(text="Be brief."),
        types.Content(parts=[types.Part(text="Be brief.")]),
    ],
    ids=["text", "list", "dict", "part", "content"],
)  # fmt: skip
def test_system_instructions(otel: Telemetry, sync_app: Any, provider: Provider, given: Any) -> None:
    """Apart from the messages, as the provider takes them."""
    otel.instrument(capture="full")
    provider.reply(whole(files.body("google/generate.json")))
    sync_app.client.models.generate_content(
        model=MODEL, contents="Hello", config=types.GenerateContentConfig(system_instruction=given)
    )
    assert otel.messages(semconv.SYSTEM_INSTRUCTIONS) == [{"type": "text", "content": "Be brief."}]


def get_weather(city: str) -> str:
    """How the weather is."""
    return f"windy in {city}"


def test_tools(otel: Telemetry, sync_app: Any, provider: Provider) -> None:
    """Declarations by schema, by JSON schema, as dicts, as functions; and the provider's own."""
    otel.instrument(capture="full")
    provider.reply(whole(files.body("google/generate.json")))
    schema = {"type": "object", "properties": {"city": {"type": "string"}}}
    declared = types.FunctionDeclaration(
        name="by_schema",
        description="d",
        parameters=types.Schema(type=types.Type.OBJECT, properties={"city": types.Schema(type=types.Type.STRING)}),
    )
    tools: list[Any] = [
        types.Tool(function_declarations=[declared]),
        {"function_declarations": [{"name": "by_json", "parameters_json_schema": schema}]},
        types.Tool(google_search=types.GoogleSearch(), code_execution=types.ToolCodeExecution()),
    ]
    sync_app.client.models._generate_content(model=MODEL, contents="Hello", config={"tools": [*tools, get_weather]})
    found = otel.messages(semconv.TOOL_DEFINITIONS)
    assert [(one["type"], one["name"]) for one in found] == [
        ("function", "by_schema"), ("function", "by_json"), ("google_search", "google_search"),
        ("code_execution", "code_execution"), ("function", "get_weather"),
    ]  # fmt: skip
    assert found[0]["parameters"] == {"type": "OBJECT", "properties": {"city": {"type": "STRING"}}}
    assert found[1]["parameters"] == schema
    assert found[4]["description"] == "How the weather is."


WEATHER = {"type": "tool_call", "name": "get_weather", "arguments": {"city": "Skagen", "unitSystem": "metric"}}
TIME = {"type": "tool_call", "name": "get_time", "arguments": {}}
ANSWERS: dict[str, tuple[list[list[dict[str, Any]]], dict[str, Any]]] = {
    "generate.json": ([[{"type": "text", "content": "The lighthouse at Skagen was lit in 1858."}]], {}),
    "generate_stream.sse": ([[{"type": "text", "content": "The lighthouse at Skagen was lit in 1858."}]], {}),
    "generate_stream_thoughts.sse": (
        [[{"type": "reasoning", "content": "The user asks for a year."}, {"type": "text", "content": "In 1858."}]], {},
    ),
    "generate_tools.json": ([[WEATHER, TIME]], {}),
    "generate_stream_tools.sse": (
        [[{"type": "text", "content": "Let me look."}, WEATHER, {**TIME, "id": "call_2"}]], {},
    ),
    "generate_stream_tool_arguments.sse": (
        [[
            {**WEATHER, "arguments": {"city": "Skagen", "days": [1, {"isToday": True}]}},
            {**TIME, "arguments": {"zone": "CET"}},
        ]],
        vertex(),
    ),
    "generate_code.json": (
        [[
            {
                "type": "server_tool_call", "name": "code_execution",
                "server_tool_call": {"type": "code_execution", "code": "print(1858 + 100)", "language": "PYTHON"},
            },
            {
                "type": "server_tool_call_response",
                "server_tool_call_response": {
                    "type": "code_execution", "outcome": "OUTCOME_OK", "output": "1958\n",
                },
            },
            {"type": "text", "content": "A hundred years: 1958."},
        ]],
        {},
    ),
    "generate_image.json": (
        [[
            {"type": "text", "content": "Here:"},
            {
                "type": "blob", "mime_type": "image/png", "modality": "image", "size": 7,
                "sha256": hashlib.sha256(b"ABCDEFG").hexdigest(),
            },
        ]],
        {},
    ),
    "generate_two.json": ([[{"type": "text", "content": "Yes."}], [{"type": "text", "content": "No, "}]], {}),
    "generate_stream_two.sse": ([[{"type": "text", "content": "Yes"}], [{"type": "text", "content": "No!"}]], {}),
}  # fmt: skip


@pytest.mark.parametrize("file", ANSWERS)
def test_what_came(otel: Telemetry, make_app: Callable[..., App], provider: Provider, file: str) -> None:
    """A message a candidate; texts joined, thoughts apart, calls whole."""
    expected, client = ANSWERS[file]
    otel.instrument(capture="full")
    app = make_app(**client)
    if file.endswith(".sse"):
        provider.reply(sse(files.events(f"google/{file}")))
        app.read(app.call(app.client.models.generate_content_stream, model=MODEL, contents=QUESTION))
    else:
        provider.reply(whole(files.body(f"google/{file}")))
        app.call(app.client.models.generate_content, model=MODEL, contents=QUESTION)
    messages = otel.messages(semconv.OUTPUT_MESSAGES)
    assert [message["parts"] for message in messages] == expected
    assert {message["role"] for message in messages} == {"assistant"}


@pytest.mark.parametrize("file", ["generate.json", "generate_stream.sse", "error_400.json", "embed.json"])
def test_nothing_of_it_where_capture_is_off(otel: Telemetry, app: App, provider: Provider, file: str) -> None:
    """A canary in every place that holds content is in nothing that was exported."""
    canary = "canary-7391"
    body = files.body(f"google/{file}").replace(b"lighthouse", canary.encode()).replace(b"API key", canary.encode())
    given: dict[str, Any] = {"model": MODEL, "contents": [canary, types.Part.from_bytes(data=b"x", mime_type=canary)]}
    config = {
        "system_instruction": canary,
        "tools": [types.Tool(function_declarations=[types.FunctionDeclaration(name=canary, description=canary)])],
    }
    if file.endswith(".sse"):
        provider.reply(sse(body))
        app.read(app.call(app.client.models.generate_content_stream, **given, config=config))
    elif file.startswith("embed"):
        provider.reply(whole(body))
        app.call(app.client.models.embed_content, model=MODEL, contents=canary)
    else:
        is_error = file.startswith("error")
        provider.reply(whole(body, status=400 if is_error else 200))
        with pytest.raises(errors.ClientError) if is_error else contextlib.nullcontext():
            app.call(app.client.models.generate_content, **given, config=config)
    assert len(otel.spans) == 1
    assert canary in provider.last.body.decode()
    assert canary not in otel.everything()


def test_the_conventions_classes_take_our_parts(otel: Telemetry, sync_app: Any, provider: Provider) -> None:
    """Every part that we write can be made into util-genai's own class for it, with no field too many or missing."""
    util = pytest.importorskip("opentelemetry.util.genai.types", reason="opentelemetry-util-genai is not installed")
    classes = {
        kind.__dataclass_fields__["type"].default: kind
        for kind in vars(util).values()
        if isinstance(kind, type) and "type" in getattr(kind, "__dataclass_fields__", {})
    }
    otel.instrument(capture="full")
    parts: list[Any] = []
    for name in ("a loop of tools", "a picture", "a file by its address", "an uploaded file"):
        otel.clear()
        provider.reply(whole(files.body("google/generate_code.json")))
        sync_app.client.models.generate_content(model=MODEL, contents=CONTENTS[name][0])
        for message in otel.messages(semconv.INPUT_MESSAGES) + otel.messages(semconv.OUTPUT_MESSAGES):
            parts += message["parts"]
    for part in parts:
        fields = {name: value for name, value in part.items() if name not in {"sha256", "size"}}
        if part["type"] == "blob":
            fields.setdefault("content", b"")
        if part["type"] in {"tool_call", "tool_call_response", "server_tool_call", "server_tool_call_response"}:
            fields.setdefault("id", None)
        assert classes[part["type"]](**fields).type == part["type"]
