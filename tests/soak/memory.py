"""Hours of an app's life in minutes, and whether its memory stays as it was.

Each scenario runs twice in a process of its own, bare and instrumented, against a provider on loopback; the app prints
its resident memory twenty times. The SDKs themselves grow here and there: what counts is how much more we do.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from wire import files
from wire.server import Provider, Reply, Request, Step, sse, whole

__all__ = ["SCENARIOS", "Scenario", "run"]

ROOT = Path(__file__).resolve().parents[2]
RUN_S = 8 * 60
WARM = 4
"""Readings of twenty that pass before memory must be flat: imports, pools, histograms, the batch processor's queue."""
FLAT_MB = 4.0
CHUNKS = 100_000


class Scenario(NamedTuple):
    """What one process does, how often."""

    sdk: str
    kind: str
    what: str
    count: int

    def __str__(self) -> str:
        return f"{self.sdk} {self.kind} {self.what}"


SCENARIOS = [
    Scenario("openai", "sync", "calls", 20_000),
    Scenario("openai", "async", "calls", 20_000),
    Scenario("openai", "sync", "abandoned", 10_000),
    Scenario("openai", "async", "abandoned", 10_000),
    Scenario("openai", "sync", "slow", CHUNKS),
    Scenario("anthropic", "sync", "calls", 20_000),
    Scenario("anthropic", "sync", "abandoned", 10_000),
    Scenario("anthropic", "sync", "slow", CHUNKS),
]


class Run(NamedTuple):
    """One process's life."""

    readings: list[float]
    """Resident memory in MB, as it went."""
    seconds: float
    problem: str = ""

    @property
    def growth(self) -> float:
        """MB from when it was warm to the end."""
        return self.readings[-1] - self.readings[WARM] if len(self.readings) > WARM else float("nan")


def reply(request: Request) -> Reply:
    """A whole answer, a short stream, or one of 100,000 chunks, as the app's model says."""
    name = "openai" if "chat" in request.path else "anthropic"
    body, stream = ("chat.json", "chat_stream.sse") if name == "openai" else ("message.json", "message_stream.sse")
    model = request.json["model"]
    if model == "calls":
        return whole(files.body(f"{name}/{body}"))
    events = files.events(f"{name}/{stream}")
    return sse(events) if model == "abandoned" else Reply(steps=_long(events), content_type="text/event-stream")


def _long(events: list[bytes]) -> Iterator[Step]:
    """The stream with its first delta 100,000 times, a hundred a packet."""
    at = next(
        number for number, event in enumerate(events) if b"text_delta" in event or b'"delta": {"content"' in event
    )
    yield from events[: at + 1]
    for _ in range(CHUNKS // 100):
        yield events[at] * 100
    yield from events[at + 1 :]


def live(scenario: Scenario, url: str, *, instrumented: bool) -> Run:
    """Run the app to its end, or to its limit."""
    settings = {**os.environ, "PYTHONPATH": str(ROOT), "MALLOC_ARENA_MAX": "2", "SOAK_OURS": str(int(instrumented))}
    command = [sys.executable, str(Path(__file__).with_name("app.py")), *scenario[:3], str(scenario.count), url]
    began = time.monotonic()
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=settings) as process:
        timer = threading.Timer(RUN_S, process.kill)
        timer.start()
        assert process.stdout is not None
        readings = [float(line) for line in process.stdout]
        timer.cancel()
    seconds = time.monotonic() - began
    problem = f"ended with {process.returncode}" if process.returncode else ""
    if seconds >= RUN_S:
        problem = f"was not over after {RUN_S} s, at {len(readings)} of 20 readings"
    return Run(readings, seconds, problem)


def run(scenario: Scenario) -> str:
    """Both lives of one scenario; the figures, where ours doesn't grow by more than the bare SDK and a little."""
    provider = Provider()
    provider.always = reply
    runs = []
    for instrumented in (False, True):
        runs.append(live(scenario, provider.url, instrumented=instrumented))
        provider.requests.clear()
    provider.close()
    bare, ours = runs
    figures = ", ".join(
        f"{who} {one.readings[WARM]:.1f} MB {one.growth:+.2f}"
        for who, one in (("bare", bare), ("ours", ours))
        if one.growth == one.growth
    )
    problem = bare.problem or ours.problem
    assert not problem, f"{problem}: {figures}"
    assert ours.growth <= max(bare.growth, 0) + FLAT_MB, f"grows by {ours.growth - bare.growth:.1f} MB more: {figures}"
    return f"{scenario.count:,}: {figures}"
