"""Starting, settings, who may ask, and what happens when there is too much to do."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from collector.exports import PROTOBUF, request, span
from collector.process import run

from otelllm_collector.__main__ import _Onward, build
from otelllm_collector.auth import Auth, refuse_open_doors
from otelllm_collector.commits import Commits
from otelllm_collector.config import Address, BadSetting, Settings, read_settings
from otelllm_collector.keys import add_key
from otelllm_collector.live import Live
from otelllm_collector.policies import Policies
from otelllm_collector.questions import Busy
from otelllm_collector.receivers.intake import Intake
from otelllm_collector.stores.duckdb import open_store

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from collector.process import Collector, Start

    from otelllm_collector.rows import Batch


def test_it_says_in_one_line_that_it_is_ready(tmp_path: Path, start: Start) -> None:
    running = start(tmp_path / "a" / "b")
    assert running.get("/healthz") == {"status": "ok", "version": "0.1.0"}
    assert running.process.stdout is not None
    running.process.terminate()
    assert running.process.stdout.read() == ""
    assert running.stop() == 0


def test_the_environment_sets_what_the_command_line_does_not(tmp_path: Path) -> None:
    environ = {"OTELLLM_DATA": "/env", "OTELLLM_HTTP": "localhost:5", "OTELLLM_GRPC": "off"}
    assert read_settings([], environ) == Settings(Path("/env"), "localhost", 5)
    given = ["--data", "/own", "--http", "[::1]:6", "--grpc", "[::1]:7"]
    assert read_settings(given, environ) == Settings(Path("/own"), "::1", 6, Address("::1", 7))
    default = read_settings([], {"XDG_DATA_HOME": str(tmp_path)})
    assert (default.http, default.grpc) == (Address("127.0.0.1", 4318), Address("127.0.0.1", 4317))
    assert default.data == tmp_path / "otelllm"


def test_any_free_port_for_the_one_is_any_free_port_for_the_other() -> None:
    assert read_settings(["--http", "[::1]:0"], {}).grpc == Address("::1", 0)
    assert read_settings(["--http", "[::1]:0", "--grpc", "127.0.0.1:9"], {}).grpc == Address("127.0.0.1", 9)


@pytest.mark.parametrize(
    "address", ["4318", "127.0.0.1", "127.0.0.1:", "127.0.0.1:http", ":4318", "127.0.0.1:65536", ""]
)
def test_an_address_that_is_none_is_named(address: str) -> None:
    for option in ("--http", "--grpc"):
        if not (option == "--grpc" and address == ""):
            with pytest.raises(BadSetting, match=rf"{option} '.*' is not HOST:PORT"):
                read_settings([option, address], {})


@pytest.mark.parametrize("address", ["0.0.0.0:4318", "[::]:4318", "192.168.1.7:4318", "collector.example:4318"])
def test_an_address_that_others_reach_needs_keys_or_a_word_of_consent(tmp_path: Path, address: str) -> None:
    for option in ("--http", "--grpc"):
        given = ["--data", str(tmp_path), option, address]
        with pytest.raises(BadSetting, match=rf"{option} .*OTELLLM_ALLOW_REMOTE"):
            refuse_open_doors(read_settings(given, {}))
        refuse_open_doors(read_settings(given, {"OTELLLM_ALLOW_REMOTE": "1"}))
    add_key(tmp_path, "shop", "ingest", None)
    refuse_open_doors(read_settings(["--data", str(tmp_path), "--http", address], {}))


def test_the_refusal_ends_the_process_with_a_message(tmp_path: Path) -> None:
    process = run(tmp_path, "--http", "0.0.0.0:0")
    _, errors = process.communicate(timeout=20)
    assert process.returncode == 2
    assert "OTELLLM_ALLOW_REMOTE=1" in errors
    assert "Traceback" not in errors


@pytest.mark.parametrize(
    "host", ["localhost", "localhost:99", "127.0.0.1:4318", "127.8.8.8", "[::1]:4318", "LOCALHOST"]
)
def test_loopback_names_are_answered(collector: Collector, host: str) -> None:
    assert collector.client.get("/healthz", headers={"host": host}).status_code == 200


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "127.0.0.1.evil.example",
        "localhost.evil.example",
        "10.0.0.1",
        "",
        "[::",
        "localhost@evil.example",
    ],
)
@pytest.mark.parametrize("path", ["/healthz", "/api/traces", "/v1/traces"])
def test_a_page_that_rebinds_its_name_is_refused(collector: Collector, host: str, path: str) -> None:
    answer = collector.client.request("POST" if path == "/v1/traces" else "GET", path, headers={"host": host})
    assert answer.status_code in (400, 421)


class Gate:
    """A store's `write` that waits until it is opened."""

    def __init__(self, write: Any) -> None:
        self._write, self.opened, self.calls = write, threading.Event(), 0

    def write(self, batches: Sequence[Batch]) -> None:
        self.calls += 1
        assert self.opened.wait(20)
        self._write(batches)


@pytest.fixture
def gated(tmp_path: Path) -> Iterator[tuple[Any, Gate]]:
    store = open_store(tmp_path)
    gate = Gate(store.write)
    commits = Commits(gate.write, store.tidy)
    with ThreadPoolExecutor(2) as decoding, ThreadPoolExecutor(2) as questions:
        settings = Settings(tmp_path)
        intake = Intake(commits, decoding, in_flight_limit=1000)
        yield (
            build(settings, store, intake, Auth(settings), questions, Live(), Policies(tmp_path), _Onward(settings)),
            gate,
        )
        gate.opened.set()
        commits.close()
    store.close()


def test_too_much_in_hand_is_refused_with_a_time_to_come_again(gated: tuple[Any, Gate]) -> None:
    app, gate = gated

    async def send_three() -> list[httpx.Response]:
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            content = request(span({"text": "x" * 900})).SerializeToString()

            def post() -> Any:
                return asyncio.create_task(client.post("/v1/traces", content=content, headers=PROTOBUF))

            first = post()
            while not gate.calls:
                await asyncio.sleep(0.001)
            refused = await post()
            gate.opened.set()
            answers = [refused, await first]
            return [*answers, await post()]

    refused, first, after = asyncio.run(send_three())
    assert (refused.status_code, refused.headers["retry-after"]) == (503, "1")
    assert [first.status_code, after.status_code] == [200, 200]


def test_batches_that_wait_are_committed_together(gated: tuple[Any, Gate]) -> None:
    _, gate = gated
    from otelllm_collector.decode import decode

    written: list[int] = []
    commits = Commits(lambda batches: (gate.write(batches), written.append(len(batches)))[0], lambda: None)
    batches = [decode("traces", request(span()).SerializeToString(), is_json=False, now_ns=1) for _ in range(9)]
    answers = [commits.submit(batch) for batch in batches]
    gate.opened.set()
    for answer in answers:
        answer.result(20)
    commits.close()
    assert sum(written) == 9
    assert len(written) <= 3
    with pytest.raises(Busy):
        commits.submit(batches[0])


def test_one_batch_that_cannot_be_kept_does_not_cost_its_neighbours(tmp_path: Path) -> None:
    from otelllm_collector.commits import Rejected
    from otelllm_collector.decode import decode

    store = open_store(tmp_path)
    gate = Gate(store.write)
    commits = Commits(gate.write, store.tidy)
    batches = [decode("traces", request(span()).SerializeToString(), is_json=False, now_ns=1) for _ in range(3)]
    batches[1].spans[0].start_ns = 2**70
    answers = [commits.submit(batch) for batch in batches]
    gate.opened.set()
    assert answers[0].result(20) is None
    assert answers[2].result(20) is None
    with pytest.raises(Rejected):
        answers[1].result(20)
    commits.close()
    assert store.sql("select count(*) from spans", 9, 9).rows == [(2,)]
    store.close()
