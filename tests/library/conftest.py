"""The provider on loopback, and the app that calls it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from program import answer_chats
from receiver import Receiver
from wire.server import Provider

if TYPE_CHECKING:
    from collections.abc import Iterator


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
