"""Bodies that the app reads as bytes (streaming views): sound, events, whole answers; seen, and never changed."""

from __future__ import annotations

import gc
import hashlib
from typing import TYPE_CHECKING, Any

import openai
import pytest
from wire import files
from wire.server import CUT, Gate, Reply, sse, whole

import otelllm
from otelllm import semconv

from .media import SOUND, SPEAK, TEXT, TRANSCRIBE
from .surfaces import CHAT, RESPONSES, STREAMING, SURFACES, Surface

if TYPE_CHECKING:
    from pathlib import Path

    from telemetry import Telemetry
    from wire.server import Provider, Step

    from .app import App

USED = (semconv.USAGE_INPUT, semconv.USAGE_OUTPUT)
EVENTS = {"model": "gpt-4o-mini-tts", "stream_format": "sse"}


def _slow(surface: Surface) -> Any:
    return pytest.param(surface, marks=pytest.mark.slow)


def _sound(*steps: Step) -> Reply:
    return Reply(steps=steps, content_type="audio/mpeg")


def _speak(app: App, body: Any, **more: Any) -> Any:
    manager = app.client.audio.speech.with_streaming_response.create(**{**SPEAK.arguments, **more})
    return app.within(manager, body)


def _pieces(app: App, how: str = "iter_bytes", most: int | None = None) -> Any:
    """Reads a response as bytes, to its end or up to `most` pieces."""

    def read(response: Any) -> list[Any]:
        found: list[Any] = []
        for piece in getattr(response, how)():
            found.append(piece)
            if len(found) == most:
                break
        return found

    async def aread(response: Any) -> list[Any]:
        found: list[Any] = []
        async for piece in getattr(response, how)():
            found.append(piece)
            if len(found) == most:
                break
        return found

    return read if app.kind == "sync" else aread


def _blob(kind: str = "audio/mpeg") -> dict[str, Any]:
    return {"type": "blob", "mime_type": kind, "modality": "audio", "sha256": hashlib.sha256(SOUND).hexdigest(),
            "size": len(SOUND)}  # fmt: skip


def test_a_streamed_sound(otel: Telemetry, app: App, provider: Provider) -> None:
    """The first piece of sound is the time to first token; the pieces are the provider's own."""
    otel.instrument(capture="full")
    provider.reply(_sound(SOUND[:10], SOUND[10:]))
    assert b"".join(_speak(app, _pieces(app))) == SOUND
    found = otel.attributes
    assert (found[semconv.STREAM_END], found[semconv.REQUEST_STREAM]) == ("complete", True)
    assert found[semconv.TTFT] > 0
    assert found[semconv.USAGE_OTHER + "characters"] == len(TEXT)
    assert otel.messages(semconv.OUTPUT_MESSAGES) == [{"role": "assistant", "parts": [_blob()]}]


def test_a_sound_written_to_a_file(otel: Telemetry, app: App, provider: Provider, tmp_path: Path) -> None:
    """`stream_to_file`, as the SDK's documentation has it."""
    provider.reply(_sound(SOUND[:10], SOUND[10:]))
    _speak(app, lambda response: response.stream_to_file(tmp_path / "voice.mp3"))
    assert (tmp_path / "voice.mp3").read_bytes() == SOUND
    assert otel.attributes[semconv.STREAM_END] == "complete"


@pytest.mark.slow
@pytest.mark.parametrize("how", ["read", "parse"])
def test_a_sound_read_at_once(otel: Telemetry, app: App, provider: Provider, how: str) -> None:
    """Through a streaming view all the same: complete, and counted once."""
    otel.instrument(capture="full")
    provider.reply(_sound(SOUND[:10], SOUND[10:]))
    got = _speak(app, lambda response: getattr(response, how)())
    assert getattr(got, "content", got) == SOUND
    assert otel.attributes[semconv.STREAM_END] == "complete"
    assert otel.messages(semconv.OUTPUT_MESSAGES) == [{"role": "assistant", "parts": [_blob()]}]


def test_a_sound_that_was_left(otel: Telemetry, app: App, provider: Provider) -> None:
    """Closed after its first piece: what was spoken is billed, and the connection is free at once."""
    provider.reply(_sound(SOUND[:10], Gate()))
    assert _speak(app, _pieces(app, most=1)) == [SOUND[:10]]
    provider.last.wait_left()
    assert otel.attributes[semconv.STREAM_END] == "closed"
    assert semconv.COST in otel.attributes


def test_a_sound_that_was_cut(otel: Telemetry, app: App, provider: Provider) -> None:
    """The network's end is an error on the span, and the HTTP library's own error for the app."""
    provider.reply(_sound(SOUND[:10], CUT))
    with pytest.raises(Exception, match="peer closed") as caught:
        _speak(app, _pieces(app))
    assert otel.attributes[semconv.STREAM_END] == "broken"
    assert otel.attributes[semconv.ERROR_TYPE] == f"{type(caught.value).__module__}.{type(caught.value).__name__}"


def test_a_sound_that_nobody_holds_any_more(otel: Telemetry, sync_app: App, provider: Provider) -> None:
    """Dropped without a close."""
    provider.reply(_sound(SOUND[:10], Gate()))
    manager = sync_app.client.audio.speech.with_streaming_response.create(**SPEAK.arguments)
    pieces = manager.__enter__().iter_bytes()
    next(pieces)
    del manager, pieces
    gc.collect()
    assert otel.attributes[semconv.STREAM_END] in {"abandoned", "closed"}  # httpx2 closes what is dropped


@pytest.mark.parametrize("view", ["", "with_raw_response", "with_streaming_response"])
def test_a_sound_in_events(otel: Telemetry, app: App, provider: Provider, view: str) -> None:
    """`stream_format="sse"`: tokens from the last event, whichever way the app reads them."""
    otel.instrument(capture="full")
    provider.reply(sse(files.events("openai/speech_stream.sse")))
    if view == "with_streaming_response":
        assert b"speech.audio.done" in b"".join(_speak(app, _pieces(app), **EVENTS))
        assert otel.attributes[semconv.STREAM_END] == "complete"
        assert otel.attributes[semconv.TTFT] > 0
    else:
        SPEAK.call(app, view, **EVENTS)
    assert [otel.attributes[name] for name in USED] == [14, 101]
    assert otel.attributes[semconv.COST] == pytest.approx((14 * 0.6 + 101 * 12) / 1e6)
    assert otel.messages(semconv.OUTPUT_MESSAGES) == [{"role": "assistant", "parts": [_blob()]}]


def test_a_sound_in_events_that_ends_too_soon(otel: Telemetry, app: App, provider: Provider) -> None:
    """Its last event never came."""
    provider.reply(sse(files.events("openai/speech_stream.sse")[:2]))
    _speak(app, _pieces(app), **EVENTS)
    assert otel.attributes[semconv.ERROR_TYPE] == "incomplete"


def test_an_error_in_place_of_a_sound(otel: Telemetry, app: App, provider: Provider) -> None:
    """A gateway's JSON with status 200: the app has the bytes, the span the error."""
    provider.reply(whole({"error": {"code": "overloaded", "message": "later"}}))
    assert SPEAK.call(app).content.startswith(b'{"error"')
    assert otel.attributes[semconv.ERROR_TYPE] == "overloaded"


@pytest.mark.parametrize("how", ["iter_bytes", "iter_lines", "iter_text"])
@pytest.mark.parametrize("surface", [CHAT, *map(_slow, SURFACES[1:])], ids=lambda surface: surface.name)
def test_a_whole_answer_read_as_bytes(
    otel: Telemetry, app: App, provider: Provider, surface: Surface, how: str
) -> None:
    """Its usage and ids are on the span as if the SDK had read it."""
    provider.reply(whole(surface.body))
    manager = surface.method(app.client).__self__.with_streaming_response.create(**surface.arguments)
    pieces = app.within(manager, _pieces(app, how))
    if how != "iter_lines":
        assert (b"" if how == "iter_bytes" else "").join(pieces) == (
            surface.body if how == "iter_bytes" else surface.body.decode()
        )
    assert [otel.attributes.get(name) for name in USED] == list(surface.tokens)
    assert semconv.STREAM_END not in otel.attributes
    assert semconv.ERROR_TYPE not in otel.attributes


@pytest.mark.parametrize("how", ["read", "iter_bytes", "iter_lines", "iter_text"])
@pytest.mark.parametrize("surface", [CHAT, *map(_slow, STREAMING[1:])], ids=lambda surface: surface.name)
def test_a_stream_read_as_bytes(otel: Telemetry, app: App, provider: Provider, surface: Surface, how: str) -> None:
    """Its events are read beside the app: usage, text, timing."""
    otel.instrument(capture="full")
    provider.reply(sse(surface.events))
    manager = surface.method(app.client).__self__.with_streaming_response.create(**surface.streaming)
    assert app.within(manager, (lambda response: response.read()) if how == "read" else _pieces(app, how))
    assert [otel.attributes.get(name) for name in USED] == list(surface.tokens)
    assert otel.attributes[semconv.STREAM_END] == "complete"
    assert otel.attributes[semconv.TTFT] > 0
    assert otel.messages(semconv.OUTPUT_MESSAGES)[0]["parts"][0]["content"].lstrip()


@pytest.mark.slow
@pytest.mark.parametrize("cuts", [1, 7, 64])
def test_events_cut_anywhere(otel: Telemetry, app: App, provider: Provider, cuts: int) -> None:
    """The network's pieces are not the provider's events; line ends are CRLF, and there are comments between them."""
    body = b"".join(CHAT.events).replace(b"\n", b"\r\n") + b": a comment\r\n\r\n"
    provider.reply(Reply(steps=[body[at : at + cuts] for at in range(0, len(body), cuts)],
                         content_type="text/event-stream; charset=utf-8"))  # fmt: skip
    manager = app.client.chat.completions.with_streaming_response.create(**CHAT.streaming)
    assert b"".join(app.within(manager, _pieces(app))) == body
    assert [otel.attributes.get(name) for name in USED] == [1200, 50]
    assert otel.attributes[semconv.STREAM_END] == "complete"


def test_a_stream_of_bytes_that_was_left(otel: Telemetry, app: App, provider: Provider) -> None:
    """Closed by the app: the text so far, usage estimated."""
    otel.instrument(capture="full")
    provider.reply(sse(b"".join(RESPONSES.events[:7]), Gate()))
    manager = app.client.responses.with_streaming_response.create(**RESPONSES.streaming)
    app.within(manager, _pieces(app, most=1))
    provider.last.wait_left()
    assert otel.attributes[semconv.STREAM_END] == "closed"
    assert otel.attributes[semconv.USAGE_ESTIMATED] is True
    assert otel.messages(semconv.OUTPUT_MESSAGES)[0]["parts"][0]["content"] == "The lighthouse "


def test_subtitles_read_as_bytes(otel: Telemetry, app: App, provider: Provider) -> None:
    """A transcription as a text, through a streaming view."""
    otel.instrument(capture="full")
    provider.reply(Reply(body=TEXT.encode(), content_type="text/plain; charset=utf-8"))
    create = app.client.audio.transcriptions.with_streaming_response.create
    app.within(create(**{**TRANSCRIBE.arguments, "response_format": "text"}), _pieces(app))
    assert otel.messages(semconv.OUTPUT_MESSAGES)[0]["parts"] == [{"type": "text", "content": TEXT}]


def test_an_error_of_the_sdk_through_a_view(otel: Telemetry, app: App, provider: Provider) -> None:
    """Nothing to read: the SDK raises before there is a response."""
    provider.reply(whole(files.body("openai/error_429.json"), status=429))
    with pytest.raises(openai.RateLimitError):
        _speak(app, _pieces(app))
    assert otel.attributes[semconv.ERROR_TYPE] == "rate_limit_exceeded"
    assert semconv.USAGE_OTHER + "characters" not in otel.attributes


def test_a_streamed_sound_stored_apart(otel: Telemetry, app: App, provider: Provider, tmp_path: Path) -> None:
    """Where a setting has binary content stored, a sound that came in pieces is stored whole."""
    otel.instrument(policy={"capture": {"content": "full", "blobs": str(tmp_path)}}, capture=None)
    provider.reply(_sound(SOUND[:10], SOUND[10:]))
    _speak(app, _pieces(app))
    otelllm.flush()
    ((part,),) = [message["parts"] for message in otel.messages(semconv.OUTPUT_MESSAGES)]
    assert {name: part[name] for name in _blob()} == _blob()
    assert [file.read_bytes() for file in tmp_path.rglob("*") if file.is_file()] == [SOUND]
