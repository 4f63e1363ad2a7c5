"""The openai SDK: chat completions, responses, completions and embeddings, sync and async, whole and streamed."""

from __future__ import annotations

from functools import lru_cache
from importlib import import_module
from typing import Any

from ...call import Reading
from ...hosts import endpoint_of
from ...openai_format.chat import CHAT
from ...openai_format.completions import COMPLETIONS
from ...openai_format.embeddings import EMBEDDINGS
from ...spec import Endpoint, Received, Surface
from ...stainless import Stainless, decoded, pair
from .responses import RESPONSES

__all__ = ["PROVIDER"]

_CHAT = "openai.resources.chat.completions.completions"
_RESPONSES = "openai.resources.responses.responses"
_BETA = "openai.resources.beta.responses.responses"


@lru_cache(maxsize=64)
def _owner(client: Any) -> str:
    """What the client's class says about whose service it is, where its base URL is a gateway's."""
    names = {kind.__name__ for kind in client.__mro__}
    if names & {"AzureOpenAI", "AsyncAzureOpenAI"}:
        return "azure.ai.openai"
    return "aws.bedrock" if any("Bedrock" in name for name in names) else "openai"


class _OpenAI(Stainless):
    name = "openai"
    package = "openai"
    oldest = "1.92"
    newest = "3.54"
    methods = (
        *pair(_CHAT, "Completions.create", CHAT),
        *pair(_CHAT, "Completions.parse", CHAT, optional=True),
        *pair(_RESPONSES, "Responses.create", RESPONSES),
        *pair(_RESPONSES, "Responses.parse", RESPONSES),
        *pair(_RESPONSES, "Responses.compact", RESPONSES, optional=True),
        *pair(_BETA, "Responses.create", RESPONSES, optional=True),
        *pair(_BETA, "Responses.compact", RESPONSES, optional=True),
        *pair("openai.resources.completions", "Completions.create", COMPLETIONS),
        *pair("openai.resources.embeddings", "Embeddings.create", EMBEDDINGS),
    )
    parse_hooks = (
        "openai._legacy_response:LegacyAPIResponse._parse",
        "openai._response:BaseAPIResponse._parse",
    )
    request_ids = ("x-request-id", "apim-request-id", "x-ms-request-id", "request-id")

    def endpoint(self, instance: Any) -> Endpoint:
        client = instance._client
        kind: Any = type(client)
        return endpoint_of(str(client.base_url), _owner(kind))

    def receive(self, result: Any) -> Received:
        if not isinstance(result, _read_raw()):
            return super().receive(result)
        response = result.http_response
        if result._stream:
            # Making the stream starts nothing, and the view keeps it: the app's own parse() gives the same one.
            return Received("stream", result.parse(), response, streamed=True)
        return Received("whole", decoded(response), response)

    def read_error(self, reading: Reading, error: BaseException, surface: Surface, captures: bool) -> None:
        super().read_error(reading, error, surface, captures)
        completion = getattr(error, "completion", None)
        if completion is not None:  # refused or cut while parsing: answered, and billed
            surface.read_response(reading, completion, captures)
            reading.error_type = reading.finish_reasons[0] if reading.finish_reasons else None


@lru_cache(maxsize=1)
def _read_raw() -> Any:
    """The raw view whose body is read before we see it. The SDK is imported by now."""
    return import_module("openai._legacy_response").LegacyAPIResponse


PROVIDER = _OpenAI()
