"""The anthropic SDK: messages, plain and beta, whole, streamed and by `.stream()`, on every client that it has."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from importlib import import_module
from typing import Any

from ...call import Request
from ...fields import field
from ...hosts import endpoint_of
from ...http_clients import http_library, is_asynchronous, is_timeout, offline
from ...spec import Endpoint, Method, Surface
from ...stainless import Stainless, pair, responses_of
from .batches import BATCHES
from .messages import MESSAGES, STREAMED_MESSAGES

__all__ = ["PROVIDER"]

_PLAIN = "anthropic.resources.messages.messages"
_BETA = "anthropic.resources.beta.messages.messages"
# Their classes copy the beta methods in their bodies.
_COPIES = ("anthropic.lib.bedrock._beta_messages", "anthropic.lib.vertex._beta_messages")


def _methods(module: str, *, optional: bool) -> Iterator[Method]:
    for kind, is_async in (("Messages", False), ("AsyncMessages", True)):
        yield Method(f"{module}:{kind}.create", MESSAGES, is_async, optional)
        yield Method(f"{module}:{kind}.parse", MESSAGES, is_async, optional=True)
        yield Method(f"{module}:{kind}.stream", STREAMED_MESSAGES, is_async, optional, sends="_post")


def _batches(module: str) -> Iterator[Method]:
    for name in ("create", "retrieve"):
        yield from pair(module, f"Batches.{name}", BATCHES)


class _Anthropic(Stainless):
    name = "anthropic"
    package = "anthropic"
    oldest = "1.0"
    newest = "2.12"
    methods = (
        *_methods(_PLAIN, optional=False),
        *_methods(_BETA, optional=False),
        *_batches("anthropic.resources.messages.batches"),
        *_batches("anthropic.resources.beta.messages.batches"),
        *(method for module in _COPIES for method in _methods(module, optional=True)),
    )
    answers = responses_of("anthropic")
    parse_hooks = ("anthropic._response:BaseAPIResponse._parse",)
    own_ids = ("anthropic-workspace-id",)
    request_ids = ("request-id", "x-request-id", "x-amzn-requestid", "apim-request-id")
    own_spans = ("anthropic._base_client:start_api_call_span",)

    def endpoint(self, instance: Any) -> Endpoint:
        client = instance._client
        kind: Any = type(client)
        owner, is_sure = _owner(kind)
        found = endpoint_of(client.base_url, owner)
        return found._replace(provider=owner) if is_sure else found

    def error_type(self, error: BaseException) -> str | None:
        if is_timeout(error):
            return "timeout"
        own = field(field(getattr(error, "body", None), "error"), "type")
        if isinstance(own, str) and own:
            return own
        status = getattr(error, "status_code", None)
        if not isinstance(status, int):
            return None
        return str(status) if status >= 400 else "error"  # inside a stream it is the status that opened it

    def dress(self, instance: Any, surface: Surface, request: Request, text: str) -> Any | None:
        body = surface.answer(request, text)
        if body is None:
            return None
        # A plain client for every kind: those of the platforms would sign, or fetch a token, before they ask.
        asynchronous = is_asynchronous(instance._client)
        anthropic = import_module("anthropic")
        library = http_library(anthropic.DefaultHttpxClient)
        http = offline(library, body, streams=request.stream, asynchronous=asynchronous)
        client = anthropic.AsyncAnthropic if asynchronous else anthropic.Anthropic
        # With the app's own timeout: by the default one the SDK refuses long answers that are not streamed.
        timeout = instance._client.timeout
        return type(instance)(client(api_key="none", base_url="http://127.0.0.1", http_client=http, timeout=timeout))


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


PROVIDER = _Anthropic()
