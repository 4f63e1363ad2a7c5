"""Whole calls over loopback, in turn: the openai client under a policy of ours, and LiteLLM's Router doing the same.

Each runs in a process of its own, LiteLLM in a virtual environment of its own that is made under `.cache/bench/`; both
ask the same server, which is a third process.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from overhead.environments import ROOT, python_with

__all__ = ["Beside", "beside"]

HERE = Path(__file__).resolve().parents[1]
A_TURN = 15
PINS = ROOT / "tests" / "matrix" / "litellm-newest.txt"
PACKAGES = ("litellm", "fastapi", "soundfile", "orjson")
"""Its cache of answers imports the others when it is first used."""
WAYS = ("bare", "watched", "a miss", "a hit")


class Beside(NamedTuple):
    """µs of CPU that one way of calling adds to the bare client in the same process."""

    who: str
    way: str
    p50: float
    p99: float
    all_threads: float
    """A call, in the mean."""


class _Process:
    def __init__(self, python: str | Path, *arguments: str) -> None:
        self._process = subprocess.Popen(
            [python, "-m", *arguments],
            cwd=HERE,
            text=True,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "LITELLM_LOCAL_MODEL_COST_MAP": "True"},  # else it fetches its prices from afar
        )

    def read(self) -> str:
        assert self._process.stdout is not None
        while line := self._process.stdout.readline():
            if line.startswith(("{", "ready", "http://")):
                return line.strip()
        raise SystemExit(f"{self._process.args} failed, see above")

    def ask(self, **task: Any) -> Any:
        assert self._process.stdin is not None
        print(json.dumps(task), file=self._process.stdin, flush=True)
        return json.loads(self.read())

    def end(self) -> None:
        self._process.terminate()
        self._process.wait()


@contextmanager
def _processes() -> Iterator[dict[str, _Process]]:
    router = python_with("litellm", PACKAGES, pins=PINS)
    server = _Process(sys.executable, "enforced.answers")
    url = server.read()
    callers = {
        "otelllm": _Process(sys.executable, "enforced.contestant", "otelllm", url),
        "litellm": _Process(router, "enforced.contestant", "litellm", url),
    }
    try:
        for caller in callers.values():
            caller.read()
        yield callers
    finally:
        for process in (*callers.values(), server):
            process.end()


def beside(rounds: int) -> tuple[dict[str, float], list[Beside]]:
    """Each one's bare call in µs, and what its other ways add; of the rounds, the third that took least time."""
    taken: list[dict[tuple[str, str], Any]] = []
    with _processes() as callers:
        for turn in range(rounds):
            order = [(who, way) for who in callers for way in WAYS][:: 1 if turn % 2 else -1]
            taken.append({(who, way): callers[who].ask(way=way, calls=A_TURN) for who, way in order})
    quiet = sorted(taken, key=lambda told: sum(one["all"] for one in told.values()))[: max(3, rounds // 3)]
    found: list[Beside] = []
    bare: dict[str, float] = {}
    for who in callers:
        values = {way: [one for told in quiet for one in told[who, way]["thread"]] for way in WAYS}
        everywhere = {way: statistics.median(told[who, way]["all"] for told in quiet) for way in WAYS}
        middle = {way: statistics.median(values[way]) for way in WAYS}
        late = {way: statistics.quantiles(values[way], n=100)[98] for way in WAYS}
        bare[who] = middle["bare"]
        found += [
            Beside(
                who, way, middle[way] - middle["bare"], late[way] - late["bare"], everywhere[way] - everywhere["bare"]
            )
            for way in WAYS[1:]
        ]
    return bare, found
