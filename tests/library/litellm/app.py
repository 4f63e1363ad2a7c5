"""An app that uses LiteLLM, in its sync and its async way, driven from one and the same test."""

from __future__ import annotations

import contextlib
import os
from concurrent.futures import wait
from threading import Barrier
from typing import TYPE_CHECKING, Any

os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"  # it would fetch its prices over the network when imported
os.environ["HF_HUB_OFFLINE"] = "1"  # and tokenizers, to count what no provider counted
os.environ["DEFAULT_MAX_RETRIES"] = "0"  # an embedding takes a `max_retries` of 0 for none given

import litellm
from driving import AsyncDriver, SyncDriver
from litellm.litellm_core_utils.thread_pool_executor import MAX_THREADS, executor
from wire.server import PATIENCE_S

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["App", "AsyncApp", "SyncApp"]


class _Client:
    """The module's functions under their sync names, asking a provider on loopback."""

    def __init__(self, url: str, prefix: str, options: dict[str, Any]) -> None:
        self.url = url
        self._prefix = prefix
        self._options = options

    def __getattr__(self, name: str) -> Callable[..., Any]:
        def call(**arguments: Any) -> Any:
            model = str(arguments.get("model", ""))
            takes_root = model.startswith(("anthropic/", "cohere/"))
            base = self.url.removesuffix("/v1") if takes_root else self.url
            told = {"api_base": base, "api_key": "sk-test-litellm", "max_retries": 0, **self._options, **arguments}
            return getattr(litellm, self._prefix + name)(**told)

        return call


def _forget() -> None:
    """LiteLLM keeps clients and a cache for the process; those of a closed loop are of no use to the next test."""
    litellm.cache = None
    litellm.in_memory_llm_clients_cache.flush_cache()


def _until_logged() -> None:
    """LiteLLM's threads for logs hold a stream for as long as they write of its last chunk: until each of them waits
    at one place, and so has nothing else to do.
    """
    place = Barrier(MAX_THREADS, timeout=PATIENCE_S)
    wait([executor.submit(place.wait) for _ in range(MAX_THREADS)])


class SyncApp(SyncDriver):
    """`litellm.completion` and its like."""

    def __init__(self, url: str, **options: Any) -> None:
        self.client = _Client(url, "", options)

    def settle(self) -> None:
        """Let anything scheduled happen."""
        _until_logged()

    def stop(self) -> None:
        """Let LiteLLM's clients go."""
        _forget()


class AsyncApp(AsyncDriver):
    """`litellm.acompletion` and its like, on one asyncio loop."""

    def __init__(self, url: str, **options: Any) -> None:
        super().__init__()
        self.client = _Client(url, "a", options)

    def close(self, stream: Any) -> None:
        """Call the stream's own `aclose`."""
        self._await(stream.aclose())

    def settle(self) -> None:
        """Let anything scheduled happen."""
        _until_logged()
        super().settle()

    def stop(self) -> None:
        """Let LiteLLM's clients go while their loop runs."""
        with contextlib.suppress(Exception):
            self._await(litellm.close_litellm_async_clients())
        _forget()
        self.runner.close()


App = SyncApp | AsyncApp
"""The app of this folder, in its sync and its async way; a test that takes `app` runs as both (see ../conftest.py)."""
