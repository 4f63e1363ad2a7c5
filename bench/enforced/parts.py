"""Each part of a policy alone, and all together, over instrumentation alone, through the real openai client.

The SDK's own method costs nothing here: it gives a ready answer at once, so that what is added shows without the noise
of the rest. The ways take turns, some calls each; the third of the rounds counts that took least time, for a busy
machine slows all ways alike.
"""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import count
from typing import Any, NamedTuple

import httpx2
import openai
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider

import otelllm
from otelllm import setup
from otelllm.enforcement import Enforcement
from otelllm.policy import from_mapping
from otelllm.stages import Stages

from .answers import ANSWER, asked
from .costless import Costless

__all__ = ["CAPS", "WHOLE", "Row", "rows"]

IN_MEMORY = {"url": "memory:"}
LIMITS = [{
    "scope": "model:gpt-*", "requests_per_minute": 10**8, "input_tokens_per_minute": 10**11,
    "output_tokens_per_minute": 10**11, "concurrent": 10**6,
}]  # fmt: skip
BUDGETS = [{"scope": "user", "usd": 10.0**6, "per": "day", "at": {"80%": "warn", "100%": "block"}}]
CACHE = {"exact": {"where": "memory", "scope": "user"}}
RETRIES = {"max_attempts": 4}
CAPS: dict[str, Any] = {"state": IN_MEMORY, "limits": LIMITS, "budgets": BUDGETS}
WHOLE: dict[str, Any] = {**CAPS, "cache": CACHE, "retries": RETRIES}
KILL = [{"when": {"feature": "another"}}]
A_TURN = 20


class Row(NamedTuple):
    """µs of CPU of one way of calling, and what its policy adds to instrumentation alone."""

    name: str
    p50: float
    p99: float
    added_p50: float
    added_p99: float
    """Between the 99th percentiles."""


class _Dropped(SpanProcessor):
    """Nobody looks at the spans."""


def _instrument() -> None:
    tracers = TracerProvider()
    tracers.add_span_processor(_Dropped())
    meters = MeterProvider(metric_readers=[InMemoryMetricReader()])
    otelllm.instrument(tracer_provider=tracers, meter_provider=meters)


def _measure(ways: dict[str, tuple[Stages, Callable[[], Any]]], rounds: int) -> dict[str, list[float]]:
    running: Any = setup._running
    taken: list[dict[str, list[float]]] = []
    gc.collect()
    gc.freeze()  # a collection among the calls then looks at what they made, and not at all that was imported
    for turn in range(rounds):
        told: dict[str, list[float]] = {}
        gc.collect()
        for name, (stages, way) in list(ways.items())[:: 1 if turn % 2 else -1]:
            running.stages = stages
            way()
            told[name] = spent = []
            for _ in range(A_TURN):
                began = time.thread_time_ns()
                way()
                spent.append((time.thread_time_ns() - began) / 1e3)
        taken.append(told)
    quiet = sorted(taken, key=lambda told: sum(map(sum, told.values())))[: max(5, rounds // 3)]
    return {name: [value for told in quiet for value in told[name]] for name in ways}


def rows(rounds: int) -> Iterator[Row]:
    """One for each way; the first is instrumentation alone."""
    costless = Costless()
    _instrument()
    client = openai.OpenAI(
        api_key="sk-1",
        http_client=httpx2.Client(transport=httpx2.MockTransport(lambda _: httpx2.Response(200, json=ANSWER))),
    )
    create = client.chat.completions.create
    number = count()
    with otelllm.context(user="u-1", feature="bench"):
        costless.prepare(client, **asked(next(number)))

        def anew() -> None:
            create(**asked(next(number)))

        def again() -> None:
            create(**asked(-1))

        enforcement = Enforcement("bench")

        def stages(**said: Any) -> Stages:
            return enforcement.stages(from_mapping(said))

        whole = stages(**WHOLE)
        ways = {
            "instrumentation alone": (Stages(), anew),
            "a kill switch, off": (stages(kill=KILL), anew),
            "limits: 4 buckets": (stages(state=IN_MEMORY, limits=LIMITS), anew),
            "a budget": (stages(state=IN_MEMORY, budgets=BUDGETS), anew),
            "retries": (stages(retries=RETRIES), anew),
            "exact cache: a miss, kept": (stages(cache=CACHE), anew),
            "exact cache: a hit": (stages(cache=CACHE), again),
            "all of these: a miss, kept": (whole, anew),
            "all of these: a hit": (whole, again),
            "all but keeping the answer": (replace(whole, look_up=()), anew),
        }
        found = {name: _told(values) for name, values in _measure(ways, rounds).items()}
    enforcement.close()
    client.close()
    costless.remove()
    alone = found["instrumentation alone"]
    for name, (middle, late) in found.items():
        yield Row(name, middle, late, middle - alone[0], late - alone[1])


def _told(values: list[float]) -> tuple[float, float]:
    return statistics.median(values), statistics.quantiles(values, n=100)[98]
