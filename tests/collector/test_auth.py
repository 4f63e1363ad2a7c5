"""Keys and scopes, the local token, other origins' pages: who may call what, by HTTP and by gRPC."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import grpc
import httpx
import pytest
from collector.exports import PROTOBUF, request, span
from collector.process import run

from otelllm import cli
from otelllm_collector.auth import needed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from collector.process import Collector, Start

TRACES = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"
JSON = {"content-type": "application/json"}
ROUTES = [
    ("POST", "/v1/traces", "ingest"),
    ("POST", "/v1/metrics", "ingest"),
    ("POST", "/v1/logs", "ingest"),
    ("GET", "/api/traces", "read"),
    ("GET", "/api/spans", "read"),
    ("GET", "/api/facets?field=model", "read"),
    ("POST", "/api/sql", "read"),
]


class Guarded(NamedTuple):
    """A collector with a key of each scope."""

    collector: Collector
    keys: dict[str, str]


def keys_command(data: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """`otelllm keys …` as a user runs it."""
    places = os.pathsep.join(str(Path(cli.__file__).parents[2] / place) for place in ("", "collector"))
    return subprocess.run(
        [sys.executable, "-m", "otelllm.cli", "keys", *arguments],
        env=os.environ | {"PYTHONPATH": places, "OTELLLM_DATA": str(data)}, capture_output=True, text=True, timeout=60,
        check=False,
    )  # fmt: skip


def added(data: Path, name: str, scope: str, *more: str) -> str:
    done = keys_command(data, "add", name, "--scope", scope, *more)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    from collector import process

    data = tmp_path_factory.mktemp("data")
    keys = {scope: added(data, scope, scope) for scope in ("ingest", "read", "operate")}
    running = process.start(data, "--grpc", "127.0.0.1:0")
    yield Guarded(running, keys)
    assert running.stop() == 0
    for key in [*keys.values(), token(running)]:
        assert key not in running.errors


def token(running: Collector) -> str:
    return (running.data / "operate.token").read_text().strip()


def call(running: Collector, method: str, path: str, **headers: str) -> httpx.Response:
    if method == "GET":
        return running.client.get(path, headers=headers)
    if path == "/api/sql":
        return running.client.post(path, content=json.dumps({"sql": "select 1"}), headers=JSON | headers)
    return running.client.post(path, content=b"", headers=PROTOBUF | headers)


@pytest.mark.parametrize(("method", "path", "scope"), ROUTES)
@pytest.mark.parametrize("way", ["bearer", "x-api-key"])
def test_each_route_takes_the_keys_of_its_scope(guarded: Guarded, method: str, path: str, scope: str, way: str) -> None:
    for of_key, key in [*guarded.keys.items(), ("operate", token(guarded.collector))]:
        headers = {"authorization": f"Bearer {key}"} if way == "bearer" else {"x-api-key": key}
        answer = call(guarded.collector, method, path, **headers)
        assert answer.status_code == (200 if of_key in (scope, "operate") else 403), (of_key, answer.text)
        if answer.status_code == 403:
            assert f"is for {of_key}, this needs {scope}" in answer.json()["error"]
            assert key not in answer.text


@pytest.mark.parametrize(("method", "path", "scope"), ROUTES)
@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"authorization": "Bearer otelllm-operate-wrong"},
        {"x-api-key": "wrong"},
        {"authorization": "Basic YTpi"},
        {"authorization": "Bearer"},
        {"authorization": "Bearer \u00e9".encode("latin-1").decode("latin-1")},
    ],
    ids=["none", "unknown", "unknown x-api-key", "another kind", "empty", "not ASCII"],
)
def test_no_key_or_a_wrong_one_is_told_what_is_missing(
    guarded: Guarded, method: str, path: str, scope: str, headers: dict[str, str]
) -> None:
    raw = {name: value.encode("latin-1") for name, value in headers.items()}
    answer = call(guarded.collector, method, path, **raw)
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == "Bearer"
    assert f"scope {scope}" in answer.json()["error"]
    assert "wrong" not in answer.text


def test_health_is_everyones_and_unknown_paths_are_told_the_right_ones(guarded: Guarded) -> None:
    assert guarded.collector.client.get("/healthz").status_code == 200
    assert guarded.collector.client.post("/v1/trace").status_code == 404
    assert guarded.collector.client.put("/v1/traces").status_code == 405


def test_grpc_takes_the_same_keys(guarded: Guarded) -> None:
    good = request(span()).SerializeToString()
    with grpc.insecure_channel(guarded.collector.grpc.removeprefix("http://")) as channel:
        export = channel.unary_unary(TRACES)
        assert export(good, metadata=[("authorization", f"Bearer {guarded.keys['ingest']}")], timeout=20) == b""
        assert export(good, metadata=[("x-api-key", guarded.keys["operate"])], timeout=20) == b""
        for metadata, code in (
            ([], grpc.StatusCode.UNAUTHENTICATED),
            ([("x-api-key", "wrong")], grpc.StatusCode.UNAUTHENTICATED),
            ([("x-api-key", guarded.keys["read"])], grpc.StatusCode.PERMISSION_DENIED),
        ):
            with pytest.raises(grpc.RpcError) as caught:
                export(good, metadata=metadata, timeout=20)
            assert caught.value.code() == code
            assert "ingest" in caught.value.details()


def test_what_changes_something_needs_operate_and_what_reads_needs_read() -> None:
    for method, path, scope in [
        ("POST", "/v1/feedback", "ingest"),
        ("GET", "/metrics", "read"),
        ("HEAD", "/api/traces", "read"),
        ("GET", "/v1/policy", "follow"),
        ("GET", "/v1/policy/history", "read"),
        ("PUT", "/v1/policy", "operate"),
        ("POST", "/v1/kill", "operate"),
        ("DELETE", "/api/traces/{trace_id}", "operate"),
        ("POST", "/api/new", "operate"),
        ("PATCH", "/v1/traces", "operate"),
        ("POST", "/v1/traces/", "operate"),
        ("GET", "/healthz", None),
    ]:
        assert needed(method, path) == scope, (method, path)


def test_a_key_made_or_removed_while_it_runs_counts_at_once(tmp_path: Path, start: Start) -> None:
    running = start(tmp_path)
    assert call(running, "GET", "/api/traces").status_code == 200
    key = added(tmp_path, "first", "read")
    assert call(running, "GET", "/api/traces").status_code == 401
    assert call(running, "GET", "/api/traces", **{"x-api-key": key}).status_code == 200
    assert keys_command(tmp_path, "remove", "first").returncode == 0
    assert call(running, "GET", "/api/traces").status_code == 200
    added(tmp_path, "second", "ingest")
    (tmp_path / "keys.json").write_text("broken")
    assert call(running, "GET", "/api/traces").status_code == 401, "a broken file opens no door"
    assert running.stop() == 0
    assert "the keys stay as they were" in running.errors


def test_a_broken_file_is_named_at_the_start(tmp_path: Path) -> None:
    for broken in ("{", "[]", '{"keys": [{"name": "a"}]}', '{"keys": [{"name":"a","scope":"all","sha256":"00"}]}'):
        (tmp_path / "keys.json").write_text(broken)
        process = run(tmp_path)
        _, errors = process.communicate(timeout=20)
        assert process.returncode == 2
        assert "keys.json" in errors
        assert "Traceback" not in errors


def test_files_are_their_owners_alone_and_hold_no_key(tmp_path: Path, start: Start) -> None:
    key = added(tmp_path, "shop", "ingest", "--project", "web")
    running = start(tmp_path)
    for name in ("keys.json", "operate.token"):
        assert (tmp_path / name).stat().st_mode & 0o777 == 0o600
    assert key not in (tmp_path / "keys.json").read_text()
    before = token(running)
    assert running.stop() == 0
    (tmp_path / "operate.token").chmod(0o644)
    assert token(start(tmp_path)) == before
    assert (tmp_path / "operate.token").stat().st_mode & 0o777 == 0o600


def test_the_command_shows_a_key_once_and_lists_names(tmp_path: Path) -> None:
    key = added(tmp_path, "shop", "ingest", "--project", "web")
    assert re.fullmatch(r"otelllm-ingest-[\w-]{43}", key)
    assert keys_command(tmp_path, "add", "shop", "--scope", "read").returncode == 1
    added(tmp_path, "boss", "operate")
    listed = keys_command(tmp_path, "list").stdout
    assert [line.split("\t")[:3] for line in listed.splitlines()] == [
        ["shop", "ingest", "web"], ["boss", "operate", "-"],
    ]  # fmt: skip
    assert key not in listed
    assert keys_command(tmp_path, "remove", "shop").returncode == 0
    unknown = keys_command(tmp_path, "remove", "shop")
    assert (unknown.returncode, "boss" in unknown.stderr) == (1, True)
    assert keys_command(tmp_path, "add", "x", "--scope", "all").returncode != 0


def test_a_keys_project_goes_onto_what_comes_with_it(tmp_path: Path, start: Start) -> None:
    key = added(tmp_path, "shop", "ingest", "--project", "web")
    reader = {"x-api-key": added(tmp_path, "reader", "read")}
    running = start(tmp_path)
    one = request(span())
    one.resource_spans[0].resource.attributes.add(key="otelllm.project").value.string_value = "somebody else's"
    assert running.send(one, **{"x-api-key": key}).status_code == 200
    found = one.resource_spans[0].scope_spans[0].spans[0]
    path = f"/api/traces/{found.trace_id.hex()}/spans/{found.span_id.hex()}"
    assert running.client.get(path, headers=reader).json()["resource"]["otelllm.project"] == "web"


def test_another_address_needs_keys_and_then_asks_for_them(tmp_path: Path, start: Start) -> None:
    process = run(tmp_path, "--http", "0.0.0.0:0")
    _, errors = process.communicate(timeout=20)
    assert (process.returncode, "otelllm keys add" in errors) == (2, True)
    key = added(tmp_path, "reader", "read")
    running = start(tmp_path, "--http", "0.0.0.0:0")
    running.client.base_url = running.url.replace("0.0.0.0", "127.0.0.1")
    assert call(running, "GET", "/api/traces").status_code == 401
    assert call(running, "GET", "/api/traces", **{"x-api-key": key}).status_code == 200
    assert keys_command(tmp_path, "remove", "reader").returncode == 0
    assert call(running, "GET", "/api/traces").status_code == 401, "without its last key it does not stand open"
    open_to_all = start(tmp_path / "open", "--http", "0.0.0.0:0", OTELLLM_ALLOW_REMOTE="1")
    open_to_all.client.base_url = open_to_all.url.replace("0.0.0.0", "127.0.0.1")
    assert call(open_to_all, "GET", "/api/traces").status_code == 200


LISTED = "https://app.example"


@pytest.fixture(scope="module")
def browsed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Collector]:
    from collector import process

    origins = {"OTELLLM_CORS_ORIGINS": f"{LISTED}, http://localhost:3000"}
    running = process.start(tmp_path_factory.mktemp("browsed"), **origins)
    yield running
    assert running.stop() == 0


@pytest.mark.parametrize(("method", "path", "scope"), ROUTES)
@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://localhost", "http://127.0.0.1:1", LISTED])
def test_a_page_of_another_origin_calls_nothing(
    browsed: Collector, method: str, path: str, scope: str, origin: str
) -> None:
    answer = call(browsed, method, path, origin=origin)
    if origin == LISTED and scope == "ingest":
        assert answer.status_code == 200
        assert answer.headers["access-control-allow-origin"] == LISTED
        return
    assert answer.status_code == 403
    assert origin in answer.json()["error"]
    assert "access-control-allow-origin" not in answer.headers


def test_a_page_that_loads_without_an_origin_gets_nothing_either(browsed: Collector) -> None:
    for site in ("cross-site", "same-site"):
        loaded = {"sec-fetch-site": site, "sec-fetch-mode": "no-cors"}
        assert call(browsed, "GET", "/api/traces", **loaded).status_code == 403
        followed = {"sec-fetch-site": site, "sec-fetch-mode": "navigate"}
        assert call(browsed, "GET", "/api/traces", **followed).status_code == 200
    typed = {"sec-fetch-site": "none", "sec-fetch-mode": "navigate"}
    assert call(browsed, "GET", "/api/traces", **typed).status_code == 200
    assert call(browsed, "GET", "/api/traces", origin=browsed.url).status_code == 200


def test_preflights_are_answered_for_listed_origins_and_ingest_alone(browsed: Collector) -> None:
    def preflight(path: str, origin: str, method: str = "POST") -> httpx.Response:
        asked = {"access-control-request-method": method, "access-control-request-headers": "content-type,traceparent"}
        return browsed.client.options(path, headers={"origin": origin} | asked)

    for path in ("/v1/traces", "/v1/metrics", "/v1/logs", "/v1/feedback"):
        answer = preflight(path, LISTED)
        assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (200, LISTED)
        assert "traceparent" in answer.headers["access-control-allow-headers"].lower()
        assert "access-control-allow-credentials" not in answer.headers
        assert preflight(path, "https://evil.example").status_code == 403
    assert preflight("/api/sql", LISTED).status_code == 403
    assert preflight("/v1/traces", LISTED, "DELETE").status_code == 400


def test_an_origin_that_is_none_is_named(tmp_path: Path) -> None:
    for wrong in ("*", "app.example", "https://app.example/", "ftp://a"):
        process = run(tmp_path, "--cors-origin", wrong)
        _, errors = process.communicate(timeout=20)
        assert (process.returncode, f"--cors-origin {wrong!r}" in errors) == (2, True)


def test_commands_on_this_machine_use_the_token_and_others_a_key(tmp_path: Path, start: Start) -> None:
    key = added(tmp_path, "reader", "read")
    running = start(tmp_path)

    def query(data: Path, **environment: str) -> subprocess.CompletedProcess[str]:
        places = os.pathsep.join(str(Path(cli.__file__).parents[2] / place) for place in ("", "collector"))
        return subprocess.run(
            [sys.executable, "-m", "otelllm.cli", "query", "select 7", "--url", running.url, "--format", "csv"],
            env=os.environ | {"PYTHONPATH": places, "OTELLLM_DATA": str(data)} | environment, capture_output=True,
            text=True, timeout=60, check=False,
        )  # fmt: skip

    assert "7" in query(tmp_path).stdout
    assert "7" in query(tmp_path / "elsewhere", OTELLLM_KEY=key).stdout
    refused = query(tmp_path / "elsewhere")
    assert (refused.returncode, "scope read" in refused.stderr) == (1, True)


def test_the_explorer_takes_its_key_from_the_environment(guarded: Guarded, monkeypatch: pytest.MonkeyPatch) -> None:
    from otelllm_dashboard.client import Client, Refused

    for key, is_good in ((guarded.keys["read"], True), (guarded.keys["ingest"], False), ("", False)):
        monkeypatch.setenv("OTELLLM_KEY", key)
        client = Client(guarded.collector.url)
        try:
            if is_good:
                assert isinstance(client.traces({})["traces"], list)
            else:
                with pytest.raises(Refused):
                    client.traces({})
        finally:
            client.close()
