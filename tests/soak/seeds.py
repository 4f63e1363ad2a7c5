"""What damage begins with: requests of every vocabulary, of every signal, in both encodings."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

from collector.exports import as_otlp_json, put, request, span, trace_of_agent
from collector.vocabularies.spans import FIXTURES, fixture, request_of
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest

__all__ = ["Seed", "beside", "seeds"]

NOW = 1_795_000_000_000_000_000
EVENTS = (
    "gen_ai.client.inference.operation.details", "gen_ai.evaluation.result", "claude_code.api_request",
    "claude_code.tool_result", "codex.api_request", "codex.tool_result", "gemini_cli.api_response", "app.note",
)  # fmt: skip


class Seed(NamedTuple):
    """One request that is right."""

    name: str
    signal: str
    body: bytes
    whole_json: Any
    span: bytes = b""
    """Its longest span as protobuf; and as OTLP/JSON."""
    json: Any = None

    @property
    def inputs(self) -> list[bytes]:
        """What the fuzzer begins with: a byte that says how it is to be read, then the body."""
        kinds = {"traces": (0, 1), "logs": (2, 3), "metrics": (4, 5)}[self.signal]
        made = [bytes([kinds[0]]) + self.body, bytes([kinds[1]]) + json.dumps(self.whole_json).encode()]
        return [*made, b"\x06" + self.span] if self.span else made


def seeds() -> list[Seed]:
    """All of them."""
    names = sorted(path.stem for path in FIXTURES.glob("*.json"))
    made = [_of_spans(name, request_of(fixture(name)["spans"])) for name in names]
    made.append(_of_spans("native", request(*trace_of_agent(NOW), span({"deep": [[[{"a": b"bytes"}]]], "f": 0.5}))))
    logs, metrics = _logs(), _metrics()
    made.append(Seed("logs", "logs", logs.SerializeToString(), as_otlp_json(logs)))
    made.append(Seed("metrics", "metrics", metrics.SerializeToString(), as_otlp_json(metrics)))
    return made


def _of_spans(name: str, message: Any) -> Seed:
    spans = [one for of in message.resource_spans for scope in of.scope_spans for one in scope.spans]
    longest = max(spans, key=lambda one: one.ByteSize())
    alone = as_otlp_json(request(longest))["resourceSpans"][0]["scopeSpans"][0]["spans"][0]
    return Seed(name, "traces", message.SerializeToString(), as_otlp_json(message), longest.SerializeToString(), alone)


def _logs() -> ExportLogsServiceRequest:
    made = ExportLogsServiceRequest()
    records = made.resource_logs.add().scope_logs.add().log_records
    for number, name in enumerate(EVENTS):
        record = records.add(event_name=name, time_unix_nano=NOW + number, trace_id=b"\x01" * 16, span_id=b"\x02" * 8)
        put(record, {
            "event.name": name.rpartition(".")[2], "model": "m", "input_tokens": 5, "cost_usd": "0.1", "prompt": "p",
            "session.id": "s", "gen_ai.evaluation.name": "good", "gen_ai.evaluation.score.value": 1.0,
            "gen_ai.input.messages": [{"role": "user", "parts": [{"type": "text", "content": "hi"}]}],
        })  # fmt: skip
    return made


def _metrics() -> ExportMetricsServiceRequest:
    made = ExportMetricsServiceRequest()
    metrics = made.resource_metrics.add().scope_metrics.add().metrics
    for name in ("claude_code.token.usage", "claude_code.cost.usage", "gemini_cli.token.usage", "app.sum"):
        total = metrics.add(name=name).sum
        total.aggregation_temporality = 1
        put(total.data_points.add(time_unix_nano=NOW, as_int=3), {"type": "input", "model": "m"})
    point = metrics.add(name="h").histogram.data_points.add(time_unix_nano=NOW, count=3, sum=4.5)
    point.explicit_bounds.extend([1, 2])
    point.bucket_counts.extend([1, 1, 1])
    metrics.add(name="e").exponential_histogram.data_points.add(time_unix_nano=NOW, count=2, scale=-3)
    metrics.add(name="q").summary.data_points.add(time_unix_nano=NOW, count=1, sum=2)
    metrics.add(name="g").gauge.data_points.add(time_unix_nano=NOW, as_double=0.5)
    return made


def beside(good: list[Any], bad: bytes) -> bytes:
    """An export request of these spans with such bytes as a span between them."""
    first, *rest = [field(2, one.SerializeToString()) for one in good]
    whole = request(service="shop").resource_spans[0]
    scope = field(1, whole.scope_spans[0].scope.SerializeToString())
    of_scope = scope + first + field(2, bad) + b"".join(rest)
    return field(1, field(1, whole.resource.SerializeToString()) + field(2, of_scope))


def field(number: int, content: bytes) -> bytes:
    """A submessage in protobuf's wire format."""
    size, length = len(content), bytearray()
    while size > 127:
        length.append(size & 127 | 128)
        size >>= 7
    return bytes([number << 3 | 2, *length, size]) + content
