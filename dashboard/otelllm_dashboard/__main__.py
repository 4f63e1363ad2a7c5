"""Starts the explorer on this machine's loopback and stops it cleanly."""

from __future__ import annotations

import argparse
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from types import FrameType

import httpx

from otelllm_dashboard.client import Client, configured_url

_HOST = "127.0.0.1"
_READY_S = 60.0
_STOP_S = 4.0

# A page of the web whose name is made to point at this machine could read prompts through the reader's browser.
_HOSTS = (_HOST, "localhost")
_HOSTS_VARIABLE = "STREAMLIT_SERVER_ALLOWED_HOSTS"  # for those who put a proxy with a name of its own in front

_SETTINGS = {
    "server.address": _HOST,
    "server.headless": "true",
    "server.fileWatcherType": "none",
    "server.maxUploadSize": "1",
    "browser.serverAddress": _HOST,
    "browser.gatherUsageStats": "false",
    # A traceback names files and values of this machine: it belongs in this process's log.
    "client.showErrorDetails": "none",
    "client.toolbarMode": "viewer",
    "logger.level": "warning",
    "theme.light.primaryColor": "#5b5bd6",
    "theme.dark.primaryColor": "#7276ea",
    "theme.baseRadius": "medium",
    "theme.metricValueFontSize": "1.6rem",
    "theme.headingFontSizes": '["1.75rem", "1.4rem", "1.2rem", "1.05rem", "1rem", "0.9rem"]',
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run until told to stop; the exit code."""
    asked = _asked(arguments)
    port = _free_port(asked.port)
    if port is None:
        told = f"port {asked.port} of {_HOST} is taken; give another with --port, or 0 for any free one"
        print(told, file=sys.stderr)  # noqa: T201  # what the caller reads
        return 1
    server = subprocess.Popen(  # noqa: S603  # our own interpreter and file; the address is checked
        _command(port), env={**os.environ, "OTELLLM_URL": asked.url}, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL
    )  # fmt: skip
    stopping = _stops_on_signals(server)
    try:
        if not _wait_until_ready(server, port, stopping):
            return 0 if stopping else 1
        print(f"otelllm dashboard ready: http://{_HOST}:{port}", flush=True)  # noqa: T201  # what the caller waits for
        code = server.wait()
        return 0 if stopping else code or 1
    finally:
        _stop(server)


def _asked(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="otelllm_dashboard", description="The trace explorer, on this machine only.")
    parser.add_argument("--port", type=_port, default=8501, help="port on 127.0.0.1; 0 takes any free one (8501)")
    parser.add_argument("--url", type=_address, default=configured_url(), help="the collector's address (OTELLLM_URL)")
    return parser.parse_args(arguments)


def _port(text: str) -> int:
    if not text.isdecimal() or int(text) > 65_535:
        raise argparse.ArgumentTypeError(f"port {text!r} is not a number from 0 to 65535; try 8501")
    return int(text)


def _address(text: str) -> str:
    try:
        Client(text).close()
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error
    return text


def _command(port: int) -> list[str]:
    app = str(Path(__file__).with_name("app.py"))
    settings = [f"--{name}={value}" for name, value in {**_SETTINGS, "server.port": port}.items()]
    if _HOSTS_VARIABLE not in os.environ:
        settings += [f"--server.allowedHosts={host}" for host in _HOSTS]
    return [sys.executable, "-m", "otelllm_dashboard.server", app, *settings]


def _free_port(asked: int) -> int | None:
    """The port that was asked for, or any; None where another server has it: its health must not be taken for ours."""
    with socket.socket() as tried:
        tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            tried.bind((_HOST, asked))
        except OSError:
            return None
        return int(tried.getsockname()[1])


def _stops_on_signals(server: subprocess.Popen[bytes]) -> list[int]:
    """Pass SIGTERM and SIGINT on to the server; the list holds what came."""
    came: list[int] = []

    def stop(number: int, _frame: FrameType | None) -> None:
        came.append(number)
        server.terminate()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
    return came


def _wait_until_ready(server: subprocess.Popen[bytes], port: int, stopping: list[int]) -> bool:
    deadline = time.monotonic() + _READY_S
    while time.monotonic() < deadline and server.poll() is None and not stopping:
        try:
            if httpx.get(f"http://{_HOST}:{port}/_stcore/health", trust_env=False, timeout=1).is_success:
                return True
        except httpx.HTTPError:
            time.sleep(0.05)
    return False


def _stop(server: subprocess.Popen[bytes]) -> None:
    if server.poll() is None:
        server.terminate()
    try:
        server.wait(_STOP_S)
    except subprocess.TimeoutExpired:
        server.kill()
        server.wait()


if __name__ == "__main__":
    sys.exit(main())
