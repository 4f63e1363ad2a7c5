"""What one sender may take of the collector: records, attributes, depth, time and connections."""

from __future__ import annotations

import json
import socket
import time
from typing import TYPE_CHECKING, Any

import pytest
from collector.exports import PROTOBUF, any_value, as_otlp_json, put, request, span
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest, ExportLogsServiceResponse
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
    ExportMetricsServiceResponse,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from collector.process import Collector, Start
    from opentelemetry.proto.trace.v1.trace_pb2 import Span

pytestmark = pytest.mark.slow  # processes of its own

JSON = {"content-type": "application/json"}
MANY = {f"key.{number}": number for number in range(10_001)}


def nested(depth: int) -> Any:
    value: Any = "at the bottom"
    for _ in range(depth):
        value = [value]
    return value


def with_events(count: int) -> Span:
    made = span()
    for number in range(count):
        made.events.add(name="e", time_unix_nano=number + 1)
    return made


def with_event_attributes() -> Span:
    made = span()
    put(made.events.add(name="e", time_unix_nano=1), MANY)
    return made


@pytest.mark.parametrize("is_json", [False, True])
@pytest.mark.parametrize(
    "bad",
    [lambda: span(MANY), lambda: span({"map": MANY}), lambda: with_events(10_001), with_event_attributes],
    ids=["attributes", "a map's", "events", "an event's"],
)
def test_a_span_that_brings_too_much_is_refused_alone(
    collector: Collector, bad: Callable[[], Span], is_json: bool
) -> None:
    good = span({"list": nested(30)})
    message = request(bad(), good)
    if is_json:
        answer = collector.client.post("/v1/traces", content=json.dumps(as_otlp_json(message)), headers=JSON)
        partial = answer.json()["partialSuccess"]
        count, reason = int(partial["rejectedSpans"]), partial["errorMessage"]
    else:
        answer = collector.send(message)
        response = ExportTraceServiceResponse.FromString(answer.content).partial_success
        count, reason = response.rejected_spans, response.error_message
    assert (answer.status_code, count) == (200, 1)
    assert "more than 10,000 attributes" in reason
    (kept,) = collector.get(f"/api/traces/{good.trace_id.hex()}")["spans"]
    found = collector.get(f"/api/traces/{good.trace_id.hex()}/spans/{kept['span_id']}")
    assert found["attributes"] == {"list": nested(30)}


def test_as_much_as_is_allowed_is_kept(collector: Collector) -> None:
    one = span({f"key.{number}": number for number in range(10_000)})
    assert collector.send(request(one)).content == b""
    found = collector.get(f"/api/traces/{one.trace_id.hex()}/spans/{one.span_id.hex()}")
    assert len(found["attributes"]) == 10_000


@pytest.mark.parametrize("depth", [60, 2000])
def test_a_value_nested_too_deep_costs_its_own_span(collector: Collector, depth: int) -> None:
    good = span()
    # Protobuf writes no message that is nested so deep: its bytes are put together from the inside.
    value = any_value("bottom").SerializeToString()
    for _ in range(depth):
        value = field(5, field(1, value))
    deep = span().SerializeToString() + field(9, field(1, b"deep") + field(2, value))
    raw = field(1, field(2, field(2, deep))) + request(good).SerializeToString()
    answer = collector.client.post("/v1/traces", content=raw, headers=PROTOBUF)
    assert answer.status_code == 200, answer.content
    partial = ExportTraceServiceResponse.FromString(answer.content).partial_success
    assert (partial.rejected_spans, "nested" in partial.error_message) == (1, True)
    assert len(collector.get(f"/api/traces/{good.trace_id.hex()}")["spans"]) == 1


def field(number: int, content: bytes) -> bytes:
    """A submessage or text in protobuf's wire format."""
    size, length = len(content), bytearray()
    while size > 127:
        length.append(size & 127 | 128)
        size >>= 7
    return bytes([number << 3 | 2, *length, size]) + content


def test_log_records_and_data_points_have_the_same_limit(collector: Collector) -> None:
    logs = ExportLogsServiceRequest()
    records = logs.resource_logs.add().scope_logs.add().log_records
    put(records.add(event_name="limits", time_unix_nano=1), MANY)
    put(records.add(event_name="limits", time_unix_nano=2), {"a": 1})
    answer = collector.send(logs, "/v1/logs")
    assert ExportLogsServiceResponse.FromString(answer.content).partial_success.rejected_log_records == 1
    metrics = ExportMetricsServiceRequest()
    metric = metrics.resource_metrics.add().scope_metrics.add().metrics.add(name="limits")
    put(metric.gauge.data_points.add(as_int=1), MANY)
    put(metric.gauge.data_points.add(as_int=2), {"a": 1})
    answer = collector.send(metrics, "/v1/metrics")
    assert ExportMetricsServiceResponse.FromString(answer.content).partial_success.rejected_data_points == 1
    assert [one["value"] for one in collector.get("/api/metrics", name="limits")["metrics"]] == [2.0]
    assert [one["attributes"] for one in collector.get("/api/logs")["logs"]] == [{"a": 1}]


@pytest.fixture(scope="module")
def hurried(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Collector]:
    """A collector that waits for half a second."""
    from collector import process

    running = process.start(tmp_path_factory.mktemp("hurried"), "--body-timeout", "0.5")
    yield running
    assert running.stop() == 0
    assert "Traceback" not in running.errors


def connect(collector: Collector) -> socket.socket:
    host, port = collector.url.removeprefix("http://").split(":")
    return socket.create_connection((host, int(port)), timeout=20)


def until_closed(connection: socket.socket) -> bytes:
    """All that comes until the collector closes the connection."""
    found = b""
    while piece := connection.recv(65536):
        found += piece
    return found


HEAD = b"POST %s HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/x-protobuf\r\ncontent-length: 1000\r\n\r\n"


@pytest.mark.parametrize("path", [b"/v1/traces", b"/v1/logs", b"/api/sql"])
def test_a_body_that_does_not_come_is_ended(hurried: Collector, path: bytes) -> None:
    head = HEAD % path
    if path == b"/api/sql":
        head = head.replace(b"x-protobuf", b"json")
    with connect(hurried) as connection:
        connection.sendall(head + b"ab")
        began = time.monotonic()
        answer = until_closed(connection)
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert b"0.5 s" in answer
    assert 0.3 < time.monotonic() - began < 10


def test_a_trickled_body_is_ended_too(hurried: Collector) -> None:
    with connect(hurried) as connection:
        connection.sendall(HEAD % b"/v1/traces")
        connection.settimeout(0.05)
        answer, began = b"", time.monotonic()
        while not answer and time.monotonic() - began < 20:
            connection.sendall(b"a")
            try:
                answer = connection.recv(65536)
            except TimeoutError:
                continue
    assert answer.startswith(b"HTTP/1.1 408 ")


@pytest.mark.parametrize("sent", [b"", b"GET / HTTP/1.1\r\nhost: loc"])
def test_a_connection_on_which_no_request_comes_is_closed(hurried: Collector, sent: bytes) -> None:
    with connect(hurried) as connection:
        connection.sendall(sent)
        assert until_closed(connection) == b""


def test_a_second_request_that_does_not_come_whole_closes_the_connection(hurried: Collector) -> None:
    with connect(hurried) as connection:
        connection.sendall(b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n")
        assert connection.recv(65536).startswith(b"HTTP/1.1 200")
        connection.sendall(b"GET /healthz HTTP/1.1\r\nho")
        assert until_closed(connection) in (b'{"status":"ok","version":"0.1.0"}', b"")


def test_an_idle_connection_between_requests_stays(hurried: Collector) -> None:
    with connect(hurried) as connection:
        for _ in range(2):
            connection.sendall(b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n")
            answer = b""
            while b'"0.1.0"}' not in answer:
                answer += connection.recv(65536)
            assert answer.startswith(b"HTTP/1.1 200")
            connection.settimeout(1.0)
            with pytest.raises(TimeoutError):  # nothing comes, least of all the end
                connection.recv(1)
            connection.settimeout(20)


def test_slow_senders_hold_nobody_up(hurried: Collector) -> None:
    slow = [connect(hurried) for _ in range(100)]
    for connection in slow:
        connection.sendall((HEAD % b"/v1/traces") + b"a")
    one = span()
    assert hurried.send(request(one)).status_code == 200
    for connection in slow:
        assert until_closed(connection).startswith(b"HTTP/1.1 408 ")
        connection.close()
    assert hurried.is_up()


def test_five_hundred_idle_connections_and_one_too_many(tmp_path: Path, start: Start) -> None:
    running = start(tmp_path, "--connections", "501")
    idle = [connect(running) for _ in range(500)]
    with running.client:
        assert running.send(request(span())).status_code == 200
        with connect(running) as one_more:
            assert until_closed_or_reset(one_more) == b""
        assert running.is_up()
    for connection in idle:
        connection.close()


def until_closed_or_reset(connection: socket.socket) -> bytes:
    try:
        return until_closed(connection)
    except ConnectionResetError:
        return b""
