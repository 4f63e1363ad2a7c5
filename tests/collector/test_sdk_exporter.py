"""The OpenTelemetry SDK's own exporters send to a collector process, as an app in production does."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import SpanKind, Status, StatusCode

if TYPE_CHECKING:
    from collector.process import Collector

RESOURCE = Resource.create({"service.name": "sdk-app"})


def test_spans_with_events_links_and_errors(collector: Collector) -> None:
    exporter = OTLPSpanExporter(f"{collector.url}/v1/traces", compression=Compression.Gzip)
    provider = TracerProvider(resource=RESOURCE)
    provider.add_span_processor(BatchSpanProcessor(exporter))
    tracer = provider.get_tracer("app", "2.0")
    messages = [{"role": "user", "parts": [{"type": "text", "content": "Guten Tag"}]}]
    with (
        tracer.start_as_current_span("invoke_workflow answer") as root,
        tracer.start_as_current_span("chat gpt-5", kind=SpanKind.CLIENT) as chat,
    ):
        chat.set_attribute("gen_ai.operation.name", "chat")
        chat.set_attribute("gen_ai.usage.input_tokens", 12)
        chat.set_attribute("gen_ai.response.finish_reasons", ["stop"])
        chat.set_attribute("gen_ai.input.messages", json.dumps(messages))
        chat.add_event("first token", {"ms": 1.5})
        chat.add_link(root.get_span_context(), {"why": "test"})
        chat.set_status(Status(StatusCode.ERROR, "too slow"))
    assert provider.force_flush()
    provider.shutdown()
    context = chat.get_span_context()
    trace_id, span_id = f"{context.trace_id:032x}", f"{context.span_id:016x}"
    trace = collector.get(f"/api/traces/{trace_id}")
    assert [(one["name"], one["kind"], one["service"]) for one in trace["spans"]] == [
        ("invoke_workflow answer", "internal", "sdk-app"), ("chat gpt-5", "client", "sdk-app"),
    ]  # fmt: skip
    assert (trace["trace"]["status"], trace["trace"]["input_tokens"]) == ("error", 12)
    found = collector.get(f"/api/traces/{trace_id}/spans/{span_id}")
    assert found["input_messages"] == messages
    assert found["status_message"] == "too slow"
    assert found["scope"] == {"name": "app", "version": "2.0", "attributes": {}}
    assert found["resource"]["telemetry.sdk.language"] == "python"
    assert [(event["name"], event["attributes"]) for event in found["events"]] == [("first token", {"ms": 1.5})]
    assert [(link["trace_id"], link["attributes"]) for link in found["links"]] == [(trace_id, {"why": "test"})]


def test_metrics(collector: Collector) -> None:
    exporter = OTLPMetricExporter(f"{collector.url}/v1/metrics")
    provider = MeterProvider(
        [PeriodicExportingMetricReader(exporter, export_interval_millis=60_000)], resource=RESOURCE
    )
    meter = provider.get_meter("app")
    meter.create_histogram("gen_ai.client.token.usage", "{token}").record(7, {"gen_ai.token.type": "input"})
    meter.create_counter("calls").add(3)
    provider.shutdown()
    names = {one["name"]: one for one in collector.get("/api/metrics")["names"]}
    assert names["gen_ai.client.token.usage"] == {
        "name": "gen_ai.client.token.usage", "unit": "{token}", "kind": "histogram", "points": 1,
    }  # fmt: skip
    (point,) = collector.get("/api/metrics", name="gen_ai.client.token.usage")["metrics"]
    assert (point["count"], point["sum"], sum(point["bucket_counts"])) == (1, 7.0, 1)
    assert (point["attributes"], point["service"]) == ({"gen_ai.token.type": "input"}, "sdk-app")
    (counter,) = collector.get("/api/metrics", name="calls")["metrics"]
    assert (counter["kind"], counter["value"], counter["bounds"]) == ("sum", 3.0, None)


def test_logs(collector: Collector) -> None:
    provider = LoggerProvider(resource=RESOURCE)
    provider.add_log_record_processor(BatchLogRecordProcessor(OTLPLogExporter(f"{collector.url}/v1/logs")))
    logger = provider.get_logger("app")
    for number in range(5):
        logger.emit(
            timestamp=1_795_000_000_000_000_000,
            body={"text": f"entry {number}"},
            event_name="app.event",
            severity_text="INFO",
            attributes={"number": number},
        )
    provider.shutdown()
    first = collector.get("/api/logs", limit=3)
    rest = collector.get("/api/logs", limit=3, cursor=first["next"])
    found = [*first["logs"], *rest["logs"]]
    assert rest["next"] is None
    assert sorted(one["attributes"]["number"] for one in found) == [0, 1, 2, 3, 4]
    assert {(one["event_name"], one["severity"], one["service"]) for one in found} == {("app.event", "INFO", "sdk-app")}
    assert [one["body"] for one in collector.get("/api/logs", q="ENTRY 4")["logs"]] == [{"text": "entry 4"}]
