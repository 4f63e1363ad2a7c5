from __future__ import annotations

from typing import Any

import pytest
from driving import collections_when_asked_for  # noqa: F401  a fixture of every test here

pytest.importorskip("cohere")


@pytest.fixture
def kinds() -> tuple[Any, Any]:
    """The sync and the async app."""
    from .app import AsyncApp, SyncApp

    return SyncApp, AsyncApp
