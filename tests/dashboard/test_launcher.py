"""`python -m otelllm_dashboard`: where it listens, when it is ready, how it ends."""

from __future__ import annotations

import http.client
import signal
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest
from dashboard.explorer import PATIENCE_S, end, launch, ready

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@pytest.fixture
def started() -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Launches; what still runs when the test ends is ended."""
    running: list[subprocess.Popen[str]] = []

    def start(*arguments: str) -> subprocess.Popen[str]:
        running.append(launch(*arguments))
        return running[-1]

    yield start
    for process in running:
        if process.poll() is None:
            end(process)


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_answers_when_it_says_so_and_ends_with_its_child(
    started: Callable[..., subprocess.Popen[str]], number: int
) -> None:
    process = started("--port", "0", "--url", "http://127.0.0.1:1")
    url = ready(process)
    assert httpx.get(f"{url}/_stcore/health", trust_env=False).text == "ok"
    process.send_signal(number)
    _, told = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 0
    assert told == ""
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{url}/_stcore/health", trust_env=False)


@pytest.mark.slow
def test_a_signal_before_it_is_ready_ends_it_too(started: Callable[..., subprocess.Popen[str]]) -> None:
    process = started("--port", "0")
    assert process.stderr is not None
    # The handler is set before the server is started, so a signal at any time after the import is not lost.
    for _ in range(200):
        if Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().strip():
            break
        try:
            process.wait(0.05)
        except subprocess.TimeoutExpired:
            continue
    assert end(process) == 0


@pytest.mark.slow
def test_the_server_ends_with_a_launcher_that_was_killed(started: Callable[..., subprocess.Popen[str]]) -> None:
    process = started("--port", "0")
    url = ready(process)
    process.kill()
    process.communicate(timeout=PATIENCE_S)  # the server holds standard error: this returns when it is gone
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{url}/_stcore/health", trust_env=False)


@pytest.mark.slow
def test_a_name_of_the_web_that_points_here_is_refused(started: Callable[..., subprocess.Popen[str]]) -> None:
    url = ready(started("--port", "0"))
    port = url.rsplit(":", 1)[1]
    upgrade = {
        "Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
    }  # fmt: skip
    answers = {}
    for host in (f"127.0.0.1:{port}", f"localhost:{port}", f"evil.example:{port}"):
        connection = http.client.HTTPConnection("127.0.0.1", int(port), timeout=PATIENCE_S)
        connection.request("GET", "/_stcore/stream", headers={**upgrade, "Host": host})
        answers[host.split(":")[0]] = connection.getresponse().status
        connection.close()
    assert answers == {"127.0.0.1": 101, "localhost": 101, "evil.example": 403}


@pytest.mark.slow
def test_a_taken_port_is_an_error_and_not_another_port(started: Callable[..., subprocess.Popen[str]]) -> None:
    first = started("--port", "0")
    port = ready(first).rsplit(":", 1)[1]
    second = started("--port", port)
    said, told = second.communicate(timeout=PATIENCE_S)
    assert (second.returncode, said) == (1, "")
    assert port in told
    assert "--port" in told


@pytest.mark.parametrize(
    ("arguments", "told"), [(["--port", "80808"], "'80808'"), (["--url", "localhost"], "'localhost'")]
)
def test_a_wrong_argument_is_named_with_the_way_out(arguments: list[str], told: str) -> None:
    process = launch(*arguments)
    _, errors = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 2
    assert told in errors
    assert "try" in errors
