"""A collector as users run it: a process of its own on a free port of loopback."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
from collector.exports import PROTOBUF

import otelllm
import otelllm_collector

__all__ = ["Collector", "Start", "run", "start", "starting"]

PATIENCE_S = 20.0


class Collector:
    """A running collector, and a client of it."""

    def __init__(self, process: subprocess.Popen[str], url: str, grpc: str, data: Path) -> None:
        self.process, self.url, self.grpc, self.data = process, url, grpc, data
        self.client = httpx.Client(base_url=url, timeout=60, trust_env=False)
        self.errors = ""
        """What it wrote to standard error, once it has ended."""

    def send(self, request: Any, path: str = "/v1/traces", **headers: str) -> httpx.Response:
        """Post an export request as protobuf."""
        return self.client.post(path, content=request.SerializeToString(), headers=PROTOBUF | headers)

    def get(self, path: str, **arguments: Any) -> Any:
        """The JSON of an answer, which must be 200."""
        answer = self.client.get(path, params=arguments)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def sql(self, query: str) -> list[list[Any]]:
        """The rows of a query, which must be answered."""
        answer = self.client.post("/api/sql", json={"sql": query, "limit": 100_000})
        assert answer.status_code == 200, answer.text
        return answer.json()["rows"]

    def is_up(self) -> bool:
        """Whether the process answers."""
        return self.process.poll() is None and self.client.get("/healthz").status_code == 200

    def kill(self) -> None:
        """End it as a power cut would end the process: no handler runs."""
        self.process.send_signal(signal.SIGKILL)
        self._reap()

    def stop(self) -> int:
        """End it politely; its exit code."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self._reap()

    def _reap(self) -> int:
        self.client.close()
        try:
            code = self.process.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise
        assert self.process.stdout is not None
        assert self.process.stderr is not None
        if not self.process.stderr.closed:
            self.errors = self.process.stderr.read()
        for pipe in (self.process.stdout, self.process.stderr):
            pipe.close()
        return code


Start = Callable[..., Collector]
"""What the fixture `start` gives."""


def start(data: Path, *arguments: str, **environment: str) -> Collector:
    """A collector that has said that it is ready; tests take the fixture of this name, which ends it too."""
    process = run(data, *arguments, **environment)
    assert process.stdout is not None
    line = process.stdout.readline()
    if "ready: " not in line:
        _, errors = process.communicate(timeout=PATIENCE_S)
        raise AssertionError(f"the collector did not get ready: {line} {errors}")
    url, *more = re.findall(r"https?://\S+", line.partition(" (data in ")[0])
    return Collector(process, url, more[0] if more else "", data)


@contextmanager
def starting() -> Iterator[Start]:
    """Starts collectors; those that still run at the end of the block are ended."""
    started: list[Collector] = []

    def begin(data: Path, *arguments: str, **environment: str) -> Collector:
        started.append(start(data, *arguments, **environment))
        return started[-1]

    try:
        yield begin
    finally:
        for running in started:
            running.stop()


def run(data: Path, *arguments: str, **environment: str) -> subprocess.Popen[str]:
    """The process alone, ready or not."""
    given = ("--grpc", "off", *(() if "--http" in arguments else ("--http", "127.0.0.1:0")), *arguments)
    places = [str(Path(module.__file__ or "").parents[1]) for module in (otelllm, otelllm_collector)]
    return subprocess.Popen(
        [sys.executable, "-m", "otelllm_collector", "--data", str(data), *given],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(places)} | environment,
    )
