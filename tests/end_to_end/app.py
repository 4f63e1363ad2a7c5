"""Programs as a user starts them, and what is left of them."""

from __future__ import annotations

import importlib.util
import os
import signal
import subprocess
import sys
import threading
import time
import uuid
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from contextlib import AbstractContextManager

ROOT = Path(__file__).parents[2]
COMMAND = [sys.executable, "-m", "otelllm.cli"]
MARK = "TEST_RUN"
PATIENCE_S = 300
"""A slow, busy machine runs the example for four minutes; an idle one of two cores for half a minute."""


class Program:
    """A running program. Its output is kept; its processes and theirs carry a mark in their environment."""

    def __init__(self, *command: str, **env: str) -> None:
        self.mark = uuid.uuid4().hex
        self.lines: list[str] = []
        environ = {name: value for name, value in os.environ.items() if not name.startswith(("OTEL_", "OPENAI_"))}
        self.process = subprocess.Popen(
            command, env={**environ, MARK: self.mark, **env}, text=True, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    @property
    def output(self) -> str:
        return "".join(self.lines)

    def after(self, start: str) -> str:
        """What follows `start` on the line that begins with it, as soon as there is one."""

        def found() -> list[str]:
            return [line.removeprefix(start).strip() for line in list(self.lines) if line.startswith(start)]

        until(lambda: bool(found()) or self.process.poll() is not None)
        assert found(), f"no line begins with {start!r}:\n{self.output}"
        return found()[0]

    def wait(self) -> int:
        """Its exit code, when it ends by itself."""
        code = self.process.wait(PATIENCE_S)
        self._reader.join()
        assert self.process.stdout is not None
        self.process.stdout.close()
        return code

    def stop(self, number: signal.Signals = signal.SIGINT) -> int:
        """Its exit code after Ctrl-C."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        return self.wait()

    def left(self) -> list[str]:
        """The command lines of processes that it started and that are still there (Linux tells; others say none)."""
        marked = f"{MARK}={self.mark}".encode()
        return [_command_line(folder) for folder in Path("/proc").glob("[0-9]*") if marked in _environ(folder)]

    def _read(self) -> None:
        assert self.process.stdout is not None
        self.lines.extend(self.process.stdout)


def otelllm(*arguments: str, **env: str) -> Program:
    return Program(*COMMAND, *arguments, **env)


def model_server() -> AbstractContextManager[str]:
    """The example's model server, by its own file: the base URL of a process that ends with the block."""
    spec = importlib.util.spec_from_file_location("example_model", ROOT / "examples" / "rag_agent" / "model.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.running()


def until(done: Callable[[], bool], seconds: float = PATIENCE_S) -> None:
    deadline = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.05)


def tree(spans: Sequence[dict], describe: Callable[[dict], str], parent: str | None = None, depth: int = 0) -> str:
    """The spans as indented lines, in the order in which they started."""
    lines = ""
    for span in sorted(spans, key=lambda span: span["start_ns"]):
        if span["parent_span_id"] == parent:
            lines += f"{'  ' * depth}{describe(span)}\n{tree(spans, describe, span['span_id'], depth + 1)}"
    return lines


def _environ(folder: Path) -> bytes:
    try:
        return (folder / "environ").read_bytes()
    except OSError:
        return b""


def _command_line(folder: Path) -> str:
    try:
        return (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode()
    except OSError:
        return f"{folder.name} (ended meanwhile)"
