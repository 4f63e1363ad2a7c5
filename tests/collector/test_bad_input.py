"""Nothing that comes over the wire gives a 500 or ends the process, and good spans beside bad ones are kept."""

from __future__ import annotations

import gzip
import json
import socket
import sys
import threading
import zlib
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from collector.exports import PROTOBUF, as_otlp_json, request, span
from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from soak.seeds import beside

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

if TYPE_CHECKING:
    from collections.abc import Callable

    from collector.process import Collector

JSON = {"content-type": "application/json"}
MB = 2**20
GOOD = request(span()).SerializeToString()

EMPTY_SPANS = gzip.compress(request(*[Span()] * 1_000_000).SerializeToString(), 1)

TABLE = [
    ("garbage", b"\xff\xff\xff\xff garbage", PROTOBUF, 400),
    ("JSON said to be protobuf", b'{"resourceSpans": []}', PROTOBUF, 400),
    ("protobuf said to be JSON", GOOD, JSON, 400),
    ("broken JSON", b'{"resourceSpans": [', JSON, 400),
    ("JSON of another shape", b"[1, 2]", JSON, 400),
    ("a cut protobuf", GOOD[:-3], PROTOBUF, 400),
    ("a damaged resource", GOOD.replace(b"\x12\x06\n\x04shop", b"\x12\x06\n\x7fshop"), PROTOBUF, 400),
    ("text that is not UTF-8", GOOD.replace(b"gpt-5", b"gp\xff\xfe5"), PROTOBUF, 400),
    ("cut gzip", gzip.compress(GOOD)[:-6], PROTOBUF | {"content-encoding": "gzip"}, 400),
    ("no gzip", GOOD, PROTOBUF | {"content-encoding": "gzip"}, 400),
    ("cut deflate", zlib.compress(GOOD)[:-2], PROTOBUF | {"content-encoding": "deflate"}, 400),
    ("cut zstd", zstd.compress(GOOD)[:-2], PROTOBUF | {"content-encoding": "zstd"}, 400),
    ("no zstd", GOOD, PROTOBUF | {"content-encoding": "zstd"}, 400),
    ("an encoding we do not take", GOOD, PROTOBUF | {"content-encoding": "br"}, 415),
    ("no content type", GOOD, {}, 415),
    ("a form", b"a=b", {"content-type": "application/x-www-form-urlencoded"}, 415),
    ("plain text", b"{}", {"content-type": "text/plain"}, 415),
    ("100 MB", bytes(100 * MB), PROTOBUF, 413),
    ("a million empty spans", EMPTY_SPANS, PROTOBUF | {"content-encoding": "gzip"}, 413),
    ("a bomb", gzip.compress(bytes(100 * MB), 1), PROTOBUF | {"content-encoding": "gzip"}, 413),
    ("a bomb in zstd", zstd.compress(bytes(100 * MB), 1), PROTOBUF | {"content-encoding": "zstd"}, 413),
]


@pytest.mark.parametrize(("body", "headers", "status"), [row[1:] for row in TABLE], ids=[row[0] for row in TABLE])
def test_bad_bodies_are_refused_with_a_message(
    collector: Collector, body: bytes, headers: dict[str, str], status: int
) -> None:
    answer = collector.client.post("/v1/traces", content=body, headers=headers)
    assert answer.status_code == status
    if headers.get("content-type") == "application/json":
        assert len(answer.json()["message"]) > 10
    else:  # a google.rpc.Status: field 2 is the message
        assert answer.headers["content-type"] == "application/x-protobuf"
        assert answer.content[:1] == b"\x12"
        assert len(answer.content) > 10
    assert collector.is_up()


@pytest.mark.parametrize("signal", ["traces", "metrics", "logs"])
@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "PATCH"])
def test_a_wrong_method_is_told_the_right_one(collector: Collector, signal: str, method: str) -> None:
    answer = collector.client.request(method, f"/v1/{signal}")
    assert answer.status_code == 405
    assert answer.headers["allow"] == "POST"
    assert "POST" in answer.json()["error"]


def test_a_wrong_path_is_told_the_right_ones(collector: Collector) -> None:
    for path in ("/v1/trace", "/v1/traces/", "/", "/opentelemetry.proto.collector.trace.v1.TraceService/Export"):
        answer = collector.client.post(path, content=GOOD, headers=PROTOBUF)
        assert answer.status_code == 404
        assert "/v1/traces" in answer.json()["error"]


@pytest.mark.parametrize("is_json", [False, True])
def test_bad_spans_are_counted_and_good_ones_beside_them_kept(collector: Collector, is_json: bool) -> None:
    good = [span(), span()]
    message = request(good[0], span(trace_id=b"\x01"), span(span_id=b""), good[1], span(end_time_unix_nano=1))
    if is_json:
        answer = collector.client.post("/v1/traces", content=json.dumps(as_otlp_json(message)), headers=JSON)
        partial = answer.json()["partialSuccess"]
        count, reason = int(partial["rejectedSpans"]), partial["errorMessage"]
    else:
        answer = collector.send(message)
        response = ExportTraceServiceResponse.FromString(answer.content)
        count, reason = response.partial_success.rejected_spans, response.partial_success.error_message
    assert (answer.status_code, count) == (200, 3)
    for part in ("trace_id", "span_id", "ends before"):
        assert part in reason
    for one in good:
        assert len(collector.get(f"/api/traces/{one.trace_id.hex()}")["spans"]) == 1


@pytest.mark.parametrize("damage", [b"\x0a", b"\xff\xff\xff", b"\x2a\x03\xff\xfe\xfd", b"\x0b\x0b"])
def test_a_span_that_is_no_protobuf_costs_none_beside_it(collector: Collector, damage: bytes) -> None:
    """A number that breaks off, a text that is no UTF-8, a group without an end: protobuf refuses the request."""
    good = [span(), span()]
    bad = span().SerializeToString() + damage
    body = beside(good, bad)
    with pytest.raises(DecodeError):
        ExportTraceServiceRequest.FromString(body)
    answer = collector.client.post("/v1/traces", content=body, headers=PROTOBUF)
    partial = ExportTraceServiceResponse.FromString(answer.content).partial_success
    assert (answer.status_code, partial.rejected_spans) == (200, 1)
    assert "no protobuf" in partial.error_message
    for one in good:
        assert len(collector.get(f"/api/traces/{one.trace_id.hex()}")["spans"]) == 1


def test_all_good_means_no_partial_success(collector: Collector) -> None:
    answer = collector.send(request(span()))
    assert (answer.status_code, answer.content) == (200, b"")
    answer = collector.client.post("/v1/traces", content=b"{}", headers=JSON)
    assert (answer.status_code, answer.json()) == (200, {})


@pytest.mark.parametrize(
    ("encoding", "compress"),
    [("identity", bytes), ("gzip", gzip.compress), ("deflate", zlib.compress), ("zstd", zstd.compress)],
)
def test_every_encoding_is_taken(collector: Collector, encoding: str, compress: Callable[[bytes], bytes]) -> None:
    one = span()
    body = compress(request(one).SerializeToString())
    headers = PROTOBUF | {"content-encoding": encoding}
    assert collector.client.post("/v1/traces", content=body, headers=headers).status_code == 200
    assert collector.get(f"/api/traces/{one.trace_id.hex()}")["trace"]["spans"] == 1


def test_extreme_but_good_values_are_kept(collector: Collector) -> None:
    one = span(
        {"nul\x00key": "nul\x00value", "gen_ai.request.model": "m\x00n", "gen_ai.usage.input_tokens": -(2**63)},
        name="a\x00b" * 3,
        start_time_unix_nano=1,
        end_time_unix_nano=2**63 - 1,
        flags=2**32 - 1,
        dropped_links_count=2**32 - 1,
    )
    assert collector.send(request(one)).status_code == 200
    found = collector.get(f"/api/traces/{one.trace_id.hex()}/spans/{one.span_id.hex()}")
    assert (found["name"], found["request_model"], found["input_tokens"]) == ("a\x00b" * 3, "m\x00n", -(2**63))
    assert (found["start_ns"], found["end_ns"]) == (1, 2**63 - 1)
    assert found["attributes"]["nul\x00key"] == "nul\x00value"


def resident_mb(collector: Collector) -> float:
    status = Path(f"/proc/{collector.process.pid}/status").read_text()
    return int(next(line for line in status.splitlines() if line.startswith("VmRSS")).split()[1]) / 1024


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads the process's memory from /proc")
@pytest.mark.slow
def test_bombs_cost_bounded_memory(collector: Collector) -> None:
    bomb = gzip.compress(bytes(500 * MB), 1)
    headers = PROTOBUF | {"content-encoding": "gzip"}
    before = resident_mb(collector)
    peak = []

    def send() -> None:
        assert collector.client.post("/v1/traces", content=bomb, headers=headers).status_code == 413
        peak.append(resident_mb(collector))

    senders = [threading.Thread(target=send) for _ in range(6)]
    for sender in senders:
        sender.start()
    for sender in senders:
        sender.join(60)
    assert len(peak) == 6
    # Two are unpacked at a time, each to the limit of 64 MB and once more when its pieces would be put together.
    assert max(peak) - before < 300


def test_a_sender_that_hangs_up_or_lies_about_the_length_harms_nobody(collector: Collector) -> None:
    host, port = collector.url.removeprefix("http://").split(":")
    for raw in (
        b"POST /v1/traces HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: 99\r\n\r\n{",
        b"POST /v1/traces HTTP/1.1\r\nhost: localhost\r\ncontent-length: -5\r\n\r\n",
        b"POST /v1/traces HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"GET / HTTP/9.9\r\n\r\n",
        b"\r\n" * 50,
    ):
        with socket.create_connection((host, int(port)), timeout=10) as connection:
            connection.sendall(raw)
    assert collector.is_up()
