"""An app that uses the mistralai SDK, in its sync and its async way, driven from one and the same test.

The SDK has one client for both: its async methods end in `_async`. 2.0 moved it from `mistralai` to `mistralai.client`.
"""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from driving import AsyncDriver, SyncDriver, tls

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["IS_CLOSED", "LAYOUT", "App", "AsyncApp", "SyncApp", "errors", "has", "library", "method", "of"]

LAYOUT = "mistralai" if find_spec("mistralai.chat") else "mistralai.client"
library = vars(import_module(f"{LAYOUT}.basesdk"))["httpx"]
"""httpx or httpx2, whichever the SDK is built on."""
errors = import_module(f"{LAYOUT}.errors" if find_spec(f"{LAYOUT}.errors") else f"{LAYOUT}.models")


def has(module: str, package: str = LAYOUT) -> bool:
    """Whether this version of the SDK has the surface."""
    try:
        return find_spec(f"{package}.{module}") is not None
    except ModuleNotFoundError:
        return False


IS_CLOSED = LAYOUT == "mistralai"
"""The types of 1.x know no variants but their own: what is newer is refused before anybody sees it."""


def of(module: str, name: str) -> Any:
    """A class of the SDK's."""
    return getattr(import_module(f"{LAYOUT}.{module}"), name)


Client: Any = of("sdk", "Mistral")


class AsyncClient(Client):  # type: ignore[misc]
    """The same client, marked: its async methods are called."""


def method(client: Any, resource: Any, name: str) -> Callable[..., Any]:
    """A method of a resource, or its async twin."""
    found: Callable[..., Any] = getattr(resource, f"{name}_async" if isinstance(client, AsyncClient) else name)
    return found


def _settings(url: str) -> dict[str, Any]:
    # The client of the other way, too: the SDK would make one, and that takes a while.
    others = {"client": library.Client(verify=tls()), "async_client": library.AsyncClient(verify=tls())}
    return {"api_key": "key-test", "server_url": url.removesuffix("/v1"), **others}


class SyncApp(SyncDriver):
    """`Mistral`."""

    stream_type = of("utils.eventstreaming", "EventStream")

    def __init__(self, url: str, **options: Any) -> None:
        self.http = library.Client(verify=tls(), follow_redirects=True)
        self.client = Client(**{**_settings(url), "client": self.http, **options})

    def close(self, stream: Any) -> None:
        """Call the stream's own close(); older ones can only be left."""
        stream.close() if hasattr(stream, "close") else stream.__exit__(None, None, None)

    def stop(self) -> None:
        """Close the HTTP client; the SDK's has no close."""
        self.http.close()


class AsyncApp(AsyncDriver):
    """`Mistral` on one asyncio loop."""

    stream_type = of("utils.eventstreaming", "EventStreamAsync")

    def __init__(self, url: str, **options: Any) -> None:
        super().__init__()
        self.http = library.AsyncClient(verify=tls(), follow_redirects=True)
        self.client = AsyncClient(**{**_settings(url), "async_client": self.http, **options})

    def close(self, stream: Any) -> None:
        """Call the stream's own close(); older ones can only be left."""
        self._await(stream.close() if hasattr(stream, "close") else stream.__aexit__(None, None, None))

    def stop(self) -> None:
        """Close the HTTP client and the loop."""
        self._await(self.http.aclose())
        self.runner.close()


App = SyncApp | AsyncApp
