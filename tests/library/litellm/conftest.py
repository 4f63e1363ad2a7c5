from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pytest
from driving import collections_when_asked_for  # noqa: F401  a fixture of every test here

if TYPE_CHECKING:
    from collections.abc import Iterator

os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"  # it would fetch its prices over the network when imported
os.environ["HF_HUB_OFFLINE"] = "1"  # and tokenizers, to count what no provider counted
pytest.importorskip("litellm")


@pytest.fixture
def kinds() -> tuple[Any, Any]:
    """The sync and the async app."""
    from .app import AsyncApp, SyncApp

    return SyncApp, AsyncApp


@pytest.fixture(autouse=True)
def nothing_kept_between_tests() -> Iterator[None]:
    """LiteLLM keeps clients and a cache for the process; those of a closed loop are of no use to the next test."""
    import litellm

    yield
    litellm.cache = None
    litellm.in_memory_llm_clients_cache.flush_cache()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """LiteLLM's own warnings (pydantic's of its types, sockets that it leaves to the collector) are not of ours."""
    here = os.path.dirname(__file__)
    for item in items:
        if str(item.path).startswith(here):
            for kind in ("UserWarning", "DeprecationWarning", "ResourceWarning"):
                item.add_marker(pytest.mark.filterwarnings(f"ignore::{kind}"))
            item.add_marker(pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"))
