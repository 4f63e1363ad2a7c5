"""Export requests as LLM apps send them: traces of 8 spans of a retrieval agent, 25 attributes and 2.3 kB a span.

In the conventions' own names or in OpenInference's. Each body is written with the places of its ids and times, so that
the sender can make every request a new one (see otlpload.c).
"""

from __future__ import annotations

import itertools
import json
import random
import struct
from pathlib import Path
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

__all__ = ["SPANS", "START_NS", "make_body", "put", "write_corpus"]

SPANS = 512
START_NS = 1_795_000_000_000_000_000
COMMON = [
    "the",
    "of",
    "order",
    "customer",
    "refund",
    "invoice",
    "shipped",
    "to",
    "in",
    "is",
    "late",
    "please",
    "help",
    "with",
    "my",
    "account",
    "price",
    "and",
    "for",
    "not",
]
RARE = [f"{one}{two}{number}" for one in COMMON for two in COMMON[:9] for number in range(30)]
MODELS = [
    ("openai", "gpt-5.2"),
    ("openai", "gpt-5.2-mini"),
    ("anthropic", "claude-sonnet-5"),
    ("gcp.gemini", "gemini-3-flash"),
    ("mistral_ai", "mistral-large-3"),
]
STEPS = (
    ("invoke_workflow", "invoke_workflow support", "CHAIN", 0, 4000),
    ("embeddings", "embeddings text-embedding-3-large", "EMBEDDING", 5, 90),
    ("retrieval", "retrieval kb", "RETRIEVER", 100, 60),
    ("rerank", "rerank rerank-4", "RERANKER", 170, 180),
    ("chat", "chat", "LLM", 360, 1400),
    ("execute_tool", "execute_tool search_orders", "TOOL", 1770, 120),
    ("chat", "chat", "LLM", 1900, 1900),
    ("guardrail", "guardrail pii", "GUARDRAIL", 3810, 60),
)
TOOL = {
    "name": "search_orders",
    "description": "Search the orders",
    "parameters": {"type": "object", "properties": {"q": {"type": "string"}, "limit": {"type": "integer"}}},
}

chance = random.Random(7)


def _prose(size: int) -> str:
    words: list[str] = []
    while size > 0:
        words.append(chance.choice(COMMON) if chance.random() < 0.6 else chance.choice(RARE))
        size -= len(words[-1]) + 1
    return " ".join(words)


def _common(user: int) -> dict[str, Any]:
    return {
        "user.id": f"user-{user:05d}",
        "session.id": f"s-{user}-{chance.randrange(50)}",
        "app.tenant": f"tenant-{user % 40}",
        "app.release": "2026.11.3",
        "app.feature": chance.choice(["search", "support", "billing"]),
        "thread.id": 140_000_000_000 + chance.randrange(64),
        "thread.name": "asyncio_0",
        "code.function.name": "run_step",
        "code.file.path": "/srv/app/rag/pipeline.py",
        "code.line.number": chance.randrange(20, 900),
        "deployment.region": "eu-central-1",
    }


def _step(operation: str) -> dict[str, Any]:
    return {
        "app.experiment": chance.choice(["A", "B"]),
        "app.cache_hit": chance.random() < 0.2,
        "app.attempt": 1,
        "app.queue": "default",
        "app.shard": chance.randrange(64),
        "app.score": chance.random(),
        "server.address": f"{operation}.internal",
        "server.port": 443,
        "app.note": _prose(420),
        "app.flags": ["a", "b"],
        "http.request.method": "POST",
        "http.response.status_code": 200,
    }


def _native(operation: str, model: tuple[str, str], tool: bool) -> dict[str, Any]:
    made: dict[str, Any] = {"gen_ai.operation.name": operation}
    if operation != "chat":
        if operation == "execute_tool":
            made |= {
                "gen_ai.tool.name": "search_orders",
                "gen_ai.tool.call.arguments": json.dumps({"q": _prose(80)}),
                "gen_ai.tool.call.result": json.dumps([{"note": _prose(120)} for _ in range(4)]),
            }
        return made | _step(operation)
    tokens = chance.randrange(400, 6000)
    call = {
        "type": "tool_call",
        "id": f"call_{chance.getrandbits(64):016x}",
        "name": "search_orders",
        "arguments": {"q": _prose(80)},
    }
    given = [{"role": "user", "parts": [{"type": "text", "content": _prose(1800)}]}]
    parts = [{"type": "text", "content": _prose(1300)}, call] if tool else [{"type": "text", "content": _prose(1900)}]
    return made | {
        "gen_ai.provider.name": model[0],
        "gen_ai.request.model": model[1],
        "gen_ai.response.model": f"{model[1]}-2026-10-01",
        "gen_ai.response.id": f"resp_{chance.getrandbits(96):024x}",
        "gen_ai.request.temperature": 0.7,
        "gen_ai.request.max_tokens": 2048,
        "gen_ai.usage.input_tokens": tokens,
        "gen_ai.usage.output_tokens": tokens // 8,
        "gen_ai.usage.cache_read.input_tokens": tokens // 2,
        "gen_ai.response.finish_reasons": ["tool_call" if tool else "stop"],
        "gen_ai.response.time_to_first_chunk": chance.uniform(0.1, 1.5),
        "server.address": "api.example",
        "server.port": 443,
        "gen_ai.system_instructions": '[{"type":"text","content":"You answer questions about orders."}]',
        "gen_ai.tool.definitions": json.dumps([{"type": "function", **TOOL}]),
        "gen_ai.input.messages": json.dumps(given),
        "gen_ai.output.messages": json.dumps([{"role": "assistant", "parts": parts}]),
    }


def _openinference(operation: str, kind: str, model: tuple[str, str], tool: bool) -> dict[str, Any]:
    made: dict[str, Any] = {"openinference.span.kind": kind}
    if operation != "chat":
        if operation == "execute_tool":
            made |= {
                "tool.name": "search_orders",
                "input.value": json.dumps({"q": _prose(80)}),
                "output.value": json.dumps([{"note": _prose(120)} for _ in range(4)]),
            }
        return made | _step(operation)
    tokens = chance.randrange(400, 6000)
    answer = "llm.output_messages.0.message."
    made |= {
        "llm.provider": model[0],
        "llm.system": model[0],
        "llm.model_name": f"{model[1]}-2026-10-01",
        "llm.invocation_parameters": json.dumps({"model": model[1], "temperature": 0.7, "max_tokens": 2048}),
        "llm.token_count.prompt": tokens,
        "llm.token_count.completion": tokens // 8,
        "llm.token_count.total": tokens * 9 // 8,
        "llm.token_count.prompt_details.cache_read": tokens // 2,
        "llm.finish_reason": "tool_calls" if tool else "stop",
        "llm.input_messages.0.message.role": "user",
        "llm.input_messages.0.message.content": _prose(1800),
        f"{answer}role": "assistant",
        f"{answer}content": _prose(1300 if tool else 1900),
        "llm.tools.0.tool.json_schema": json.dumps({"type": "function", "function": TOOL}),
    }
    if tool:
        call = f"{answer}tool_calls.0.tool_call."
        made |= {
            f"{call}id": f"call_{chance.getrandbits(64):016x}",
            f"{call}function.name": "search_orders",
            f"{call}function.arguments": json.dumps({"q": _prose(80)}),
        }
    return made


def put(target: Any, attributes: dict[str, Any]) -> None:
    """Attributes of a span or a resource."""
    for key, value in attributes.items():
        pair = target.attributes.add(key=key)
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


def make_body(number: int, vocabulary: str, ids: itertools.count[int]) -> bytes:
    """One request; `ids` are the seeds of its ids."""
    request = ExportTraceServiceRequest()
    of_resource = request.resource_spans.add()
    put(of_resource.resource, {"service.name": "support-api", "service.version": "2026.11.3", "host.name": "app-7"})
    of_scope = of_resource.scope_spans.add()
    of_scope.scope.name = "openinference.instrumentation.openai" if vocabulary == "openinference" else "bench"
    for trace in range(SPANS // len(STEPS)):
        trace_id, root = random.Random(next(ids)).randbytes(16), b""
        begin = START_NS + number * 450_000_000 + trace * 7_000_000
        common, model = _common(chance.randrange(3000)), chance.choice(MODELS)
        for index, (operation, name, kind, offset_ms, duration_ms) in enumerate(STEPS):
            span = of_scope.spans.add(
                trace_id=trace_id, span_id=random.Random(next(ids)).randbytes(8), parent_span_id=root
            )
            root = root or span.span_id
            span.name = f"chat {model[1]}" if operation == "chat" else name
            span.kind = Span.SPAN_KIND_CLIENT if operation == "chat" else Span.SPAN_KIND_INTERNAL
            span.start_time_unix_nano = begin + offset_ms * 1_000_000
            span.end_time_unix_nano = span.start_time_unix_nano + int(duration_ms * 1e6 * chance.uniform(0.3, 2))
            tool = index == 4
            named = (
                _openinference(operation, kind, model, tool)
                if vocabulary == "openinference"
                else _native(operation, model, tool)
            )
            put(span, named | common)
    return request.SerializeToString()


def _places(body: bytes) -> list[int]:
    """Where ids and times stand, their kind in the two top bits: 0 a trace's id, 1 a span's, 2 a time."""
    found: list[int] = []

    def varint(at: int) -> tuple[int, int]:
        value = shift = 0
        while True:
            byte = body[at]
            at, value, shift = at + 1, value | (byte & 127) << shift, shift + 7
            if byte < 128:
                return value, at

    def walk(at: int, end: int, depth: int) -> None:
        while at < end:
            tag, at = varint(at)
            field, wire = tag >> 3, tag & 7
            if wire == 2:
                size, at = varint(at)
                if depth < 3 and field == (1 if depth == 0 else 2):
                    walk(at, at + size, depth + 1)
                elif depth == 3 and field in (1, 2, 4):
                    found.append((0 if field == 1 else 1) << 30 | at)
                at += size
            elif wire == 0:
                _, at = varint(at)
            else:
                if depth == 3 and field in (7, 8):
                    found.append(2 << 30 | at)
                at += 8 if wire == 1 else 4

    walk(0, len(body), 0)
    return found


def write_corpus(path: Path, bodies: int, vocabulary: str) -> float:
    """Write so many bodies; bytes a span."""
    ids = itertools.count(1)
    size = 0
    with path.open("wb") as file:
        for number in range(bodies):
            body = make_body(number, vocabulary, ids)
            places = _places(body)
            file.write(struct.pack(f"<II{len(places)}I", len(body), len(places), *places) + body)
            size += len(body)
    return size / bodies / SPANS
