"""`make soak`: hours of an app's life in minutes, and whether its memory stays as it was. By hand, not in CI.

Each scenario runs twice in a process of its own, bare and instrumented, against a provider on loopback; the app prints
its resident memory twenty times. The SDKs themselves grow here and there: what counts is how much more we do.

    python tests/soak [PATTERN]      such as 'openai*' or '*abandoned*'; at most 30 minutes
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from wire import files  # noqa: E402
from wire.server import Provider, Reply, Request, Step, sse, whole  # noqa: E402

LIMIT_S = 30 * 60
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


def main() -> int:
    """Every scenario; 1 when ours grows by more than the bare SDK and a little, or one doesn't end well."""
    patterns = sys.argv[1:] or ["*"]
    chosen = [one for one in SCENARIOS if any(fnmatch(str(one), pattern) for pattern in patterns)]
    provider = Provider()
    provider.always = reply
    failed, began = 0, time.monotonic()
    print(f"{'scenario':<28}{'count':>8}  {'bare: MB at first, growth':>26}  {'ours: MB at first, growth':>26}{'s':>6}")
    for scenario in chosen:
        if time.monotonic() - began > LIMIT_S - RUN_S:
            print(f"{scenario!s:<28} left out: the 30 minutes are over")
            failed += 1
            continue
        runs = []
        for instrumented in (False, True):
            runs.append(live(scenario, provider.url, instrumented=instrumented))
            provider.requests.clear()
        bare, ours = runs
        problem = bare.problem or ours.problem
        if not problem and not ours.growth <= max(bare.growth, 0) + FLAT_MB:
            problem = f"grows by {ours.growth - bare.growth:.1f} MB more"
        failed += bool(problem)
        columns = "  ".join(
            f"{run.readings[WARM]:>17.1f} {run.growth:>+8.2f}" if run.growth == run.growth else " " * 26 for run in runs
        )
        seconds = sum(run.seconds for run in runs)
        print(f"{scenario!s:<28}{scenario.count:>8,}  {columns}{seconds:>6.0f}  {problem or 'flat'}", flush=True)
    provider.close()
    print(f"{len(chosen) - failed} passed, {failed} failed, {time.monotonic() - began:.0f} s")
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
