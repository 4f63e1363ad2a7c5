"""Senders in JavaScript: OpenTelemetry's SDK by every protocol, and Vercel's ai package in its own words."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from wire import files
from wire.server import Provider, sse, whole

from collector import process

if TYPE_CHECKING:
    from collector.process import Collector

HERE = Path(__file__).parent
MODULES = HERE.parent / "node_modules"
pytestmark = pytest.mark.slow


def _send(*arguments: str) -> str:
    """The id of the trace that was sent; skipped where npm has installed nothing, except in CI."""
    node = shutil.which("node")
    if node is None or not (MODULES / "@opentelemetry" / "sdk-trace-node").is_dir():
        reason = "OpenTelemetry's JavaScript SDK is not installed: run `make node`"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    done = subprocess.run(
        [node, HERE / "javascript" / "sender.mjs", *arguments],
        capture_output=True, text=True, check=False, timeout=60,
        env={name: value for name, value in os.environ.items() if not name.startswith("OTEL_")},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.fixture(scope="module")
def listening(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Collector]:
    """A collector with both its ports, which the suite's shared one has not."""
    running = process.start(tmp_path_factory.mktemp("data"), "--grpc", "127.0.0.1:0")
    yield running
    assert running.stop() == 0


@pytest.mark.parametrize("protocol", ["http/json", "http/protobuf", "grpc"])
def test_what_the_sdk_sends_is_what_is_kept(listening: Collector, protocol: str) -> None:
    trace_id = _send(protocol, listening.grpc if protocol == "grpc" else listening.url)
    found = listening.get(f"/api/traces/{trace_id}")
    chat, agent = sorted(found["spans"], key=lambda span: span["name"])
    assert (agent["operation"], agent["parent_span_id"]) == ("invoke_agent", None)
    assert chat["parent_span_id"] == agent["span_id"]
    span = listening.get(f"/api/traces/{trace_id}/spans/{chat['span_id']}")
    assert (span["provider"], span["request_model"], span["input_tokens"], span["output_tokens"]) == (
        "openai", "gpt-4o-mini", 1200, 50,
    )  # fmt: skip
    assert span["input_messages"] == [{"role": "user", "parts": [{"type": "text", "content": "Skagen? ÆØÅ 🌊"}]}]
    assert (span["attributes"]["app.score"], span["attributes"]["app.flags"]) == (0.5, [True, False])
    assert (span["status"], span["status_message"]) == ("error", "slow down")
    assert span["events"][0]["attributes"] == {"exception.type": "RateLimitError"}
    assert (span["resource"]["service.name"], span["scope"]["name"]) == ("shop-js", "shop")


def test_vercels_ai_package(collector: Collector) -> None:
    """Its own words, its parents that repeat the sums: two calls, each counted once."""
    provider = Provider()
    try:
        provider.reply(whole(files.body("openai/chat.json")), sse(files.events("openai/chat_stream.sse")))
        trace_id = _send("http/protobuf", collector.url, provider.url)
    finally:
        provider.close()
    found = collector.get(f"/api/traces/{trace_id}")
    trace = found["trace"]
    assert (trace["calls"], trace["input_tokens"], trace["output_tokens"]) == (2, 2400, 100)
    assert (trace["users"], trace["sessions"]) == (["u-1"], ["s-1"])
    calls = [span for span in found["spans"] if span["operation"] == "chat"]
    assert [call["name"] for call in calls] == ["ai.generateText.doGenerate", "ai.streamText.doStream"]
    for call in calls:
        span = collector.get(f"/api/traces/{trace_id}/spans/{call['span_id']}")
        assert span["vocabulary"].startswith("vercel")
        assert (span["provider"], span["request_model"]) == ("openai", "gpt-4o-mini")
        assert span["output_messages"][0]["parts"] == [
            {"type": "text", "content": "The lighthouse at Skagen was lit in 1858."}
        ]
        assert span["cost_usd"] > 0
    assert calls[1]["ttft_ms"] > 0
