"""OTLP/gRPC: the SDK's own exporters, raw calls, what is refused and how, and that OK means committed."""

from __future__ import annotations

import asyncio
import gzip
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import grpc
import grpc.aio
import pytest
from collector.exports import any_value, put, request, span
from google.rpc.error_details_pb2 import RetryInfo
from google.rpc.status_pb2 import Status
from opentelemetry.exporter.otlp.proto.grpc._log_exporter import OTLPLogExporter
from opentelemetry.exporter.otlp.proto.grpc.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

from otelllm_collector.auth import Auth
from otelllm_collector.commits import Commits
from otelllm_collector.config import Address, Settings
from otelllm_collector.questions import Busy
from otelllm_collector.receivers.grpc import OtlpGrpc
from otelllm_collector.receivers.intake import Intake
from otelllm_collector.stores.duckdb import open_store

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from collector.process import Collector, Start

MB = 2**20
TRACES = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"
RESOURCE = Resource.create({"service.name": "grpc-app"})


@pytest.fixture(scope="module")
def collector(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Collector]:
    from collector import process

    running = process.start(tmp_path_factory.mktemp("data"), "--grpc", "127.0.0.1:0")
    yield running
    assert running.stop() == 0


@pytest.fixture
def channel(collector: Collector) -> Iterator[grpc.Channel]:
    options = [("grpc.max_send_message_length", -1)]
    with grpc.insecure_channel(collector.grpc.removeprefix("http://"), options) as channel:
        yield channel


def export(channel: grpc.Channel, body: bytes, method: str = TRACES, **more: Any) -> bytes:
    """One call, whose request and response are bytes."""
    return channel.unary_unary(method)(body, timeout=20, **more)


def refusal(channel: grpc.Channel, body: bytes, method: str = TRACES, **more: Any) -> grpc.RpcError:
    with pytest.raises(grpc.RpcError) as caught:
        export(channel, body, method, **more)
    return caught.value


def test_the_ready_line_names_both_addresses(collector: Collector) -> None:
    assert collector.url.startswith("http://127.0.0.1:")
    assert collector.grpc.startswith("http://127.0.0.1:")
    assert collector.url != collector.grpc


@pytest.mark.parametrize("compression", [grpc.Compression.NoCompression, grpc.Compression.Gzip])
def test_the_sdks_span_exporter(collector: Collector, compression: grpc.Compression) -> None:
    exporter = OTLPSpanExporter(collector.grpc, compression=compression)
    provider = TracerProvider(resource=RESOURCE)
    provider.add_span_processor(BatchSpanProcessor(exporter))
    with provider.get_tracer("app").start_as_current_span("chat gpt-5") as chat:
        chat.set_attribute("gen_ai.usage.input_tokens", 12)
        chat.set_attribute("text", "a" * 10_000)
    assert provider.force_flush()
    provider.shutdown()
    trace_id = f"{chat.get_span_context().trace_id:032x}"
    (found,) = collector.get(f"/api/traces/{trace_id}")["spans"]
    assert (found["name"], found["service"], found["input_tokens"]) == ("chat gpt-5", "grpc-app", 12)


def test_the_sdks_metric_and_log_exporters(collector: Collector) -> None:
    reader = PeriodicExportingMetricReader(OTLPMetricExporter(collector.grpc), export_interval_millis=60_000)
    metrics = MeterProvider([reader], resource=RESOURCE)
    metrics.get_meter("app").create_counter("grpc.calls").add(3)
    metrics.shutdown()
    logs = LoggerProvider(resource=RESOURCE)
    logs.add_log_record_processor(BatchLogRecordProcessor(OTLPLogExporter(collector.grpc)))
    logs.get_logger("app").emit(body="by gRPC", event_name="app.event")
    logs.shutdown()
    assert [one["value"] for one in collector.get("/api/metrics", name="grpc.calls")["metrics"]] == [3.0]
    assert [one["body"] for one in collector.get("/api/logs", q="by grpc")["logs"]] == ["by gRPC"]


@pytest.mark.parametrize("compression", [grpc.Compression.NoCompression, grpc.Compression.Gzip])
def test_ok_means_stored(collector: Collector, channel: grpc.Channel, compression: grpc.Compression) -> None:
    one = span({"text": "x" * 5000})
    assert export(channel, request(one).SerializeToString(), compression=compression) == b""
    assert collector.get(f"/api/traces/{one.trace_id.hex()}")["trace"]["spans"] == 1


def test_bad_spans_are_counted_and_good_ones_beside_them_kept(collector: Collector, channel: grpc.Channel) -> None:
    good = span()
    body = request(span(trace_id=b"\x01"), good, span(end_time_unix_nano=1)).SerializeToString()
    partial = ExportTraceServiceResponse.FromString(export(channel, body)).partial_success
    assert partial.rejected_spans == 2
    assert "trace_id" in partial.error_message
    assert "ends before" in partial.error_message
    assert len(collector.get(f"/api/traces/{good.trace_id.hex()}")["spans"]) == 1


def test_what_is_no_otlp_is_an_invalid_argument(collector: Collector, channel: grpc.Channel) -> None:
    good = request(span()).SerializeToString()
    for signal in ("trace.v1.Trace", "metrics.v1.Metrics", "logs.v1.Logs"):
        method = f"/opentelemetry.proto.collector.{signal}Service/Export"
        for body in (b"\xff\xff garbage", good[:-3], gzip.compress(good)[:-9], b"\x1f\x8b"):
            error = refusal(channel, body, method)
            assert error.code() == grpc.StatusCode.INVALID_ARGUMENT, body
            assert len(error.details()) > 20
            assert "grpc-status-details-bin" not in dict(error.trailing_metadata())
    assert refusal(channel, good, "/a.Service/Export").code() == grpc.StatusCode.UNIMPLEMENTED
    assert collector.is_up()


def test_too_much_in_one_message_is_refused(collector: Collector, channel: grpc.Channel) -> None:
    assert refusal(channel, bytes(17 * MB)).code() == grpc.StatusCode.RESOURCE_EXHAUSTED
    bomb = refusal(channel, bytes(200 * MB), compression=grpc.Compression.Gzip)
    assert bomb.code() == grpc.StatusCode.INVALID_ARGUMENT
    assert "16 MB" in bomb.details()
    assert refusal(channel, bytes(100), compression=grpc.Compression.Deflate).code() == grpc.StatusCode.UNIMPLEMENTED
    assert collector.is_up()


def test_a_sender_without_a_message_or_with_a_slow_one_harms_nobody(tmp_path: Path, start: Start) -> None:
    running = start(tmp_path, "--grpc", "127.0.0.1:0", "--body-timeout", "0.5")
    with grpc.insecure_channel(running.grpc.removeprefix("http://")) as channel:
        stream = channel.stream_unary(TRACES)
        with pytest.raises(grpc.RpcError) as caught:
            stream(iter(()), timeout=20)
        assert caught.value.code() == grpc.StatusCode.INVALID_ARGUMENT
        never = threading.Event()
        with pytest.raises(grpc.RpcError) as caught:
            stream((b"" for _ in iter(never.wait, True)), timeout=20)
        assert caught.value.code() == grpc.StatusCode.DEADLINE_EXCEEDED
        assert "0.5 s" in caught.value.details()
        assert export(channel, request(span()).SerializeToString()) == b""
        never.set()
    assert running.stop() == 0
    assert running.errors == ""


class Gate:
    """A store's `write` that waits until it is opened, or says that it can't."""

    def __init__(self, write: Any) -> None:
        self._write, self.opened, self.called, self.is_busy = write, threading.Event(), threading.Event(), False

    def __call__(self, batches: Any) -> None:
        self.called.set()
        if self.is_busy:
            raise Busy("the disk is full")
        assert self.opened.wait(20)
        self._write(batches)


def test_who_has_to_come_again_is_told_when(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    gate = Gate(store.write)
    commits = Commits(gate, store.tidy)
    body = request(span({"text": "x" * 900})).SerializeToString()

    async def scenario(decoding: ThreadPoolExecutor) -> tuple[grpc.aio.AioRpcError, bytes, grpc.aio.AioRpcError]:
        intake, auth = Intake(commits, decoding, in_flight_limit=1000), Auth(Settings(tmp_path))
        receiver = OtlpGrpc(intake, auth, message_limit=MB, timeout_s=20)
        address = await receiver.start(Address("127.0.0.1", 0), None)
        async with grpc.aio.insecure_channel(str(address)) as channel:
            call = channel.unary_unary(TRACES)
            first = asyncio.ensure_future(call(body, timeout=20))
            await asyncio.to_thread(gate.called.wait, 20)
            with pytest.raises(grpc.aio.AioRpcError) as full:
                await call(body, timeout=20)
            gate.opened.set()
            kept = await first
            gate.is_busy = True
            with pytest.raises(grpc.aio.AioRpcError) as busy:
                await call(body, timeout=20)
        await receiver.stop(1)
        return full.value, kept, busy.value

    with ThreadPoolExecutor(2) as decoding:
        full, kept, busy = asyncio.run(scenario(decoding))
    commits.close()
    store.close()
    assert kept == b""
    assert (full.code(), busy.code()) == (grpc.StatusCode.RESOURCE_EXHAUSTED, grpc.StatusCode.UNAVAILABLE)
    assert busy.details() == "the disk is full"
    for error in (full, busy):
        trailers = dict(error.trailing_metadata() or ())
        status, retry = Status.FromString(trailers["grpc-status-details-bin"]), RetryInfo()
        assert status.details[0].Unpack(retry)
        assert (status.code, retry.retry_delay.seconds) == (error.code().value[0], 1)
        assert RetryInfo.FromString(trailers["google.rpc.retryinfo-bin"]) == retry


def test_what_was_acknowledged_while_it_stops_is_stored(tmp_path: Path, start: Start) -> None:
    running = start(tmp_path, "--grpc", "127.0.0.1:0")
    acked: list[str] = []
    enough = threading.Event()

    def send() -> None:
        with grpc.insecure_channel(running.grpc.removeprefix("http://")) as channel:
            while True:
                one = span({"text": "x" * 5000})
                try:
                    export(channel, request(one).SerializeToString())
                except grpc.RpcError:
                    return
                acked.append(one.trace_id.hex())
                if len(acked) > 20:
                    enough.set()

    senders = [threading.Thread(target=send) for _ in range(4)]
    for sender in senders:
        sender.start()
    assert enough.wait(20)
    assert running.stop() == 0
    for sender in senders:
        sender.join(30)
    again = start(tmp_path)
    assert set(acked) <= {trace_id for (trace_id,) in again.sql("select trace_id from spans")}


def test_a_port_that_is_taken_is_named_and_off_means_none(tmp_path: Path, start: Start, collector: Collector) -> None:
    from collector.process import run

    taken = collector.grpc.removeprefix("http://")
    process = run(tmp_path / "a", "--grpc", taken)
    _, errors = process.communicate(timeout=20)
    assert process.returncode == 2
    assert f"--grpc {taken} can't be taken" in errors
    assert "Traceback" not in errors
    assert start(tmp_path / "b", "--grpc", "off").grpc == ""


def test_log_bodies_of_every_type_come_by_grpc_too(collector: Collector, channel: grpc.Channel) -> None:
    from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest

    message = ExportLogsServiceRequest()
    records = message.resource_logs.add().scope_logs.add().log_records
    for number, body in enumerate(({"a": [1, None]}, b"\x00", 1.5)):
        put(records.add(event_name="grpc.body", time_unix_nano=number + 1, body=any_value(body)), {})
    method = "/opentelemetry.proto.collector.logs.v1.LogsService/Export"
    assert export(channel, message.SerializeToString(), method) == b""
    found = [one["body"] for one in collector.get("/api/logs", limit=1000)["logs"] if one["event_name"] == "grpc.body"]
    assert found == [1.5, {"$bytes": "AA=="}, {"a": [1, None]}]
