"""Images, speech, transcriptions and translations of Together's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from driving import replay
from wire.server import Reply

from otelllm import semconv

if TYPE_CHECKING:
    from telemetry import Telemetry
    from wire.server import Provider

    from .app import App

SOUND = b"ID3\x04 the sound of a voice"
TEXT = "The lighthouse at Skagen was lit in 1858."
SPOKEN: dict[str, Any] = {"model": "cartesia/sonic", "voice": "friendly sidekick", "input": TEXT}


@pytest.mark.parametrize("view", ["", "with_raw_response", "with_streaming_response"])
def test_images(otel: Telemetry, app: App, provider: Provider, view: str) -> None:
    """How many were made; each by its address, or by its kind, size and hash."""
    otel.instrument(capture="full")
    model = "black-forest-labs/FLUX.1-schnell"
    asked = {"model": model, "prompt": "a lighthouse", "n": 2, "image_url": "https://example.org/sketch.png"}
    if view == "with_streaming_response":
        from wire import files
        from wire.server import whole

        provider.reply(whole(files.body("together/images.json")))
        app.within(app.client.images.with_streaming_response.generate(**asked), lambda answer: answer.parse())
    else:
        resource = app.client.images.with_raw_response if view else app.client.images
        replay(app, provider, resource.generate, "together/images.json", **asked)
    found = otel.attributes
    assert otel.span.name == f"image_generation {model}"
    assert (found[semconv.RESPONSE_ID], found[semconv.RESPONSE_MODEL]) == ("oGqJGMf-4yUbBN-997", model)
    assert (found[semconv.USAGE_OTHER + "images"], found[semconv.REQUEST_CHOICE_COUNT]) == (2, 2)
    assert found[semconv.OUTPUT_TYPE] == "image"
    (linked,), (drawn,) = (message["parts"] for message in otel.messages(semconv.OUTPUT_MESSAGES))
    assert linked == {"type": "uri", "modality": "image", "uri": "https://api.together.example/imgproxy/a.jpg"}
    assert (drawn["type"], drawn["mime_type"], drawn["size"]) == ("blob", "image/png", 8)
    sketch, prompt = otel.messages(semconv.INPUT_MESSAGES)[0]["parts"]
    assert (sketch["uri"], prompt["content"]) == (asked["image_url"], "a lighthouse")


@pytest.mark.parametrize("view", ["", "with_raw_response", "with_streaming_response"])
def test_speech(otel: Telemetry, app: App, provider: Provider, view: str) -> None:
    """Billed by characters, which the request has; the sound by its kind, size and hash."""
    otel.instrument(capture="full")
    provider.reply(Reply(body=SOUND, content_type="audio/mpeg"))
    resource = app.client.audio.speech
    resource = getattr(resource, view) if view else resource
    if view == "with_streaming_response":
        assert app.within(resource.create(**SPOKEN), lambda sound: sound.read()) == SOUND
    else:
        sound = app.call(resource.create, **SPOKEN)
        assert sound.http_response.content == SOUND
    assert otel.span.name == "speech cartesia/sonic"
    assert otel.attributes[semconv.USAGE_OTHER + "characters"] == len(TEXT)
    (part,) = otel.messages(semconv.OUTPUT_MESSAGES)[0]["parts"]
    assert (part["type"], part["mime_type"], part["size"]) == ("blob", "audio/mpeg", len(SOUND))


def test_speech_that_is_streamed(otel: Telemetry, app: App, provider: Provider) -> None:
    """Pieces in base64: one sound, its first piece the first content."""
    otel.instrument(capture="full")
    chunks = replay(app, provider, app.client.audio.speech.create, "together/speech_stream.sse", **SPOKEN)
    assert [chunk.b64 for chunk in chunks] == ["UklGRg==", "AAAA", "////"]
    found = otel.attributes
    assert (found[semconv.STREAM_END], found[semconv.STREAM_CHUNKS]) == ("complete", 3)
    assert (found[semconv.RESPONSE_MODEL], semconv.TTFT in found) == ("cartesia/sonic", True)
    assert found[semconv.USAGE_OTHER + "characters"] == len(TEXT)
    (part,) = otel.messages(semconv.OUTPUT_MESSAGES)[0]["parts"]
    assert (part["type"], part["mime_type"], part["size"]) == ("blob", "audio/wav", 10)


@pytest.mark.parametrize("kind", ["transcriptions", "translations"])
@pytest.mark.parametrize("file", ["transcription.json", "transcription_verbose.json"])
def test_what_was_said(otel: Telemetry, app: App, provider: Provider, kind: str, file: str) -> None:
    """The text, and the seconds that are billed where the answer tells them; the sound by its kind, size and hash."""
    otel.instrument(capture="full")
    asked: dict[str, Any] = {"model": "openai/whisper-large-v3", "file": ("voice.mp3", SOUND)}
    replay(app, provider, getattr(app.client.audio, kind).create, f"together/{file}", **asked)
    assert otel.span.name == "transcription openai/whisper-large-v3"
    seconds = otel.attributes.get(semconv.USAGE_OTHER + "audio_seconds")
    assert seconds == (4.5 if "verbose" in file else None)
    assert otel.messages(semconv.OUTPUT_MESSAGES)[0]["parts"] == [{"type": "text", "content": TEXT}]
    (sound,) = otel.messages(semconv.INPUT_MESSAGES)[0]["parts"]
    assert (sound["type"], sound["mime_type"], sound["size"]) == ("blob", "audio/mpeg", len(SOUND))
