"""How much a collector takes: accepted spans a second, CPU a span, time to the answer, memory, bytes on disk.

    python bench/ingest.py [--requests 60] [--connections 4] [--gzip] [--json] [--turns N]

Starts a collector of its own in a temporary folder and sends it requests of 512 spans: traces of 8 spans of a
retrieval agent, about 25 attributes and 2.3 kB a span. With --turns every trace is one turn of a conversation of N
turns that is sent again whole each turn. Rates swing with what else the machine does; believe the CPU a span.
"""

from __future__ import annotations

import argparse
import gzip
import http.client
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

ROOT = Path(__file__).resolve().parents[1]
SPANS = 512
TEXT = "the of order customer refund invoice shipped to in is late please help with my account price and for not"
WORDS = TEXT.split()
RANDOM = random.Random(7)

STEPS = (
    ("invoke_workflow", "invoke_workflow support", 0, 4000),
    ("embeddings", "embeddings text-embedding-3-large", 5, 90),
    ("retrieval", "retrieval kb", 100, 60),
    ("rerank", "rerank rerank-4", 170, 180),
    ("chat", "chat gpt-5.2", 360, 1400),
    ("execute_tool", "execute_tool search_orders", 1770, 120),
    ("chat", "chat gpt-5.2", 1900, 1900),
    ("task", "check answer", 3810, 60),
)


def prose(size: int) -> str:
    words = [RANDOM.choice(WORDS) + str(RANDOM.randrange(40)) for _ in range(size // 6)]
    return " ".join(words)


def message(role: str, size: int) -> dict[str, Any]:
    return {"role": role, "parts": [{"type": "text", "content": prose(size)}]}


def put(span: Any, attributes: dict[str, Any]) -> None:
    for key, value in attributes.items():
        pair = span.attributes.add(key=key)
        if isinstance(value, bool):
            pair.value.bool_value = value
        elif isinstance(value, int):
            pair.value.int_value = value
        elif isinstance(value, float):
            pair.value.double_value = value
        elif isinstance(value, list):
            for item in value:
                pair.value.array_value.values.add(string_value=item)
        else:
            pair.value.string_value = value


def shared(user: int) -> dict[str, Any]:
    return {
        "user.id": f"user-{user:05d}",
        "session.id": f"s-{user}-{RANDOM.randrange(50)}",
        "otelllm.feature": RANDOM.choice(["search", "support", "billing"]),
        "app.tenant": f"tenant-{user % 40}",
        "app.release": "2026.11.3",
        "thread.id": 140_000_000_000 + RANDOM.randrange(64),
        "thread.name": "asyncio_0",
        "code.function.name": "run_step",
        "code.file.path": "/srv/app/rag/pipeline.py",
        "code.line.number": RANDOM.randrange(20, 900),
        "deployment.region": "eu-central-1",
    }


def chat(history: list[dict[str, Any]]) -> dict[str, Any]:
    tokens = RANDOM.randrange(400, 6000)
    return {
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "gpt-5.2",
        "gen_ai.response.model": "gpt-5.2-2026-10-01",
        "gen_ai.response.id": f"resp_{RANDOM.getrandbits(96):024x}",
        "gen_ai.request.temperature": 0.7,
        "gen_ai.request.max_tokens": 2048,
        "gen_ai.usage.input_tokens": tokens,
        "gen_ai.usage.output_tokens": tokens // 8,
        "gen_ai.usage.cache_read.input_tokens": tokens // 2,
        "otelllm.cost.usd": tokens * 2.5e-6,
        "otelllm.cost.status": "exact",
        "gen_ai.response.finish_reasons": ["stop"],
        "otelllm.ttft": RANDOM.uniform(0.1, 1.5),
        "server.address": "api.openai.example",
        "gen_ai.input.messages": json.dumps(history),
        "gen_ai.output.messages": json.dumps([message("assistant", 1900)]),
    }


def body(number: int, turns: int) -> bytes:
    request = ExportTraceServiceRequest()
    of_resource = request.resource_spans.add()
    put(of_resource.resource, {"service.name": "support-api", "service.version": "2026.11.3", "host.name": "app-7"})
    of_scope = of_resource.scope_spans.add()
    of_scope.scope.name = "bench"
    history: list[dict[str, Any]] = []
    for trace in range(SPANS // len(STEPS)):
        if not turns or trace % turns == 0:
            history = []
        history = [*history, message("user", 600), message("tool", 1200)]
        begin = time.time_ns() - 3_600_000_000_000 + (number * 64 + trace) * 7_000_000
        trace_id, root, common = RANDOM.randbytes(16), b"", shared(RANDOM.randrange(3000))
        for operation, name, offset_ms, duration_ms in STEPS:
            span = of_scope.spans.add(trace_id=trace_id, span_id=RANDOM.randbytes(8), parent_span_id=root, name=name)
            root = root or span.span_id
            span.kind = Span.SPAN_KIND_CLIENT
            span.start_time_unix_nano = begin + offset_ms * 1_000_000
            span.end_time_unix_nano = span.start_time_unix_nano + int(duration_ms * 1e6 * RANDOM.uniform(0.3, 2))
            put(span, {"gen_ai.operation.name": operation, **common})
            put(span, chat(history) if operation == "chat" else {"app.note": prose(700), "app.score": RANDOM.random()})
    return request.SerializeToString()


def usage(pid: int) -> tuple[float, float]:
    """CPU seconds and resident megabytes of a process."""
    stat = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    status = Path(f"/proc/{pid}/status").read_text()
    peak = next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM"))
    return (int(stat[11]) + int(stat[12])) / os.sysconf("SC_CLK_TCK"), int(peak) / 1024


def send(port: int, bodies: list[bytes], headers: dict[str, str], times: list[float], failures: list[int]) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
    while bodies:
        try:
            content = bodies.pop()
        except IndexError:
            break
        began = time.perf_counter()
        connection.request("POST", "/v1/traces", content, headers)
        answer = connection.getresponse()
        answer.read()
        times.append(time.perf_counter() - began)
        if answer.status != 200:
            failures.append(answer.status)


def start(folder: str) -> tuple[subprocess.Popen[str], int]:
    environment = os.environ | {"PYTHONPATH": f"{ROOT}:{ROOT / 'collector'}"}
    command = [sys.executable, "-m", "otelllm_collector", "--data", folder, "--http", "127.0.0.1:0"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
    assert process.stdout
    return process, int(process.stdout.readline().split("127.0.0.1:")[1].split()[0])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=60)
    parser.add_argument("--connections", type=int, default=4)
    parser.add_argument("--turns", type=int, default=0)
    parser.add_argument("--gzip", action="store_true")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    bodies = [body(number, options.turns) for number in range(min(options.requests, 400))]
    headers = {"content-type": "application/x-protobuf"}
    if options.json:
        from google.protobuf.json_format import MessageToDict

        def as_otlp(content: bytes) -> bytes:
            # json_format writes ids as base64; hex takes their place.
            text = MessageToDict(ExportTraceServiceRequest.FromString(content))
            for span in text["resourceSpans"][0]["scopeSpans"][0]["spans"]:
                for key in ("traceId", "spanId", "parentSpanId"):
                    if key in span:
                        import base64

                        span[key] = base64.b64decode(span[key]).hex()
            return json.dumps(text).encode()

        bodies, headers = [as_otlp(content) for content in bodies], {"content-type": "application/json"}
    size = sum(map(len, bodies)) / len(bodies) / SPANS
    if options.gzip:
        bodies, headers = [gzip.compress(content, 6) for content in bodies], headers | {"content-encoding": "gzip"}
    spans = len(bodies) * SPANS
    with tempfile.TemporaryDirectory() as folder:
        process, port = start(folder)
        cpu_before, _ = usage(process.pid)
        times: list[float] = []
        failures: list[int] = []
        arguments = (port, bodies, headers, times, failures)
        senders = [threading.Thread(target=send, args=arguments) for _ in range(options.connections)]
        began = time.perf_counter()
        for sender in senders:
            sender.start()
        for sender in senders:
            sender.join(timeout=300)
        took = time.perf_counter() - began
        cpu, peak = usage(process.pid)
        stopping = time.perf_counter()
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=60)
        stopped = time.perf_counter() - stopping
        on_disk = sum(path.stat().st_size for path in Path(folder).rglob("*") if path.is_file())
    times.sort()
    print(f"{spans} spans of {size:.0f} bytes, {options.connections} connections, {len(failures)} refused")
    print("| accepted spans/s | CPU us/span | p50 ms | p99 ms | peak RSS MB | bytes a span on disk | stop s |")
    print("|---|---|---|---|---|---|---|")
    p50, p99 = times[len(times) // 2] * 1e3, times[int(len(times) * 0.99)] * 1e3
    print(
        f"| {spans / took:,.0f} | {(cpu - cpu_before) / spans * 1e6:.0f} | {p50:.0f} | {p99:.0f} "
        f"| {peak:.0f} | {on_disk / spans:.0f} | {stopped:.1f} |"
    )


if __name__ == "__main__":
    main()
