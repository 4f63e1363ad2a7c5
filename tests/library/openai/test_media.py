"""Pictures, sound and moderations: what a call used and cost, whole and streamed, and what is kept of its content."""

from __future__ import annotations

import hashlib
import io
import re
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import openai
import pytest
from openai import _streaming
from opentelemetry.sdk.trace import Span, Tracer
from opentelemetry.trace import SpanKind, StatusCode
from wire import files
from wire.server import CUT, Gate, Reply, sse, whole

import otelllm
from otelllm import safely, semconv

from .media import (
    EDIT,
    GENERATE,
    MEDIA,
    MODERATE,
    PICTURE,
    SOUND,
    SPEAK,
    STREAMED,
    TEXT,
    TRANSCRIBE,
    TRANSLATE,
    VARY,
    Media,
)  # fmt: skip

if TYPE_CHECKING:
    from collections.abc import Callable

    from telemetry import Telemetry
    from wire.server import Provider

    from .app import App

pytestmark = pytest.mark.filterwarnings("ignore:deprecated:DeprecationWarning")  # variations and translations are


# Older SDKs let the HTTP library's errors in the middle of a stream through as they are.
NETWORK: Any = openai.APIConnectionError
if not hasattr(_streaming, "APIConnectionError"):
    NETWORK = _streaming.httpx.RemoteProtocolError  # type: ignore[attr-defined]  # of versions before


def _named(media: Media) -> str:
    return media.name


def _found(otel: Telemetry, expected: dict[str, Any]) -> None:
    got = {name: otel.attributes.get(name) for name in expected}
    assert got == {name: pytest.approx(it) if isinstance(it, float) else it for name, it in expected.items()}


def _blob(data: bytes, mime: str, modality: str) -> dict[str, Any]:
    digest = hashlib.sha256(data).hexdigest()
    return {"type": "blob", "mime_type": mime, "modality": modality, "sha256": digest, "size": len(data)}


@pytest.mark.parametrize("media", MEDIA, ids=_named)
def test_a_good_answer(otel: Telemetry, app: App, provider: Provider, media: Media) -> None:
    """Name, kind, usage by class, cost, the request's id; no content."""
    provider.reply(media.reply())
    assert media.call(app)
    assert (otel.span.name, otel.span.kind) == (media.span_name, SpanKind.CLIENT)
    assert otel.span.status.status_code is StatusCode.UNSET
    _found(otel, {**media.expected, semconv.PROVIDER: "openai", semconv.PROVIDER_REQUEST_ID: "req_wire"})
    for name in (semconv.STREAM_END, semconv.REQUEST_STREAM, semconv.ERROR_TYPE, semconv.INPUT_MESSAGES):
        assert name not in otel.attributes
    assert TEXT not in otel.everything()


@pytest.mark.slow
@pytest.mark.parametrize("media", MEDIA, ids=_named)
def test_an_error(otel: Telemetry, app: App, provider: Provider, media: Media) -> None:
    """The provider's code; nothing was used, and nothing is billed."""
    provider.reply(whole(files.body("openai/error_429.json"), status=429))
    with pytest.raises(openai.RateLimitError):
        media.call(app)
    assert otel.span.name == media.span_name
    assert otel.attributes[semconv.ERROR_TYPE] == "rate_limit_exceeded"
    assert semconv.COST not in otel.attributes
    assert not [name for name in otel.attributes if name.startswith((semconv.USAGE_OTHER, "gen_ai.usage."))]


@pytest.mark.slow
@pytest.mark.parametrize("media", MEDIA, ids=_named)
def test_a_refused_call_sends_nothing(
    otel: Telemetry, app: App, provider: Provider, monkeypatch: pytest.MonkeyPatch, media: Media
) -> None:
    """There is no text to give in place of a picture or a sound."""
    monkeypatch.setenv("OTELLLM_KILL", f"model:{media.model}")
    otel.instrument()
    with pytest.raises(otelllm.KillSwitchOn):
        media.call(app)
    assert provider.requests == []
    assert otel.attributes[semconv.VERDICT] == "block"


@pytest.mark.slow
@pytest.mark.parametrize("media", MEDIA, ids=_named)
@pytest.mark.parametrize("view", ["with_raw_response", "with_streaming_response"])
def test_views(otel: Telemetry, app: App, provider: Provider, media: Media, view: str) -> None:
    """Raw and streaming views say as much as the plain call, and give the same bytes and objects."""
    provider.reply(media.reply())
    if view == "with_raw_response":
        raw = media.call(app, view)
        assert raw.http_response.content == media.reply().body
        assert raw.parse()
    else:
        manager = getattr(getattr(media.resource(app.client), view), media.method)(**media.arguments)
        assert app.within(manager, lambda response: response.parse())
    assert otel.span.name == media.span_name
    _found(otel, {**media.expected, semconv.PROVIDER_REQUEST_ID: "req_wire"})


@pytest.mark.slow
@pytest.mark.parametrize("media", MEDIA, ids=_named)
def test_the_app_sees_what_it_would_see_without_us(
    otel: Telemetry, make_app: Callable[..., App], provider: Provider, media: Media
) -> None:
    """Same type, same content, same request."""
    seen: list[Any] = []
    for instrumented in (False, True):
        otelllm.uninstrument()
        if instrumented:
            otel.instrument(capture="full")
        provider.reply(media.reply())
        app = make_app()
        answer = media.call(app)
        shown = answer.content if hasattr(answer, "content") else answer.model_dump()
        headers = {name: it for name, it in provider.last.headers.items() if name not in {"host", "content-type"}}
        boundary = provider.last.headers["content-type"].partition("boundary=")[2].encode() or b"none"
        seen.append((type(answer), shown, headers, provider.last.body.replace(boundary, b"")))
    assert seen[0] == seen[1]


@pytest.mark.parametrize("media", STREAMED, ids=_named)
def test_a_stream(otel: Telemetry, app: App, provider: Provider, media: Media) -> None:
    """Usage from the last event, timing from the first picture or piece of text, every event given to the app."""
    events = files.events(media.stream)
    provider.reply(sse(events))
    stream = media.call(app, stream=True)
    assert type(stream) is app.stream_type
    assert len(app.read(stream)) == len(events)
    images = {semconv.USAGE_OTHER + "images": 1} if media is not TRANSCRIBE else {}
    kept = {semconv.USAGE_INPUT, semconv.USAGE_OUTPUT, semconv.COST}
    _found(otel, {**{name: it for name, it in media.expected.items() if name in kept}, **images})
    assert otel.attributes[semconv.STREAM_END] == "complete"
    assert otel.attributes[semconv.STREAM_CHUNKS] == len(events)
    assert otel.attributes[semconv.TTFT] > 0
    assert semconv.ERROR_TYPE not in otel.attributes


@pytest.mark.parametrize("media", STREAMED[:2], ids=_named)
@pytest.mark.parametrize("way", ["leave", "close", "cut", "fin"])
def test_a_stream_that_ends_early(otel: Telemetry, app: App, provider: Provider, media: Media, way: str) -> None:
    """Left, closed, cut or simply over before its last event: told apart, nothing estimated from what is no text."""
    events = files.events(media.stream)
    ends: list[Any] = {"cut": [CUT], "fin": []}.get(way, [Gate()])
    provider.reply(sse(events[:2], *ends))
    stream = media.call(app, stream=True)
    if way == "leave":
        app.leave(stream, 1)
    elif way == "close":
        app.take(stream, 1)
        app.close(stream)
    elif way == "cut":
        with pytest.raises(NETWORK):
            app.read(stream)
    else:
        app.read(stream)
    found = otel.attributes
    assert found[semconv.STREAM_END] == ("closed" if way in {"leave", "close"} else "broken")
    cut = f"{NETWORK.__module__.split('.')[0]}.{NETWORK.__name__}"
    assert found.get(semconv.ERROR_TYPE) == {"cut": cut, "fin": "incomplete"}.get(way)
    assert semconv.USAGE_ESTIMATED not in found
    assert semconv.USAGE_OUTPUT not in found


@pytest.mark.parametrize("media", STREAMED, ids=_named)
def test_a_stream_with_an_error_in_it(otel: Telemetry, app: App, provider: Provider, media: Media) -> None:
    """An error event: raised by the SDK, on the span by its code."""
    error = files.event({"type": "error", "error": {"code": "moderation_blocked", "message": "no"}}, "error")
    provider.reply(sse(files.events(media.stream)[:1], error))
    with pytest.raises(openai.APIError):
        app.read(media.call(app, stream=True))
    assert otel.attributes[semconv.ERROR_TYPE] == "moderation_blocked"
    assert otel.attributes[semconv.STREAM_END] == "broken"


IMAGE_1 = b"\x89PNG\r\n\x1a\n a picture of a lighthouse"
IMAGE_2 = b"\x89PNG\r\n\x1a\n another one"
UPLOAD = _blob(SOUND, "audio/mpeg", "audio")
CONTENT: list[tuple[Media, list[Any], list[Any]]] = [
    (GENERATE, [{"type": "text", "content": "A lighthouse"}],
     [[_blob(IMAGE_1, "image/png", "image")], [_blob(IMAGE_2, "image/png", "image")]]),
    (EDIT, [_blob(PICTURE, "image/png", "image"), _blob(PICTURE, "image/*", "image"),
            {"type": "text", "content": "At night"}], [[_blob(IMAGE_1, "image/webp", "image")]]),
    (VARY, [_blob(PICTURE, "image/*", "image")],
     [[{"type": "uri", "modality": "image", "uri": "https://images.example/1.png"},
       {"type": "text", "content": "A white lighthouse at dusk"}]]),
    (SPEAK, [{"type": "text", "content": TEXT}], [[_blob(SOUND, "audio/mpeg", "audio")]]),
    (TRANSCRIBE, [UPLOAD, {"type": "text", "content": "Danish places"}], [[{"type": "text", "content": TEXT}]]),
    (TRANSLATE, [_blob(SOUND, "audio/wav", "audio")], [[{"type": "text", "content": TEXT}]]),
]  # fmt: skip


@pytest.mark.parametrize(("media", "given", "made"), CONTENT, ids=[media.name for media, *_ in CONTENT])
@pytest.mark.parametrize("view", ["", "with_raw_response"])
def test_content(
    otel: Telemetry, app: App, provider: Provider, media: Media, given: list[Any], made: list[Any], view: str
) -> None:
    """Texts as they are; pictures and sounds by type, size and hash."""
    otel.instrument(capture="full")
    provider.reply(media.reply())
    media.call(app, view)
    assert otel.messages(semconv.INPUT_MESSAGES) == [{"role": "user", "parts": given}]
    assert otel.messages(semconv.OUTPUT_MESSAGES) == [{"role": "assistant", "parts": parts} for parts in made]


def test_content_of_a_moderation(otel: Telemetry, app: App, provider: Provider) -> None:
    """The verdict with its categories by the names that they have on the wire, plain and raw."""
    otel.instrument(capture="full")
    link = {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}}
    for view in ("", "with_raw_response"):
        otel.clear()
        provider.reply(MODERATE.reply())
        MODERATE.call(app, view, input=[{"type": "text", "text": "this"}, link])
        assert otel.messages(semconv.INPUT_MESSAGES)[0]["parts"] == [
            {"type": "text", "content": "this"},
            {"type": "uri", "modality": "image", "uri": "https://example.com/a.png"},
        ]
        ((verdict,),) = [message["parts"] for message in otel.messages(semconv.OUTPUT_MESSAGES)]
        assert (verdict["type"], verdict["flagged"], verdict["categories"]) == ("moderation", True, ["violence"])
        assert verdict["scores"]["harassment/threatening"] == 0.01


@pytest.mark.parametrize("media", STREAMED, ids=_named)
def test_content_of_a_stream(otel: Telemetry, app: App, provider: Provider, media: Media) -> None:
    """The finished picture or text only; of a stream that was left, the text so far."""
    otel.instrument(capture="full")
    provider.reply(sse(files.events(media.stream)))
    app.read(media.call(app, stream=True))
    (message,) = otel.messages(semconv.OUTPUT_MESSAGES)
    finished = {"type": "text", "content": TEXT} if media is TRANSCRIBE else _blob(IMAGE_1, "image/png", "image")
    assert message["parts"] == [finished]
    otel.clear()
    provider.reply(sse(files.events(media.stream)[:2], Gate()))
    app.leave(media.call(app, stream=True), 2)
    if media is TRANSCRIBE:
        assert otel.messages(semconv.OUTPUT_MESSAGES)[0]["parts"][0]["content"] == "The lighthouse at Skagen "
    else:
        assert semconv.OUTPUT_MESSAGES not in otel.attributes


class _Tape(io.BytesIO):
    """A file object of the app's that counts who reads it."""

    name = "/home/anna/tape.flac"
    reads = 0

    def read(self, *args: Any) -> bytes:
        self.reads += 1
        return super().read(*args)


def test_the_apps_file_objects_are_not_read(otel: Telemetry, make_app: Callable[..., App], provider: Provider) -> None:
    """As many reads as the SDK's own, the whole file sent; the span names the file and no more of its path."""
    counts: list[int] = []
    for instrumented in (False, True):
        otelllm.uninstrument()
        if instrumented:
            otel.instrument(capture="full")
        tape = _Tape(SOUND)
        provider.reply(TRANSCRIBE.reply())
        TRANSCRIBE.call(make_app(), file=tape)
        assert SOUND in provider.last.body
        counts.append(tape.reads)
    assert counts[0] == counts[1]
    part = otel.messages(semconv.INPUT_MESSAGES)[0]["parts"][0]
    assert part == {"type": "file", "mime_type": "audio/flac", "modality": "audio", "name": "tape.flac"}


@pytest.mark.slow
@pytest.mark.parametrize("shape", ["path", "tuple of an object", "object without a name", "bytes", "bytearray"])
def test_every_shape_of_a_file(otel: Telemetry, app: App, provider: Provider, tmp_path: Path, shape: str) -> None:
    """Bytes by their hash; what would have to be read by its name and type."""
    path = tmp_path / "voice.ogg"
    path.write_bytes(SOUND)
    shapes: dict[str, tuple[Any, dict[str, Any]]] = {
        "path": (path, {"type": "file", "mime_type": "audio/ogg", "name": "voice.ogg"}),
        "tuple of an object": (
            ("a.m4a", io.BytesIO(SOUND), "audio/x-m4a", {"x": "y"}),
            {"type": "file", "mime_type": "audio/x-m4a", "name": "a.m4a"},
        ),
        "object without a name": (io.BytesIO(SOUND), {"type": "file", "mime_type": "audio/*"}),
        "bytes": (SOUND, _blob(SOUND, "audio/*", "audio")),
        "bytearray": (bytearray(SOUND), _blob(SOUND, "audio/*", "audio")),
    }
    file, expected = shapes[shape]
    if shape == "bytearray":  # the SDK takes it as bytes in some versions only
        file = ("v", bytes(SOUND))
        expected = _blob(SOUND, "audio/*", "audio")
    otel.instrument(capture="full")
    provider.reply(TRANSCRIBE.reply())
    TRANSCRIBE.call(app, file=file)
    assert otel.messages(semconv.INPUT_MESSAGES)[0]["parts"][0] == {**expected, "modality": "audio"}


@pytest.mark.slow
@pytest.mark.parametrize("form", ["text", "srt", "vtt"])
@pytest.mark.parametrize("view", ["", "with_raw_response"])
def test_a_transcription_as_text(otel: Telemetry, app: App, provider: Provider, form: str, view: str) -> None:
    """The SDK gives a `str`: kept where content is kept; what it used nobody said."""
    otel.instrument(capture="full")
    provider.reply(Reply(body=TEXT.encode(), content_type="text/plain; charset=utf-8"))
    answer = TRANSCRIBE.call(app, view, model="whisper-1", response_format=form)
    assert (answer.parse() if view else answer) == TEXT
    assert otel.messages(semconv.OUTPUT_MESSAGES)[0]["parts"] == [{"type": "text", "content": TEXT}]
    assert otel.attributes[semconv.COST_STATUS] == "no_usage"


SECONDS = {semconv.USAGE_OTHER + "audio_seconds": 9, semconv.COST: 9 * 0.36 / 3600, semconv.COST_STATUS: "exact"}
DIARIZED = {semconv.USAGE_INPUT: 130, semconv.USAGE_OUTPUT: 20, semconv.COST: (130 * 6 + 20 * 10) / 1e6}


@pytest.mark.parametrize(
    ("file", "model", "expected"),
    [("transcription_seconds.json", "whisper-1", SECONDS),
     ("transcription_diarized.json", "gpt-4o-transcribe-diarize", DIARIZED)],
)  # fmt: skip
def test_what_a_transcription_used(
    otel: Telemetry, app: App, provider: Provider, file: str, model: str, expected: dict[str, Any]
) -> None:
    """By seconds or by tokens, as the model is billed."""
    provider.reply(whole(files.body(f"openai/{file}")))
    TRANSCRIBE.call(app, model=model)
    _found(otel, expected)


def test_a_warning_of_the_sdk_points_at_the_app(otel: Telemetry, sync_app: App, provider: Provider) -> None:
    """Deprecated methods warn about the line that calls them, with us as without."""
    if not hasattr(openai.resources.Images.create_variation, "__deprecated__"):
        pytest.skip("not deprecated in this version")
    provider.reply(VARY.reply())
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        sync_app.client.images.create_variation(image=PICTURE)
    assert [Path(one.filename).name for one in caught if "deprecated" in str(one.message)] == ["test_media.py"]


ODD: dict[str, Callable[[], Reply]] = {
    "an empty object": lambda: whole({}),
    "a list": lambda: whole("[]"),
    "a number": lambda: whole("7"),
    "a page": lambda: Reply(body=b"<html>", content_type="text/html"),
    "an empty body": lambda: whole(""),
    "bytes": lambda: Reply(body=b"\xff\x00\xfe", content_type="application/octet-stream"),
    "nulls": lambda: whole({"data": None, "usage": None, "results": None, "text": None, "model": None, "id": None}),
    "odd members": lambda: whole({"data": [None, 7, {"b64_json": 1}], "usage": {"type": "duration", "seconds": "x"},
                                  "results": [{}, {"categories": None}], "text": 7, "segments": "x"}),
    "an error": lambda: whole({"error": {"code": "overloaded", "message": "later"}, "data": None}),
    "no base64": lambda: whole({"data": [{"b64_json": "%%"}, {"url": ""}], "output_format": 3}),
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("name", ODD)
@pytest.mark.parametrize("media", MEDIA, ids=_named)
def test_odd_answers(
    otel: Telemetry, make_app: Callable[..., App], provider: Provider, media: Media, name: str
) -> None:
    """Whatever the bare SDK makes of it, the app gets; nothing of ours fails on it."""
    seen: list[str] = []
    for instrumented in (False, True):
        otelllm.uninstrument()
        if instrumented:
            otel.instrument(capture="full")
        provider.reply(ODD[name]())
        app = make_app()
        try:
            answer = media.call(app)
            seen.append(f"{type(answer)} {getattr(answer, 'content', None) or answer!r}")
        except Exception as error:  # bare and instrumented are compared, whatever it is
            seen.append(f"{type(error)} {error}")
    address = re.compile(r"0x[0-9a-f]+")
    assert address.sub("", seen[0]) == address.sub("", seen[1])
    assert otel.span.name == media.span_name


@pytest.mark.slow
@pytest.mark.parametrize("media", STREAMED, ids=_named)
def test_odd_events(otel: Telemetry, make_app: Callable[..., App], provider: Provider, media: Media) -> None:
    """Events that nobody knows, or that lack what they should have."""
    odd = [{"type": "brand.new"}, {"no": "type"}, {"type": None}, {"type": "image_generation.completed"},
           {"type": "transcript.text.delta"}, {"type": "transcript.text.done", "usage": 3}, {"type": 7}]  # fmt: skip
    counts: list[int] = []
    for instrumented in (False, True):
        otelllm.uninstrument()
        if instrumented:
            otel.instrument(capture="full")
        provider.reply(sse([files.event(one) for one in odd], files.events(media.stream)))
        app = make_app()
        counts.append(len(app.read(media.call(app, stream=True))))
    assert counts[0] == counts[1]
    assert otel.attributes[semconv.STREAM_END] == "complete"


@pytest.mark.slow
@pytest.mark.parametrize("method", ["start_span", "set_attributes", "end"])
@pytest.mark.parametrize("media", MEDIA, ids=_named)
def test_a_broken_tracer_never_reaches_the_app(
    otel: Telemetry, app: App, provider: Provider, monkeypatch: pytest.MonkeyPatch, media: Media, method: str
) -> None:
    """Somebody else's tracer raises: the app has its picture."""

    def broken(*_: Any, **__: Any) -> Any:
        raise RuntimeError(method)

    otel.instrument(capture="full")
    before = safely.strict(False)
    try:
        monkeypatch.setattr(Tracer if method == "start_span" else Span, method, broken)
        provider.reply(media.reply())
        assert media.call(app)
    finally:
        safely.strict(before)
        safely.failures.clear()
