"""The anthropic SDK: messages, plain and beta, whole, streamed and by `.stream()`, on every client that it has."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache
from importlib import import_module
from typing import Any

import orjson

from ...call import Reading, Request
from ...fields import field, fields
from ...hosts import endpoint_of
from ...spec import Endpoint, Method, Received, Surface
from .messages import MESSAGES, STREAMED_MESSAGES

__all__ = ["PROVIDER"]

_PLAIN = "anthropic.resources.messages.messages"
_BETA = "anthropic.resources.beta.messages.messages"
# Their classes copy the beta methods in their bodies.
_COPIES = ("anthropic.lib.bedrock._beta_messages", "anthropic.lib.vertex._beta_messages")

_HEADERS = ("request-id", "x-request-id", "x-amzn-requestid", "apim-request-id")


def _methods(module: str, *, optional: bool) -> Iterator[Method]:
    for kind, is_async in (("Messages", False), ("AsyncMessages", True)):
        yield Method(f"{module}:{kind}.create", MESSAGES, is_async, optional)
        yield Method(f"{module}:{kind}.parse", MESSAGES, is_async, optional=True)
        yield Method(f"{module}:{kind}.stream", STREAMED_MESSAGES, is_async, optional, sends="_post")


class _Anthropic:
    name = "anthropic"
    package = "anthropic"
    oldest = "1.0"
    methods = (
        *_methods(_PLAIN, optional=False),
        *_methods(_BETA, optional=False),
        *(method for module in _COPIES for method in _methods(module, optional=True)),
    )
    parse_hooks = ("anthropic._response:BaseAPIResponse._parse",)
    iterator = "_iterator"
    generator = "__stream__"
    own_spans = ("anthropic._base_client:start_api_call_span",)

    def endpoint(self, instance: Any) -> Endpoint:
        client = instance._client
        kind: Any = type(client)
        owner, is_sure = _owner(kind)
        found = endpoint_of(str(client.base_url), owner)
        return found._replace(provider=owner) if is_sure else found

    def receive(self, result: Any) -> Received:
        streams, raw = _kinds()
        if isinstance(result, streams):
            return Received("stream", result, result.response, streamed=True)
        if not isinstance(result, raw):
            return Received("whole", result, None)
        response = result.http_response
        content = response.__dict__.get("_content")
        if isinstance(content, bytes):
            # Read already: decoded by us, for asking the view to parse could raise in its post-processing.
            return Received("whole", fields(orjson.loads(content)) if content[:1] == b"{" else None, response)
        return Received("raw", result, response, streamed=result._is_sse_stream)

    def read_headers(self, reading: Reading, headers: Mapping[str, str]) -> None:
        reading.request_id = next((found for name in _HEADERS if (found := headers.get(name))), None)

    def read_error(self, reading: Reading, error: BaseException, surface: Surface, captures: bool) -> None:
        if (response := getattr(error, "response", None)) is not None:
            self.read_headers(reading, response.headers)
        reading.error_type = _error_type(error) or reading.error_type

    def dress(self, instance: Any, surface: Surface, request: Request, text: str) -> Any | None:
        body = surface.answer(request, text)
        if body is None:
            return None
        http, anthropic = import_module("httpx2"), import_module("anthropic")
        kind = b"text/event-stream" if request.stream else b"application/json"

        def handler(asked: Any) -> Any:
            return http.Response(200, headers=[(b"content-type", kind)], content=body, request=asked)

        # A plain client for every kind: those of the platforms would sign, or fetch a token, before they ask.
        asynchronous = any("Async" in base.__name__ for base in type(instance._client).__mro__)
        offline = (http.AsyncClient if asynchronous else http.Client)(transport=http.MockTransport(handler))
        client = anthropic.AsyncAnthropic if asynchronous else anthropic.Anthropic
        return type(instance)(client(api_key="none", base_url="http://127.0.0.1", http_client=offline))


def _error_type(error: BaseException) -> str | None:
    """The provider's own kind of error, else its HTTP status; timeout; None where only the class says anything."""
    if any(kind.__name__ in {"APITimeoutError", "TimeoutException"} for kind in type(error).__mro__):
        return "timeout"
    own = field(field(getattr(error, "body", None), "error"), "type")
    if isinstance(own, str) and own:
        return own
    status = getattr(error, "status_code", None)
    if not isinstance(status, int):
        return None
    return str(status) if status >= 400 else "error"  # inside a stream it is the status that opened it


@lru_cache(maxsize=64)
def _owner(client: Any) -> tuple[str, bool]:
    """Whose service a client's class speaks to, and whether that holds wherever its base URL points."""
    names = {kind.__name__.removeprefix("Async") for kind in client.__mro__}
    if names & {"AnthropicAWS", "AnthropicGoogleCloud"}:
        return "anthropic", True  # Anthropic's own service, sold by others
    if any("Bedrock" in name for name in names):
        return "aws.bedrock", False
    if any("Vertex" in name for name in names):
        return "gcp.vertex_ai", False
    return "anthropic", False


@lru_cache(maxsize=1)
def _kinds() -> tuple[tuple[Any, ...], Any]:
    """Streams; raw views. The SDK is imported by now."""
    streaming = import_module("anthropic._streaming")
    return (streaming.Stream, streaming.AsyncStream), import_module("anthropic._response").BaseAPIResponse


PROVIDER = _Anthropic()
