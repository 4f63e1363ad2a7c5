"""A provider that answers, and an app that asks it in each of the ways."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from driving import collections_when_asked_for  # noqa: F401  a fixture of every test here
from library.redis_server import redis_server, redis_url  # noqa: F401  fixtures

from .apps import WAYS, Asking, Way, answer_all

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wire.server import Provider


@pytest.fixture(params=WAYS, ids=str)
def way(request: pytest.FixtureRequest) -> Way:
    """Each SDK, sync and async, whole and streamed."""
    found: Way = request.param
    return found


@pytest.fixture
def asking(way: Way, provider: Provider) -> Iterator[Asking]:
    """An app; the provider answers it well unless the test says otherwise."""
    answer_all(provider, way)
    it = Asking(way, provider.url)
    yield it
    it.app.stop()
