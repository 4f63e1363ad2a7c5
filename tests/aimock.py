"""A server of many providers' formats that we did not write: @copilotkit/aimock, from npm."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["aimock"]

CLI = Path(__file__).parent / "node_modules" / "@copilotkit" / "aimock" / "dist" / "cli.js"


@contextmanager
def aimock(folder: Path, fixtures: dict[str, Any]) -> Iterator[str]:
    """Its base address; the test is skipped where npm has not installed it, except in CI."""
    node = shutil.which("node")
    if node is None or not CLI.is_file():
        reason = "@copilotkit/aimock is not installed: run `make node`"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    (folder / "fixtures.json").write_text(json.dumps(fixtures))
    command = [node, str(CLI), "-p", "0", "-f", str(folder), "--log-level", "info"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as server:
        assert server.stdout is not None
        said: list[str] = []
        for line in server.stdout:  # ends when the server does, so a server that fails to start is no endless wait
            said.append(line)
            if "listening on " in line:
                break
        else:
            pytest.fail(f"aimock did not start: {said}")
        yield line.rsplit("listening on ", 1)[1].strip()
        server.terminate()
        server.stdout.read()
