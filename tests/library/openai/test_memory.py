"""What streams hold on to: the answer's text where it is captured, and nothing that grows with the number of chunks."""

from __future__ import annotations

import gc
import sys
import threading
import tracemalloc
from typing import TYPE_CHECKING

import pytest
from wire import files
from wire.server import Gate, Reply, sse

from otelllm import semconv
from otelllm.call import Reading
from otelllm.fields import fields
from otelllm.openai_format.chat import CHAT as OPENAI_CHAT

from .surfaces import CHAT

if TYPE_CHECKING:
    from collections.abc import Iterator

    from telemetry import Telemetry
    from wire.server import Provider, Step

    from .app import App, SyncApp

pytestmark = pytest.mark.slow

WORD = CHAT.events[1]


def _long(count: int) -> Iterator[Step]:
    """A stream of so many chunks, a hundred a packet."""
    yield CHAT.events[0]
    for _ in range(count // 100):
        yield WORD * 100
    yield b"".join(CHAT.events[-3:])


def _ours() -> int:
    """Bytes held that were allocated in our files."""
    gc.collect()
    taken = tracemalloc.take_snapshot().filter_traces([tracemalloc.Filter(True, "*/otelllm/*")])
    return sum(statistic.size for statistic in taken.statistics("filename"))


def _growth(app: SyncApp, provider: Provider, count: int) -> tuple[int, int]:
    """Our bytes after a tenth of a long stream, and just before its end."""
    provider.reply(Reply(steps=_long(count), content_type="text/event-stream"))
    stream = app.call(CHAT.method(app.client), **CHAT.streaming)
    seen, early = 0, 0
    for _ in stream:
        seen += 1
        if seen == count // 10:
            early = _ours()
        if seen == count - 5:
            late = _ours()
    assert seen == count + 3
    return early, late


@pytest.fixture
def traced() -> Iterator[None]:
    """tracemalloc on."""
    tracemalloc.start()
    yield
    tracemalloc.stop()


@pytest.mark.slow
@pytest.mark.thorough
@pytest.mark.parametrize(("count", "pause_s"), [(100_000, 0.0), (20_000, 0.002)], ids=["quick", "slow"])
def test_a_hundred_thousand_chunks_hold_nothing(
    otel: Telemetry, sync_app: SyncApp, provider: Provider, count: int, pause_s: float
) -> None:
    """Content off: the memory in use near the end is that after a tenth, whichever side is the slower one.

    Counted in blocks of the interpreter's allocator: one list element kept for each chunk would show as 90,000.
    """
    never = threading.Event()
    blocks: list[int] = []
    provider.reply(Reply(steps=_long(count), content_type="text/event-stream"))
    stream = sync_app.call(CHAT.method(sync_app.client), **CHAT.streaming)
    for seen, _ in enumerate(stream, 1):
        if pause_s and seen % 1000 == 0:
            never.wait(pause_s)
        if seen in {count // 10, count - 5}:
            gc.collect()
            blocks.append(sys.getallocatedblocks())
    assert otel.attributes[semconv.STREAM_CHUNKS] == seen == count + 3
    early, late = blocks
    assert late - early < 8_000


def test_a_captured_answer_costs_its_text(otel: Telemetry, sync_app: SyncApp, provider: Provider, traced: None) -> None:
    """Content on: the pieces of text (cut at the limit for a part), not the chunks, which are twenty times as large."""
    otel.instrument(capture="full")
    early, late = _growth(sync_app, provider, 5_000)
    assert (late - early) / 4_500 < 120
    (message,) = otel.messages(semconv.OUTPUT_MESSAGES)
    assert message["parts"][0]["content"].startswith("The The ")


def _drop(app: App, count: int) -> None:
    for number in range(count):
        stream = app.call(CHAT.method(app.client), **CHAT.streaming)
        app.take(stream, 2)
        del stream
        if number % 100 == 99:
            gc.collect()
            app.settle()
    gc.collect()
    app.settle()
    gc.collect()


@pytest.mark.slow
@pytest.mark.thorough
@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_abandoned_streams_leave_nothing(otel: Telemetry, app: App, provider: Provider) -> None:
    """Each ends its span when it is collected, and the number of objects is that after the first five hundred.

    `make soak` does ten thousand: 6 ms each, for a connection is made and dropped every time.
    """
    count = 2_000
    provider.always = lambda request: sse(CHAT.events[:3], files.event("[DONE]"))
    _drop(app, 500)
    otel.clear()
    provider.requests.clear()
    before = len(gc.get_objects())
    _drop(app, count)
    spans = otel.spans
    assert len(spans) == count
    assert {(span.attributes or {})[semconv.STREAM_END] for span in spans} == {"abandoned"}
    del spans
    otel.clear()
    provider.requests.clear()
    assert len(gc.get_objects()) - before < 500


@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_a_kept_stream_lets_its_accumulator_go(otel: Telemetry, app: App, provider: Provider) -> None:
    """The app may hold a finished stream for ever; we don't hold its answer with it."""
    otel.instrument(capture="full")
    text = "needle-" + "x" * 50_000
    chunk = files.event({"choices": [{"index": 0, "delta": {"content": text}, "finish_reason": None}]})
    provider.reply(sse(chunk, CHAT.events[-3:]))
    stream = app.call(CHAT.method(app.client), **CHAT.streaming)
    app.read(stream)
    otel.clear()
    gc.collect()
    holders = [one for one in gc.get_objects() if type(one).__name__ == "Relay"]
    assert all("needle-" not in repr(getattr(one.call, "reading", "")) for one in holders)
    app.close(stream)


@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_abandoned_streams_hold_no_relay(otel: Telemetry, app: App, provider: Provider) -> None:
    """A quick form of the slow test above: after a hundred dropped streams no relay is left."""
    provider.always = lambda request: sse(CHAT.events[:3], Gate())
    _drop(app, 50)
    assert len(otel.spans) == 50
    assert [one for one in gc.get_objects() if type(one).__name__ == "Relay"] == []


def test_pieces_of_a_long_answer_are_joined_as_they_come() -> None:
    """A hundred thousand pieces of four letters would take 6 MB, their text 0.4."""
    reading, words, thoughts = Reading(), [f"{n:03x}." for n in range(5_000)], [f"<{n}>" for n in range(5_000)]
    for word, thought in zip(words, thoughts, strict=True):
        delta = {"content": word, "reasoning": thought}
        OPENAI_CHAT.fold_chunk(reading, fields({"id": "c", "choices": [{"index": 0, "delta": delta}]}), True)
    state = reading.partial[0]
    assert max(len(state.texts), len(state.thoughts)) < 1100
    OPENAI_CHAT.finish(reading, True)
    said = [part["content"] for part in reading.messages[0]["parts"]]
    assert said == ["".join(thoughts), "".join(words)]
