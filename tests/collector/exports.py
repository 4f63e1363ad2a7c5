"""Export requests as tests want them, built with OpenTelemetry's own protobuf classes."""

from __future__ import annotations

import base64
import itertools
import time
from typing import Any

from google.protobuf.json_format import MessageToDict
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span

__all__ = ["PROTOBUF", "Unsaid", "any_value", "as_otlp_json", "ids", "put", "request", "span", "trace_of_agent"]

PROTOBUF = {"content-type": "application/x-protobuf"}

_numbers = itertools.count(time.time_ns() % 10**12)


def ids() -> tuple[bytes, bytes]:
    """A trace id and a span id that no other test uses."""
    number = next(_numbers)
    return b"\x01" + number.to_bytes(15), b"\x02" + (number % 2**56).to_bytes(7)


def any_value(value: Any) -> AnyValue:
    """A plain value as OTLP's own."""
    if value is None:
        return AnyValue()
    if isinstance(value, bool):
        return AnyValue(bool_value=value)
    if isinstance(value, int):
        return AnyValue(int_value=value)
    if isinstance(value, float):
        return AnyValue(double_value=value)
    if isinstance(value, bytes):
        return AnyValue(bytes_value=value)
    if isinstance(value, str):
        return AnyValue(string_value=value)
    found = AnyValue()
    if isinstance(value, list):
        found.array_value.SetInParent()
        found.array_value.values.extend([any_value(item) for item in value])
    else:
        found.kvlist_value.SetInParent()
        for key, item in value.items():
            found.kvlist_value.values.add(key=key, value=any_value(item))
    return found


def put(target: Any, attributes: dict[str, Any]) -> None:
    """Add attributes to a span, resource, scope, event or link."""
    for key, value in attributes.items():
        target.attributes.add(key=key, value=any_value(value))


def span(attributes: dict[str, Any] | None = None, **fields: Any) -> Span:
    """A good span; `fields` replace what it has."""
    trace_id, span_id = ids()
    begin = fields.pop("start_time_unix_nano", time.time_ns() - 10**9)
    given = {
        "trace_id": trace_id,
        "span_id": span_id,
        "name": "chat gpt-5",
        "kind": Span.SPAN_KIND_CLIENT,
        "start_time_unix_nano": begin,
        "end_time_unix_nano": begin + 250_000_000,
    }
    found = Span(**(given | fields))
    put(found, attributes or {})
    return found


def request(*spans: Span, service: str = "shop") -> ExportTraceServiceRequest:
    """One export request of one service."""
    found = ExportTraceServiceRequest()
    of_resource = found.resource_spans.add()
    put(of_resource.resource, {"service.name": service})
    of_scope = of_resource.scope_spans.add()
    of_scope.scope.name, of_scope.scope.version = "tests", "1"
    of_scope.spans.extend(spans)
    return found


def trace_of_agent(begin_ns: int, **attributes: Any) -> list[Span]:
    """A workflow with a retrieval, two calls of a model and a tool between them."""
    trace_id, root = ids()
    chat = {"gen_ai.operation.name": "chat", "gen_ai.provider.name": "openai", "gen_ai.request.model": "gpt-5"}
    steps: list[tuple[str, int, int, dict[str, Any]]] = [
        ("invoke_workflow answer", 0, 1000, {"gen_ai.operation.name": "invoke_workflow"}),
        ("retrieval kb", 10, 50, {"gen_ai.operation.name": "retrieval", "otelllm.retrieval.count": 5}),
        ("chat gpt-5", 100, 300, chat | {
            "gen_ai.usage.input_tokens": 100, "gen_ai.usage.output_tokens": 20, "otelllm.cost.usd": 0.25,
            "otelllm.ttft": 0.1,
        }),
        ("execute_tool search", 450, 40, {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "search"}),
        ("chat gpt-5", 500, 400, chat | {
            "gen_ai.usage.input_tokens": 200, "gen_ai.usage.output_tokens": 30, "otelllm.ttft": 0.2,
        }),
    ]  # fmt: skip
    spans = []
    for name, offset, duration, own in steps:
        start = begin_ns + offset * 1_000_000
        identity = {"trace_id": trace_id, "span_id": ids()[1] if spans else root}
        if spans:
            identity["parent_span_id"] = root
        times = {"start_time_unix_nano": start, "end_time_unix_nano": start + duration * 1_000_000}
        spans.append(span(own | attributes, name=name, **identity, **times))
    return spans


def as_otlp_json(message: Any, *, numbers: bool = False) -> Any:
    """The message as OTLP/JSON: ids in hexadecimal; enums by name, or (`numbers`) all by number."""
    return _with_hex_ids(MessageToDict(message, use_integers_for_enums=numbers), numbers)


def _with_hex_ids(value: Any, numbers: bool) -> Any:
    if isinstance(value, list):
        return [_with_hex_ids(item, numbers) for item in value]
    if not isinstance(value, dict):
        return value
    found = {}
    for key, item in value.items():
        if key in ("traceId", "spanId", "parentSpanId"):
            found[key] = base64.b64decode(item).hex()
        elif numbers and isinstance(item, str) and item.lstrip("-").isdigit() and key not in ("stringValue", "version"):
            found[key] = int(item)
        else:
            found[key] = _with_hex_ids(item, numbers)
    return found


class Unsaid:
    """A row that says nothing, in any of its columns: no store keeps it."""

    def __getattr__(self, name: str) -> None:
        return None
