"""The openai SDK, sync and async, whole and streamed; what is OpenAI's own and not its format's is in this folder."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache, partial
from importlib import import_module
from typing import Any

from ...call import Reading
from ...fields import plain
from ...hosts import endpoint_of
from ...openai_format.batches import BATCHES
from ...openai_format.chat import CHAT
from ...openai_format.completions import COMPLETIONS
from ...openai_format.embeddings import EMBEDDINGS
from ...openai_format.images import IMAGES
from ...openai_format.moderations import MODERATIONS
from ...openai_format.responses import RESPONSES
from ...openai_format.speech import SPEECH
from ...openai_format.transcriptions import TRANSCRIPTIONS
from ...spec import Endpoint, Method, Received, Surface
from ...stainless import Stainless, decoded, given, pair, responses_of
from .realtime import client_of, select, watch
from .realtime_events import SESSIONS
from .stored import STORED

__all__ = ["PROVIDER"]

_CHAT = "openai.resources.chat.completions.completions"
_RESPONSES = "openai.resources.responses.responses"
_OPTIONS = "stream_options"
_BETA = "openai.resources.beta.responses.responses"


@lru_cache(maxsize=64)
def _owner(client: Any) -> str:
    """What the client's class says about whose service it is, where its base URL is a gateway's."""
    names = {kind.__name__ for kind in client.__mro__}
    if names & {"AzureOpenAI", "AsyncAzureOpenAI"}:
        return "azure.ai.openai"
    return "aws.bedrock" if any("Bedrock" in name for name in names) else "openai"


def _sessions(module: str) -> Iterator[Method]:
    """The ways into a connection manager: `with`, and a method for who does without."""
    for name in ("enter", "__enter__"):
        target = f"{module}:RealtimeConnectionManager.{name}"
        yield Method(target, SESSIONS, optional=True, select=select)
    for name in ("enter", "__aenter__"):
        target = f"{module}:AsyncRealtimeConnectionManager.{name}"
        yield Method(target, SESSIONS, asynchronous=True, optional=True, select=select)


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
        *pair(_RESPONSES, "Responses.retrieve", STORED),
        *pair(_BETA, "Responses.create", RESPONSES, optional=True),
        *pair(_BETA, "Responses.compact", RESPONSES, optional=True),
        *pair(_BETA, "Responses.retrieve", STORED, optional=True),
        *pair("openai.resources.completions", "Completions.create", COMPLETIONS),
        *pair("openai.resources.embeddings", "Embeddings.create", EMBEDDINGS),
        *pair("openai.resources.images", "Images.generate", IMAGES),
        *pair("openai.resources.images", "Images.edit", IMAGES),
        *pair("openai.resources.images", "Images.create_variation", IMAGES, optional=True),
        *pair("openai.resources.audio.speech", "Speech.create", SPEECH),
        *pair("openai.resources.audio.transcriptions", "Transcriptions.create", TRANSCRIPTIONS),
        *pair("openai.resources.audio.translations", "Translations.create", TRANSCRIPTIONS, optional=True),
        *pair("openai.resources.moderations", "Moderations.create", MODERATIONS),
        *pair("openai.resources.batches", "Batches.create", BATCHES),
        *pair("openai.resources.batches", "Batches.retrieve", BATCHES),
        *_sessions("openai.resources.realtime.realtime"),
        *_sessions("openai.resources.beta.realtime.realtime"),
    )
    answers = responses_of("openai")
    parse_hooks = (
        "openai._legacy_response:LegacyAPIResponse._parse",
        "openai._response:BaseAPIResponse._parse",
    )
    below = ("openai:OpenAI.request", "openai:AsyncOpenAI.request")
    request_ids = ("x-request-id", "apim-request-id", "x-ms-request-id", "request-id")

    def endpoint(self, instance: Any) -> Endpoint:
        client = _client(instance)
        kind: Any = type(client)
        # The property imports a module each time: 1 µs, 3 in a program whose caches are full of other code.
        return endpoint_of(getattr(client, "_base_url", None) or client.base_url, _owner(kind))

    def api_key(self, instance: Any) -> str | None:
        return plain(getattr(_client(instance), "api_key", None))

    def receive(self, result: Any) -> Received:
        if type(result).__name__.endswith("RealtimeConnection"):  # asking an answer for a field it lacks costs 2 µs
            return Received("stream", result, None, streamed=True, attach=partial(watch, result))
        views, sounds = _own_kinds()
        if isinstance(result, sounds):
            return Received("whole", result, result.response)
        if not isinstance(result, views):
            return super().receive(result)
        response = result.http_response
        if result._stream:
            # Making the stream starts nothing, and the view keeps it: the app's own parse() gives the same one.
            return Received("stream", result.parse(), response, streamed=True)
        return Received("whole", decoded(response), response)

    def asking_usage(self, surface: Surface, kwargs: Mapping[str, Any]) -> Mapping[str, Any]:
        if surface not in (CHAT, COMPLETIONS):
            return {}
        options, extra = kwargs.get("stream_options"), kwargs.get("extra_body")
        if (given(options) and not isinstance(options, Mapping)) or (isinstance(extra, Mapping) and _OPTIONS in extra):
            return {}
        asked: dict[str, Any] = dict(options) if isinstance(options, Mapping) else {}
        # The bytes of a streaming view are the app's: what is in them can't be kept from it.
        view = (kwargs.get("extra_headers") or {}).get("X-Stainless-Raw-Response")
        if "include_usage" in asked or view == "stream":
            return {}
        return {_OPTIONS: {**asked, "include_usage": True}}

    def hides(self, chunk: Any) -> bool:
        if not chunk.choices and chunk.usage is not None:
            return True
        told = getattr(chunk, "__pydantic_fields_set__", None)
        if chunk.usage is None and told is not None:  # every chunk says so once usage is asked for
            told.discard("usage")
        return False

    def read_error(self, reading: Reading, error: BaseException, surface: Surface, captures: bool) -> None:
        if type(error).__name__.startswith("ConnectionClosed"):  # a websocket's end, and the other side's code for it
            closed = getattr(error, "rcvd", None)
            reading.error_type = None if closed is None else str(closed.code)
            return
        super().read_error(reading, error, surface, captures)
        completion = getattr(error, "completion", None)
        if completion is not None:  # refused or cut while parsing: answered, and billed
            surface.read_response(reading, completion, captures)
            reading.error_type = reading.finish_reasons[0] if reading.finish_reasons else None


def _client(instance: Any) -> Any:
    """The client of a resource, or of a connection manager."""
    return getattr(instance, "_client", None) or client_of(instance)


@lru_cache(maxsize=1)
def _own_kinds() -> tuple[Any, Any]:
    """The raw view whose body is read before we see it; sounds. The SDK is imported by now."""
    legacy = import_module("openai._legacy_response")
    return legacy.LegacyAPIResponse, getattr(legacy, "HttpxBinaryResponseContent", ())


PROVIDER = _OpenAI()
