"""What the collector tells about itself: to Prometheus, and as OTLP; and that it tells nothing of what was sent."""

from __future__ import annotations

import http.server
import threading
from typing import TYPE_CHECKING

import grpc
import pytest
from collector.exports import PROTOBUF, request, span
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from prometheus_client.parser import text_string_to_metric_families

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from collector.process import Collector, Start

TRACES = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"


def figures(running: Collector) -> dict[tuple[str, ...], float]:
    """Every sample by its name and its labels' values in order of their names."""
    answer = running.client.get("/metrics")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/plain")
    return {
        (sample.name, *(value for _, value in sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }


def test_prometheus_is_told_what_came_and_what_became_of_it(tmp_path: Path, start: Start) -> None:
    running = start(tmp_path, "--grpc", "127.0.0.1:0")
    before = figures(running)
    assert not any(name.startswith("otelllm_collector_records") for name, *_ in before)
    body = request(span({"gen_ai.prompt": "SECRET-PROMPT"}), span(), span(trace_id=b"\x01")).SerializeToString()
    assert running.client.post("/v1/traces", content=body, headers=PROTOBUF).status_code == 200
    assert running.client.post("/v1/traces", content=b"\xff", headers=PROTOBUF).status_code == 400
    assert running.client.post("/v1/logs", content=b"", headers={"content-type": "text/plain"}).status_code == 415
    with grpc.insecure_channel(running.grpc.removeprefix("http://")) as channel:
        channel.unary_unary(TRACES)(request(span()).SerializeToString(), timeout=20)
    running.sql("select 1")  # which is answered once all of it is stored
    found = figures(running)
    records, requests = "otelllm_collector_records_total", "otelllm_collector_requests_total"
    assert found[records, "accepted", "traces", "http"] == 2
    assert found[records, "refused", "traces", "http"] == 1
    assert found[records, "accepted", "traces", "grpc"] == 1
    assert found[requests, "partial", "traces", "http"] == 1
    assert found[requests, "bad", "traces", "http"] == 1
    assert found[requests, "bad", "logs", "http"] == 1
    assert found[requests, "ok", "traces", "grpc"] == 1
    assert found["otelllm_collector_received_bytes_total", "traces", "http"] == len(body) + 1
    assert found["otelllm_collector_stored_total", "traces"] == 3
    assert found["otelllm_collector_commit_duration_seconds_count", "ok"] in (1, 2)
    assert 0 < found["otelllm_collector_commit_duration_seconds_sum", "ok"] < 60
    assert found["otelllm_collector_in_flight_bytes",] == 0
    assert found["otelllm_collector_queue",] == found["otelllm_collector_behind_bytes",] == 0
    assert found["otelllm_collector_store_size_bytes",] > 0
    assert found["process_resident_memory_bytes",] > 0
    text = running.client.get("/metrics").text
    for word in ("SECRET", "shop", "chat gpt-5", str(tmp_path)):
        assert word not in text


def test_a_call_without_a_key_is_counted_and_the_figures_need_a_key(tmp_path: Path, start: Start) -> None:
    from otelllm_collector.keys import add_key

    key = add_key(tmp_path, "scraper-of-shop", "read", None)
    running = start(tmp_path)
    assert running.client.get("/metrics").status_code == 401
    assert running.client.post("/v1/traces", headers={"x-api-key": key}).status_code == 403
    running.client.headers["x-api-key"] = key
    found = figures(running)
    assert found["otelllm_collector_unauthorized_total", "unauthenticated"] == 1
    assert found["otelllm_collector_unauthorized_total", "forbidden"] == 1
    text = running.client.get("/metrics").text
    assert key not in text
    assert "scraper-of-shop" not in text


@pytest.fixture
def receiver() -> Iterator[tuple[str, list[ExportMetricsServiceRequest]]]:
    """A backend on loopback that keeps the metrics that it is sent."""
    came: list[ExportMetricsServiceRequest] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            came.append(ExportMetricsServiceRequest.FromString(body))
            self.send_response(200)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Not to the terminal."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}", came
        server.shutdown()
        thread.join()


def test_the_same_goes_to_an_otlp_receiver(
    tmp_path: Path, start: Start, receiver: tuple[str, list[ExportMetricsServiceRequest]]
) -> None:
    url, came = receiver
    running = start(tmp_path, OTEL_EXPORTER_OTLP_ENDPOINT=url)
    assert running.send(request(span(), span())).status_code == 200
    assert running.stop() == 0
    metrics = {
        metric.name: metric
        for one in came
        for of_resource in one.resource_metrics
        for of_scope in of_resource.scope_metrics
        for metric in of_scope.metrics
    }
    (point,) = metrics["otelllm.collector.records"].sum.data_points
    assert point.as_int == 2
    assert {pair.key: pair.value.string_value for pair in point.attributes} == {
        "signal": "traces", "transport": "http", "outcome": "accepted",
    }  # fmt: skip
    assert metrics["otelllm.collector.commit.duration"].histogram.data_points[0].count == 1
    assert metrics["otelllm.collector.store.size"].gauge.data_points[0].as_int > 0
    names = {pair.value.string_value for one in came for pair in one.resource_metrics[0].resource.attributes}
    assert "otelllm-collector" in names


def test_a_receiver_that_is_gone_holds_up_no_end(tmp_path: Path, start: Start) -> None:
    running = start(tmp_path, OTEL_EXPORTER_OTLP_ENDPOINT="http://127.0.0.1:9")
    assert running.send(request(span())).status_code == 200
    running.process.terminate()
    assert running.process.wait(8) == 0
