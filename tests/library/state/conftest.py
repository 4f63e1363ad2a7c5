"""The stores of counters, each empty and with a clock that only the test moves."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from library.redis_server import redis_server, redis_url  # noqa: F401  fixtures

from otelllm.state.memory import Memory
from otelllm.state.redis import Redis
from otelllm.state.spec import State
from otelllm.state.sqlite import Sqlite
from otelllm.steps import drive

START_S = 1_800_000_000.0


@dataclass
class Clock:
    """Stands still until a test moves it."""

    passed_s: float = 0.0

    def monotonic(self) -> float:
        return 1000.0 + self.passed_s

    def wall(self) -> float:
        return START_S + self.passed_s


class Asked:
    """A store whose steps are performed at once, for tests that read better without them."""

    def __init__(self, state: State, clock: Clock) -> None:
        self.state, self.clock = state, clock

    def acquire(self, *claims, ttl_s: float = 1e6, anyway: bool = False) -> Any:
        return drive(self.state.acquire(claims, ttl_s, anyway=anyway), None)

    def settle(self, lease, *actual: float) -> None:
        self.state.settle(lease, actual)
        assert self.state.flush(5.0)

    def correct(self, *told) -> None:
        self.state.correct(told)
        assert self.state.flush(5.0)

    def used(self, *buckets) -> list[float]:
        return drive(self.state.read(buckets), None)

    def after(self, seconds: float) -> Asked:
        self.clock.passed_s += seconds
        return self


@pytest.fixture(params=["memory", "sqlite", pytest.param("redis", marks=pytest.mark.slow)])
def make(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[[], Asked]]:
    """Makes stores of one kind that count in one place (memory's apart), by one clock."""
    clock = Clock()
    made: list[State] = []

    def new() -> Asked:
        state: State
        if request.param == "memory":
            state = Memory(clock=clock.monotonic, wall=clock.wall)
        elif request.param == "sqlite":
            state = Sqlite(tmp_path / "counters.sqlite", clock=clock.monotonic, wall=clock.wall)
        else:
            url = request.getfixturevalue("redis_url") if not made else made[0]._url
            state = Redis(url, "tests", clock=lambda: (clock.monotonic(), clock.wall()))
        made.append(state)
        return Asked(state, clock)

    yield new
    for state in made:
        state.close()


@pytest.fixture
def store(make: Callable[[], Asked]) -> Asked:
    return make()
