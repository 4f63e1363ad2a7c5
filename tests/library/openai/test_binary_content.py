"""Pictures, sound and files: kept as type, size and hash, wherever in a request or an answer they are."""

from __future__ import annotations

import base64
import hashlib
import json
from typing import TYPE_CHECKING, Any

import pytest
from wire import files
from wire.server import whole

from otelllm import semconv

from .surfaces import CHAT, COMPLETIONS, EMBEDDINGS, RESPONSES, Surface

if TYPE_CHECKING:
    from telemetry import Telemetry
    from wire.server import Provider

    from .app import App

BYTES = b"needle in a picture " * 10_000
DATA = base64.b64encode(BYTES).decode()
URL = f"data:image/png;base64,{DATA}"


def _blob(mime: str, modality: str) -> dict[str, Any]:
    digest = hashlib.sha256(BYTES).hexdigest()
    return {"type": "blob", "mime_type": mime, "modality": modality, "size": len(BYTES), "sha256": digest}


PICTURE = _blob("image/png", "image")
SOUND = {"type": "input_audio", "input_audio": {"data": DATA, "format": "wav"}}
LINK = {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}}
STORED = {"type": "file", "file": {"file_id": "file-1"}}


def _ask(otel: Telemetry, app: App, provider: Provider, surface: Surface, **arguments: Any) -> list[Any]:
    otel.instrument(capture="full")
    provider.reply(whole(surface.body))
    app.call(surface.method(app.client), **{**surface.arguments, **arguments})
    assert DATA[:60] not in otel.everything()
    assert len(str(otel.attributes[semconv.INPUT_MESSAGES])) < 5_000
    messages: list[Any] = otel.messages(semconv.INPUT_MESSAGES)
    return messages


def test_a_chat_message(otel: Telemetry, app: App, provider: Provider) -> None:
    """Inline bytes become a blob; what is only pointed at keeps its address."""
    picture = {"type": "image_url", "image_url": {"url": URL}}
    inline = {"type": "file", "file": {"file_data": f"data:application/pdf;base64,{DATA}", "filename": "a.pdf"}}
    content = [picture, SOUND, inline, LINK, STORED]
    (message,) = _ask(otel, app, provider, CHAT, messages=[{"role": "user", "content": content}])
    assert message["parts"] == [
        PICTURE,
        _blob("audio/wav", "audio"),
        _blob("application/pdf", "document"),
        {"type": "uri", "modality": "image", "uri": "https://example.com/a.png"},
        {"type": "file", "modality": "document", "file_id": "file-1"},
    ]


def test_items_of_a_response(otel: Telemetry, app: App, provider: Provider) -> None:
    """In messages, in what tools gave back, in pictures and reasoning that the model made earlier."""
    picture = {"type": "input_image", "image_url": URL}
    given = [
        {"role": "user", "content": [picture, {"type": "input_file", "file_data": URL, "filename": "a.png"}, SOUND]},
        {"type": "function_call_output", "call_id": "c1", "output": [picture]},
        {"type": "computer_call_output", "call_id": "c2", "output": {"type": "computer_screenshot", "image_url": URL}},
        {"type": "shell_call_output", "call_id": "c3", "output": [{"stdout": "ok", "stderr": ""}]},
        {"type": "image_generation_call", "id": "ig_1", "result": DATA, "status": "completed"},
        {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": DATA},
    ]
    said, function, computer, shell, *_ = _ask(otel, app, provider, RESPONSES, input=given)
    assert said["parts"] == [PICTURE, _blob("image/png", "document"), _blob("audio/wav", "audio")]
    assert function["parts"][0]["response"] == [PICTURE]
    assert computer["parts"][0]["response"] == [PICTURE]
    assert shell["parts"][0]["response"] == [{"stdout": "ok", "stderr": ""}]


def test_sound_in_an_answer(otel: Telemetry, app: App, provider: Provider) -> None:
    """The transcript as text, the sound as a blob."""
    otel.instrument(capture="full")
    provider.reply(whole(files.body("openai/chat_audio.json")))
    app.call(CHAT.method(app.client), **CHAT.arguments)
    text, sound = otel.messages(semconv.OUTPUT_MESSAGES)[0]["parts"]
    assert text == {"type": "text", "content": "Good morning."}
    assert (sound["type"], sound["modality"], sound["size"]) == ("blob", "audio", 64)


@pytest.mark.parametrize(("surface", "name"), [(EMBEDDINGS, "input"), (COMPLETIONS, "prompt")], ids=["input", "prompt"])
def test_texts_and_tokens(otel: Telemetry, app: App, provider: Provider, surface: Surface, name: str) -> None:
    """A text, several, or token ids: the texts are kept, ids are no text."""
    otel.instrument(capture="full")
    provider.always = whole(surface.body)
    kept = []
    for given in ("a", ["a", "b"], [1, 2], [[1], [2]]):
        app.call(surface.method(app.client), **{**surface.arguments, name: given})
        text = (otel.spans[-1].attributes or {}).get(semconv.INPUT_MESSAGES)
        kept.append(text and [message["parts"][0]["content"] for message in json.loads(str(text))])
    assert kept == [["a"], ["a", "b"], None, None]
