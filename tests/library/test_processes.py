"""One process among many: forks, pools, exits, a collector that is not there. Each test runs a program of its own."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest
from program import INSTRUMENTED, TIMEOUT_S, environment, run, write
from receiver import Receiver, attributes
from wire.server import Provider

pytestmark = pytest.mark.slow  # programs of their own, some of which wait out their exits


def _run(tmp_path: Path, code: str, endpoint: str, provider: Provider) -> subprocess.CompletedProcess[str]:
    return run(write(tmp_path / "program.py", INSTRUMENTED, code), environment(provider, endpoint))


_TIMED = """
    import atexit
    atexit.register(lambda: print(time.time()))  # before ours, so called after it
"""


def _exit_delay_s(tmp_path: Path, code: str, endpoint: str, provider: Provider) -> tuple[float, str]:
    """How long a program takes from its last line to the end of the exit handlers, ours among them; what it said.

    The interpreter's own end is left out: on a busy machine it takes seconds.
    """
    file = write(tmp_path / "program.py", _TIMED, INSTRUMENTED, code, "\nprint(time.time())\n")
    done = run(file, environment(provider, endpoint))
    assert done.returncode == 0, done.stderr
    last, ended = map(float, done.stdout.split())
    return ended - last, done.stderr


def _told(receiver: Receiver) -> list[str]:
    return sorted(attributes(one).get("otelllm.feature", "") for one in receiver.spans)


def test_a_short_program_delivers_its_spans_at_exit(tmp_path: Path, receiver: Receiver, answering: Provider) -> None:
    """Nothing has to be called at the end of a script."""
    done = _run(tmp_path, "ask('hello')", receiver.endpoint, answering)
    assert (done.returncode, done.stderr) == (0, "")
    receiver.wait(lambda: len(receiver.spans) == 1)
    assert receiver.resources[0]["service.name"] == "program"


def test_an_open_stream_ends_as_abandoned_at_interpreter_shutdown(
    tmp_path: Path, receiver: Receiver, answering: Provider
) -> None:
    """A program that ends in the middle of a stream still tells of it, and prints no traceback."""
    code = """
        stream = client.chat.completions.create(model="gpt-4o-mini", messages=[], stream=True)
        next(stream)
    """
    done = _run(tmp_path, code, receiver.endpoint, answering)
    assert (done.returncode, done.stderr) == (0, "")
    receiver.wait(lambda: len(receiver.spans) == 1)
    assert attributes(receiver.spans[0])["otelllm.stream.end"] == "abandoned"


@pytest.mark.parametrize("protocol", ["http/protobuf", "grpc"])
def test_a_collector_that_refuses_delays_exit_by_two_seconds_at_most(
    tmp_path: Path, answering: Provider, monkeypatch: pytest.MonkeyPatch, protocol: str
) -> None:
    """Calls are as quick as ever, the exit waits its 2 s and no more, and one line on stderr says why."""
    if protocol == "grpc":
        pytest.importorskip("opentelemetry.exporter.otlp.proto.grpc", reason="the extra grpc is not installed")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_PROTOCOL", protocol)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        dead = f"http://127.0.0.1:{taken.getsockname()[1]}"
    code = """
        took = []
        for _ in range(3):
            started = time.perf_counter()
            ask("hello")
            took.append(time.perf_counter() - started)
        assert min(took) < 0.5
    """
    delay_s, said = _exit_delay_s(tmp_path, code, dead, answering)
    assert delay_s < 3.0, "2 s by promise"
    assert [line for line in said.splitlines() if line] == [
        f"otelllm can't deliver telemetry to {dead}; it is dropped, and your app goes on. "
        "Start a collector there (otelllm up), or set OTEL_EXPORTER_OTLP_ENDPOINT."
    ]


def test_a_collector_that_hangs_delays_exit_by_two_seconds_at_most(tmp_path: Path, answering: Provider) -> None:
    """A connection that is taken and never answered is no reason to wait longer."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        endpoint = f"http://127.0.0.1:{silent.getsockname()[1]}"
        delay_s, said = _exit_delay_s(tmp_path, "ask('hello')", endpoint, answering)
    assert delay_s < 3.0
    assert "can't deliver" in said


@pytest.mark.parametrize("way", ["fork", "spawn"])
def test_children_of_multiprocessing_deliver_their_spans(
    tmp_path: Path, receiver: Receiver, answering: Provider, way: str
) -> None:
    """Parent and child each deliver what they did, once; a child's pool ends it past atexit all the same."""
    code = f"""
        import multiprocessing
        def child():
            with otelllm.context(feature="child"):
                ask("from the child")
        if __name__ == "__main__":
            with otelllm.context(feature="parent"):
                ask("from the parent")
            process = multiprocessing.get_context("{way}").Process(target=child)
            process.start()
            process.join()
            assert process.exitcode == 0, process.exitcode
    """
    done = _run(tmp_path, code, receiver.endpoint, answering)
    assert (done.returncode, done.stderr) == (0, "")
    receiver.wait(lambda: len(receiver.spans) >= 2)
    assert _told(receiver) == ["child", "parent"]


def test_a_fork_during_an_open_stream_leaves_the_stream_to_the_parent(
    tmp_path: Path, receiver: Receiver, answering: Provider
) -> None:
    """The child has a copy of the open stream; only the parent's end makes a span."""
    code = """
        with otelllm.context(feature="parent"):
            stream = client.chat.completions.create(model="gpt-4o-mini", messages=[], stream=True)
        next(stream)
        pid = os.fork()
        if pid == 0:
            with otelllm.context(feature="child"):
                ask("from the child")
            sys.exit(0)
        assert os.waitpid(pid, 0)[1] == 0
        stream.close()
    """
    done = _run(tmp_path, code, receiver.endpoint, answering)
    assert (done.returncode, done.stderr) == (0, "")
    receiver.wait(lambda: len(receiver.spans) >= 2)
    assert _told(receiver) == ["child", "parent"]
    ends = {attributes(one).get("otelllm.stream.end") for one in receiver.spans}
    assert ends == {None, "closed"}


def test_gunicorn_with_preload_delivers_every_workers_spans(
    tmp_path: Path, receiver: Receiver, answering: Provider
) -> None:
    """Instrumented in the master, called in forked workers, ended by SIGTERM: every call has its span."""
    code = """
        ask("before the fork")
        def app(environ, start_response):
            with otelllm.context(feature="worker", tags={"pid": os.getpid()}):
                ask("from a worker")
            start_response("200 OK", [("content-type", "text/plain")])
            return [str(os.getpid()).encode()]
    """
    write(tmp_path / "web.py", INSTRUMENTED, code)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [
        sys.executable,
        "-m",
        "gunicorn",
        "--preload",
        "--workers",
        "2",
        "--bind",
        f"127.0.0.1:{port}",
        "web:app",
    ]
    master = subprocess.Popen(command, cwd=tmp_path, env=environment(answering, receiver.endpoint))
    try:
        pids = {_get(f"http://127.0.0.1:{port}/") for _ in range(20)}
    finally:
        master.send_signal(signal.SIGTERM)
        master.wait(TIMEOUT_S)
    assert pids
    receiver.wait(lambda: len(receiver.spans) == 21)
    workers = {attributes(one).get("otelllm.tag.pid") for one in receiver.spans} - {None}
    assert workers == pids


def _get(url: str) -> str:
    """The answer of a server that may still be starting."""
    until = time.monotonic() + TIMEOUT_S
    while True:
        try:
            with urllib.request.urlopen(url, timeout=10) as answer:
                return str(answer.read().decode())
        except OSError:
            if time.monotonic() > until:
                raise
            time.sleep(0.05)  # a pause between attempts, not a wait for luck
