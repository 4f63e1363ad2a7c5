"""The app of this folder, in its sync and its async way; a test that takes `app` runs as both (see ../conftest.py)."""

from __future__ import annotations

from typing import Any

import pytest
from driving import collections_when_asked_for  # noqa: F401  a fixture of every test here

pytest.importorskip("botocore")


@pytest.fixture
def kinds() -> tuple[Any, Any]:
    """The sync and the async app."""
    from .app import AsyncApp, SyncApp

    return SyncApp, AsyncApp
