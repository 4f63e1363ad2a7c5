"""`otelllm tail`: a line a span, until Ctrl-C."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from collector.exports import request, span

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from collector.process import Collector, Start

PATIENCE_S = 20.0


class Command:
    """`otelllm tail` as a process; its lines as they come."""

    def __init__(self, url: str, *arguments: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "otelllm.cli", "tail", "--url", url, *arguments],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        self.lines: list[str] = []
        self.said: list[str] = []
        self._threads = [
            threading.Thread(target=lambda pipe=pipe, into=into: into.extend(iter(pipe.readline, "")), daemon=True)
            for pipe, into in ((self.process.stdout, self.lines), (self.process.stderr, self.said))
        ]
        for thread in self._threads:
            thread.start()

    def until(self, done: Any) -> None:
        deadline = time.monotonic() + PATIENCE_S
        while not done():
            assert time.monotonic() < deadline, (self.lines, self.said)
            assert self.process.poll() is None, self.said
            time.sleep(0.02)

    def end(self) -> int:
        self.process.send_signal(signal.SIGINT)
        code = self.process.wait(PATIENCE_S)
        self.join()
        return code

    def join(self) -> None:
        """All that an ended process wrote has been read."""
        for thread in self._threads:
            thread.join(PATIENCE_S)


@contextmanager
def command(url: str, *arguments: str) -> Iterator[Command]:
    running = Command(url, *arguments)
    try:
        yield running
    finally:
        running.process.kill()
        running.process.wait()
        for pipe in (running.process.stdout, running.process.stderr):
            assert pipe is not None
            pipe.close()


def _show(collector: Collector, shown: Command, one: Any) -> None:
    """Send a span until the command, which connects in its own time, has shown something new."""
    before = len(shown.lines)
    for _ in range(int(PATIENCE_S / 0.1)):
        collector.send(request(one(), service="shop"))
        deadline = time.monotonic() + 0.1
        while time.monotonic() < deadline:
            if len(shown.lines) > before:
                return
            time.sleep(0.01)
    raise AssertionError((shown.lines, shown.said))


def test_the_command_prints_spans_and_waits_for_a_collector_that_restarts(start: Start, tmp_path: Path) -> None:
    running = start(tmp_path)
    attributes = {
        "gen_ai.operation.name": "chat", "gen_ai.request.model": "gpt-5", "gen_ai.usage.input_tokens": 1200,
        "gen_ai.usage.output_tokens": 34, "otelllm.cost.usd": 0.25, "otelllm.ttft": 0.125, "error.type": "429\x1b[2J",
    }  # fmt: skip

    def failed() -> Any:
        return span(attributes, status={"code": 2})

    with command(running.url, "--model", "gpt-5", "--error") as shown:
        shown.until(lambda: shown.lines)
        assert shown.lines[0].split() == ["time", "service", "operation", "model", "in", "out", "cost", "ms", "ttft",
                                          "error"]  # fmt: skip
        _show(running, shown, failed)
        running.send(request(span(attributes), span({"gen_ai.request.model": "x"}, status={"code": 2})))
        words = shown.lines[1].split()
        assert words[1:] == ["shop", "chat", "gpt-5", "1200", "34", "$0.250000", "250", "125", "429", "[2J"]
        port = running.url.rpartition(":")[2]
        running.stop()
        shown.until(lambda: any("is away" in line for line in shown.said))
        again = start(tmp_path, "--http", f"127.0.0.1:{port}")
        shown.until(lambda: any("is back" in line for line in shown.said))
        before = len(shown.lines)
        again.send(request(failed(), service="after"))
        shown.until(lambda: len(shown.lines) > before)
        assert shown.lines[-1].split()[1] == "after"
        assert shown.end() == 0
    assert all(line.split()[3] == "gpt-5" and "429" in line for line in shown.lines[1:])


def test_the_command_gives_json_a_line(collector: Collector) -> None:
    with command(collector.url, "--format", "json", "--service", "shop") as shown:
        _show(collector, shown, lambda: span({"gen_ai.request.model": "gpt-5"}))
        assert shown.end() == 0
    assert json.loads(shown.lines[0])["request_model"] == "gpt-5"


def test_the_command_says_that_nobody_is_there() -> None:
    with command("http://127.0.0.1:9") as shown:
        assert shown.process.wait(PATIENCE_S) == 1
        shown.join()
    assert "otelllm up" in "".join(shown.said)
