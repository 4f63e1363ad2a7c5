"""What the exact cache costs: a hit and a miss over instrumentation alone, through the real openai client.

    python bench/enforcement.py cache

CPU of the calling thread. The ways take turns, 25 calls each; of the rounds the third counts that took least time,
for a busy machine slows all ways alike. Requests have 2 kB of prompt, content is off, spans are dropped.

The SDK's own method costs nothing here: it gives a ready answer at once. A hit sends nothing, so what the SDK itself
takes is no part of what it is measured over; and a miss shows what is added, without the noise of the rest. "The
look-up" is the cache's own part of a call before anything is sent; the rest is telemetry, and the keeping.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any

import httpx2
import openai
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider

import otelllm
from otelllm import setup
from otelllm.stages import Stages

from .costless import Costless

MODEL = "gpt-4o-mini"
ANSWER: dict[str, Any] = {
    "id": "chatcmpl-1", "object": "chat.completion", "created": 1764000000, "model": f"{MODEL}-2024-07-18",
    "choices": [{
        "index": 0, "finish_reason": "stop", "logprobs": None,
        "message": {"role": "assistant", "content": "A lighthouse. " * 40, "refusal": None, "annotations": []},
    }],
    "usage": {
        "prompt_tokens": 500, "completion_tokens": 160, "total_tokens": 660,
        "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": 0, "audio_tokens": 0},
    },
    "service_tier": "default", "system_fingerprint": "fp_1",
}  # fmt: skip
CHUNKS = 100


def _chunk(delta: dict[str, Any], finish: str | None = None) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": finish, "logprobs": None}
    made = httpx2.Response(200, json={
        "id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": MODEL, "choices": [choice],
    })  # fmt: skip
    return b"data: " + made.content + b"\n\n"


STREAM = [_chunk({"role": "assistant", "content": ""}), *[_chunk({"content": "word "})] * CHUNKS, _chunk({}, "stop"),
          b"data: [DONE]\n\n"]  # fmt: skip


class _Pieces(httpx2.SyncByteStream):
    def __iter__(self) -> Any:
        return iter(STREAM)


def _answer(request: httpx2.Request) -> httpx2.Response:
    if b'"stream":true' in request.content:
        return httpx2.Response(200, headers={"content-type": "text/event-stream"}, stream=_Pieces())
    return httpx2.Response(200, json=ANSWER, headers={"x-request-id": "req_1"})


class _Drop(SpanProcessor):
    """Nobody looks at the spans."""


def _instrument(policy: dict[str, Any]) -> None:
    otelllm.uninstrument()
    tracers = TracerProvider()
    tracers.add_span_processor(_Drop())
    meters = MeterProvider(metric_readers=[InMemoryMetricReader()])
    otelllm.instrument(tracer_provider=tracers, meter_provider=meters, policy=policy, capture="off")


number = count()


def _arguments(*, same: bool, stream: bool = False) -> dict[str, Any]:
    text = "Tell me of lighthouses. " * 80
    asked = {"role": "user", "content": text if same else f"{next(number)} {text}"}
    more = {"stream": True} if stream else {}
    return {"model": MODEL, "temperature": 0, "messages": [{"role": "system", "content": "Be brief."}, asked], **more}


Way = Callable[[], Any]


def measure(ways: dict[str, tuple[Stages, Way]], rounds: int) -> dict[str, list[float]]:
    """Way -> each call's µs, in the quieter third of the rounds."""
    running: Any = setup._running
    taken: list[dict[str, list[float]]] = []
    for turn in range(rounds):
        told: dict[str, list[float]] = {}
        for name, (stages, way) in list(ways.items())[:: 1 if turn % 2 else -1]:
            running.stages = stages
            way()
            told[name] = []
            for _ in range(25):
                began = time.thread_time_ns()
                way()
                told[name].append((time.thread_time_ns() - began) / 1e3)
        taken.append(told)
    quiet = sorted(taken, key=lambda told: sum(map(sum, told.values())))[: max(2, rounds // 3)]
    return {name: [value for told in quiet for value in told[name]] for name in ways}


def _rows(where: str, costless: Costless, rounds: int) -> Iterator[tuple[str, float, float, str]]:
    _instrument({"cache": {"exact": {"scope": "all", "where": where}}})
    running: Any = setup._running
    cached, none = running.stages, Stages()
    client = openai.OpenAI(api_key="sk-1", http_client=httpx2.Client(transport=httpx2.MockTransport(_answer)))
    create = client.chat.completions.create
    list(create(**_arguments(same=True, stream=True)))
    costless.prepare(client, **_arguments(same=True))
    unfit = costless.ready.model_copy(deep=True)
    unfit.choices[0].finish_reason = "length"

    def not_kept() -> None:
        ready, costless.ready = costless.ready, unfit
        create(**_arguments(same=False))
        costless.ready = ready

    looks: list[float] = []
    (look_up,) = cached.look_up

    def timed(call: Any, asked: Any, target: Any) -> Any:
        began = time.thread_time_ns()
        found = yield from look_up(call, asked, target)
        looks.append((time.thread_time_ns() - began) / 1e3)
        return found

    ways: dict[str, tuple[Stages, Way]] = {
        "instrumentation alone": (none, lambda: create(**_arguments(same=False))),
        "a hit": (cached, lambda: create(**_arguments(same=True))),
        "a hit, a stream opened": (cached, lambda: create(**_arguments(same=True, stream=True))),
        "a miss, not kept": (cached, not_kept),
        "a miss, kept": (cached, lambda: create(**_arguments(same=False))),
        "": (replace(cached, look_up=(timed,)), not_kept),
    }
    found = {name: _told(values) for name, values in measure(ways, rounds).items() if name}
    costless.ready = None
    alone = found["instrumentation alone"]
    for name, told in found.items():
        yield f"{where.partition(':')[0]}: {name}", *told, f"{told[0] - alone[0]:+.1f}" if told is not alone else ""
    yield f"{where.partition(':')[0]}: the look-up of a miss", *_told(sorted(looks)[: len(looks) // 2]), ""
    client.close()
    otelllm.uninstrument()


def _told(values: list[float]) -> tuple[float, float]:
    return statistics.median(values), statistics.quantiles(values, n=100)[98]


def _sdk_alone(rounds: int) -> float:
    client = openai.OpenAI(api_key="sk-1", http_client=httpx2.Client(transport=httpx2.MockTransport(_answer)))
    taken = []
    for _ in range(rounds):
        began = time.thread_time_ns()
        client.chat.completions.create(**_arguments(same=False))
        taken.append((time.thread_time_ns() - began) / 1e3)
    client.close()
    return statistics.quantiles(taken, n=4)[0]


def cache(rounds: int = 120) -> None:
    """Measure and print."""
    print(f"the bare SDK's own call, for comparison: {_sdk_alone(rounds * 4):.0f} us CPU")
    costless = Costless()
    print("| us of CPU | p50 | p99 | p50 over instrumentation alone |\n|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        for where in ("memory", f"sqlite:{Path(folder) / 'cache.db'}"):
            for name, middle, late, added in _rows(where, costless, rounds):
                print(f"| {name} | {middle:.1f} | {late:.1f} | {added} |", flush=True)
    costless.remove()
