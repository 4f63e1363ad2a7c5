"""A kill switch that goes on while a stream is under way ends it: at its next chunk, or at once where it is silent."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any

import pytest
from wire import files
from wire.server import STALL, Gate, sse

import otelllm
from otelllm import semconv, setup

from .apps import WAYS, Asking, Way

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from telemetry import Telemetry
    from wire.server import Provider

STREAMS = {"openai": "openai/chat_stream.sse", "anthropic": "anthropic/message_stream.sse"}
STREAMED = [way for way in WAYS if way.is_streamed]
KILL = '[[kill]]\nname = "outage"\nwhen = { feature = "support" }\n'


@pytest.fixture(params=STREAMED, ids=str)
def way(request: pytest.FixtureRequest) -> Way:
    """Both SDKs, sync and async, streamed."""
    found: Way = request.param
    return found


@pytest.fixture
def policy(tmp_path: Path, otel: Telemetry) -> Iterator[Path]:
    """A policy file that says nothing yet, followed."""
    file = tmp_path / "otelllm.toml"
    file.write_text("")
    otel.instrument(policy=file)
    yield file
    otelllm.uninstrument()


def _stream(asking: Asking, provider: Provider, *rest: Any) -> Any:
    events = files.events(STREAMS[asking.way.sdk])
    provider.always = sse(events[:3], *rest)
    with otelllm.context(feature="support"):
        return asking.start()


def _wait_until_in_force() -> None:
    """Return once the policy that was written is the one that calls pass."""
    deadline = time.monotonic() + 5
    while not setup._stages().resolve:
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.mark.slow
def test_a_silent_stream_ends_within_a_second(
    asking: Asking, provider: Provider, otel: Telemetry, policy: Path
) -> None:
    stream = _stream(asking, provider, STALL)
    first = asking.app.take(stream, 1)
    threading.Timer(0.1, policy.write_text, (KILL,)).start()
    began = time.monotonic()
    with pytest.raises(otelllm.KillSwitchOn) as caught:
        asking.app.read(stream)
    assert first
    assert time.monotonic() - began < 2.0  # 0.1 until it is written, and up to a second
    assert caught.value.rule == "outage"
    assert otel.attributes[semconv.STREAM_END] == "blocked"
    assert otel.attributes[semconv.VERDICT] == "block"
    assert otel.attributes[semconv.ERROR_TYPE] == "KillSwitchOn"
    assert otel.attributes[semconv.USAGE_INPUT] > 0, "what had come was asked for, and is paid"


@pytest.mark.slow
def test_a_stream_that_flows_ends_at_its_next_chunk(
    asking: Asking, provider: Provider, otel: Telemetry, policy: Path
) -> None:
    gate = Gate()
    stream = _stream(asking, provider, gate, files.events(STREAMS[asking.way.sdk])[3:])
    asking.app.take(stream, 1)
    policy.write_text(KILL)
    _wait_until_in_force()
    gate.open()
    with pytest.raises(otelllm.KillSwitchOn):
        asking.app.read(stream)
    assert otel.attributes[semconv.STREAM_END] == "blocked"


@pytest.mark.slow
def test_other_streams_flow_on(asking: Asking, provider: Provider, otel: Telemetry, policy: Path) -> None:
    gate = Gate()
    stream = _stream(asking, provider, gate, files.events(STREAMS[asking.way.sdk])[3:])
    asking.app.take(stream, 1)
    policy.write_text(KILL.replace("support", "search"))
    _wait_until_in_force()
    gate.open()
    assert asking.app.read(stream)
    assert otel.attributes[semconv.STREAM_END] == "complete"
