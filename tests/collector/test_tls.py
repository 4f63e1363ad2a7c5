"""TLS and mTLS on both ports, with certificates of an authority that the test makes."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING, NamedTuple

import grpc
import httpx
import pytest
import trustme
from collector.exports import PROTOBUF, request, span
from collector.process import run
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor

if TYPE_CHECKING:
    from pathlib import Path

    from collector.process import Collector, Start

pytestmark = pytest.mark.slow  # processes of its own

TRACES = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"


class Files(NamedTuple):
    """PEM files of a server and of a client."""

    authority: trustme.CA
    ca: Path
    cert: Path
    key: Path


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Files:
    folder = tmp_path_factory.mktemp("tls")
    authority = trustme.CA()
    made = Files(authority, folder / "ca.pem", folder / "cert.pem", folder / "key.pem")
    authority.cert_pem.write_to_path(made.ca)
    server = authority.issue_cert("localhost", "127.0.0.1")
    server.cert_chain_pems[0].write_to_path(made.cert)
    server.private_key_pem.write_to_path(made.key)
    return made


def options(files: Files, *, mutual: bool = False) -> tuple[str, ...]:
    ca = ("--tls-client-ca", str(files.ca)) if mutual else ()
    return ("--grpc", "127.0.0.1:0", "--tls-cert", str(files.cert), "--tls-key", str(files.key), *ca)


def client(running: Collector, files: Files, identity: trustme.LeafCert | None = None) -> httpx.Client:
    context = ssl.create_default_context(cafile=str(files.ca))
    if identity is not None:
        identity.configure_cert(context)
    return httpx.Client(base_url=running.url, verify=context, trust_env=False)


def channel(running: Collector, files: Files, identity: trustme.LeafCert | None = None) -> grpc.Channel:
    key = identity.private_key_pem.bytes() if identity else None
    chain = identity.cert_chain_pems[0].bytes() if identity else None
    credentials = grpc.ssl_channel_credentials(files.ca.read_bytes(), key, chain)
    return grpc.secure_channel(running.grpc.removeprefix("https://"), credentials)


def test_both_ports_speak_tls_and_nothing_else(tmp_path: Path, start: Start, files: Files) -> None:
    running = start(tmp_path, *options(files))
    assert running.url.startswith("https://127.0.0.1:")
    assert running.grpc.startswith("https://127.0.0.1:")
    by_http, by_grpc, by_sdk = span(), span(), TracerProvider()
    exporter = OTLPSpanExporter(
        running.grpc, credentials=grpc.ssl_channel_credentials(files.ca.read_bytes()), insecure=False
    )
    by_sdk.add_span_processor(SimpleSpanProcessor(exporter))
    with by_sdk.get_tracer("t").start_as_current_span("by the SDK") as sent:
        pass
    by_sdk.shutdown()
    with client(running, files) as web, channel(running, files) as wire:
        content = request(by_http).SerializeToString()
        assert web.post("/v1/traces", content=content, headers=PROTOBUF).status_code == 200
        assert wire.unary_unary(TRACES)(request(by_grpc).SerializeToString(), timeout=20) == b""
        for trace_id in (by_http.trace_id.hex(), by_grpc.trace_id.hex(), f"{sent.get_span_context().trace_id:032x}"):
            assert web.get(f"/api/traces/{trace_id}").json()["trace"]["spans"] == 1
    with pytest.raises(httpx.TransportError):
        httpx.get(running.url.replace("https", "http") + "/healthz", trust_env=False)
    with grpc.insecure_channel(running.grpc.removeprefix("https://")) as plain, pytest.raises(grpc.RpcError):
        plain.unary_unary(TRACES)(b"", timeout=20)
    other = trustme.CA()
    context = ssl.create_default_context()
    other.configure_trust(context)
    with pytest.raises(httpx.ConnectError, match=r"(?i)certificate"):
        httpx.get(f"{running.url}/healthz", verify=context, trust_env=False)


def test_without_a_certificate_of_the_authority_nobody_is_served(tmp_path: Path, start: Start, files: Files) -> None:
    running = start(tmp_path, *options(files, mutual=True))
    known = files.authority.issue_cert("app@shop.example")
    stranger = trustme.CA().issue_cert("app@shop.example")
    body = request(span()).SerializeToString()
    with client(running, files, known) as web, channel(running, files, known) as wire:
        assert web.post("/v1/traces", content=body, headers=PROTOBUF).status_code == 200
        assert wire.unary_unary(TRACES)(body, timeout=20) == b""
    for identity in (None, stranger):
        with client(running, files, identity) as web, pytest.raises(httpx.TransportError):
            web.get("/healthz")
        with channel(running, files, identity) as wire:
            with pytest.raises(grpc.RpcError) as caught:
                wire.unary_unary(TRACES)(body, timeout=20)
            assert caught.value.code() == grpc.StatusCode.UNAVAILABLE
    with client(running, files, known) as web:
        assert web.get("/healthz").status_code == 200


@pytest.mark.parametrize("missing", ["--tls-cert", "--tls-key", "--tls-client-ca"])
def test_files_that_cannot_be_used_are_named(tmp_path: Path, files: Files, missing: str) -> None:
    for content in (None, "no PEM"):
        wrong = tmp_path / f"wrong {content}.pem"
        if content is not None:
            wrong.write_text(content)
        process = run(tmp_path / "data", *options(files, mutual=True), missing, str(wrong))
        _, errors = process.communicate(timeout=20)
        assert (process.returncode, f"{missing} '{wrong}'" in errors) == (2, True)
        assert "Traceback" not in errors


def test_a_key_of_another_certificate_and_one_without_the_other_are_refused(tmp_path: Path, files: Files) -> None:
    other = tmp_path / "other.pem"
    files.authority.issue_cert("localhost").private_key_pem.write_to_path(other)
    for arguments, said in (
        ((*options(files), "--tls-key", str(other)), "that certificate's own"),
        (("--tls-cert", str(files.cert)), "go together"),
        (("--tls-client-ca", str(files.ca)), "go together"),
    ):
        process = run(tmp_path / "data", *arguments)
        _, errors = process.communicate(timeout=20)
        assert process.returncode == 2, errors
        assert said in errors
        assert "Traceback" not in errors
