"""The provider on loopback, and the app that calls it."""

from __future__ import annotations

import gc
from typing import TYPE_CHECKING, Any

import pytest
from program import answer_chats
from receiver import Receiver
from wire.server import Provider

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@pytest.fixture(autouse=True)
def collections_look_at_this_test_only() -> None:
    """Where collections are asked for (see driving), what stood before the test is not looked through: 2 ms, not 50."""
    if not gc.isenabled():
        gc.freeze()


@pytest.fixture
def provider() -> Iterator[Provider]:
    """A provider that answers as the test says; a request that the test did not expect fails it."""
    it = Provider()
    yield it
    it.close()
    assert it.unexpected == [], "a request was sent that the app did not send"


@pytest.fixture
def answering(provider: Provider) -> Provider:
    """The provider, answering every chat."""
    return answer_chats(provider)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """An OTLP backend."""
    it = Receiver()
    yield it
    it.close()


@pytest.fixture(params=[0, 1], ids=["sync", "async"])
def make_app(
    request: pytest.FixtureRequest, provider: Provider, kinds: tuple[Any, Any]
) -> Iterator[Callable[..., Any]]:
    """Makes apps of the folder's two kinds with options for their client, such as `max_retries=2`."""
    apps: list[Any] = []

    def make(**options: Any) -> Any:
        apps.append(kinds[request.param](provider.url, **options))
        return apps[-1]

    yield make
    for app in apps:
        app.stop()


@pytest.fixture
def app(make_app: Callable[..., Any]) -> Any:
    """An app with a plain client."""
    return make_app()


@pytest.fixture
def sync_app(provider: Provider, kinds: tuple[Any, Any]) -> Iterator[Any]:
    """The sync app only."""
    it = kinds[0](provider.url)
    yield it
    it.stop()


@pytest.fixture
def async_app(provider: Provider, kinds: tuple[Any, Any]) -> Iterator[Any]:
    """The async app only."""
    it = kinds[1](provider.url)
    yield it
    it.stop()
