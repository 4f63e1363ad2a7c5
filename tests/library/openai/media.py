"""The surfaces of pictures and sound: the rows of their tables."""

from __future__ import annotations

import inspect
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import openai
from wire import files
from wire.server import Reply, whole

from otelllm import semconv

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["EDIT", "GENERATE", "MEDIA", "MODERATE", "SOUND", "SPEAK", "STREAMED", "TRANSCRIBE", "TRANSLATE", "Media"]

SOUND = b"ID3\x04 the sound of a voice"
PICTURE = b"\x89PNG\r\n\x1a\n the app's own picture"
TEXT = "The lighthouse at Skagen was lit in 1858."


@dataclass(frozen=True, slots=True, eq=False)
class Media:
    """One method, what it is called with, what it answers, and what is then on the span."""

    name: str
    operation: str
    model: str
    resource: Callable[[Any], Any] = field(repr=False)
    method: str
    arguments: dict[str, Any] = field(repr=False)
    reply: Callable[[], Reply] = field(repr=False)
    expected: dict[str, Any] = field(repr=False)
    stream: str = ""
    """The wire file of its stream."""

    def call(self, app: Any, view: str = "", **more: Any) -> Any:
        """Call it, plain or through a view."""
        resource = self.resource(app.client)
        resource = getattr(resource, view) if view else resource
        return app.call(getattr(resource, self.method), **{**self.arguments, **more})

    @property
    def span_name(self) -> str:
        """The name that the span has."""
        return f"{self.operation} {self.model}"


def _json(name: str) -> Callable[[], Reply]:
    return lambda: whole(files.body(f"openai/{name}"))


def _sound() -> Reply:
    return Reply(body=SOUND, content_type="audio/mpeg")


# gpt-image-1: 5 for a million text tokens in, 10 for image tokens in, 40 out.
IMAGE_USD = (20 * 5 + 34 * 10 + 1056 * 40) / 1e6
IMAGE_TOKENS = {
    semconv.USAGE_INPUT: 54, semconv.USAGE_OUTPUT: 1056,
    semconv.USAGE_TEXT_INPUT: 20, semconv.USAGE_IMAGE_INPUT: 34,
}  # fmt: skip
GENERATE = Media(
    name="generate",
    operation="image_generation",
    model="gpt-image-1",
    resource=lambda client: client.images,
    method="generate",
    arguments={"model": "gpt-image-1", "prompt": "A lighthouse", "n": 2, "user": "u-17"},
    reply=_json("images.json"),
    expected={
        **IMAGE_TOKENS, semconv.OUTPUT_TYPE: "image", semconv.REQUEST_CHOICE_COUNT: 2,
        semconv.USAGE_OTHER + "images": 2, semconv.COST: IMAGE_USD, semconv.COST_STATUS: "exact",
        semconv.USER_ID: "u-17",
    },
    stream="openai/images_stream.sse",
)  # fmt: skip
EDIT = Media(
    name="edit",
    operation="image_generation",
    model="gpt-image-1",
    resource=lambda client: client.images,
    method="edit",
    arguments={"model": "gpt-image-1", "prompt": "At night", "image": [("a.png", PICTURE, "image/png"), PICTURE]},
    reply=_json("images_details.json"),
    expected={**IMAGE_TOKENS, semconv.USAGE_IMAGE_OUTPUT: 1056, semconv.USAGE_TEXT_OUTPUT: 0,
              semconv.USAGE_OTHER + "images": 1, semconv.COST: IMAGE_USD},
    stream="openai/images_edit_stream.sse",
)  # fmt: skip
VARY = Media(
    name="variation",
    operation="image_generation",
    model="dall-e-2",
    resource=lambda client: client.images,
    method="create_variation",
    arguments={"model": "dall-e-2", "image": PICTURE},
    reply=_json("images_url.json"),
    expected={semconv.USAGE_OTHER + "images": 1, semconv.COST: None, semconv.COST_STATUS: "unknown_model",
              semconv.USAGE_INPUT: None},
)  # fmt: skip
SPEAK = Media(
    name="speech",
    operation="speech",
    model="tts-1",
    resource=lambda client: client.audio.speech,
    method="create",
    arguments={"model": "tts-1", "voice": "alloy", "input": TEXT},
    reply=_sound,
    expected={semconv.OUTPUT_TYPE: "speech", semconv.USAGE_OTHER + "characters": len(TEXT),
              semconv.COST: len(TEXT) * 15 / 1e6, semconv.COST_STATUS: "exact", semconv.USAGE_INPUT: None},
)  # fmt: skip
TRANSCRIBE = Media(
    name="transcription",
    operation="transcription",
    model="gpt-4o-transcribe",
    resource=lambda client: client.audio.transcriptions,
    method="create",
    arguments={"model": "gpt-4o-transcribe", "file": ("voice.mp3", SOUND), "prompt": "Danish places"},
    reply=_json("transcription.json"),
    # 2.5 for a million text tokens in, 6 for audio tokens in, 10 out.
    expected={semconv.USAGE_INPUT: 114, semconv.USAGE_AUDIO_INPUT: 100, semconv.USAGE_TEXT_INPUT: 14,
              semconv.USAGE_OUTPUT: 12, semconv.COST: (14 * 2.5 + 100 * 6 + 12 * 10) / 1e6},
    stream="openai/transcription_stream.sse",
)  # fmt: skip
TRANSLATE = Media(
    name="translation",
    operation="transcription",
    model="whisper-1",
    resource=lambda client: client.audio.translations,
    method="create",
    arguments={"model": "whisper-1", "file": ("voice.wav", SOUND), "response_format": "verbose_json"},
    reply=_json("transcription_verbose.json"),
    expected={semconv.USAGE_OTHER + "audio_seconds": 8.470000267028809, semconv.USAGE_INPUT: None,
              semconv.COST: 8.470000267028809 * 0.36 / 3600},
)  # fmt: skip
MODERATE = Media(
    name="moderation",
    operation="moderation",
    model="omni-moderation-latest",
    resource=lambda client: client.moderations,
    method="create",
    arguments={"model": "omni-moderation-latest", "input": "I will break the lamp."},
    reply=_json("moderation.json"),
    expected={semconv.RESPONSE_ID: "modr-wire1", semconv.RESPONSE_MODEL: "omni-moderation-latest",
              semconv.USAGE_INPUT: None, semconv.COST: None},
)  # fmt: skip

MEDIA = (GENERATE, EDIT, VARY, SPEAK, TRANSCRIBE, TRANSLATE, MODERATE)
HAS_STREAMED_IMAGES = "stream" in inspect.signature(openai.resources.Images.generate).parameters
STREAMED = (TRANSCRIBE, *((GENERATE, EDIT) if HAS_STREAMED_IMAGES else ()))
