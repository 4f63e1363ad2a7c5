"""A collector that a file's tests share, and stores to fill."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from collector import process
from otelllm_collector.stores.duckdb import open_store

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from collector.process import Collector, Start

    from otelllm_collector.stores.spec import Store


STARTS_ONE = {"start", "collector", "guarded", "browsed", "filled"}
"""Fixtures that start a collector's process: of this file, and of a test's own with data or keys in it."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A test that asks a collector's process is slow: a second or two to start it, and then it mostly waits."""
    for item in items:
        if not STARTS_ONE.isdisjoint(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.slow)


@pytest.fixture(scope="module")
def collector(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Collector]:
    """A running collector process, shared by a file's tests: each uses trace ids of its own."""
    running = process.start(tmp_path_factory.mktemp("data"))
    yield running
    assert running.stop() == 0


@pytest.fixture
def start() -> Iterator[Start]:
    """Starts collectors; those that still run when the test ends are ended."""
    with process.starting() as begin:
        yield begin


@pytest.fixture(params=["duckdb"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    """Every kind of store, empty: a second kind is one more name here and the contract suite runs on it."""
    found = {"duckdb": open_store}[request.param](tmp_path / "data")
    yield found
    found.close()
