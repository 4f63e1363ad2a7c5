"""The app in its sync and its async way; a test that takes `app` runs as both."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from driving import collections_when_asked_for  # noqa: F401  a fixture of every test here

from .app import App, AsyncApp, SyncApp

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from wire.server import Provider


@pytest.fixture(params=[SyncApp, AsyncApp], ids=["sync", "async"])
def make_app(request: pytest.FixtureRequest, provider: Provider) -> Iterator[Callable[..., App]]:
    """Makes apps with options for their client, such as `vertexai=True`."""
    apps: list[App] = []

    def make(**options: Any) -> App:
        apps.append(request.param(provider.url, **options))
        return apps[-1]

    yield make
    for app in apps:
        app.stop()


@pytest.fixture
def app(make_app: Callable[..., App]) -> App:
    """An app with a plain client."""
    return make_app()


@pytest.fixture
def sync_app(provider: Provider) -> Iterator[SyncApp]:
    """The sync app only."""
    it = SyncApp(provider.url)
    yield it
    it.stop()


@pytest.fixture
def async_app(provider: Provider) -> Iterator[AsyncApp]:
    """The async app only."""
    it = AsyncApp(provider.url)
    yield it
    it.stop()
