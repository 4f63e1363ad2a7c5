"""What instrumentation adds: CPU a chat call, a streamed chunk and to the first chunk; import and instrument() time.

    python bench/instrumentation.py [--rounds 40] [--quick]

One process, an in-memory transport, the real openai SDK. Bare, floor (see floor.py) and ours take turns in every round
and are compared within it, by the CPU clock of the calling thread, so that neither drift nor a busy machine counts.
Spans go to a BatchSpanProcessor whose exporter drops them; metrics are aggregated and never collected.
"""

from __future__ import annotations

import argparse
import gc
import json
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx2
import openai
from floor import Floor
from openai.resources.chat.completions.completions import Completions
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))
import otelllm  # noqa: E402  the checkout's, not an installed one

ORIGINAL = Completions.__dict__["create"]
CHUNKS = 300
CALLS = 10
"""Calls of a block: a round's figure is the block's median."""

USAGE = {
    "prompt_tokens": 1200, "completion_tokens": 300, "total_tokens": 1500,
    "prompt_tokens_details": {"cached_tokens": 1024, "audio_tokens": 0},
    "completion_tokens_details": {"reasoning_tokens": 0, "audio_tokens": 0},
}  # fmt: skip
HEAD = {"created": 1764000000, "model": "gpt-4o-mini-2024-07-18", "service_tier": "default", "system_fingerprint": "fp"}
MESSAGES = [{"role": "system", "content": "s" * 256}, {"role": "user", "content": "u" * 768}]
ASKED: dict[str, Any] = {"model": "gpt-4o-mini", "messages": MESSAGES, "temperature": 0.5, "max_tokens": 600}
STREAMED = {**ASKED, "stream": True, "stream_options": {"include_usage": True}}


def _whole() -> bytes:
    choice = {"index": 0, "message": {"role": "assistant", "content": "a" * 1024}, "finish_reason": "stop"}
    answer = {"id": "chatcmpl-1", "object": "chat.completion", **HEAD, "choices": [choice], "usage": USAGE}
    return json.dumps(answer).encode()


def _stream() -> bytes:
    def chunk(delta: dict[str, Any] | None, finish: str | None = None, usage: Any = None) -> bytes:
        choices = [] if delta is None else [{"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}]
        body = {"id": "chatcmpl-1", "object": "chat.completion.chunk", **HEAD, "choices": choices, "usage": usage}
        return b"data: " + json.dumps(body).encode() + b"\n\n"

    words = [chunk({"content": f"{number:03x}."}) for number in range(CHUNKS - 3)]
    framed = [chunk({"role": "assistant", "content": ""}), *words, chunk({}, "stop"), chunk(None, usage=USAGE)]
    return b"".join([*framed, b"data: [DONE]\n\n"])


WHOLE, STREAM = _whole(), _stream()


def _answer(request: httpx2.Request) -> httpx2.Response:
    if b'"stream":true' in request.content:
        return httpx2.Response(200, headers={"content-type": "text/event-stream"}, content=STREAM)
    return httpx2.Response(200, headers={"content-type": "application/json"}, content=WHOLE)


class _Dropping(SpanExporter):
    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        return SpanExportResult.SUCCESS

    def shutdown(self) -> None:
        pass


class _Counting(SpanProcessor):
    """Counts ended spans: a contestant that records nothing would be the fastest."""

    def __init__(self) -> None:
        self.ended = 0

    def on_end(self, span: ReadableSpan) -> None:
        self.ended += 1


@dataclass
class Bed:
    """The client, the telemetry, and the switch between contestants."""

    counting: _Counting = field(default_factory=_Counting)

    def __post_init__(self) -> None:
        self.tracer_provider = TracerProvider()
        self.tracer_provider.add_span_processor(self.counting)
        self.tracer_provider.add_span_processor(BatchSpanProcessor(_Dropping()))
        self.meter_provider = MeterProvider(metric_readers=[InMemoryMetricReader()])
        http = httpx2.Client(transport=httpx2.MockTransport(_answer))
        self.client = openai.OpenAI(api_key="k", base_url="http://mock.local/v1", max_retries=0, http_client=http)
        providers = (self.tracer_provider, self.meter_provider)
        self._floors = {
            "floor": Floor(*providers, content=False).wrap(ORIGINAL),
            "floor, content": Floor(*providers, content=True).wrap(ORIGINAL),
        }

    def switch(self, contestant: str) -> None:
        """Make `contestant` the one that is on, as setup would, outside the clock."""
        otelllm.uninstrument()
        Completions.create = self._floors.get(contestant, ORIGINAL)  # type: ignore[method-assign]
        if contestant.startswith("ours"):
            otelllm.instrument(
                tracer_provider=self.tracer_provider,
                meter_provider=self.meter_provider,
                capture="full" if "content" in contestant else "off",
            )


CONTESTANTS = ("bare", "floor", "ours", "floor, content", "ours, content")


def _calls(bed: Bed) -> list[dict[str, float]]:
    clock = time.thread_time_ns
    taken = []
    for _ in range(CALLS):
        began = clock()
        bed.client.chat.completions.create(**ASKED)
        taken.append({"call": (clock() - began) / 1e3})
    return taken


def _streams(bed: Bed) -> list[dict[str, float]]:
    clock = time.thread_time_ns
    taken = []
    for _ in range(2):
        began = clock()
        first = 0
        count = 0
        for _chunk in bed.client.chat.completions.create(**STREAMED):
            if not count:
                first = clock()
            count += 1
        ended = clock()
        assert count == CHUNKS
        taken.append({
            "to first chunk": (first - began) / 1e3,
            "chunk": (ended - first) / 1e3 / (count - 1),
            "stream": (ended - began) / 1e3,
        })  # fmt: skip
    return taken


def _block(bed: Bed, contestant: str, work: Callable[[Bed], list[dict[str, float]]]) -> dict[str, float]:
    bed.switch(contestant)
    work(bed)  # what patching emptied is filled again
    gc.collect()
    before = bed.counting.ended
    taken = work(bed)
    assert bed.counting.ended - before == (0 if contestant == "bare" else len(taken)), f"{contestant} lost spans"
    bed.tracer_provider.force_flush()
    return {name: statistics.median(one[name] for one in taken) for name in taken[0]}


def measure(rounds: int) -> dict[str, dict[str, tuple[float, float]]]:
    """Measure -> contestant -> its median over the rounds and the spread (half the distance of the quartiles), µs.
    For bare its own time, for the others what they add to that of the same round.
    """
    bed = Bed()
    rows: dict[str, dict[str, list[float]]] = {}
    for number in range(rounds):
        turn = CONTESTANTS if number % 2 else CONTESTANTS[::-1]
        for work in (_calls, _streams):
            seen = {contestant: _block(bed, contestant, work) for contestant in turn}
            for contestant, figures in seen.items():
                for name, value in figures.items():
                    added = value if contestant == "bare" else value - seen["bare"][name]
                    rows.setdefault(name, {}).setdefault(contestant, []).append(added)
    bed.switch("bare")
    bed.tracer_provider.shutdown()
    return {name: {one: _summary(values) for one, values in by.items()} for name, by in rows.items()}


def _summary(values: list[float]) -> tuple[float, float]:
    low, middle, high = statistics.quantiles(values, n=4)
    return middle, (high - low) / 2


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


def starts(rounds: int) -> dict[str, tuple[float, float]]:
    """What is done once a process, in fresh ones in turn: median milliseconds, wall and CPU."""
    seen: dict[str, list[tuple[float, float]]] = {name: [] for name in STARTS}
    for number in range(rounds + 1):
        for name, (before, timed) in STARTS.items():
            code = _CHILD.format(root=str(ROOT), before=before, timed=timed)
            done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
            wall, cpu = done.stdout.split()
            if number:  # the first turn fills the page cache
                seen[name].append((float(wall) * 1e3, float(cpu) * 1e3))
    return {
        name: (statistics.median(one[0] for one in values), statistics.median(one[1] for one in values))
        for name, values in seen.items()
    }


def main() -> None:
    """Measure and print two tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--quick", action="store_true", help="5 rounds: whether it runs, not how fast")
    options = parser.parse_args()
    rounds = 5 if options.quick else options.rounds
    versions = f"openai {openai.__version__}, Python {sys.version.split()[0]}"
    print(f"{versions}, {rounds} rounds; µs of CPU, ± half the distance of the quartiles\n")
    print(f"{'':16}{'bare':>16}" + "".join(f"{'+ ' + one:>20}" for one in CONTESTANTS[1:]))
    for name, by in measure(rounds).items():
        cells = [f"{by[one][0]:.1f} ± {by[one][1]:.1f}" for one in CONTESTANTS]
        print(f"{name:16}{cells[0]:>16}" + "".join(f"{cell:>20}" for cell in cells[1:]))
    print(f"\n{'once a process':34}{'wall ms':>9}{'CPU ms':>9}")
    for name, (wall, cpu) in starts(max(5, rounds // 4)).items():
        print(f"{name:34}{wall:9.1f}{cpu:9.1f}")


if __name__ == "__main__":
    main()
