"""What the SDKs made by Stainless (openai, anthropic and more) share in what they take and give back."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache
from importlib import import_module
from typing import Any
from weakref import WeakKeyDictionary

from .attempt import Key, Target
from .call import Reading, Request
from .fields import decoded as read_body
from .fields import field, members, plain
from .hosts import endpoint_of
from .http_clients import http_library, is_asynchronous, is_timeout, offline, seconds_of
from .spec import Endpoint, Method, Received, Surface
from .stainless_replay import Replaying

__all__ = ["Stainless", "decoded", "given", "merged", "pair", "read_error_body", "responses_of"]


_Place = tuple[str | None, Key | None, bool, type[Any]]
_aimed: WeakKeyDictionary[Any, dict[_Place, Any]] = WeakKeyDictionary()
"""Resources over copies of clients, by where they send and with which key: making one costs 60 µs and more."""


def responses_of(package: str) -> tuple[str, ...]:
    """The methods that get every response of the SDK `package`, of its sync and its async clients."""
    return tuple(f"{package}._base_client:{kind}APIClient._process_response" for kind in ("Sync", "Async"))


def given(value: Any) -> bool:
    """Whether the app set it: the SDK's own sentinels (Omit, NotGiven; older versions NOT_GIVEN) and None are not."""
    return value is not None and type(value).__name__ not in {"Omit", "NotGiven"}


def merged(kwargs: Mapping[str, Any]) -> Mapping[str, Any]:
    """The body's parameters as they will be sent: `extra_body` overrides them."""
    extra = kwargs.get("extra_body")
    return {**kwargs, **extra} if extra and isinstance(extra, Mapping) else kwargs


def read_error_body(reading: Reading, body: Any) -> None:
    """An error inside an answer of success, as gateways send it."""
    error = members(body).get("error")
    if error is None:
        return
    if isinstance(error, str):
        reading.error_type, reading.error_message = "error", error
        return
    reading.error_type = str(field(error, "code") or field(error, "type") or "error")
    reading.error_message = plain(field(error, "message"))


def pair(module: str, name: str, surface: Surface, *, optional: bool = False) -> Iterator[Method]:
    """A method and its async twin, by their class's names: `Class` and `AsyncClass`."""
    yield Method(f"{module}:{name}", surface, optional=optional)
    yield Method(f"{module}:Async{name}", surface, asynchronous=True, optional=optional)


class Stainless(Replaying):
    """What `spec.Provider` asks for, as far as it is the same for all these SDKs: base of each one's `PROVIDER`."""

    package: str
    owner: str
    """Whose service it is (`gen_ai.provider.name`), where the host of the base URL says nothing."""
    iterator = "_iterator"
    generator = "__stream__"
    answers: tuple[str, ...] = ()
    answers_if_asked = True
    steers = ("base_url", "key")
    request_ids: tuple[str, ...] = ("x-request-id", "request-id")
    """Headers that may hold the provider's id of the request; the first found wins."""

    def endpoint(self, instance: Any) -> Endpoint:
        """Where the resource's client sends its calls."""
        return endpoint_of(instance._client.base_url, self.owner)

    def receive(self, result: Any) -> Received:
        """Tell a stream, a raw view read or unread, and a whole answer apart."""
        streams, raw = _kinds(self.package)
        if isinstance(result, streams):
            return Received("stream", result, result.response, streamed=True)
        if not isinstance(result, raw):
            return Received("whole", result, None)
        response = result.http_response
        if isinstance(response.__dict__.get("_content"), bytes):
            return Received("whole", decoded(response), response)
        if not result._is_sse_stream:
            return Received("raw", result, response)
        return Received("raw", result, response, streamed=True, follow=self._parsed)

    def _parsed(self, later: Received) -> Any:
        """The iterator of the stream that a raw view gives; by its own parse, which is no coroutine in any of them."""
        return getattr(later.body._parse(), self.iterator)

    def read_headers(self, reading: Reading, headers: Mapping[str, str]) -> None:
        """The request id."""
        reading.request_id = next((found for name in self.request_ids if (found := headers.get(name))), None)

    def read_error(self, reading: Reading, error: BaseException, surface: Surface, captures: bool) -> None:
        """The request id, and the provider's word for the error."""
        if (response := getattr(error, "response", None)) is not None:
            self.read_headers(reading, response.headers)
        reading.error_type = self.error_type(error) or reading.error_type

    def api_key(self, instance: Any) -> str | None:
        """What the client was given, or found in the environment."""
        return plain(getattr(instance._client, "api_key", None))

    def with_headers(self, kwargs: Mapping[str, Any], headers: Mapping[str, str]) -> Mapping[str, Any]:
        """Below the app's own headers, which the SDK lays over its client's."""
        if isinstance(options := kwargs.get("options"), Mapping):  # a manager's request, made up by now
            return {**kwargs, "options": {**options, "headers": {**headers, **(options.get("headers") or {})}}}
        return {**kwargs, "extra_headers": {**headers, **(kwargs.get("extra_headers") or {})}}

    def error_type(self, error: BaseException) -> str | None:
        """The provider's error code, else its HTTP status; timeout; None where only the class says anything."""
        if is_timeout(error):
            return "timeout"
        code = getattr(error, "code", None)
        if code is None:
            body = getattr(error, "body", None)
            code = field(field(body, "error") or body, "code")
        if isinstance(code, str) and code:
            return code
        status = getattr(error, "status_code", None) or getattr(getattr(error, "response", None), "status_code", None)
        if isinstance(status, int):
            return str(status)
        return str(code) if isinstance(code, int) else None

    def aim(self, instance: Any, target: Target, *, once: bool) -> Any:
        """A resource over a copy of the app's client, with the same HTTP client below; one for each target."""
        client = getattr(instance, "_client", None)
        is_as_asked = target.base_url is None and target.key is None and not once
        if client is None or is_as_asked:
            return instance  # without a client it is a connection's manager: there is no request to try again
        kind: Any = type(instance)
        resources = _aimed.get(client)
        if resources is None:
            resources = _aimed.setdefault(client, {})
        place = (target.base_url, target.key, once, kind)
        resource = resources.get(place)
        if resource is None:
            options: dict[str, Any] = {"max_retries": 0} if once else {}
            if target.base_url is not None:
                options["base_url"] = target.base_url
            if target.key is not None:
                options["api_key"] = target.key.secret
            resource = resources[place] = kind(client.with_options(**options))
        return resource

    def timeout_s(self, instance: Any, kwargs: Mapping[str, Any]) -> float | None:
        """How long the app waits for one request: as the call says, else as its client does."""
        said = kwargs.get("timeout")
        if not given(said):
            said = getattr(getattr(instance, "_client", None), "timeout", None)
        return seconds_of(said)

    def dress(self, instance: Any, surface: Surface, request: Request, text: str) -> Any | None:
        """A resource of the same kind, over a copy of the app's own client that answers by itself."""
        body = surface.answer(request, text)
        if body is None:
            return None
        client = instance._client
        kind: Any = type(client._client)
        http = offline(http_library(kind), body, streams=request.stream, asynchronous=is_asynchronous(client))
        return type(instance)(client.with_options(http_client=http))


def decoded(response: Any) -> Any:
    """A raw view's body, from its bytes: asking the view itself to parse could raise in its post-processing.

    What is no JSON object (sound, a text) is the HTTP response itself.
    """
    body = read_body(response.content)
    return response if isinstance(body, bytes) else body


@lru_cache(maxsize=16)
def _kinds(package: str) -> tuple[tuple[Any, ...], Any]:
    """Streams; raw views. The SDK is imported by now."""
    streaming = import_module(f"{package}._streaming")
    return (streaming.Stream, streaming.AsyncStream), import_module(f"{package}._response").BaseAPIResponse
