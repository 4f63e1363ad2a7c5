from __future__ import annotations

import os
from typing import Any

import pytest
from driving import collections_when_asked_for  # noqa: F401  a fixture of every test here

pytest.importorskip("library.litellm.app", reason="litellm is not installed")


@pytest.fixture
def kinds() -> tuple[Any, Any]:
    """The sync and the async app."""
    from .app import AsyncApp, SyncApp

    return SyncApp, AsyncApp


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """LiteLLM's own warnings (pydantic's of its types, sockets that it leaves to the collector) are not of ours."""
    here = os.path.dirname(__file__)
    for item in items:
        if str(item.path).startswith(here):
            for kind in ("UserWarning", "DeprecationWarning", "ResourceWarning"):
                item.add_marker(pytest.mark.filterwarnings(f"ignore::{kind}"))
            item.add_marker(pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"))
