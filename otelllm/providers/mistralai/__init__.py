"""The mistralai SDK: its own service, and its copies for Azure and Google Cloud; both its layouts."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from typing import Any

import orjson

from ...attempt import Target
from ...call import Reading, Request
from ...fields import plain
from ...hosts import endpoint_of
from ...http_clients import is_timeout
from ...speakeasy import aimed, answered, key_of
from ...spec import Endpoint, Method, OwnSpans, Received, Surface
from ...whole_replay import WholeReplay, digest
from .batches import BATCH
from .chat import CHAT, CHAT_STREAM, FIM, FIM_STREAM
from .classifiers import CLASSIFIER
from .conversations import CONVERSATION, CONVERSATION_STREAM
from .documents import OCR
from .embeddings import EMBEDDINGS
from .responses import RESPONSES
from .sounds import SPEECH, TRANSCRIPTION, TRANSCRIPTION_STREAM

__all__ = ["PROVIDER"]

_OURS = ("mistralai.client", "mistralai")
_AZURE = ("mistralai.azure.client", "mistralai_azure")
_GOOGLE = ("mistralai.gcp.client", "mistralai_gcp")
_REQUEST_IDS = ("mistral-correlation-id", "x-kong-request-id", "x-request-id", "apim-request-id", "x-ms-request-id")


def _methods(packages: tuple[str, ...], name: str, surface: Surface, *, optional: bool = False) -> Iterator[Method]:
    """A method and its async twin, `name_async`, in each layout."""
    for package in packages:
        yield Method(f"{package}.{name}", surface, optional=optional)
        yield Method(f"{package}.{name}_async", surface, asynchronous=True, optional=optional)


def _conversations(verb: str) -> Iterator[Method]:
    yield from _methods(_OURS, f"conversations:Conversations.{verb}", CONVERSATION)
    yield from _methods(_OURS, f"conversations:Conversations.{verb}_stream", CONVERSATION_STREAM)


def _batches(verb: str) -> Iterator[Method]:
    """Their class has moved twice."""
    for place in ("client.jobs:Jobs", "client.batch_jobs:BatchJobs", "mistral_jobs:MistralJobs"):
        yield from _methods(("mistralai",), f"{place}.{verb}", BATCH)


def _unspanned(original: Callable[..., Any], hook: Any, context: Any, request: Any) -> Any:
    return request


def _untraced(original: Callable[..., Any], provider: Any = None) -> Any:
    """(whether to trace, tracer): not in OpenTelemetry's global provider, which has our span; in one that the app gave
    the SDK for itself (Mistral's own backend), as before.
    """
    return (False, original()[1]) if provider is None else original(provider=provider)


class _Mistral(WholeReplay):
    answers_of = "mistralai"
    name = "mistralai"
    package = "mistralai"
    oldest = "1.9.3"
    newest = "3.7"
    methods = (
        *_methods((*_OURS, *_AZURE, *_GOOGLE), "chat:Chat.complete", CHAT),
        *_methods((*_OURS, *_AZURE, *_GOOGLE), "chat:Chat.stream", CHAT_STREAM),
        *_methods((*_OURS, *_GOOGLE), "fim:Fim.complete", FIM),
        *_methods((*_OURS, *_GOOGLE), "fim:Fim.stream", FIM_STREAM),
        *_methods(_OURS, "agents:Agents.complete", CHAT),
        *_methods(_OURS, "agents:Agents.stream", CHAT_STREAM),
        *_methods(_OURS, "embeddings:Embeddings.create", EMBEDDINGS),
        *_methods(_OURS[:1], "responses:Responses.create", RESPONSES),
        *_conversations("start"),
        *_conversations("append"),
        *_conversations("restart"),
        *_methods((*_OURS, _AZURE[0]), "ocr:Ocr.process", OCR, optional=True),
        *_methods(_OURS, "classifiers:Classifiers.moderate", CLASSIFIER, optional=True),
        *_methods(_OURS, "classifiers:Classifiers.moderate_chat", CLASSIFIER, optional=True),
        *_methods(_OURS, "classifiers:Classifiers.classify", CLASSIFIER, optional=True),
        *_methods(_OURS, "classifiers:Classifiers.classify_chat", CLASSIFIER, optional=True),
        *_methods(_OURS, "transcriptions:Transcriptions.complete", TRANSCRIPTION),
        *_methods(_OURS, "transcriptions:Transcriptions.stream", TRANSCRIPTION_STREAM),
        *_methods(_OURS, "speech:Speech.complete", SPEECH),
        *_batches("create"),
        *_batches("get"),
    )
    parse_hooks = ()
    steers = ("base_url", "key")
    iterator = "generator"
    generator = "stream_events"
    answers = tuple(
        f"{package}.basesdk:BaseSDK.{name}"
        for package in (*_OURS, *_AZURE, *_GOOGLE)
        for name in ("do_request", "do_request_async")
    )
    own_spans = (
        OwnSpans("mistralai.client._hooks.tracing:get_or_create_otel_tracer", _untraced),
        OwnSpans("mistralai._hooks.tracing:TracingHook.before_request", _unspanned),
    )

    def endpoint(self, instance: Any) -> Endpoint:
        return endpoint_of(instance.sdk_configuration.get_server_details()[0], _owner(type(instance).__module__))

    def receive(self, result: Any) -> Received:
        if type(result).__name__.startswith("EventStream"):
            return Received("stream", result, result.response, streamed=True)
        return Received("whole", result, None)

    def read_headers(self, reading: Reading, headers: Mapping[str, str]) -> None:
        reading.request_id = next((found for name in _REQUEST_IDS if (found := headers.get(name))), None)

    def read_error(self, reading: Reading, error: BaseException, surface: Surface, captures: bool) -> None:
        if is_timeout(error):
            reading.error_type = "timeout"
            return
        status = getattr(error, "status_code", None)
        if status is None and type(error).__name__ == "HTTPValidationError":  # older ones don't say
            status = 422
        said = _body(getattr(error, "body", None)) or _refused(error)
        if said.get("object") == "error" or "detail" in said:
            reading.error_type = _error_type(said) or (str(status) if status and status >= 400 else "error")
        elif isinstance(status, int) and status >= 400:
            reading.error_type = _error_type(said) or str(status)
        elif said and reading.partial is None:  # answered, and billed, but not in the shape of the SDK's types
            with suppress(AttributeError, TypeError, ValueError):  # which one is known to nobody
                surface.read_response(reading, said, captures)

    def api_key(self, instance: Any) -> str | None:
        return key_of(instance)

    def identity(self, instance: Any) -> str | None:
        key = self.api_key(instance)
        if key is None:
            return None
        return digest(type(instance).__module__, instance.sdk_configuration.get_server_details(), key)

    def with_headers(self, kwargs: Mapping[str, Any], headers: Mapping[str, str]) -> Mapping[str, Any]:
        return {**kwargs, "http_headers": {**headers, **(kwargs.get("http_headers") or {})}}

    def aim(self, instance: Any, target: Target, *, once: bool) -> Any:
        return aimed(instance, target, once=once)

    def timeout_s(self, instance: Any, kwargs: Mapping[str, Any]) -> float | None:
        said = kwargs.get("timeout_ms")
        said = said if isinstance(said, int) else instance.sdk_configuration.timeout_ms
        return said / 1000 if isinstance(said, int) else None

    def dress(self, instance: Any, surface: Surface, request: Request, text: str) -> Any | None:
        body = surface.answer(request, text)
        return None if body is None else answered(instance, body, streamed=request.stream)


def _owner(module: str) -> str:
    """Whose service a resource's class speaks to."""
    if module.startswith(_AZURE):
        return "azure.ai.inference"
    return "gcp.vertex_ai" if module.startswith(_GOOGLE) else "mistral_ai"


def _body(body: Any) -> dict[str, Any]:
    """An error's body; inside a stream it is an event with the error as its data."""
    try:
        said = orjson.loads(body)
    except (orjson.JSONDecodeError, TypeError):
        return {}
    if isinstance(said, dict) and isinstance(said.get("data"), dict):
        said = said["data"]
    return said if isinstance(said, dict) else {}


def _refused(error: BaseException) -> dict[str, Any]:
    """An error inside a stream, as older SDKs raise it: pydantic's, that it is none of their types."""
    errors: Any = getattr(error, "errors", None)
    causes = (one.get("input") for one in errors(include_url=False)) if callable(errors) else ()
    return next((one for one in causes if isinstance(one, dict) and one.get("object") == "error"), {})


def _error_type(said: dict[str, Any]) -> str | None:
    """The provider's word ("rate_limited"); its codes are mere numbers."""
    inner = said.get("error")
    found = said if not isinstance(inner, dict) else inner
    return plain(found.get("type"))


PROVIDER = _Mistral()
