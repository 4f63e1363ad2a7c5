"""What was asked, as parameters, messages and documents of the conventions; and what was ranked and embedded."""

from __future__ import annotations

import base64
import hashlib
from typing import TYPE_CHECKING, Any

import cohere
import pytest
from wire import files
from wire.server import sse, whole

from otelllm import semconv

from .app import MODEL, QUESTION, LegacyAsyncApp, LegacySyncApp

if TYPE_CHECKING:
    from collections.abc import Iterator

    from telemetry import Telemetry
    from wire.server import Provider

    from .app import App, SyncApp

PNG = b"\x89PNG picture"
URL = "data:image/png;base64," + base64.b64encode(PNG).decode()
PICTURE = {
    "type": "blob", "mime_type": "image/png", "modality": "image",
    "sha256": hashlib.sha256(PNG).hexdigest(), "size": len(PNG),
}  # fmt: skip
IMAGE = {"type": "image_url", "image_url": {"url": URL}}
DOCUMENTS = ["The dunes of Råbjerg Mile.", "The lighthouse was lit in 1858.", "Skagen's fish auction."]


def _text(content: str, **more: Any) -> dict[str, Any]:
    return {"type": "text", "content": content, **more}


@pytest.fixture(params=[LegacySyncApp, LegacyAsyncApp], ids=["sync", "async"])
def legacy_app(request: pytest.FixtureRequest, provider: Provider) -> Iterator[Any]:
    """An app of version 1 of the API."""
    it = request.param(provider.url)
    yield it
    it.stop()


def test_parameters(otel: Telemetry, app: App, provider: Provider) -> None:
    """By the conventions' names; of what the app left out nothing, though the SDK hands on a sentinel for each."""
    provider.reply(whole(files.body("cohere/chat.json")), whole(files.body("cohere/chat.json")))
    app.call(app.client.chat, model=MODEL, messages=QUESTION)
    assert [it for it in otel.attributes if it.startswith("gen_ai.request.")] == [semconv.REQUEST_MODEL]
    otel.clear()
    given = {"temperature": 0, "p": 0.9, "k": 40, "seed": 7, "stop_sequences": ["END"], "max_tokens": 100,
             "presence_penalty": 0.1, "frequency_penalty": 0.2, "response_format": {"type": "json_object"}}  # fmt: skip
    more = {"additional_body_parameters": {"thinking": {"type": "disabled"}}}
    app.call(app.client.chat, model=MODEL, messages=QUESTION, **given, request_options=more)
    expected = {
        semconv.REQUEST_TEMPERATURE: 0.0, semconv.REQUEST_TOP_P: 0.9, semconv.REQUEST_TOP_K: 40.0,
        semconv.REQUEST_SEED: 7, semconv.REQUEST_STOP_SEQUENCES: ("END",), semconv.REQUEST_MAX_TOKENS: 100,
        semconv.REQUEST_PRESENCE_PENALTY: 0.1, semconv.REQUEST_FREQUENCY_PENALTY: 0.2, semconv.OUTPUT_TYPE: "json",
        semconv.REQUEST_REASONING_LEVEL: "disabled",
    }  # fmt: skip
    assert {name: otel.attributes.get(name) for name in expected} == expected


def test_messages(otel: Telemetry, app: App, provider: Provider) -> None:
    """Dicts and the SDK's objects, pictures, a loop of tools, documents to be cited."""
    otel.instrument(capture="full")
    provider.reply(whole(files.body("cohere/chat.json")))
    call = {"id": "c1", "type": "function", "function": {"name": "get_weather", "arguments": '{"city": "Skagen"}'}}
    messages: list[Any] = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": [{"type": "text", "text": "And here?"}, IMAGE]},
        {"role": "assistant", "tool_plan": "Look it up.", "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c1", "content": [{"type": "document", "document": {"data": {"wind": 7}}}]},
        cohere.AssistantChatMessageV2(content="Windy."),
        cohere.UserChatMessageV2(content="Thanks."),
    ]  # fmt: skip
    documents = ["Dunes.", {"id": "d1", "data": {"title": "Light", "year": 1858}}]
    app.call(app.client.chat, model=MODEL, messages=messages, documents=documents)
    assert otel.messages(semconv.INPUT_MESSAGES) == [
        {"role": "system", "parts": [_text("Be brief.")]},
        {"role": "user", "parts": [_text("And here?"), PICTURE]},
        {
            "role": "assistant",
            "parts": [
                {"type": "reasoning", "content": "Look it up."},
                {"type": "tool_call", "id": "c1", "name": "get_weather", "arguments": {"city": "Skagen"}},
            ],
        },
        {"role": "tool", "parts": [{"type": "tool_call_response", "id": "c1", "response": '{"wind":7}'}]},
        {"role": "assistant", "parts": [_text("Windy.")]},
        {"role": "user", "parts": [_text("Thanks.")]},
        {
            "role": "user", "name": "documents",
            "parts": [_text("Dunes."), _text('{"title":"Light","year":1858}', id="d1")],
        },
    ]  # fmt: skip


def test_tools(otel: Telemetry, app: App, provider: Provider) -> None:
    """Their schemas."""
    otel.instrument(capture="full")
    provider.reply(sse(files.events("cohere/chat_stream_tools.sse")))
    schema = {"type": "object", "properties": {"city": {"type": "string"}}}
    function = {"name": "get_weather", "description": "How it is.", "parameters": schema}
    given = {"model": MODEL, "messages": QUESTION, "tools": [{"type": "function", "function": function}]}
    app.read(app.call(app.client.chat_stream, **given))
    assert otel.messages(semconv.TOOL_DEFINITIONS) == [{"type": "function", **function}]


def test_version_1(otel: Telemetry, legacy_app: Any, provider: Provider) -> None:
    """A message with its history, preamble, tools and their results."""
    otel.instrument(capture="full")
    provider.reply(whole(files.body("cohere/v1_chat.json")))
    call = {"name": "get_weather", "parameters": {"city": "Skagen"}}
    wanted = {"city": {"type": "str", "description": "Where.", "required": True}}
    legacy_app.call(
        legacy_app.client.chat,
        message="And now?",
        preamble="Be brief.",
        conversation_id="thread-1",
        chat_history=[{"role": "USER", "message": "Hello"}, {"role": "CHATBOT", "message": "", "tool_calls": [call]}],
        tools=[{"name": "get_weather", "description": "How it is.", "parameter_definitions": wanted}],
        tool_results=[{"call": call, "outputs": [{"wind": 7}]}],
    )
    assert otel.attributes[semconv.CONVERSATION_ID] == "thread-1"
    assert otel.messages(semconv.SYSTEM_INSTRUCTIONS) == [_text("Be brief.")]
    assert otel.messages(semconv.INPUT_MESSAGES) == [
        {"role": "user", "parts": [_text("Hello")]},
        {"role": "assistant", "parts": [{"type": "tool_call", "name": "get_weather", "arguments": {"city": "Skagen"}}]},
        {"role": "user", "parts": [_text("And now?")]},
        {"role": "tool", "parts": [{"type": "tool_call_response", "id": "get_weather", "response": [{"wind": 7}]}]},
    ]
    (tool,) = otel.messages(semconv.TOOL_DEFINITIONS)
    assert (tool["name"], tool["parameters"]["city"]["type"]) == ("get_weather", "str")


def test_rerank(otel: Telemetry, app: App, provider: Provider) -> None:
    """The query, and the documents in their new order with what they say, which the answer does not repeat."""
    otel.instrument(capture="full")
    results = [{"index": 1, "relevance_score": 0.98}, {"index": 0, "relevance_score": 0.02}]
    provider.reply(whole(files.edited("cohere/rerank.json", results=results)))
    app.call(app.client.rerank, model="rerank-v3.5", query="When was it lit?", documents=DOCUMENTS, top_n=2)
    found = otel.attributes
    assert (otel.span.name, found[semconv.OPERATION]) == ("rerank rerank-v3.5", "rerank")
    assert (found[semconv.RERANK_IN], found[semconv.RERANK_OUT], found[semconv.RETRIEVAL_TOP_K]) == (3, 2, 2)
    assert found[semconv.RETRIEVAL_QUERY] == "When was it lit?"
    assert otel.messages(semconv.RETRIEVAL_DOCUMENTS) == [
        {"id": "1", "score": 0.98, "content": DOCUMENTS[1]},
        {"id": "0", "score": 0.02, "content": DOCUMENTS[0]},
    ]


def test_rerank_in_version_1(otel: Telemetry, legacy_app: Any, provider: Provider) -> None:
    """Documents may be objects, ranked by fields, and come back with their text."""
    otel.instrument(capture="full")
    provider.reply(whole(files.body("cohere/v1_rerank.json")), whole(files.body("cohere/rerank.json")))
    legacy_app.call(legacy_app.client.rerank, model="r", query="q", documents=[{"text": "Dunes."}, "x"])
    documents = otel.messages(semconv.RETRIEVAL_DOCUMENTS)
    assert [one["content"] for one in documents] == ["Lit in 1858.", "Dunes."]
    otel.clear()
    several = [{"title": f"t{number}", "body": "b"} for number in range(4)]
    legacy_app.call(legacy_app.client.rerank, model="r", query="q", documents=several, rank_fields=["title"])
    assert [one["content"] for one in otel.messages(semconv.RETRIEVAL_DOCUMENTS)] == [
        '{"title":"t3"}',
        '{"title":"t0"}',
    ]


def test_rerank_of_secrets(otel: Telemetry, app: App, provider: Provider) -> None:
    """Redacted like all content; nothing of it is kept where capture is off."""
    documents = ["Write to ane@example.com.", "b", "c", "d"]
    for mode in ("redacted", "off"):
        otel.clear()
        otel.instrument(capture=mode)
        provider.reply(whole(files.body("cohere/rerank.json")))
        app.call(app.client.rerank, model="r", query="Who is ole@example.com?", documents=documents)
        assert "example.com" not in otel.everything()
        assert otel.attributes[semconv.RERANK_IN] == 4


@pytest.mark.parametrize(
    ("file", "expected"),
    [
        ("embed.json", {semconv.USAGE_INPUT: 8, semconv.EMBEDDINGS_DIMENSIONS: 3}),
        (
            "embed_image.json",
            {semconv.USAGE_INPUT: 512, semconv.USAGE_IMAGE_INPUT: 512, semconv.USAGE_OTHER + "images": 1},
        ),
        ("embed_mixed.json", {semconv.USAGE_INPUT: 522, semconv.EMBEDDINGS_DIMENSIONS: None}),
    ],
)
def test_embeddings(otel: Telemetry, app: App, provider: Provider, file: str, expected: dict[str, Any]) -> None:
    """Input tokens are those of texts and pictures together."""
    otel.instrument(capture="full")
    provider.reply(whole(files.body(f"cohere/{file}")))
    given = {"texts": ["Skagen"]} if file == "embed.json" else {"images": [URL]}
    app.call(app.client.embed, model="embed-v4.0", input_type="search_query", embedding_types=["float"], **given)
    assert {name: otel.attributes.get(name) for name in expected} == expected
    assert otel.attributes[semconv.REQUEST_ENCODING_FORMATS] == ("float",)
    part = _text("Skagen") if file == "embed.json" else PICTURE
    assert otel.messages(semconv.INPUT_MESSAGES) == [{"role": "user", "parts": [part]}]


def test_embeddings_of_mixed_inputs(otel: Telemetry, app: App, provider: Provider) -> None:
    """A text and a picture as one input, and a size that was asked for."""
    otel.instrument(capture="full")
    provider.reply(whole(files.body("cohere/embed_mixed.json")))
    content = [{"type": "text", "text": "Skagen"}, IMAGE]
    given = {"model": "embed-v4.0", "input_type": "search_query", "inputs": [{"content": content}]}
    app.call(app.client.embed, **given, output_dimension=256, embedding_types=["binary"])
    assert otel.attributes[semconv.EMBEDDINGS_DIMENSIONS] == 256
    assert otel.messages(semconv.INPUT_MESSAGES) == [{"role": "user", "parts": [_text("Skagen"), PICTURE]}]


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # the SDK's own use of pydantic
def test_older_embeddings_by_type(otel: Telemetry, legacy_app: Any, provider: Provider) -> None:
    """Several types of vectors; bits are packed, so the size is told by the whole numbers."""
    provider.reply(whole(files.body("cohere/v1_embed_by_type.json")))
    legacy_app.call(legacy_app.client.embed, texts=["Skagen"], model="e", embedding_types=["int8", "binary"])
    assert (otel.attributes[semconv.USAGE_INPUT], otel.attributes[semconv.EMBEDDINGS_DIMENSIONS]) == (4, 4)


def test_classifications(otel: Telemetry, legacy_app: Any, provider: Provider) -> None:
    """Billed by inputs."""
    otel.instrument(capture="full")
    provider.reply(whole(files.body("cohere/v1_classify.json")))
    legacy_app.call(legacy_app.client.classify, inputs=["The boat sinks."], model="c")
    assert (otel.span.name, otel.attributes[semconv.USAGE_OTHER + "classifications"]) == ("classify c", 1)
    assert otel.messages(semconv.OUTPUT_MESSAGES) == [{"role": "assistant", "parts": [_text("urgent")]}]


@pytest.mark.parametrize(
    ("file", "said", "pages"), [("parse", "# Skagen\n\nLit in 1858.", 1), ("parse_blocks", "Skagen", 2)]
)
def test_parsed_documents(otel: Telemetry, app: App, provider: Provider, file: str, said: str, pages: int) -> None:
    """A newer method, billed by pages."""
    if not hasattr(app.client, "parse"):
        pytest.skip("not in this version")
    otel.instrument(capture="full")
    provider.reply(whole(files.body(f"cohere/{file}.json")))
    app.call(app.client.parse, model="parse-1", document={"type": "image_url", "image_url": URL})
    assert (otel.span.name, otel.attributes[semconv.USAGE_OTHER + "pages"]) == ("parse parse-1", pages)
    assert otel.messages(semconv.INPUT_MESSAGES) == [{"role": "user", "parts": [PICTURE]}]
    assert otel.messages(semconv.OUTPUT_MESSAGES) == [{"role": "assistant", "parts": [_text(said)]}]


def test_nothing_is_kept_where_capture_is_off(otel: Telemetry, app: App, provider: Provider) -> None:
    """Neither of the question nor of the answer."""
    provider.reply(
        whole(files.body("cohere/chat_citations.json")), sse(files.events("cohere/chat_stream_citations.sse"))
    )
    app.call(app.client.chat, model=MODEL, messages=QUESTION)
    app.read(app.call(app.client.chat_stream, model=MODEL, messages=QUESTION))
    assert "ighthouse" not in otel.everything()


def test_an_iterator_of_messages_is_the_sdks_to_consume(otel: Telemetry, sync_app: SyncApp, provider: Provider) -> None:
    """We leave it whole."""
    otel.instrument(capture="full")
    provider.reply(whole(files.body("cohere/chat.json")))
    sync_app.client.chat(model=MODEL, messages=iter(QUESTION))
    assert provider.last.json["messages"] == QUESTION
