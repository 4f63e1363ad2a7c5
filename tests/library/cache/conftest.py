from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest
from driving import collections_when_asked_for  # noqa: F401  a fixture of every test here
from library.cache.asking import APPS
from library.redis_server import redis_server, redis_url  # noqa: F401  fixtures

if TYPE_CHECKING:
    from telemetry import Telemetry
    from wire.server import Provider


@pytest.fixture
def cached(otel: Telemetry) -> Telemetry:
    """Instrumented, with a cache in memory that everybody shares."""
    otel.instrument(policy={"cache": {"exact": {"scope": "all"}}})
    return otel


@pytest.fixture(params=[0, 1], ids=["sync", "async"])
def kind(request: pytest.FixtureRequest) -> int:
    """The sync and the async client."""
    number: int = request.param
    return number


@pytest.fixture
def make_app(provider: Provider, kind: int) -> Iterator[Callable[..., Any]]:
    """Makes apps of an SDK by its name."""
    apps: list[Any] = []

    def make(sdk: str, **options: Any) -> Any:
        apps.append(APPS[sdk][kind](provider.url, **options))
        return apps[-1]

    yield make
    for app in apps:
        app.stop()
