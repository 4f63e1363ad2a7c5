"""The app whose memory is watched: does one thing over and over, and prints its resident MB twenty times."""

from __future__ import annotations

import asyncio
import gc
import os
import sys
import time
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

READINGS = 20
QUESTION = [{"role": "user", "content": "When was the lighthouse at Skagen lit?"}]
SLOW_EVERY, SLOW_S = 1_000, 0.05
"""The slow consumer: 5 s in all in which it doesn't read, and the server waits for it."""


def _instrument(capture: Any) -> None:
    """A batch processor whose exporter drops, and metrics that are aggregated."""
    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.metrics.export import InMemoryMetricReader
    from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult

    import otelllm

    class Dropping(SpanExporter):
        def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
            return SpanExportResult.SUCCESS

    tracers = TracerProvider()
    tracers.add_span_processor(BatchSpanProcessor(Dropping()))
    meters = MeterProvider(metric_readers=[InMemoryMetricReader()])
    otelllm.instrument(capture=capture, tracer_provider=tracers, meter_provider=meters)


def _print_memory() -> None:
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    print(f"{pages * os.sysconf('SC_PAGE_SIZE') / 1e6:.2f}", flush=True)


def _method(sdk: str, kind: str, url: str) -> Any:
    """The method that the app calls, and its arguments."""
    if sdk == "openai":
        import openai

        client: Any = (openai.AsyncOpenAI if kind == "async" else openai.OpenAI)(api_key="none", base_url=url)
        return client.chat.completions.create, {"messages": QUESTION}
    import anthropic

    client = (anthropic.AsyncAnthropic if kind == "async" else anthropic.Anthropic)(
        api_key="none", base_url=url.removesuffix("/v1")
    )
    return client.messages.create, {"messages": QUESTION, "max_tokens": 64}


def _sync(method: Any, asked: dict[str, Any], what: str, count: int) -> None:
    if what == "slow":
        for number, _ in enumerate(method(**asked, stream=True), 1):
            if number % SLOW_EVERY == 0:
                time.sleep(SLOW_S)
            if number % (count // READINGS) == 0:
                _print_memory()
        return
    for number in range(1, count + 1):
        if what == "calls":
            method(**asked)
        else:
            stream = iter(method(**asked, stream=True))
            next(stream), next(stream)
            del stream
        if number % 100 == 0:
            gc.collect()
        if number % (count // READINGS) == 0:
            _print_memory()


async def _async(method: Any, asked: dict[str, Any], what: str, count: int) -> None:
    for number in range(1, count + 1):
        if what == "calls":
            await method(**asked)
        else:
            stream = await method(**asked, stream=True)
            await anext(stream), await anext(stream)
            del stream
        if number % 100 == 0:
            gc.collect()
            for _ in range(5):  # finalisers of async generators are tasks of the loop
                await asyncio.sleep(0)
        if number % (count // READINGS) == 0:
            _print_memory()


def main(sdk: str, kind: str, what: str, count: str, url: str) -> None:
    """One life."""
    warnings.simplefilter("ignore", ResourceWarning)
    if os.environ["SOAK_OURS"] == "1":
        _instrument("off" if what == "slow" else "full")  # a captured answer may cost its text
    method, asked = _method(sdk, kind, url)
    asked["model"] = what  # by which the server knows what to answer
    if kind == "async":
        asyncio.run(_async(method, asked, what, int(count)))
    else:
        _sync(method, asked, what, int(count))


if __name__ == "__main__":
    main(*sys.argv[1:])
