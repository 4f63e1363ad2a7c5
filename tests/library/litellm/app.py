"""An app that uses LiteLLM, in its sync and its async way, driven from one and the same test."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

import litellm
from driving import AsyncDriver, SyncDriver

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

    def close(self) -> None:
        """There is nothing to close."""


class SyncApp(SyncDriver):
    """`litellm.completion` and its like."""

    def __init__(self, url: str, **options: Any) -> None:
        self.client = _Client(url, "", options)


class AsyncApp(AsyncDriver):
    """`litellm.acompletion` and its like, on one asyncio loop."""

    def __init__(self, url: str, **options: Any) -> None:
        super().__init__()
        self.client = _Client(url, "a", options)

    def stop(self) -> None:
        """Let LiteLLM's clients go while their loop runs."""
        with contextlib.suppress(Exception):
            self._await(litellm.close_litellm_async_clients())
        self.runner.close()


App = SyncApp | AsyncApp
"""The app of this folder, in its sync and its async way; a test that takes `app` runs as both (see ../conftest.py)."""
