"""The cohere SDK: chats of both versions, completions, embeddings, rerank, whole and streamed, on every client.

Patched are the raw clients below all of them: a client binds `chat` and `chat_stream` to itself when it is built,
so a patch of its class misses those that were there before. Older embeddings are batched in threads of a pool, where
no context arrives: there the public method is the call, and its batches go out unseen.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from copy import copy
from importlib import import_module
from types import MethodType
from typing import Any

from ...attempt import Target
from ...call import Reading, Request
from ...generators import stand_in
from ...hosts import endpoint_of
from ...http_clients import is_asynchronous, is_timeout, offline, seconds_of
from ...relay import Relay
from ...spec import Endpoint, Method, Received, Selected, Surface
from ...whole_replay import WholeReplay, digest
from .chat import CHAT, CHAT_STREAM
from .embed import EMBED
from .legacy_chat import LEGACY_CHAT, LEGACY_CHAT_STREAM
from .legacy_generate import GENERATE, GENERATE_STREAM
from .others import CLASSIFY, PARSE
from .platforms import platform_of
from .rerank import RERANK

__all__ = ["PROVIDER"]

_REQUEST_IDS = ("x-request-id", "x-debug-trace-id", "x-amzn-requestid", "opc-request-id")


def _pair(target: str, surface: Surface, *, enters: bool = False, optional: bool = False) -> Iterator[Method]:
    for prefix in ("", "Async"):
        where = target.replace(":", f":{prefix}")
        yield Method(where, surface, asynchronous=bool(prefix), optional=optional, enters=enters)


def _batched(instance: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Selected:
    """`Client.embed`, on a twin of the client whose raw client is the one that we did not patch."""
    raw = copy(instance._raw_client)
    patched = type(raw).embed
    raw.embed = MethodType(getattr(patched, "__wrapped__", patched), raw)
    twin = copy(instance)
    twin._raw_client = raw
    return Selected(EMBED, kwargs, instance=twin)


_V1, _V2 = "cohere.raw_base_client:RawBaseCohere", "cohere.v2.raw_client:RawV2Client"


class _Cohere(WholeReplay):
    answers_of = "cohere"
    name = "cohere"
    package = "cohere"
    oldest = "5.16"
    newest = "7.3"
    methods = (
        *_pair(f"{_V2}.chat", CHAT),
        *_pair(f"{_V2}.chat_stream", CHAT_STREAM, enters=True),
        *_pair(f"{_V2}.embed", EMBED),
        *_pair(f"{_V2}.rerank", RERANK),
        *_pair(f"{_V2}.parse", PARSE, optional=True),
        *_pair(f"{_V1}.chat", LEGACY_CHAT),
        *_pair(f"{_V1}.chat_stream", LEGACY_CHAT_STREAM, enters=True),
        *_pair(f"{_V1}.generate", GENERATE, optional=True),
        *_pair(f"{_V1}.generate_stream", GENERATE_STREAM, enters=True, optional=True),
        *_pair(f"{_V1}.rerank", RERANK),
        *_pair(f"{_V1}.classify", CLASSIFY, optional=True),
        *_pair(f"{_V1}.embed", EMBED),
        Method("cohere.client:Client.embed", EMBED, select=_batched),
        Method("cohere.client:AsyncClient.embed", EMBED, asynchronous=True, select=_batched),
    )
    parse_hooks = ()
    steers = ("base_url", "key")
    iterator = "_data"
    generator = ""

    def endpoint(self, instance: Any) -> Endpoint:
        wrapper = instance._client_wrapper
        return platform_of(wrapper.httpx_client.httpx_client) or endpoint_of(wrapper.get_base_url(), "cohere")

    def receive(self, result: Any) -> Received:
        if not hasattr(result, "_response"):
            return Received("whole", result, None)
        data = result._data
        if not hasattr(data, "__next__") and not hasattr(data, "__anext__"):
            return Received("whole", data, result)

        def watch(relay: Relay) -> None:
            result._data = stand_in(data, relay)

        return Received("stream", result, result._response, streamed=True, attach=watch)

    def read_headers(self, reading: Reading, headers: Mapping[str, str]) -> None:
        reading.request_id = next((found for name in _REQUEST_IDS if (found := headers.get(name))), None)

    def read_error(self, reading: Reading, error: BaseException, surface: Surface, captures: bool) -> None:
        if isinstance(headers := getattr(error, "headers", None), Mapping):
            self.read_headers(reading, headers)
        status = getattr(error, "status_code", None)
        if is_timeout(error):
            reading.error_type = "timeout"
        elif isinstance(status, int):
            reading.error_type = str(status)

    def api_key(self, instance: Any) -> str | None:
        token = instance._client_wrapper._token  # asking a callable for one may fetch it
        return token if isinstance(token, str) and token not in {"", "n/a"} else None

    def identity(self, instance: Any) -> str | None:
        wrapper, key = instance._client_wrapper, self.api_key(instance)
        if key is None:
            return None
        more = getattr(wrapper, "_headers", None) or {}
        return digest(wrapper.get_base_url(), key, getattr(wrapper, "_client_name", None), more)

    def with_headers(self, kwargs: Mapping[str, Any], headers: Mapping[str, str]) -> Mapping[str, Any]:
        options = kwargs.get("request_options") or {}
        both = {**headers, **(options.get("additional_headers") or {})}
        return {**kwargs, "request_options": {**options, "additional_headers": both}}

    def aim(self, instance: Any, target: Target, *, once: bool) -> Any:
        """Of the raw clients; batched embeddings (see above) go where the app's client sends, and retry as it does."""
        is_as_asked = target.base_url is None and target.key is None and not once
        if is_as_asked or "Raw" not in type(instance).__name__:
            return instance
        wrapper = copy(instance._client_wrapper)
        wrapper.httpx_client = http = copy(wrapper.httpx_client)
        if once:
            http.base_max_retries = 0  # what the app says in a call stays its own
        if target.base_url is not None:
            wrapper._base_url = target.base_url
            http.base_url = wrapper.get_base_url
        if target.key is not None:
            wrapper._token = target.key.secret
            http.base_headers = wrapper.get_headers
            if hasattr(http, "async_base_headers"):
                http.async_base_headers = None
        return type(instance)(client_wrapper=wrapper)

    def timeout_s(self, instance: Any, kwargs: Mapping[str, Any]) -> float | None:
        said = (kwargs.get("request_options") or {}).get("timeout_in_seconds")
        return seconds_of(instance._client_wrapper.get_timeout() if said is None else said)

    def dress(self, instance: Any, surface: Surface, request: Request, text: str) -> Any | None:
        body = surface.answer(request, text)
        if body is None:
            return None
        wrapper = copy(instance._client_wrapper)
        wrapper.httpx_client = http = copy(wrapper.httpx_client)
        asynchronous = is_asynchronous(wrapper)
        http.httpx_client = offline(import_module("httpx"), body, streams=request.stream, asynchronous=asynchronous)
        http.base_headers = dict  # the app's own would ask for its key
        http.async_base_headers = None
        return type(instance)(client_wrapper=wrapper)


PROVIDER = _Cohere()
