"""The openai SDK: chat completions, responses, completions and embeddings, sync and async, whole and streamed."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from functools import lru_cache
from importlib import import_module
from typing import Any

import orjson

from ...call import Reading, Request
from ...fields import fields
from ...hosts import endpoint_of
from ...spec import Endpoint, Method, Received, Surface
from .chat import CHAT
from .completions import COMPLETIONS
from .embeddings import EMBEDDINGS
from .responses import RESPONSES

__all__ = ["PROVIDER"]

_CHAT = "openai.resources.chat.completions.completions"
_RESPONSES = "openai.resources.responses.responses"
_BETA = "openai.resources.beta.responses.responses"

_HEADERS = ("x-request-id", "apim-request-id", "x-ms-request-id", "request-id")


def _pair(module: str, name: str, surface: Surface, *, optional: bool = False) -> tuple[Method, Method]:
    kind, method = name.split(".")
    return (
        Method(f"{module}:{kind}.{method}", surface, optional=optional),
        Method(f"{module}:Async{kind}.{method}", surface, asynchronous=True, optional=optional),
    )


@lru_cache(maxsize=64)
def _owner(client: Any) -> str:
    """What the client's class says about whose service it is, where its base URL is a gateway's."""
    names = {kind.__name__ for kind in client.__mro__}
    if names & {"AzureOpenAI", "AsyncAzureOpenAI"}:
        return "azure.ai.openai"
    return "aws.bedrock" if any("Bedrock" in name for name in names) else "openai"


class _OpenAI:
    name = "openai"
    package = "openai"
    oldest = "1.92"
    methods = (
        *_pair(_CHAT, "Completions.create", CHAT),
        *_pair(_CHAT, "Completions.parse", CHAT, optional=True),
        *_pair(_RESPONSES, "Responses.create", RESPONSES),
        *_pair(_RESPONSES, "Responses.parse", RESPONSES),
        *_pair(_RESPONSES, "Responses.compact", RESPONSES, optional=True),
        *_pair(_BETA, "Responses.create", RESPONSES, optional=True),
        *_pair(_BETA, "Responses.compact", RESPONSES, optional=True),
        *_pair("openai.resources.completions", "Completions.create", COMPLETIONS),
        *_pair("openai.resources.embeddings", "Embeddings.create", EMBEDDINGS),
    )
    parse_hooks = (
        "openai._legacy_response:LegacyAPIResponse._parse",
        "openai._response:BaseAPIResponse._parse",
    )
    iterator = "_iterator"
    generator = "__stream__"

    def endpoint(self, instance: Any) -> Endpoint:
        client = instance._client
        kind: Any = type(client)
        return endpoint_of(str(client.base_url), _owner(kind))

    def receive(self, result: Any) -> Received:
        streams, raws, read_raw = _kinds()
        if isinstance(result, streams):
            return Received("stream", result, result.response, streamed=True)
        if not isinstance(result, raws):
            return Received("whole", result, None)
        response = result.http_response
        if not isinstance(result, read_raw):
            return Received("raw", result, response, streamed=result._is_sse_stream)
        if result._stream:
            # Making the stream starts nothing, and the view keeps it: the app's own parse() gives the same one.
            return Received("stream", result.parse(), response, streamed=True)
        return Received("whole", _decoded(response), response)

    def read_headers(self, reading: Reading, headers: Mapping[str, str]) -> None:
        reading.request_id = next((found for name in _HEADERS if (found := headers.get(name))), None)

    def read_error(self, reading: Reading, error: BaseException, surface: Surface, captures: bool) -> None:
        if (response := getattr(error, "response", None)) is not None:
            self.read_headers(reading, response.headers)
        completion = getattr(error, "completion", None)
        if completion is not None:  # refused or cut while parsing: answered, and billed
            surface.read_response(reading, completion, captures)
            reading.error_type = reading.finish_reasons[0] if reading.finish_reasons else None
            return
        reading.error_type = error_type(error) or reading.error_type

    def dress(self, instance: Any, surface: Surface, request: Request, text: str) -> Any | None:
        body = surface.answer(request, text)
        if body is None:
            return None
        client = instance._client
        transport_kind: Any = type(client._client)
        http = _http_library(transport_kind)
        kind = b"text/event-stream" if request.stream else b"application/json"

        def handler(asked: Any) -> Any:
            return http.Response(200, headers=[(b"content-type", kind)], content=body, request=asked)

        asynchronous = any("Async" in base.__name__ for base in type(client).__mro__)
        offline = (http.AsyncClient if asynchronous else http.Client)(transport=http.MockTransport(handler))
        return type(instance)(client.with_options(http_client=offline))


def error_type(error: BaseException) -> str | None:
    """The provider's error code, else its HTTP status; timeout; None where only the class says anything."""
    if any(kind.__name__ in {"APITimeoutError", "TimeoutException"} for kind in type(error).__mro__):
        return "timeout"
    code = getattr(error, "code", None)
    if isinstance(code, str) and code:
        return code
    status = getattr(error, "status_code", None)
    if isinstance(status, int):
        return str(status)
    return str(code) if isinstance(code, int) else None


def _decoded(response: Any) -> Any:
    """A raw view's body, from its bytes: asking the view itself to parse could raise in its post-processing."""
    content = response.content
    return fields(orjson.loads(content)) if content[:1] == b"{" else None


@lru_cache(maxsize=1)
def _kinds() -> tuple[tuple[Any, ...], tuple[Any, ...], tuple[Any, ...]]:
    """Streams; raw views; the raw views whose body is read before we see them. The SDK is imported by now."""
    streaming = import_module("openai._streaming")
    legacy = import_module("openai._legacy_response").LegacyAPIResponse
    raw = import_module("openai._response").BaseAPIResponse
    return (streaming.Stream, streaming.AsyncStream), (legacy, raw), (legacy,)


@lru_cache(maxsize=8)
def _http_library(client: Any) -> Any:
    """httpx2 for openai from 3.0, httpx before, or the legacy one that the app handed in."""
    for kind in client.__mro__:
        root = kind.__module__.split(".")[0]
        if root in {"httpx", "httpx2"}:
            return sys.modules[root]
    raise TypeError(f"{client!r} is no httpx client")


PROVIDER = _OpenAI()
