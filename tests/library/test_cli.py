"""The `otelllm` command: what it prints, what it refuses, and that no process outlives it."""

from __future__ import annotations

import json
import os
import pty
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import pytest

from otelllm import cli
from otelllm.cli import demo
from otelllm.cli._children import Children
from otelllm.cli._failure import Failure
from otelllm.cli._options import Address, address
from otelllm.cli._ports import free_or_any
from otelllm.cli._table import render
from otelllm.version import __version__

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

pytestmark = pytest.mark.slow  # most of it runs commands as processes of their own

HEAVY = {
    "duckdb",
    "httpx",
    "numpy",
    "openai",
    "opentelemetry.sdk",
    "requests",
    "streamlit",
    "uvicorn",
    "wrapt",
    "xllamacpp",
}


def otelllm(*arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "otelllm.cli", *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        **options,
    )


def until(done: Callable[[], bool], seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)


def is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


@contextmanager
def answering(status: int, body: bytes) -> Iterator[tuple[str, list[Any]]]:
    """A server that gives one answer to everything, and keeps what it was sent."""
    asked: list[Any] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.do_GET()

        def do_GET(self) -> None:
            self.send_response(status)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", asked
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def test_every_file_without_an_underscore_is_a_command() -> None:
    assert {"collector", "dashboard", "demo", "doctor", "policy", "query", "up"} <= set(cli.commands())
    text = otelllm("--help").stdout
    assert all(name in text for name in cli.commands())


def test_the_version() -> None:
    assert otelllm("--version").stdout == f"otelllm {__version__}\n"


def test_reading_the_command_line_imports_nothing_heavy() -> None:
    code = "import sys, otelllm.cli as c; c._parser(); print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not HEAVY & set(loaded)


def test_query_prints_rows_and_says_when_there_are_more() -> None:
    body = {"columns": [{"name": "a", "type": "BIGINT"}, {"name": "b", "type": "VARCHAR"}], "truncated": True}
    with answering(200, json.dumps({**body, "rows": [[1, None], [20, "x"]]}).encode()) as (url, asked):
        done = otelllm("query", "select a, b from t", "--url", url, "--limit", "2")
    assert done.stdout == " a  b\n--  -\n 1\n20  x\n"
    assert "first 2 rows; --limit" in done.stderr
    assert asked == [{"sql": "select a, b from t", "limit": 2}]


def test_query_writes_rows_into_a_file(tmp_path: Path) -> None:
    body = {"columns": [{"name": "a", "type": "BIGINT"}], "truncated": False, "rows": [[1]]}
    with answering(200, json.dumps(body).encode()) as (url, _):
        done = otelllm("query", "select a from t", "--url", url, "--format", "csv", "--output", str(tmp_path / "a.csv"))
    assert (done.returncode, done.stdout) == (0, "")
    assert (tmp_path / "a.csv").read_text() == "a\n1\n"


def test_arrow_is_not_written_to_a_terminal() -> None:
    controller, terminal = pty.openpty()
    try:
        done = subprocess.run(
            [sys.executable, "-m", "otelllm.cli", "query", "select 1", "--format", "arrow"],
            stdout=terminal, stderr=subprocess.PIPE, text=True, check=False,
        )  # fmt: skip
    finally:
        os.close(terminal)
        os.close(controller)
    assert done.returncode == 1
    assert "add --output FILE" in done.stderr


def test_arrow_of_no_collector_of_ours_is_refused() -> None:
    with answering(200, b"<html>") as (url, _):
        done = otelllm("query", "select 1", "--url", url, "--format", "arrow")
    assert (done.returncode, done.stdout) == (1, "")
    assert "is --url right?" in done.stderr


def test_query_reads_sql_from_standard_input() -> None:
    with answering(200, b'{"columns": [], "rows": [], "truncated": false}') as (url, asked):
        assert otelllm("query", "-", "--url", url, input="select 1").returncode == 0
    assert asked[0]["sql"] == "select 1"


@pytest.mark.parametrize(
    ("status", "body", "told"),
    [
        (400, b'{"error": "only one SELECT"}', "otelllm: only one SELECT\n"),
        (502, b"<html>", "is an otelllm collector there?"),
        (200, b"<html>", "is --url right?"),
    ],
)
def test_query_tells_why_there_is_no_answer(status: int, body: bytes, told: str) -> None:
    with answering(status, body) as (url, _):
        done = otelllm("query", "select 1", "--url", url)
    assert (done.returncode, done.stdout) == (1, "")
    assert told in done.stderr


def test_query_without_a_collector_names_the_way_out() -> None:
    free = free_or_any(Address("127.0.0.1", 0))
    done = otelllm("query", "select 1", "--url", f"http://{free}")
    assert done.returncode == 1
    assert f"no collector answers at http://{free}" in done.stderr
    assert "otelllm up" in done.stderr


def test_query_asks_the_collector_that_the_variable_names_and_no_proxy() -> None:
    with answering(200, b'{"columns": [], "rows": [], "truncated": false}') as (url, asked):
        nowhere = "http://127.0.0.1:9"
        done = otelllm("query", "select 1", env={**os.environ, "OTELLLM_URL": url, "HTTP_PROXY": nowhere})
    assert done.returncode == 0, done.stderr
    assert len(asked) == 1


def test_rows_as_json_and_csv_keep_what_a_table_shortens() -> None:
    rows = [["x" * 90, None, {"k": [1]}], ['say "a,b"', 0.1234567891, True]]
    assert json.loads(render(["a", "b", "c"], rows, "json"))[1] == {"a": 'say "a,b"', "b": 0.1234567891, "c": True}
    assert render(["a", "b", "c"], rows, "csv").splitlines() == [
        "a,b,c", f'{"x" * 90},,"{{""k"": [1]}}"', '"say ""a,b""",0.1234567891,true',
    ]  # fmt: skip
    assert render(["a", "b", "c"], rows, "table").splitlines()[2] == f'{"x" * 59}…            {{"k": [1]}}'


@pytest.mark.parametrize("text", ["4318", "localhost:", ":4318", "localhost:x", "localhost:70000"])
def test_an_address_that_is_none_is_named(text: str) -> None:
    with pytest.raises(Failure, match=f"'{text}' is not HOST:PORT"):
        address(text)


def test_an_address_may_be_of_ip_version_6() -> None:
    assert str(address("[::1]:4318")) == "[::1]:4318"


@pytest.mark.parametrize("port", ["-1", "x", "70000"])
def test_a_port_that_is_none_is_named(port: str) -> None:
    for done in (otelllm("dashboard", "--port", port), otelllm("dashboard", env={**os.environ, "OTELLLM_PORT": port})):
        assert (done.returncode, done.stderr) == (1, f"otelllm: --port '{port}' is not a port; try 8501\n")


def test_a_taken_port_is_named_with_the_option_that_chooses_another() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        collector = otelllm("collector", "--http", f"127.0.0.1:{port}")
        dashboard = otelllm("dashboard", "--port", str(port))
    assert f"127.0.0.1:{port} is taken by another program; choose another with --http" in collector.stderr
    assert f"127.0.0.1:{port} is taken by another program; choose another with --port" in dashboard.stderr
    assert collector.returncode == dashboard.returncode == 1


def test_a_default_port_that_is_taken_is_stepped_around() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        wanted = Address("127.0.0.1", taken.getsockname()[1])
        other = free_or_any(wanted)
    assert other.host == wanted.host
    assert other.port not in {0, wanted.port}
    assert free_or_any(wanted) == wanted


def test_the_demo_invites_to_one_answer_in_the_explorer(capsys: pytest.CaptureFixture[str]) -> None:
    with answering(200, b'{"traces": [{"trace_id": "ab12"}], "next": null}') as (url, _):
        demo._invite(url, "http://127.0.0.1:8501")
    told = capsys.readouterr().out
    assert "http://127.0.0.1:8501/trace?trace_id=ab12\n" in told
    assert f"otelllm query --url {url} 'select name, request_model" in told


def test_a_missing_extra_is_named(tmp_path: Path) -> None:
    facts = tmp_path / "otelllm-9.dist-info"
    facts.mkdir()
    (facts / "METADATA").write_text(
        "Metadata-Version: 2.4\nName: otelllm\nVersion: 9\n"
        "Requires-Dist: no-such-package>=2; extra == 'collector'\nRequires-Dist: other; extra == 'dashboard'\n"
    )
    done = otelllm("collector", env={**os.environ, "PYTHONPATH": str(tmp_path)})
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == 'otelllm: the collector needs no-such-package: pip install "otelllm[collector]"\n'


SERVER = """
import os, signal, sys, time
signal.signal(signal.SIGTERM, lambda *_: (open({ended!r}, "a").write("{name} "), sys.exit(0)))
print("{name} ready:", os.getpid(), flush=True)
while True:
    time.sleep(0.05)
"""


@pytest.fixture
def modules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Modules that can be started: two servers, one that fails at once, one that ignores being asked to end."""
    for name in ("first", "second"):
        (tmp_path / f"{name}.py").write_text(SERVER.format(name=name, ended=str(tmp_path / "ended")))
    (tmp_path / "failing.py").write_text("raise SystemExit(3)")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    return tmp_path


def test_children_end_in_order_and_none_is_left(modules: Path) -> None:
    with Children() as children:
        first = children.start("first", ready="first ready: ")
        second = children.start("second", ready="second ready: ")
        assert children.ready(first)
        assert children.ready(second)
    assert (modules / "ended").read_text() == "second first "
    assert (first.code, second.code, children.code()) == (0, 0, 0)


def test_a_child_that_ends_before_it_is_ready_is_named(modules: Path) -> None:
    with Children() as children, pytest.raises(Failure, match="failing ended with exit code 3"):
        children.ready(children.start("failing", ready="failing ready: "))
    assert children.code() == 1


def test_a_child_that_dies_ends_the_wait_and_the_others(modules: Path) -> None:
    with Children() as children:
        first = children.start("first", ready="first ready: ")
        second = children.start("second", ready="second ready: ")
        assert children.ready(first)
        assert children.ready(second)
        os.kill(int(second.address), signal.SIGKILL)
        with pytest.raises(Failure, match="second ended with exit code -9"):
            children.stay(first, second)
        assert first.code is None
    assert (modules / "ended").read_text() == "first "


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_wait_and_leaves_the_handlers_as_they_were(modules: Path, number: signal.Signals) -> None:
    before = signal.getsignal(number)
    with Children() as children:
        first = children.start("first", ready="first ready: ")
        assert children.ready(first)
        threading.Timer(0.1, os.kill, (os.getpid(), number)).start()
        children.stay(first)
        assert children.asked
    assert signal.getsignal(number) is before
    assert children.code() == 0


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGHUP")
def test_a_command_under_nohup_outlives_its_terminal() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with Children():
            assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
        with Children() as children:
            signal.raise_signal(signal.SIGHUP)
        assert not children.asked
    finally:
        signal.signal(signal.SIGHUP, before)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGKILL")
def test_children_end_when_the_command_is_killed(modules: Path) -> None:
    command = (
        "from otelllm.cli._children import Children\n"
        "with Children() as children:\n"
        "    child = children.start('first', ready='first ready: ')\n"
        "    children.ready(child); children.stay(child)\n"
    )
    with subprocess.Popen([sys.executable, "-c", command], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        pid = int(process.stdout.readline().removeprefix("first ready: "))
        assert is_running(pid)
        process.kill()
        until(lambda: not is_running(pid))
    assert (modules / "ended").read_text() == "first "


def test_a_policy_is_told_or_its_first_mistake_is_named(tmp_path: Path) -> None:
    good, bad = tmp_path / "good.toml", tmp_path / "bad.toml"
    good.write_text('[capture]\ncontent = "full"\n[[kill]]\nwhen = { feature = "support" }\n')
    bad.write_text('[capture]\ncontent = "everything"\n')
    told, refused = otelllm("policy", "check", str(good)), otelllm("policy", "check", str(bad))
    assert told.returncode == 0, told.stderr
    lines = told.stdout.splitlines()
    assert re.fullmatch(r".*good.toml can be used: version \w+", lines[0])
    assert lines[1:] == [
        "  capture: content is full",
        "  kill: 'kill 1': calls with feature support are refused with KillSwitchOn",
    ]
    asked = otelllm("policy", "check", str(good), "--call", "feature=support", "--call", "tag.tenant=acme")
    assert asked.stdout.splitlines()[3:] == [
        "a call with feature=support, tag.tenant=acme meets",
        "  kill: 'kill 1' (enforce), meant for feature=support",
    ]
    nonsense = otelllm("policy", "check", str(good), "--call", "colour=red")
    assert (nonsense.returncode, "--call 'colour=red' describes no call" in nonsense.stderr) == (1, True)
    assert refused.returncode == 1
    assert f"otelllm: {bad}:2: " in refused.stderr
    assert "'everything'" in refused.stderr
