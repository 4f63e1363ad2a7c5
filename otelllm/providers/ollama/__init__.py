"""The ollama SDK: chat, generate, embed and the older embeddings, whole and streamed, of clients and of the module.

Patched is the one method below all of them. `ollama.chat` is a method of a client made at import: whoever took it
before we came holds it for good, but not what it calls. The body that is sent is there, too, with names for all.

The SDK has no retries of its own, so there is nothing to turn off; its servers have no keys, and one place.
"""

from __future__ import annotations

from collections.abc import Mapping
from copy import copy
from importlib import import_module
from typing import Any

from ...call import Reading, Request
from ...hosts import endpoint_of
from ...http_clients import is_timeout, offline
from ...spec import Endpoint, Method, Received, Selected, Surface
from ...whole_replay import WholeReplay, digest
from .embed import EMBED
from .generate import CHAT, GENERATE
from .systemone import SYSTEM_ONE
from .wire import read_end, state_of, told_to

__all__ = ["PROVIDER"]

_SURFACES: dict[str, Surface] = {
    "/api/chat": CHAT,
    "/api/generate": GENERATE,
    "/api/embed": EMBED,
    "/api/embeddings": EMBED,
    "/v1/systemone": SYSTEM_ONE,
}


def _select(instance: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Selected | None:
    """From `_request(ResponseClass, "POST", path, json=…, stream=…)`."""
    surface = _SURFACES.get(args[2]) if len(args) > 2 else None
    if surface is None:
        return None
    kind, *rest = args

    def sent(reading: Reading) -> tuple[Any, ...]:
        return (told_to(kind, reading), *rest)

    return Selected(surface, kwargs["json"], lazy="inner" if kwargs.get("stream") else "", args=sent)


class _Ollama(WholeReplay):
    answers_of = "ollama"
    name = "ollama"
    package = "ollama"
    oldest = "0.4"
    newest = "0.6"
    methods = (
        Method("ollama._client:Client._request", CHAT, select=_select),
        Method("ollama._client:AsyncClient._request", CHAT, asynchronous=True, select=_select),
    )
    parse_hooks = ()
    iterator = ""
    generator = ""

    def endpoint(self, instance: Any) -> Endpoint:
        return endpoint_of(instance._client.base_url, "ollama")

    def receive(self, result: Any) -> Received:
        if hasattr(result, "__next__") or hasattr(result, "__anext__"):
            return Received("generator", result, None, streamed=True)
        return Received("whole", result, None)

    def read_headers(self, reading: Reading, headers: Mapping[str, str]) -> None:
        return None  # the SDK keeps none

    def read_error(self, reading: Reading, error: BaseException, surface: Surface, captures: bool) -> None:
        for said in state_of(reading).told:  # the SDK could make no object of it
            read_end(reading, said)
        status = getattr(error, "status_code", None)
        if is_timeout(error):
            reading.error_type = "timeout"
        elif isinstance(status, int):  # -1 where a line of a stream is the error
            reading.error_type = str(status) if status >= 400 else "error"

    def api_key(self, instance: Any) -> str | None:
        scheme, _, key = instance._client.headers.get("authorization", "").partition(" ")
        return key if scheme.lower() == "bearer" and key else None

    def identity(self, instance: Any) -> str | None:
        client = instance._client
        return digest(str(client.base_url), sorted(client.headers.multi_items()))

    def with_headers(self, kwargs: Mapping[str, Any], headers: Mapping[str, str]) -> Mapping[str, Any]:
        return {**kwargs, "headers": {**headers, **(kwargs.get("headers") or {})}}

    def dress(self, instance: Any, surface: Surface, request: Request, text: str) -> Any | None:
        body = surface.answer(request, text)
        if body is None:
            return None
        library = import_module("httpx")
        asynchronous = isinstance(instance._client, library.AsyncClient)
        twin = copy(instance)
        twin._client = offline(library, body, streams=request.stream, asynchronous=asynchronous)
        twin._client.base_url = instance._client.base_url
        return twin


PROVIDER = _Ollama()
