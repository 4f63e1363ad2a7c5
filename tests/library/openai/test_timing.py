"""Time to the first chunk, to the first token and to the answer itself, and the gaps between: gates make them known."""

from __future__ import annotations

import threading
from time import perf_counter
from typing import TYPE_CHECKING, Any

import pytest
from wire import files
from wire.server import Gate, sse

from otelllm import semconv

from .surfaces import CHAT, COMPLETIONS, RESPONSES, STREAMING, Surface

if TYPE_CHECKING:
    from telemetry import Telemetry
    from wire.server import Provider

    from .app import App

HELD_S = 0.12
"""How long a gate is held at least; every claim below is of the kind "not less than this"."""


def _hold(gate: Gate) -> threading.Thread:
    """Open the gate once it has been reached and at least HELD_S have passed."""

    def wait() -> None:
        gate.wait_reached()
        threading.Event().wait(HELD_S)
        gate.open()

    thread = threading.Thread(target=wait)
    thread.start()
    return thread


def _read(app: App, provider: Provider, surface: Surface, *steps: Any) -> None:
    """Read a stream; a gate is held from when the app has read what is before it, however late that is."""
    provider.reply(sse(*steps))
    stream = app.call(surface.method(app.client), **surface.streaming)
    holders = []
    for at, step in enumerate(steps[:-1]):
        if isinstance(step, Gate):
            holders.append(_hold(step))
        elif isinstance(steps[at + 1], Gate):
            app.take(stream, len(step))
    app.read(stream)
    for holder in holders:
        holder.join()


@pytest.mark.parametrize(("surface", "framing"), [(CHAT, 1), (RESPONSES, 4)], ids=["chat", "responses"])
def test_framing_is_not_the_first_token(
    otel: Telemetry, app: App, provider: Provider, surface: Surface, framing: int
) -> None:
    """The role prelude (or response.created and its like) comes at once, content is held back: the two times differ."""
    events = surface.events
    began = perf_counter()
    _read(app, provider, surface, events[:framing], Gate(), events[framing:])
    took = perf_counter() - began
    found = otel.attributes
    chunk, token = found[semconv.RESPONSE_TIME_TO_FIRST_CHUNK], found[semconv.TTFT]
    assert 0 < chunk < token < took
    assert token >= HELD_S * 0.9  # not `token - chunk`: a busy machine may read the first chunk as late as it likes
    assert type(chunk) is type(token) is float
    assert semconv.TTFT_CONTENT not in found or found[semconv.TTFT_CONTENT] == token


@pytest.mark.parametrize("surface", STREAMING, ids=lambda surface: surface.name)
def test_chunks_are_counted(otel: Telemetry, app: App, provider: Provider, surface: Surface) -> None:
    """Every chunk that the app saw, [DONE] not being one."""
    _read(app, provider, surface, surface.events)
    done = 0 if surface is RESPONSES else 1
    assert otel.attributes[semconv.STREAM_CHUNKS] == len(surface.events) - done


def test_gaps_are_between_tokens(otel: Telemetry, app: App, provider: Provider) -> None:
    """One long gap among nine short ones: the largest shows it, the median does not."""
    events = CHAT.events
    _read(app, provider, CHAT, events[:6], Gate(), events[6:])
    found = otel.attributes
    assert found[semconv.STREAM_GAP_MAX] >= HELD_S * 0.9
    assert found[semconv.STREAM_GAP_P50] < HELD_S / 2
    assert found[semconv.STREAM_GAP_P50] <= found[semconv.STREAM_GAP_P95] <= found[semconv.STREAM_GAP_MAX]


def test_waiting_for_usage_is_no_gap(otel: Telemetry, app: App, provider: Provider) -> None:
    """What is held back behind the last token is not between tokens."""
    events = CHAT.events
    _read(app, provider, CHAT, events[:-2], Gate(), events[-2:])
    assert otel.attributes[semconv.STREAM_GAP_MAX] < HELD_S / 2


def test_reasoning_is_a_token_and_the_answer_has_its_own_time(otel: Telemetry, app: App, provider: Provider) -> None:
    """Reasoning first, the answer held back: two times."""
    events = files.events("openai/chat_stream_reasoning.sse")
    _read(app, provider, CHAT, events[:3], Gate(), events[3:])
    found = otel.attributes
    assert found[semconv.TTFT_CONTENT] - found[semconv.TTFT] >= HELD_S * 0.9


@pytest.mark.parametrize(
    "file", ["chat_stream_tools.sse", "chat_stream_refusal.sse", "chat_stream_custom_tool.sse"], ids=lambda file: file
)
def test_a_tool_call_and_a_refusal_are_tokens(otel: Telemetry, app: App, provider: Provider, file: str) -> None:
    """A stream without any text has a first token all the same."""
    _read(app, provider, CHAT, files.events(f"openai/{file}"))
    assert otel.attributes[semconv.TTFT] >= otel.attributes[semconv.RESPONSE_TIME_TO_FIRST_CHUNK]


def test_without_any_token_there_is_no_time_to_it(otel: Telemetry, app: App, provider: Provider) -> None:
    """Only framing and usage came: the time to the first chunk is there, that to the first token is not."""
    events = CHAT.events
    _read(app, provider, CHAT, events[:1], events[-3:])
    found = otel.attributes
    assert semconv.RESPONSE_TIME_TO_FIRST_CHUNK in found
    assert semconv.TTFT not in found
    assert semconv.STREAM_GAP_MAX not in found


def test_the_reader_slowness_is_not_the_providers(otel: Telemetry, app: App, provider: Provider) -> None:
    """The span's duration ends with the stream, its first token with the first read."""
    provider.reply(sse(COMPLETIONS.events))
    began = perf_counter()
    stream = app.call(COMPLETIONS.method(app.client), **COMPLETIONS.streaming)
    app.read(stream)
    took = perf_counter() - began
    span = otel.span
    assert span.end_time is not None
    assert span.start_time is not None
    assert 0 < (span.end_time - span.start_time) / 1e9 < took + 0.01


def test_the_time_to_the_first_chunk_is_a_metric(otel: Telemetry, app: App, provider: Provider) -> None:
    """One point a stream; chunks have none of their own unless asked for."""
    _read(app, provider, CHAT, CHAT.events)
    metrics = otel.metrics()
    (point,) = metrics[semconv.METRIC_TIME_TO_FIRST_CHUNK]
    assert point.count == 1
    assert point.sum == pytest.approx(otel.attributes[semconv.RESPONSE_TIME_TO_FIRST_CHUNK], rel=1e-6)
    assert semconv.METRIC_TIME_PER_OUTPUT_CHUNK not in metrics


def test_time_per_chunk_is_a_metric_only_when_asked_for(
    otel: Telemetry, app: App, provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One record a gap costs more than all else a chunk does: OTELLLM_METRIC_PER_CHUNK turns it on."""
    _read(app, provider, CHAT, CHAT.events)
    assert semconv.METRIC_TIME_PER_OUTPUT_CHUNK not in otel.metrics()
    monkeypatch.setenv("OTELLLM_METRIC_PER_CHUNK", "true")
    otel.instrument()
    _read(app, provider, CHAT, CHAT.events)
    (point,) = otel.metrics()[semconv.METRIC_TIME_PER_OUTPUT_CHUNK]
    assert point.count == otel.spans[-1].attributes[semconv.STREAM_CHUNKS] - 4  # type: ignore[index, operator]  # framing, the first token
