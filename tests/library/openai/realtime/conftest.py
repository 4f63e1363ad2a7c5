"""A provider of websockets, and an app that talks to it."""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING

import pytest

if find_spec("websockets") is None:  # an extra of the SDK's
    collect_ignore_glob = ["test_*.py"]
else:
    from wire.socket import SocketProvider

    from .sessions import Talker

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def sockets() -> Iterator[SocketProvider]:
    """A provider that speaks over websockets."""
    it = SocketProvider()
    yield it
    it.close()


@pytest.fixture(params=["sync", "async"])
def talker(request: pytest.FixtureRequest, sockets: SocketProvider) -> Iterator[Talker]:
    """An app of each kind."""
    it = Talker(request.param, sockets.url)
    yield it
    it.stop()
