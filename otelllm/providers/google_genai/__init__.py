"""The google-genai SDK: generated content and embeddings, chats, sync and async, whole and streamed.

Patched are the methods that stand for one request each: the public ones make several where functions are called
automatically or an answer is continued, and return the usage of the last one only. What the app holds is the SDK's own.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from copy import copy
from functools import cache, lru_cache
from importlib import import_module
from typing import Any
from urllib.parse import urlsplit

from ...attempt import Target
from ...call import Reading, Request
from ...fields import field
from ...speakeasy import answered, key_of
from ...spec import Endpoint, Method, Received, Surface
from ...whole_replay import WholeReplay, digest
from .batches import BATCHES
from .embed import EMBED
from .generate import GENERATE, GENERATE_STREAM
from .images import IMAGES
from .interaction_streams import received
from .interactions import INTERACTION, STORED, error_word
from .offline import OfflineClient
from .values import read_request_id

__all__ = ["PROVIDER"]

_MODELS = "google.genai.models"
_GAOS = "google.genai._gaos"
_CODE = re.compile(r"[A-Z][A-Z_]+")
_TIMEOUTS = {"TimeoutException", "TimeoutError", "Timeout", "APITimeoutError"}


def _pair(name: str, surface: Surface, *, optional: bool = False) -> tuple[Method, Method]:
    return (
        Method(f"{_MODELS}:Models.{name}", surface, optional=optional),
        Method(f"{_MODELS}:AsyncModels.{name}", surface, asynchronous=True, optional=optional),
    )


def _interactions(name: str, surface: Surface) -> tuple[Method, Method]:
    return (
        Method(f"{_GAOS}.interactions:Interactions.{name}", surface, optional=True),
        Method(f"{_GAOS}.interactions:AsyncInteractions.{name}", surface, asynchronous=True, optional=True),
    )


def _batches(name: str) -> tuple[Method, Method]:
    return (
        Method(f"google.genai.batches:Batches.{name}", BATCHES, optional=True),
        Method(f"google.genai.batches:AsyncBatches.{name}", BATCHES, asynchronous=True, optional=True),
    )


class _GoogleGenai(WholeReplay):
    answers_of = "google.genai"
    name = "google_genai"
    package = "google-genai"
    oldest = "2.0"
    newest = "3.4"
    methods = (
        *_pair("_generate_content", GENERATE),
        *_pair("_generate_content_stream", GENERATE_STREAM),
        *_pair("embed_content", EMBED),
        *_pair("_generate_images", IMAGES, optional=True),
        *_pair("_edit_image", IMAGES, optional=True),
        *_pair("_upscale_image", IMAGES, optional=True),
        *_pair("recontext_image", IMAGES, optional=True),
        *_batches("create"),
        *_batches("create_embeddings"),
        *_batches("get"),
        *_interactions("create", INTERACTION),
        *_interactions("get", STORED),
    )
    parse_hooks = ()
    steers = ("base_url", "key")
    iterator = "generator"
    generator = "stream_events"
    answers = (f"{_GAOS}.basesdk:BaseSDK.do_request", f"{_GAOS}.basesdk:AsyncBaseSDK.do_request_async")

    def endpoint(self, instance: Any) -> Endpoint:
        client = getattr(instance, "_api_client", None)
        if client is not None:
            return _endpoint(str(client._http_options.base_url or ""), bool(client.vertexai))
        config = instance.sdk_configuration  # of what was made anew for interactions
        return _endpoint(config.get_server_details()[0], "projects/" in str(config.globals.api_version))

    def receive(self, result: Any) -> Received:
        if (of_interaction := received(result)) is not None:
            return of_interaction
        if hasattr(result, "__next__") or hasattr(result, "__anext__"):
            return Received("generator", result, None, streamed=True)
        return Received("whole", result, getattr(result, "sdk_http_response", None))

    def read_headers(self, reading: Reading, headers: Mapping[str, str] | None) -> None:
        read_request_id(reading, headers)

    def read_error(self, reading: Reading, error: BaseException, surface: Surface, captures: bool) -> None:
        if (response := getattr(error, "response", None)) is not None:
            self.read_headers(reading, getattr(response, "headers", None))
        reading.error_type = _error_type(error) or error_word(error) or _status(error) or reading.error_type

    def api_key(self, instance: Any) -> str | None:
        if not hasattr(instance, "_api_client"):
            return key_of(instance)
        key = instance._api_client.api_key
        return key if isinstance(key, str) and key else None

    def identity(self, instance: Any) -> str | None:
        client, key = getattr(instance, "_api_client", None), self.api_key(instance)
        if client is None or key is None:
            return None
        options = client._http_options
        return digest(key, client.vertexai, client.project, client.location, options.base_url, options.api_version,
                      options.headers, getattr(options, "extra_body", None))  # fmt: skip

    def with_headers(self, kwargs: Mapping[str, Any], headers: Mapping[str, str]) -> Mapping[str, Any]:
        if "extra_headers" in kwargs:  # an interaction's
            return {**kwargs, "extra_headers": {**headers, **(kwargs["extra_headers"] or {})}}
        config = kwargs.get("config")
        if config is None or isinstance(config, Mapping):
            name = "httpOptions" if config and "httpOptions" in config else "http_options"
            given = (config or {}).get(name) or {}
            given = given if isinstance(given, Mapping) else given.model_dump(exclude_none=True)
            http = {**given, "headers": {**headers, **(given.get("headers") or {})}}
            return {**kwargs, "config": {**(config or {}), name: http}}
        options = config.http_options or import_module("google.genai.types").HttpOptions()
        more = options.model_copy(update={"headers": {**headers, **(options.headers or {})}})
        return {**kwargs, "config": config.model_copy(update={"http_options": more})}

    def aim(self, instance: Any, target: Target, *, once: bool) -> Any:
        """Over a copy of the app's client, with the same HTTP clients below. Interactions go as the app's client sends
        them, and keep the SDK's retries: theirs can't be told from here.
        """
        client = getattr(instance, "_api_client", None)
        if client is None or (target.base_url is None and target.key is None and not once):
            return instance
        twin = copy(client)
        kind: Any = type(client)
        twin.__class__ = _passing(kind)
        if once and client._http_options.retry_options is not None:
            tenacity = import_module("tenacity")
            stop = tenacity.stop_after_attempt(1)
            twin._retry = tenacity.Retrying(stop=stop, reraise=True)
            twin._async_retry = tenacity.AsyncRetrying(stop=stop, reraise=True)
        changes: dict[str, Any] = {}
        if target.base_url is not None:
            changes["base_url"] = target.base_url
        if target.key is not None:
            twin.api_key = target.key.secret
            changes["headers"] = {**(client._http_options.headers or {}), "x-goog-api-key": target.key.secret}
        if changes:
            twin._http_options = client._http_options.model_copy(update=changes)
        return type(instance)(twin)

    def timeout_s(self, instance: Any, kwargs: Mapping[str, Any]) -> float | None:
        options = getattr(getattr(instance, "_api_client", None), "_http_options", None)
        own = field(field(kwargs.get("config"), "http_options"), "timeout")
        said = own if own is not None else getattr(options, "timeout", None)
        return said / 1000 if isinstance(said, int | float) else None  # in milliseconds

    def dress(self, instance: Any, surface: Surface, request: Request, text: str) -> Any | None:
        body = surface.answer(request, text)
        if body is None:
            return None
        if not hasattr(instance, "_api_client"):
            return answered(instance, body, streamed=request.stream)
        return type(instance)(OfflineClient(instance._api_client, body))


@cache
def _passing(kind: Any) -> Any:
    """A class of copies of a client. The SDK's own closes the HTTP clients below when it is collected: the app's."""
    return type(kind.__name__, (kind,), {"__module__": kind.__module__, "__del__": lambda _: None})


@lru_cache(maxsize=64)
def _endpoint(base_url: str, is_vertex: bool) -> Endpoint:
    parts = urlsplit(base_url)
    host = (parts.hostname or "").lower()
    port = parts.port or {"https": 443, "http": 80}.get(parts.scheme)
    owner = "gcp.vertex_ai" if is_vertex else "gcp.gemini"
    return Endpoint(owner, host or None, port if host else None)


def _error_type(error: BaseException) -> str | None:
    """The provider's word for it (RESOURCE_EXHAUSTED), else the HTTP status; timeout; None where neither is said."""
    if any(kind.__name__ in _TIMEOUTS for kind in type(error).__mro__):
        return "timeout"
    status = getattr(error, "status", None)
    if isinstance(status, str) and _CODE.fullmatch(status):
        return status
    code = getattr(error, "code", None)
    return str(code) if isinstance(code, int) else None


def _status(error: BaseException) -> str | None:
    status = getattr(error, "status_code", None)
    return str(status) if isinstance(status, int) and status >= 400 else None


PROVIDER = _GoogleGenai()
