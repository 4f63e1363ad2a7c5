"""Exporters: each known backend is addressed as it wants to be; outages, restarts, refusals; what is kept back."""

from __future__ import annotations

import base64
import gc
import json
import threading
import time
import tomllib
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from collector.backends import PATIENCE_S, Backend, Sent, grpc_backend, http_backend, until
from collector.exports import request, span
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

from otelllm_collector.config import BadSetting
from otelllm_collector.decode import decode
from otelllm_collector.exporters import Exporters
from otelllm_collector.exporters.http import HttpSender
from otelllm_collector.exporters.settings import Destination, Sample, read_destinations
from otelllm_collector.journal import Journal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from otelllm_collector.stores.spec import Store

pytestmark = pytest.mark.slow

DOCS = Path(__file__).parent.parent.parent / "docs" / "exporters.md"
KEYS = {
    "LANGFUSE_PUBLIC_KEY": "pk-lf-1", "LANGFUSE_SECRET_KEY": "sk-lf-2", "LANGSMITH_API_KEY": "lsv2-3",
    "BRAINTRUST_API_KEY": "bt-4", "HELICONE_API_KEY": "hl-5", "DD_API_KEY": "dd-6",
}  # fmt: skip


def _documented() -> dict[str, dict[str, Any]]:
    """The settings that the documentation shows, by their kind."""
    blocks = DOCS.read_text(encoding="utf-8").split("```toml\n")[1:]
    found = [tomllib.loads(block.partition("```")[0]).get("exporter") for block in blocks]
    tables = [table for listed in found if isinstance(listed, list) for table in listed]
    return {table.get("kind", "otlp"): table for table in tables}


def _written(folder: Path, table: Mapping[str, Any]) -> Path:
    def value(one: Any) -> str:
        return json.dumps(one) if not isinstance(one, dict) else (
            "{" + ", ".join(f"{json.dumps(name)} = {value(inner)}" for name, inner in one.items()) + "}"
        )  # fmt: skip

    path = folder / "collector.toml"
    lines = [f"{name} = {value(one)}" for name, one in table.items()]
    path.write_text("\n".join(["[[exporter]]", *lines, ""]), encoding="utf-8")
    return path


@pytest.fixture
def running(tmp_path: Path, store: Store) -> Iterator[Callable[..., tuple[Journal, Exporters]]]:
    """Starts a journal and its exporters; called again it starts them anew, as after a restart."""
    open_: list[tuple[Journal, Exporters]] = []

    def stop() -> None:
        for journal, exporters in open_:
            exporters.close()
            journal.close()
        open_.clear()

    def start(*to: Destination, size: int = 1 << 26) -> tuple[Journal, Exporters]:
        stop()
        journal = Journal(tmp_path / "journal", [one.name for one in to], size=size, age_s=3600)
        exporters = Exporters(to, journal, store)
        exporters.start()
        open_.append((journal, exporters))
        return open_[0]

    yield start
    stop()


def _send(journal: Journal, body: ExportTraceServiceRequest) -> None:
    spans = sum(len(of_scope.spans) for one in body.resource_spans for of_scope in one.scope_spans)
    journal.append("traces", body.SerializeToString(), spans, time.time_ns()).result(10)


WANTED: dict[str, tuple[str, dict[str, str]]] = {
    "otlp": ("/v1/traces", {"content-encoding": "gzip", "content-type": "application/x-protobuf"}),
    "langfuse": ("/api/public/otel/v1/traces", {
        "authorization": "Basic " + base64.b64encode(b"pk-lf-1:sk-lf-2").decode(), "x-langfuse-ingestion-version": "4",
        "content-encoding": "gzip", "content-type": "application/x-protobuf",
    }),
    "langsmith": ("/otel/v1/traces", {"x-api-key": "lsv2-3", "langsmith-project": "shop", "content-encoding": "gzip"}),
    "braintrust": ("/otel/v1/traces", {"authorization": "Bearer bt-4", "x-bt-parent": "project_name:shop"}),
    "helicone": ("/v1/trace/log", {"authorization": "Bearer hl-5", "content-type": "application/json"}),
    "datadog": ("/v1/traces", {"dd-api-key": "dd-6", "dd-otlp-source": "datadog", "content-encoding": "gzip"}),
}  # fmt: skip
OVER_GRPC = ("tempo", "jaeger", "opentelemetry-collector")


def test_every_kind_is_documented_and_tested() -> None:
    from otelllm_collector.exporters.presets import PRESETS

    assert set(_documented()) == set(PRESETS) == {*WANTED, *OVER_GRPC}


@pytest.mark.parametrize("kind", WANTED)
def test_a_backend_is_addressed_as_it_wants_to_be(
    tmp_path: Path, running: Callable[..., tuple[Journal, Exporters]], kind: str
) -> None:
    """By the documented settings; only the address is this test's."""
    path, headers = WANTED[kind]
    table = _documented()[kind]
    (documented,) = read_destinations(_written(tmp_path, table), KEYS)
    assert documented.endpoint.startswith(("https://", "http://127.0.0.1"))
    with http_backend() as backend:
        base = "/" + documented.endpoint.split("/", 3)[3] if documented.endpoint.count("/") > 2 else ""
        (to,) = read_destinations(_written(tmp_path, {**table, "endpoint": backend.endpoint + base}), KEYS)
        journal, exporters = running(to)
        sent = request(span({"gen_ai.operation.name": "chat"}))
        _send(journal, sent)
        backend.wait(lambda: bool(backend.sent))
        got = backend.sent[0]
        assert got.path == path
        assert {name: got.headers.get(name) for name in headers} == headers
        if headers.get("content-type") == "application/json":
            (of_resource,) = json.loads(got.body)["resourceSpans"]
            (one,) = of_resource["scopeSpans"][0]["spans"]
            assert one["traceId"] == sent.resource_spans[0].scope_spans[0].spans[0].trace_id.hex()
            assert decode("traces", got.body, is_json=True, now_ns=1).spans[0].operation == "chat"
        else:
            assert got.body == sent.SerializeToString()
        until(lambda: exporters.statuses[0].sent["traces"] == 1)


@pytest.mark.parametrize("kind", OVER_GRPC)
def test_a_backend_that_takes_grpc(
    tmp_path: Path, running: Callable[..., tuple[Journal, Exporters]], kind: str
) -> None:
    with grpc_backend() as backend:
        table = {**_documented()[kind], "endpoint": backend.endpoint, "headers": {"X-Scope-OrgID": "team"}}
        (to,) = read_destinations(_written(tmp_path, table), KEYS)
        journal, _ = running(to)
        sent = request(span({"filler": "x" * 100_000}))
        _send(journal, sent)
        backend.wait(lambda: bool(backend.sent))
        assert backend.sent[0].path == "/opentelemetry.proto.collector.trace.v1.TraceService/Export"
        assert backend.sent[0].headers["x-scope-orgid"] == "team"
        assert backend.received < 10_000, "it is compressed"
        assert backend.sent[0].body == sent.SerializeToString()


def _to(backend: Backend, **more: Any) -> Destination:
    return Destination("a", backend.endpoint, paths={"traces": "/v1/traces", "logs": "/v1/logs"}, **more)


@pytest.mark.parametrize("status", [200, 400, 503])
def test_what_was_sent_is_let_go_at_once(status: int) -> None:
    """The collector looks for cycles seldom: a gigabyte that was caught up with stayed in memory for it."""
    with http_backend() as backend, closing(HttpSender(_to(backend, compression="none"))) as sender:
        backend.answer = lambda _: (status, {}, b"")
        gc.collect()
        gc.disable()
        try:
            sender.send("traces", b"\n\x00" * 1000)
            left = [one for one in gc.get_objects() if isinstance(one, httpx.Request | httpx.Response)]
        finally:
            gc.enable()
        assert left == []


def test_an_outage_and_a_restart_cost_nothing(running: Callable[..., tuple[Journal, Exporters]]) -> None:
    """All of it comes once the backend is back, in order, though the collector was restarted in between."""
    with http_backend() as backend:
        port = int(backend.endpoint.rpartition(":")[2])
    to = _to(backend)
    journal, exporters = running(to)
    names = [f"span {number}" for number in range(60)]
    for name in names[:30]:
        _send(journal, request(span(name=name)))
    until(lambda: exporters.statuses[0].failing_since_s is not None)
    assert exporters.statuses[0].lag.records == 30
    journal, exporters = running(to)
    for name in names[30:]:
        _send(journal, request(span(name=name)))
    with http_backend(backend, port):
        backend.wait(lambda: len(backend.spans) >= 60)
        until(lambda: exporters.statuses[0].lag.records == 0)
        assert [one.name for one in backend.spans] == names
        assert len(backend.sent) < 60, "what waited is put together"
        status = exporters.statuses[0]
        assert (status.failing_since_s, status.lag.skipped, status.refused) == (None, 0, 0)


@pytest.mark.parametrize("status", [429, 502, 503, 504])
def test_what_otlp_lets_try_again_is_tried_again_when_the_backend_says(
    running: Callable[..., tuple[Journal, Exporters]], status: int
) -> None:
    with http_backend() as backend:
        backend.answer = lambda _: (200, {}, b"") if len(backend.sent) > 2 else (status, {"retry-after": "0"}, b"")
        journal, exporters = running(_to(backend))
        _send(journal, request(span()))
        until(lambda: exporters.statuses[0].sent["traces"] == 1)
        assert len(backend.sent) == 3
        assert len({sent.body for sent in backend.sent}) == 1


@pytest.mark.parametrize("status", [400, 401, 404, 413, 500, 301])
def test_what_is_refused_for_good_holds_nothing_up_and_is_counted(
    running: Callable[..., tuple[Journal, Exporters]], status: int
) -> None:
    with http_backend() as backend:
        backend.answer = lambda _: (status, {}, b"no such key") if len(backend.sent) == 1 else (200, {}, b"")
        journal, exporters = running(_to(backend, batch_bytes=1024))
        _send(journal, request(span(), span()))
        until(lambda: exporters.statuses[0].refused == 2)
        _send(journal, request(span(name="next")))
        until(lambda: exporters.statuses[0].sent["traces"] == 1)
        assert str(status) in exporters.statuses[0].last_error


def test_what_the_backend_threw_away_is_counted(running: Callable[..., tuple[Journal, Exporters]]) -> None:
    answer = ExportTraceServiceResponse()
    answer.partial_success.rejected_spans, answer.partial_success.error_message = 1, "too old"
    with http_backend() as backend:
        backend.answer = lambda _: (200, {"content-type": "application/x-protobuf"}, answer.SerializeToString())
        journal, exporters = running(_to(backend))
        _send(journal, request(span(), span(), span()))
        until(lambda: exporters.statuses[0].refused == 1)
        assert (exporters.statuses[0].sent["traces"], exporters.statuses[0].last_error) == (2, "too old")


def test_beyond_the_journals_bounds_it_skips_counts_and_goes_on(
    running: Callable[..., tuple[Journal, Exporters]],
) -> None:
    with http_backend() as backend:
        backend.answer = lambda _: (503, {"retry-after": "0"}, b"")
        journal, exporters = running(_to(backend, batch_bytes=1024), size=1 << 20)
        for number in range(40):
            _send(journal, request(span({"filler": "x" * (1 << 16)}, name=str(number))))
        skipped = exporters.statuses[0].lag.skipped
        assert 20 < skipped < 40
        backend.answer = lambda _: (200, {}, b"")
        until(lambda: exporters.statuses[0].lag.records == 0)
        assert backend.spans[-1].name == "39"


def test_only_the_signals_that_were_asked_for(running: Callable[..., tuple[Journal, Exporters]]) -> None:
    with http_backend() as backend:
        journal, exporters = running(_to(backend, signals=("logs",)))
        _send(journal, request(span()))
        journal.append("logs", ExportLogsServiceRequest().SerializeToString() or b"\x0a\x00", 1, 1).result(10)
        backend.wait(lambda: bool(backend.sent))
        until(lambda: exporters.statuses[0].lag.records == 0)
        assert [sent.path for sent in backend.sent] == ["/v1/logs"]


def test_tail_sampling_asks_the_store(running: Callable[..., tuple[Journal, Exporters]], store: Store) -> None:
    """A trace is judged by what it came to, which the store knows, once it had time to end."""
    bad, good = span(name="bad"), span(name="good")
    bad.status.code = 2
    body = request(bad, good)
    store.write([decode("traces", body.SerializeToString(), is_json=False, now_ns=time.time_ns())])
    with http_backend() as backend:
        journal, exporters = running(_to(backend, sample=Sample(rate=0.0, errors=True, wait_s=0.2)))
        _send(journal, body)
        backend.wait(lambda: bool(backend.sent))
        until(lambda: exporters.statuses[0].lag.records == 0)
        assert [one.name for one in backend.spans] == ["bad"]


@pytest.mark.parametrize(
    ("table", "told"),
    [
        ({"kind": "tempoo"}, "tempoo"),
        ({"kind": "langfuse", "public_key": "p"}, "secret_key"),
        ({"kind": "langsmith", "api_key": "${NOT_SET}"}, "NOT_SET"),
        ({"kind": "otlp", "endpoint": "ftp://x"}, "ftp://x"),
        ({"kind": "otlp", "endpont": "http://x"}, "endpont"),
        ({"kind": "otlp", "name": "Big Name"}, "Big Name"),
        ({"kind": "tempo", "signals": ["logs"]}, "logs"),
        ({"kind": "otlp", "compression": "brotli"}, "brotli"),
        ({"kind": "otlp", "sample": {"rate": 2}}, "sample.rate"),
        ({"kind": "otlp", "sample": {"rat": 1}}, "sample.rat"),
        ({"kind": "otlp", "redact": {"content": "yes"}}, "yes"),
        ({"kind": "otlp", "timeout_s": 0}, "timeout_s"),
    ],
)
def test_a_wrong_setting_is_named(tmp_path: Path, table: dict[str, Any], told: str) -> None:
    with pytest.raises(BadSetting, match=told):
        read_destinations(_written(tmp_path, table), {})


def test_two_of_one_name(tmp_path: Path) -> None:
    path = tmp_path / "c.toml"
    path.write_text('[[exporter]]\nkind = "otlp"\n[[exporter]]\nkind = "otlp"\n')
    with pytest.raises(BadSetting, match="otlp"):
        read_destinations(path, {})
    path.write_text("[[exporter\n")
    with pytest.raises(BadSetting, match=r"c\.toml"):
        read_destinations(path, {})


def test_a_backend_that_says_nothing_is_given_up_on_in_time(running: Callable[..., tuple[Journal, Exporters]]) -> None:
    """Its silence is no answer: the request is sent again, and closing waits no longer than for one."""
    with http_backend() as backend:
        came_again = threading.Event()

        def answer(_: Sent) -> tuple[int, dict[str, str], bytes]:
            if len(backend.sent) == 1:
                came_again.wait(PATIENCE_S)
            came_again.set()
            return 200, {}, b""

        backend.answer = answer
        journal, exporters = running(_to(backend, timeout_s=0.2))
        with closing(exporters):
            _send(journal, request(span()))
            until(lambda: exporters.statuses[0].sent["traces"] == 1)
            assert len(backend.sent) == 2
