"""The explorer as users run it: a process of its own on a free port of loopback."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import otelllm_dashboard

PATIENCE_S = 30.0
PATIENCE_MS = 1000 * PATIENCE_S
PLACE = str(Path(str(otelllm_dashboard.__file__)).parents[1])


def launch(*arguments: str) -> subprocess.Popen[str]:
    """The process; its output is read by the caller."""
    return subprocess.Popen(
        [sys.executable, "-m", "otelllm_dashboard", *arguments],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=os.environ | {"PYTHONPATH": PLACE},
    )  # fmt: skip


def ready(process: subprocess.Popen[str]) -> str:
    """The address that the process says."""
    assert process.stdout is not None
    line = process.stdout.readline()
    assert line.startswith("otelllm dashboard ready: http://127.0.0.1:"), line
    return line.split("ready: ")[1].strip()


def end(process: subprocess.Popen[str], number: int = signal.SIGTERM) -> int:
    """Send the signal; the exit code."""
    if process.poll() is None:
        process.send_signal(number)
    process.communicate(timeout=PATIENCE_S)
    return process.returncode
