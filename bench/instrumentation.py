"""What instrumentation adds to the openai SDK: ours, the newest of others, and the least that is possible (the floor).

    python bench/instrumentation.py [--rounds 90] [--quick]

Each runs in a process and an environment of its own (made under `.cache/bench/`, versions in
`overhead/constraints.txt`). In every round each process measures the bare client, the floor and its instrumentation
in turn, a few calls at a time, by the CPU clock of the calling thread, and takes its share of the bare call beside it:
a busy machine slows both alike; the third of the rounds that took least time counts. Ratios are to the floor of the
same run, all processes' rounds together.

Answers come from memory; content is kept; spans go to a BatchSpanProcessor whose exporter drops them; metrics are
aggregated and never read. Before it is measured each must show prompt and answer on its spans. The floor is one SDK
span of 15 attributes, messages by orjson, two histograms: `overhead/floor.py`.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

from overhead.contestants import CONTESTANTS, Contestant
from overhead.environments import ROOT, python_with

SHARED = ("openai", "opentelemetry-sdk", "opentelemetry-instrumentation", "orjson")
WORKLOADS = ("chat", "3 tool calls", "100 kB prompt", "stream")
QUICK = ("otelllm", "otelllm, no content")
CALLS, CHUNKS = 20_000, 100_000

Values = dict[str, list[float]]
"""State (bare, floor, contestant) -> a figure of each round."""


def _python(name: str) -> Path:
    contestant: Contestant = CONTESTANTS[name]
    return python_with((contestant.packages or ("bare",))[0], (*SHARED, *contestant.packages))


class Process:
    """A contestant at work."""

    def __init__(self, name: str) -> None:
        self.name = name
        # Logfire is a pydantic plug-in: not before its turn, and not in the bare client's figures.
        environment = {**os.environ, "PYDANTIC_DISABLE_PLUGINS": "__all__"}
        self._process = subprocess.Popen(
            [_python(name), "-m", "overhead", name], cwd=Path(__file__).parent, env=environment, text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        )  # fmt: skip
        self._read()

    def _read(self) -> str:
        assert self._process.stdout is not None
        while line := self._process.stdout.readline():
            if line.startswith(("{", "ready")):
                return line
        raise SystemExit(f"{self.name} failed, see above")

    def ask(self, kind: str, **task: Any) -> Any:
        """What it answers to a task."""
        assert self._process.stdin is not None
        print(json.dumps({"kind": kind, **task}), file=self._process.stdin, flush=True)
        return json.loads(self._read())

    def end(self) -> None:
        """Let it go."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()


def measure(names: list[str], rounds: int) -> dict[str, dict[str, Values]]:
    """Contestant -> measure -> state -> µs of each round."""
    processes = [Process(name) for name in names]
    found: dict[str, dict[str, Values]] = {name: {} for name in names}
    for number in range(rounds):
        backwards = bool(number % 2)
        for process in processes[:: 1 if backwards else -1]:
            turns = {one: process.ask("round", workload=one, backwards=backwards) for one in WORKLOADS}
            turns["all threads"] = process.ask("everywhere", backwards=backwards)
            for workload, states in turns.items():
                for state, figures in states.items():
                    for figure, value in figures.items():
                        by_state = found[process.name].setdefault(f"{workload}: {figure}", {})
                        by_state.setdefault(state, []).append(value)
    for process in processes:
        process.end()
    return found


def _together(several: list[Values]) -> Values:
    """The rounds of several processes, which took turns."""
    return {state: [value for one in several for value in one[state]] for state in several[0]}


def _added(by_state: Values, state: str, quiet: float) -> tuple[float, float]:
    """What `state` adds to the bare client: the median of its share of the bare call in the same round, in µs of a bare
    call on a `quiet` machine; and half the distance of the quartiles. Of the rounds, the third that took least time.
    """
    rounds = sorted(zip(*by_state.values(), strict=True), key=sum)
    place, bare = list(by_state).index(state), list(by_state).index("bare")
    shares = [one[place] / one[bare] - 1 for one in rounds[: max(3, len(rounds) // 3)]]
    low, middle, high = statistics.quantiles(shares, n=4)
    return middle * quiet, (high - low) / 2 * quiet


COLUMNS = {
    "chat: call": "chat", "3 tool calls: call": "3 tool calls", "100 kB prompt: call": "100 kB prompt",
    "stream: chunk": "a chunk", "stream: first": "TTFT", "all threads: call": "chat, all threads",
}  # fmt: skip


def _table(head: list[str], rows: list[list[str]]) -> None:
    print("| " + " | ".join(head) + " |")
    print("|---" * len(head) + "|")
    for row in rows:
        print("| " + " | ".join(row) + " |")
    print()


def _cell(added: tuple[float, float], floor: float | None = None) -> str:
    digits = 2 if added[0] < 10 else 0
    shown = f"{added[0]:.{digits}f} ± {added[1]:.{digits}f}"
    return shown if floor is None else f"{shown} ({added[0] / floor:.2f}x)"


def _show(found: dict[str, dict[str, Values]]) -> None:
    everyone = {one: _together([measures[one] for measures in found.values()]) for one in COLUMNS}
    quiet = {one: statistics.quantiles(by_state["bare"], n=10)[0] for one, by_state in everyone.items()}
    rows = []
    for content in (True, False):
        names = [name for name in found if CONTESTANTS[name].content == content]
        pooled = {one: _together([found[name][one] for name in names]) for one in COLUMNS}
        floor = {one: _added(pooled[one], "floor", quiet[one]) for one in COLUMNS}
        rows.append(["floor" if content else "floor, no content", *(_cell(floor[one]) for one in COLUMNS)])
        for name in names:
            added = {one: _added(found[name][one], "contestant", quiet[one]) for one in COLUMNS}
            rows.append([name, *(_cell(added[one], floor[one][0]) for one in COLUMNS)])
    rows.append(["the bare client itself, on a quiet machine", *(f"{quiet[one]:.0f}" for one in COLUMNS)])
    _table(["µs of CPU added (x the floor of this run)", *COLUMNS.values()], rows)


def _median(values: list[dict[str, float]], name: str) -> float:
    return statistics.median(one[name] for one in values)


def starts(names: list[str], rounds: int) -> dict[str, list[dict[str, float]]]:
    """Import and switching on, in fresh processes in turn, where the app has imported openai and OpenTelemetry."""
    found: dict[str, list[dict[str, float]]] = {name: [] for name in names}
    for number in range(rounds + 1):
        for name in names:
            done = subprocess.run(
                [_python(name), "-m", "overhead", name, "start"], cwd=Path(__file__).parent, check=True, text=True,
                stdout=subprocess.PIPE, env={**os.environ, "PYDANTIC_DISABLE_PLUGINS": "__all__"},
            )  # fmt: skip
            if number:  # the first turn fills the page cache
                found[name].append(json.loads(done.stdout.splitlines()[-1]))
    return found


def memories(name: str, state: str, calls: int, chunks: int) -> tuple[float, float, float]:
    """MiB grown in `calls` calls, MiB added while a stream of `chunks` is read, and the chunks read ahead."""
    calling = Process(name)
    grown = calling.ask("memory", state=state, calls=calls)["grown"]
    calling.end()
    streaming = Process(name)
    stream = streaming.ask("stream", state=state, chunks=chunks)
    streaming.end()
    return grown, stream["grown"], stream["ahead"]


def _show_once(names: list[str], rounds: int, calls: int, chunks: int) -> None:
    started = starts(names, rounds)
    rows = []
    for name, state in [("bare client", "bare"), ("otelllm", "floor"), *((one, "contestant") for one in names)]:
        grown, stream, ahead = memories(name, state, calls, chunks)
        label = "floor" if state == "floor" else name
        begun = started[name] if state == "contestant" else None
        start = [f"{_median(begun, one):.0f}" for one in ("wall", "cpu", "held")] if begun else ["", "", ""]
        rows.append([label, *start, f"{grown:.1f}", f"{stream:.1f}", f"{ahead:.0f}"])
    _table(
        ["", "import and switch on, ms", "of it CPU", "MiB held then", f"MiB grown in {calls:,} calls",
         f"MiB while {chunks:,} chunks are read", "chunks read ahead"],
        rows,
    )  # fmt: skip


STARTS = {
    "import otelllm": ("", "import otelllm"),
    "import otelllm, after openai": ("import openai", "import otelllm"),
    "instrument(), providers given": (
        "import openai, otelllm; from opentelemetry.sdk.trace import TracerProvider as T; "
        "from opentelemetry.sdk.metrics import MeterProvider as M; t, m = T(), M()",
        "otelllm.instrument(tracer_provider=t, meter_provider=m)",
    ),
    "instrument(), ours": ("import openai, otelllm", "otelllm.instrument()"),
}
_CHILD = """
import sys, time
sys.path.insert(0, {root!r})
{before}
wall, cpu = time.perf_counter(), time.process_time()
{timed}
print(time.perf_counter() - wall, time.process_time() - cpu, flush=True)
import os; os._exit(0)
"""


def _show_steps(rounds: int) -> None:
    """The steps of our own start: median milliseconds, wall and CPU, in fresh processes in turn."""
    seen: dict[str, list[tuple[float, float]]] = {name: [] for name in STARTS}
    for number in range(rounds + 1):
        for name, (before, timed) in STARTS.items():
            code = _CHILD.format(root=str(ROOT), before=before, timed=timed)
            done = subprocess.run([_python("otelllm"), "-c", code], capture_output=True, text=True, check=True)
            if number:
                wall, cpu = done.stdout.split()
                seen[name].append((float(wall) * 1e3, float(cpu) * 1e3))
    rows = [
        [name, *(f"{statistics.median(part):.1f}" for part in zip(*values, strict=True))]
        for name, values in seen.items()
    ]
    _table(["once a process, ms", "wall", "CPU"], rows)


def main() -> None:
    """Measure and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=90)
    parser.add_argument("--quick", action="store_true", help="ours and the floor only, no memory and no start-up")
    options = parser.parse_args()
    names = list(QUICK) if options.quick else [name for name in CONTESTANTS if name != "bare client"]
    print(
        f"Python {sys.version.split()[0]}, {options.rounds} rounds, medians ± half the distance of the quartiles\n",
        flush=True,
    )
    _show(measure(names, options.rounds))
    if not options.quick:
        _show_once(names, 9, CALLS, CHUNKS)
        _show_steps(9)


if __name__ == "__main__":
    main()
