"""What an answer says, whole and streamed: usage, finish reasons, content and the server's timing, in its own bytes."""

from __future__ import annotations

import contextlib
import hashlib
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import httpx
import ollama
import pydantic
import pytest
from wire import files
from wire.server import ndjson, whole

from otelllm import semconv

from .app import MODEL, QUESTION

if TYPE_CHECKING:
    from telemetry import Telemetry
    from wire.server import Provider

    from .app import App, AsyncApp, SyncApp

FINISH = semconv.RESPONSE_FINISH_REASONS
COST, STATUS = semconv.COST, semconv.COST_STATUS
TIMING = semconv.SERVER_TIMING
TEXT = [{"type": "text", "content": "The lighthouse at Skagen was lit in 1858."}]
IN_1858 = {"type": "text", "content": "In 1858."}
WEATHER = {"type": "tool_call", "name": "get_weather", "arguments": {"city": "Skagen", "days": 2}}
TIME = {"type": "tool_call", "name": "get_time", "arguments": {}}
PICTURE = {
    "type": "blob", "mime_type": "image/png", "modality": "image", "size": 8,
    "sha256": hashlib.sha256(b"\x89PNG\r\n\x1a\n").hexdigest(),
}  # fmt: skip
SECONDS = {TIMING + "total": 4.883583458, TIMING + "load": 0.001334875, TIMING + "prompt": 0.342546,
           TIMING + "output": 4.535599}  # fmt: skip


def _tokens(given: int | None, made: int | None, read: int | None = None) -> dict[str, Any]:
    return {semconv.USAGE_INPUT: given, semconv.USAGE_OUTPUT: made, semconv.USAGE_CACHE_READ: read}


FULL = {**_tokens(1200, 50), FINISH: ("stop",), COST: 0.0, STATUS: "free", semconv.RESPONSE_MODEL: MODEL, **SECONDS}


@dataclass(frozen=True, slots=True)
class Case:
    """A wire file, what must be on the span (None where a name must be absent), and the answer's parts."""

    file: str
    expected: dict[str, Any]
    parts: list[Any] | None = field(default_factory=lambda: [IN_1858])

    def __str__(self) -> str:
        return self.file


CASES = [
    Case("chat.json", FULL, TEXT),
    Case("chat_stream.ndjson", FULL, TEXT),
    Case("chat_cached.json", _tokens(1200, 50, 1024)),
    Case("chat_stream_cached.ndjson", _tokens(1200, 50, 1024)),
    Case("chat_cold_cache.json", _tokens(1200, 50, 0)),
    Case(
        "chat_tools.json",
        FULL,
        [
            {"type": "reasoning", "content": "Two things to look up."},
            {**WEATHER, "id": "call_w1"},
            {**TIME, "id": "call_t2"},
        ],
    ),
    Case(
        "chat_stream_tools.ndjson",
        {**FULL, semconv.STREAM_CHUNKS: 5},
        [
            {"type": "reasoning", "content": "Two things to look up."},
            {**WEATHER, "id": "call_w1"},
            {**TIME, "id": "call_t2"},
        ],
    ),
    Case("chat_stream_tools_no_id.ndjson", FULL, [{"type": "text", "content": "Let me look. "}, WEATHER, TIME]),
    Case("chat_stream_thinking.ndjson", FULL, [{"type": "reasoning", "content": "The user asks for a year."}, IN_1858]),
    Case("chat_length.json", {**_tokens(1200, 3), FINISH: ("length",)}, [{"type": "text", "content": "The light"}]),
    Case("chat_prompt_not_counted.json", _tokens(None, 50)),
    Case("chat_zeros.json", {**_tokens(0, 0), TIMING + "load": 0.0}, None),
    Case("chat_load.json", {**_tokens(None, None), FINISH: ("load",), COST: None, STATUS: "no_usage"}, None),
    Case("chat_cloud.json", {**_tokens(1200, 50), COST: None, STATUS: "unknown_model"}),
    Case("generate.json", FULL, TEXT),
    Case("generate_stream.ndjson", FULL, TEXT),
    Case(
        "generate_stream_thinking.ndjson",
        _tokens(1200, 50, 1024),
        [{"type": "reasoning", "content": "A year."}, IN_1858],
    ),
    Case("generate_image.json", {**FULL, semconv.OUTPUT_TYPE: "image"}, [PICTURE]),
    Case("generate_stream_image.ndjson", {**FULL, semconv.OUTPUT_TYPE: "image"}, [PICTURE]),
]


def _answer(app: App, provider: Provider, file: str, **more: Any) -> Any:
    """The app's result, read to its end, of the call that the wire file answers."""
    is_streamed = file.endswith(".ndjson")
    provider.reply(ndjson(files.lines(f"ollama/{file}")) if is_streamed else whole(files.body(f"ollama/{file}")))
    model = json.loads(files.lines(f"ollama/{file}")[0]).get("model", MODEL)
    if file.startswith("chat"):
        result = app.call(app.client.chat, model=model, messages=QUESTION, stream=is_streamed, **more)
    else:
        result = app.call(app.client.generate, model=model, prompt="Skagen?", stream=is_streamed, **more)
    return app.read(result) if is_streamed else result


@pytest.mark.parametrize("case", CASES, ids=str)
def test_what_the_answer_says_is_on_the_span(otel: Telemetry, app: App, provider: Provider, case: Case) -> None:
    """Counts as the server gave them, also those that the SDK's classes drop; what was not said is absent."""
    otel.instrument(capture="full")
    _answer(app, provider, case.file)
    assert {name: otel.attributes.get(name) for name in case.expected} == case.expected
    if case.parts is None:
        assert semconv.OUTPUT_MESSAGES not in otel.attributes
    else:
        assert otel.messages(semconv.OUTPUT_MESSAGES) == [{"role": "assistant", "parts": case.parts}]


def test_the_first_token_of_a_thinking_model(otel: Telemetry, app: App, provider: Provider) -> None:
    """Thinking is a token, and the answer's own first one is later."""
    _answer(app, provider, "chat_stream_thinking.ndjson")
    assert otel.attributes[semconv.TTFT] < otel.attributes[semconv.TTFT_CONTENT]


def test_an_error_among_the_chunks(otel: Telemetry, app: App, provider: Provider) -> None:
    """The SDK raises it; the span ends broken, and says nothing of what the error says."""
    with pytest.raises(ollama.ResponseError, match="unexpected EOF"):
        _answer(app, provider, "chat_stream_error.ndjson")
    assert otel.attributes[semconv.ERROR_TYPE] == "error"
    assert otel.attributes[semconv.STREAM_END] == "broken"
    assert "unexpected EOF" not in otel.everything()


def test_a_stream_that_ends_too_soon(otel: Telemetry, app: App, provider: Provider) -> None:
    """Whole by HTTP, without the server's last word: the SDK raises nothing, the span says so, what came is counted."""
    provider.reply(ndjson(files.lines("ollama/chat_stream.ndjson")[:3]))
    assert len(app.read(app.call(app.client.chat, model=MODEL, messages=QUESTION, stream=True))) == 3
    found = otel.attributes
    assert (found[semconv.STREAM_END], found[semconv.ERROR_TYPE]) == ("broken", "incomplete")
    assert found[semconv.USAGE_ESTIMATED] is True


@pytest.mark.parametrize(("status", "error_type"), [(404, "404"), (500, "500")])
def test_errors(otel: Telemetry, app: App, provider: Provider, status: int, error_type: str) -> None:
    """By the server's status; what it says is content."""
    provider.reply(whole(files.body(f"ollama/error_{status}.json"), status=status))
    with pytest.raises(ollama.ResponseError):
        app.call(app.client.chat, model=MODEL, messages=QUESTION)
    assert otel.attributes[semconv.ERROR_TYPE] == error_type
    assert "not found" not in otel.everything()


def test_an_error_in_an_answer_of_success(otel: Telemetry, app: App, provider: Provider) -> None:
    """The SDK's class lacks it and is empty; the span says it."""
    provider.reply(whole(files.body("ollama/error_in_200.json")))
    with contextlib.suppress(pydantic.ValidationError):  # older classes must have what this answer lacks
        app.call(app.client.generate, model=MODEL, prompt="Skagen?")
    assert otel.attributes[semconv.ERROR_TYPE] == "error"


def test_nobody_there(otel: Telemetry, sync_app: SyncApp, provider: Provider) -> None:
    """The SDK's own ConnectionError where the answer is whole, its HTTP library's where it is streamed."""
    provider.close()
    with pytest.raises((ConnectionError, httpx.ConnectError)) as raised:
        sync_app.client.chat(model=MODEL, messages=QUESTION)
    is_older = raised.type is httpx.ConnectError
    with pytest.raises(httpx.ConnectError):
        next(sync_app.client.chat(model=MODEL, messages=QUESTION, stream=True))
    whole_error = "httpx.ConnectError" if is_older else "ConnectionError"
    assert [it.attributes[semconv.ERROR_TYPE] for it in otel.spans] == [whole_error, "httpx.ConnectError"]


def test_embeddings(otel: Telemetry, app: App, provider: Provider) -> None:
    """The inputs as messages, the size of a vector, the tokens that were read."""
    otel.instrument(capture="full")
    provider.reply(whole(files.body("ollama/embed.json")))
    app.call(app.client.embed, model="all-minilm", input=["Skagen", "Thy"])
    found = otel.attributes
    assert otel.span.name == "embeddings all-minilm"
    assert (found[semconv.USAGE_INPUT], found[semconv.EMBEDDINGS_DIMENSIONS]) == (8, 3)
    assert semconv.USAGE_OUTPUT not in found
    texts = [message["parts"][0]["content"] for message in otel.messages(semconv.INPUT_MESSAGES)]
    assert texts == ["Skagen", "Thy"]
    assert found[TIMING + "total"] == 0.014143917


def test_questions_to_a_classifier(otel: Telemetry, app: App, provider: Provider) -> None:
    """A newer method of the SDK."""
    if not hasattr(app.client, "systemone"):
        pytest.skip("not in this version")
    otel.instrument(capture="full")
    provider.reply(whole(files.body("ollama/systemone.json")))
    question = {"type": "noul", "instructions": "Is it urgent?"}
    app.call(app.client.systemone, model="noul-1", state="The boat sinks.", questions={"urgent": question})
    assert otel.span.name == "classify noul-1"
    assert (otel.attributes[semconv.USAGE_INPUT], otel.attributes[semconv.USAGE_OUTPUT]) == (41, 1)
    assert '"noul":0.93' in otel.messages(semconv.OUTPUT_MESSAGES)[0]["parts"][0]["content"]


def test_other_requests_are_no_model_calls(otel: Telemetry, app: App, provider: Provider) -> None:
    """Lists, shows and the like pass through."""
    provider.reply(whole({"models": []}))
    app.call(app.client.list)
    assert otel.spans == []


def test_where_it_runs(otel: Telemetry, async_app: AsyncApp, provider: Provider) -> None:
    """A host of one's own is free; Ollama's cloud is not, and has no price that we know."""
    from otelllm.providers.ollama import PROVIDER

    assert PROVIDER.endpoint(ollama.Client("https://ollama.com")).provider == "ollama_cloud"
    assert PROVIDER.endpoint(ollama.Client("http://gpu.lan")) == ("ollama", "gpu.lan", 80)
    assert PROVIDER.api_key(ollama.Client(headers={"Authorization": "Bearer key-1"})) == "key-1"
    assert PROVIDER.api_key(async_app.client) is None
