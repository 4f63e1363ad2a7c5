"""One contestant in its process: the bare client, the floor and the contestant in turn, compared within a round."""

from __future__ import annotations

import gc
import statistics
import time
import tracemalloc
from typing import TYPE_CHECKING, Any

import httpx2
import openai
from openai.resources.chat.completions.completions import Completions

from .floor import Floor
from .patches import Patches, snapshot
from .payloads import CALLS, CHUNKS, STREAM, Server, in_answer, in_prompt
from .telemetry import Telemetry

if TYPE_CHECKING:
    from collections.abc import Callable

    from .contestants import Contestant

__all__ = ["Bed", "memory", "resident", "stream_memory"]

STATES = ("bare", "floor", "contestant")
REPEATED = {"chat": (3, 4), "3 tool calls": (3, 4), "100 kB prompt": (3, 2), "stream": (3, 1)}
"""Turns in a round, and calls of each state in a turn: a busy neighbour slows a core by half for milliseconds, and
then slows all states alike.
"""

Figures = dict[str, float]
clock = time.thread_time_ns


def resident() -> float:
    """MiB of memory that this process holds."""
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * 4096 / (1 << 20)


def _medians(taken: list[Figures]) -> Figures:
    return {name: statistics.median(one[name] for one in taken) for name in taken[0]}


def _client(server: Server) -> openai.OpenAI:
    http = httpx2.Client(transport=httpx2.MockTransport(server.answer))
    return openai.OpenAI(api_key="k", base_url="http://mock.local/v1", max_retries=0, http_client=http)


class Bed:
    """The client, the telemetry, and the switch between bare, floor and contestant."""

    def __init__(self, contestant: Contestant) -> None:
        self._contestant = contestant
        self.server = Server()
        self.telemetry = Telemetry()
        self.client = _client(self.server)
        for kwargs in (*CALLS.values(), STREAM):  # imports all that the SDK imports late
            list(self.client.chat.completions.create(**kwargs))
        self._original = Completions.__dict__["create"]
        floor_telemetry = Telemetry()
        self._floor_telemetry = floor_telemetry
        floor = Floor(floor_telemetry.tracer_provider, floor_telemetry.meter_provider, content=contestant.content)
        self._floor = floor.wrap(self._original)
        before = snapshot()
        if contestant.start is not None:
            contestant.start(self.telemetry)
        self._patches = Patches(before, snapshot())
        self.client = _client(self.server)  # one for all states: a second one would be colder
        gc.collect()
        gc.freeze()  # a collection between rounds then takes no time

    def switch(self, state: str) -> None:
        """Make `state` the one that is on: bare, floor or contestant."""
        self._patches.take_out()
        if state == "floor":
            Completions.create = self._floor  # type: ignore[method-assign]
        elif state == "contestant":
            self._patches.put_back()
        if state != "floor" and Completions.__dict__["create"] is self._floor:
            Completions.create = self._original  # type: ignore[method-assign]

    def _ended(self) -> tuple[int, int]:
        """How many spans the floor and the contestant have ended so far."""
        return self._floor_telemetry.flush(), self.telemetry.flush()

    def round(self, workload: str, *, backwards: bool) -> dict[str, Figures]:
        """State -> measure -> µs: the median of calls that were made in turn, a few of each state at a time."""
        states = STATES[::-1] if backwards else STATES
        measure: Callable[[], Figures] = self._stream if workload == "stream" else lambda: self._call(CALLS[workload])
        turns, calls = REPEATED[workload]
        taken: dict[str, list[Figures]] = {state: [] for state in states}
        ended = self._ended()
        gc.collect()
        for _ in range(turns):
            for state in states:
                self.switch(state)
                measure()  # what patching emptied is filled again
                taken[state] += [measure() for _ in range(calls)]
        self._check(ended, turns * (calls + 1))
        return {state: _medians(figures) for state, figures in taken.items()}

    def everywhere(self, *, backwards: bool) -> dict[str, Figures]:
        """State -> µs of all threads a chat call, draining the queue included."""
        found = {}
        for state in STATES[::-1] if backwards else STATES:
            self.switch(state)
            self._call(CALLS["chat"])
            self._ended()
            began = time.process_time_ns()
            for _ in range(10):
                self._call(CALLS["chat"])
            self._ended()
            found[state] = {"call": (time.process_time_ns() - began) / 1e4}
        return found

    def _check(self, before: tuple[int, int], calls: int) -> None:
        of_floor, of_contestant = (now - then for now, then in zip(self._ended(), before, strict=True))
        assert of_floor == calls, f"{of_floor} spans of {calls} calls with the floor"
        if self._contestant.start is not None:
            enough = of_contestant == calls if self._contestant.one_span else of_contestant >= calls
            assert enough, f"{of_contestant} spans of {calls} calls"

    def prove(self) -> None:
        """Raise where the contestant doesn't keep a prompt or an answer, or keeps it though it must not."""
        if self._contestant.start is None:
            return
        self.switch("contestant")
        for text in (in_prompt, in_answer):
            for run in (lambda: self._call(CALLS["chat"]), self._stream):
                run()
                self.telemetry.flush()
                assert self.telemetry.says(text) == self._contestant.content, f"{text!r} on the span of {run}"

    def _call(self, kwargs: dict[str, Any]) -> Figures:
        create = self.client.chat.completions.create
        began = clock()
        create(**kwargs)
        return {"call": (clock() - began) / 1e3}

    def _stream(self) -> Figures:
        create = self.client.chat.completions.create
        first = count = 0
        began = clock()
        for _chunk in create(**STREAM):
            if not count:
                first = clock()
            count += 1
        ended = clock()
        assert count == CHUNKS
        return {
            "first": (first - began) / 1e3, "chunk": (ended - first) / 1e3 / (count - 1), "call": (ended - began) / 1e3
        }  # fmt: skip


def memory(bed: Bed, state: str, calls: int) -> Figures:
    """What `calls` calls leave behind in MiB, after a tenth as many that fill caches and queues."""
    bed.switch(state)

    def make(number: int) -> float:
        for done in range(number):
            bed.client.chat.completions.create(**CALLS["chat"])
            if done % 500 == 499:
                bed.telemetry.flush()
        bed.telemetry.flush()
        gc.collect()
        return resident()

    before = make(calls // 10)
    return {"before": before, "grown": make(calls) - before}


def stream_memory(bed: Bed, state: str, chunks: int) -> Figures:
    """The most memory in MiB, by the interpreter's own count, that a reader who pauses sees added between its 1,000th
    chunk and the last, and the most chunks that were read ahead of it.
    """
    bed.switch(state)
    for _ in bed.client.chat.completions.create(**STREAM):
        pass
    gc.collect()
    bed.server.chunks = chunks
    tracemalloc.start()
    read = ahead = 0
    before = most = 0.0
    for _chunk in bed.client.chat.completions.create(**STREAM):
        read += 1
        ahead = max(ahead, bed.server.sent - read)
        if read % 1000 == 0:
            held = tracemalloc.get_traced_memory()[0] / (1 << 20)
            before, most = before or held, max(most, held)
            time.sleep(0.01)
    bed.server.chunks = CHUNKS
    assert read == chunks
    return {"grown": most - before, "ahead": float(ahead)}
