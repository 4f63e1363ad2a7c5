"""Who takes OTLP and keeps it: ours, and two that many teams use. Each a process of its own in a folder of its own."""

from __future__ import annotations

import os
import re
import signal
import socket
import sqlite3
import subprocess
import sys
import time
import urllib.error
import urllib.request
from abc import ABC, abstractmethod
from pathlib import Path

from overhead.environments import ROOT, python_with

__all__ = ["CONTESTANTS", "Contestant"]

START_WITHIN_S = 120


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


class Contestant(ABC):
    """One backend, running."""

    name: str
    header = ""
    """What its intake wants besides, for otlpload."""
    share = 1.0
    """Of the requests that the others get: the slow ones would take an hour."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.port = folder, _free_port()
        with (folder / "log").open("wb") as log:
            self.process = subprocess.Popen(
                self.command(), cwd=folder, env=self.environment(), stdout=log, stderr=log, start_new_session=True
            )
        deadline = time.monotonic() + START_WITHIN_S
        while not self._answers():
            if self.process.poll() is not None or time.monotonic() > deadline:
                self.end()
                raise SystemExit(f"{self.name} did not start: {(folder / 'log').read_text()[-2000:]}")
            time.sleep(0.1)

    @abstractmethod
    def command(self) -> list[str]:
        """How it is started."""

    @abstractmethod
    def stored(self) -> int:
        """How many spans can be asked for."""

    def environment(self) -> dict[str, str]:
        """Its variables."""
        return dict(os.environ)

    def health(self) -> str:
        """What answers once it is up."""
        return "/health"

    def _answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{self.health()}", timeout=5):
                return True
        except urllib.error.HTTPError:
            return True
        except OSError:
            return False

    def used(self) -> tuple[float, float]:
        """CPU seconds, and the most memory that it held (MB), of all its processes."""
        cpu = peak = 0.0
        for stat in Path("/proc").glob("[0-9]*/stat"):
            try:
                fields = stat.read_text().rsplit(")", 1)[1].split()
                if int(fields[3]) != self.process.pid:  # its session, which is its own
                    continue
                cpu += (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
                found = re.search(r"VmHWM:\s+(\d+)", (stat.parent / "status").read_text())
                peak += int(found[1]) / 1024 if found else 0.0
            except (OSError, IndexError):
                continue
        return cpu, peak

    def size(self) -> int:
        """Bytes on disk."""
        return sum(path.stat().st_size for path in self.folder.rglob("*") if path.is_file() and path.name != "log")

    def end(self) -> None:
        """Stop it, with all that it started."""
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGTERM)
            try:
                self.process.wait(30)
            except subprocess.TimeoutExpired:
                os.killpg(self.process.pid, signal.SIGKILL)
                self.process.wait()


class Ours(Contestant):
    """The collector of this checkout."""

    name = "otelllm"

    def command(self) -> list[str]:
        return [
            sys.executable,
            "-m",
            "otelllm_collector",
            "--data",
            str(self.folder / "data"),
            "--http",
            f"127.0.0.1:{self.port}",
            "--grpc",
            "off",
        ]

    def environment(self) -> dict[str, str]:
        return os.environ | {"PYTHONPATH": f"{ROOT}:{ROOT / 'collector'}"}

    def health(self) -> str:
        return "/healthz"

    def stored(self) -> int:
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}/api/sql",
            b'{"sql": "select count(*) from spans"}',
            {"content-type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=60) as answer:
            return int(answer.read().split(b'"rows":[[')[1].split(b"]")[0])


class Uncompiled(Ours):
    """The same without its compiled modules."""

    name = "otelllm, uncompiled"

    def environment(self) -> dict[str, str]:
        return super().environment() | {"OTELLLM_NATIVE": "0"}


def _rows(path: Path) -> int:
    with sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=60) as connection:
        return int(connection.execute("select count(*) from spans").fetchone()[0])


class Phoenix(Contestant):
    """Arize Phoenix on SQLite."""

    name = "phoenix"
    share = 0.1

    def command(self) -> list[str]:
        python = python_with("phoenix", ("arize-phoenix",))
        return [str(python), "-m", "phoenix.server.main", "serve"]

    def environment(self) -> dict[str, str]:
        return os.environ | {
            "PHOENIX_WORKING_DIR": str(self.folder),
            "PHOENIX_PORT": str(self.port),
            "PHOENIX_HOST": "127.0.0.1",
            "PHOENIX_GRPC_PORT": str(_free_port()),
            "PHOENIX_TELEMETRY_ENABLED": "false",
        }

    def health(self) -> str:
        return "/healthz"

    def stored(self) -> int:
        return _rows(self.folder / "phoenix.db")


class MLflow(Contestant):
    """MLflow on SQLite."""

    name = "mlflow"
    header = "x-mlflow-experiment-id: 0"
    share = 0.1

    def command(self) -> list[str]:
        python = python_with("mlflow", ("mlflow",))
        return [
            str(python),
            "-m",
            "mlflow",
            "server",
            "--host",
            "127.0.0.1",
            "--port",
            str(self.port),
            "--workers",
            "1",
            "--backend-store-uri",
            f"sqlite:///{self.folder / 'mlflow.db'}",
            "--artifacts-destination",
            str(self.folder / "artifacts"),
        ]

    def environment(self) -> dict[str, str]:
        return os.environ | {"MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true"}

    def stored(self) -> int:
        return _rows(self.folder / "mlflow.db")


CONTESTANTS: dict[str, type[Contestant]] = {one.name: one for one in (Ours, Uncompiled, Phoenix, MLflow)}
