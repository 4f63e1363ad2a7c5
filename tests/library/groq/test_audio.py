"""Speech, transcriptions, translations and batches of Groq's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from driving import replay
from wire.server import Reply

from otelllm import semconv

if TYPE_CHECKING:
    from pathlib import Path

    from telemetry import Telemetry
    from wire.server import Provider

    from .app import App

SOUND = b"RIFF\x24\x00\x00\x00WAVE the sound of a voice"
TEXT = "The lighthouse at Skagen was lit in 1858."


@pytest.mark.parametrize("capture", ["off", "full"])
@pytest.mark.parametrize("view", ["", "with_raw_response", "with_streaming_response"])
def test_speech(otel: Telemetry, app: App, provider: Provider, view: str, capture: str) -> None:
    """Billed by characters, which the request has; the sound by its kind, size and hash."""
    if not hasattr(app.client.audio, "speech"):
        pytest.skip("not in this version")
    otel.instrument(capture=capture)
    provider.reply(Reply(body=SOUND, content_type="audio/wav"))
    asked = {"model": "playai-tts", "voice": "Fritz-PlayAI", "input": TEXT}
    resource = app.client.audio.speech
    resource = getattr(resource, view) if view else resource
    if view == "with_streaming_response":
        assert app.within(resource.create(**asked), lambda sound: sound.read()) == SOUND
    else:
        sound = app.call(resource.create, **asked)
        assert sound.http_response.content == SOUND
    found = otel.attributes
    assert otel.span.name == "speech playai-tts"
    assert found[semconv.USAGE_OTHER + "characters"] == len(TEXT)
    assert (found[semconv.OUTPUT_TYPE], found[semconv.PROVIDER_REQUEST_ID]) == ("speech", "req_wire")
    if capture == "off":
        assert semconv.OUTPUT_MESSAGES not in found
        return
    (part,) = otel.messages(semconv.OUTPUT_MESSAGES)[0]["parts"]
    assert (part["type"], part["mime_type"], part["size"]) == ("blob", "audio/wav", len(SOUND))
    assert otel.messages(semconv.INPUT_MESSAGES)[0]["parts"] == [{"type": "text", "content": TEXT}]


@pytest.mark.parametrize("kind", ["transcriptions", "translations"])
@pytest.mark.parametrize("file", ["transcription.json", "transcription_verbose.json"])
def test_what_was_said(
    otel: Telemetry, app: App, provider: Provider, tmp_path: Path, kind: str, file: str
) -> None:  # fmt: skip
    """The text; the seconds that are billed, where the answer tells them; the request id from Groq's own block."""
    otel.instrument(capture="full")
    path = tmp_path / "voice.wav"
    path.write_bytes(SOUND)
    asked: dict[str, Any] = {"model": "whisper-large-v3", "file": path, "prompt": "a lighthouse", "temperature": 0}
    replay(app, provider, getattr(app.client.audio, kind).create, f"groq/{file}", **asked)
    found = otel.attributes
    assert otel.span.name == "transcription whisper-large-v3"
    assert found.get(semconv.USAGE_OTHER + "audio_seconds") == (4.5 if "verbose" in file else None)
    assert found[semconv.PROVIDER_REQUEST_ID] == "req_01jadadp0femyae9kav1gpkhe8"
    assert otel.messages(semconv.OUTPUT_MESSAGES)[0]["parts"] == [{"type": "text", "content": " " + TEXT}]
    sound, prompt = otel.messages(semconv.INPUT_MESSAGES)[0]["parts"]
    assert (sound["type"], sound["mime_type"], prompt["content"]) == ("file", "audio/wav", "a lighthouse")


def test_a_sound_by_its_url(otel: Telemetry, app: App, provider: Provider) -> None:
    """Where it is, is content; what is there is not ours to fetch."""
    otel.instrument(capture="full")
    url = "https://example.org/voice.mp3"
    extra = {"extra_body": {"url": url}}  # no argument yet in the oldest version
    replay(
        app, provider, app.client.audio.transcriptions.create, "groq/transcription.json", model="whisper-large-v3",
        file=("voice.mp3", b"x"), **extra,
    )  # fmt: skip
    parts = otel.messages(semconv.INPUT_MESSAGES)[0]["parts"]
    assert {"type": "uri", "modality": "audio", "uri": url} in parts


def test_batches(otel: Telemetry, app: App, provider: Provider) -> None:
    """A batch that is begun; its calls' usage is counted by nobody here."""
    if not hasattr(app.client, "batches"):
        pytest.skip("not in this version")
    asked: dict[str, Any] = {
        "completion_window": "24h", "endpoint": "/v1/chat/completions", "input_file_id": "file_1",
    }  # fmt: skip
    replay(app, provider, app.client.batches.create, "groq/batch.json", **asked)
    assert (otel.span.name, otel.attributes[semconv.RESPONSE_ID]) == ("batch", "batch_01jh6xa7reempvjyh6n3yst2zw")
