"""How answers of the SDKs made by Stainless are kept and given again: whole, streamed, and through their raw views."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from copy import copy
from functools import lru_cache
from hashlib import sha256
from importlib import import_module
from inspect import isawaitable
from operator import is_
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

import orjson

from .canned import canned
from .http_clients import http_library
from .model_records import Readers
from .recorded import Recorded, Revived
from .spec import Received, Surface

__all__ = ["Replaying"]

# Attributes of a client that change no answer and are nobody's; every other one counts.
_NOTHING = frozenset(
    {
        "max_retries", "timeout", "_timeout", "_timeout_overridden", "_client", "_default_stream_cls", "_platform",
        "_strict_response_validation", "_idempotency_header", "_limits", "_proxies", "_transport", "_version",
        "_unchosen_base_url", "_base_url_was_default", "_open_telemetry", "_lazy_tracer", "_otel", "_token_cache",
        "_middleware_chain", "with_raw_response", "with_streaming_response", "webhook_secret", "webhook_key",
        "websocket_base_url",
    }
)  # fmt: skip
_CREDENTIALS = ("api_key", "auth_token", "aws_secret_key", "access_token", "_azure_ad_token")


class _Kind(NamedTuple):
    """What a stream of one surface is made as."""

    stream: Any
    chunk: Any


_kinds: dict[tuple[Any, Surface], _Kind] = {}
"""Of (resource's class, surface): as seen in this process. One not seen yet is made in the SDK's own, slower way."""
_readers = Readers()
_known: WeakKeyDictionary[Any, tuple[tuple[Any, ...], list[Any], str | None]] = WeakKeyDictionary()
_requests: WeakKeyDictionary[Any, Any] = WeakKeyDictionary()


class Replaying:
    """A part of `stainless.Stainless`."""

    records_streams = True
    package: str
    request_ids: tuple[str, ...]
    own_ids: tuple[str, ...] = ()
    """Headers that this SDK sets on an answer, beside the id of its request."""

    def identity(self, instance: Any) -> str | None:
        """Of the client's attributes, all but a few, and of what its HTTP client sends along. Asked anew only where one
        of them is another one.
        """
        client = instance._client
        values, sent = tuple(vars(client).values()), client._client.headers.raw
        known = _known.get(client)
        if known is not None and sent == known[1] and len(known[0]) == len(values) and all(map(is_, known[0], values)):
            return known[2]
        found = _identity(client, f"{self.package}.resources")
        _known[client] = values, sent, found
        return found

    def record(self, instance: Any, surface: Surface, received: Received) -> Recorded | None:
        """The provider's bytes. Of these the SDK makes the same again, by its own method."""
        if received.kind == "raw" and received.streamed:
            return Recorded("stream", b"", headers=self._kept(received.headers))
        if received.kind == "stream":
            stream, response = received.body, received.response
            options = getattr(stream, "_options", None)
            is_plain = getattr(options, "stream_mode", "legacy") == "legacy" and not getattr(
                options, "synthesize_event_and_data", None
            )
            if is_plain and hasattr(stream, "_cast_to"):
                made_as = getattr(stream, "__orig_class__", type(stream))
                _kinds[type(instance), surface] = _Kind(made_as, stream._cast_to)
            return Recorded("stream", b"", headers=self._kept(received.headers))
        response = received.response
        if received.kind != "whole" or response is None or not isinstance(response.__dict__.get("_content"), bytes):
            return None
        return Recorded("whole", response.content, headers=self._kept(received.headers))

    def _kept(self, headers: Mapping[str, str]) -> dict[str, str]:
        """Of a response's headers those that say what it is; limits and dates are of its own day."""
        names = ("content-type", *self.request_ids, *self.own_ids)
        return {name: headers[name] for name in names if name in headers}

    def revive(self, instance: Any, surface: Surface, kwargs: Mapping[str, Any], recorded: Recorded) -> Revived | None:
        """Made at once where it is known how; else by the SDK's own method, over a copy of the resource."""
        client = instance._client
        is_object = recorded.kind == "whole" and not _is_view(kwargs)
        if is_object and (made := _readers.made(recorded, self.package)) is not None:
            return Revived(made)
        http: Any = type(client._client)
        library = http_library(http)
        kind = _kinds.get((type(instance), surface))
        if recorded.kind == "stream" and kind is not None and not _is_view(kwargs):
            request = _requests.get(client)
            if request is None:
                request = _requests[client] = library.Request("POST", str(client._base_url))
            return Revived(kind.stream(cast_to=kind.chunk, response=canned(library, recorded, request), client=client))
        learns = is_object and not _readers.knows(recorded)
        return Revived(instance=_offline(instance, client, library, recorded, self.package, learns=learns))


def _is_view(kwargs: Mapping[str, Any]) -> bool:
    return "X-Stainless-Raw-Response" in (kwargs.get("extra_headers") or ())


def _identity(client: Any, resources: str) -> str | None:
    http = client._client
    if getattr(http, "_auth", None) is not None:
        return None
    sent = sorted([name.decode("latin-1"), value.decode("latin-1")] for name, value in http.headers.raw)
    told: dict[str, Any] = {"kind": type(client).__name__.removeprefix("Async"), "sent": [sent, str(http.params)]}
    has_credentials = False
    for name, value in sorted(vars(client).items()):
        if name in _NOTHING or value is None or type(value).__module__.startswith(resources):
            continue
        if type(value).__name__ == "URL":
            told[name] = str(value)
        elif isinstance(value, str | int | float | bool | Mapping | tuple | frozenset):
            told[name] = sorted(value) if isinstance(value, frozenset) else value
            has_credentials = has_credentials or (name in _CREDENTIALS and bool(value))
        else:
            return None  # a provider of tokens, middleware: what it gives is not ours to ask for
    if not has_credentials:
        return None
    try:
        return sha256(orjson.dumps(told, option=orjson.OPT_SORT_KEYS)).hexdigest()
    except TypeError:
        return None


def _offline(instance: Any, client: Any, library: Any, recorded: Recorded, package: str, *, learns: bool) -> Any:
    """A copy of a resource whose one way out, `_post`, leads to the recorded answer: the SDK does the rest itself."""

    def post(path: str, *, cast_to: Any, body: Any = None, options: Any = None, **more: Any) -> Any:
        options = dict(options or {})
        headers = {name: value for name, value in (options.get("headers") or {}).items() if isinstance(value, str)}
        request = library.Request("POST", f"{str(client._base_url).rstrip('/')}/{path.lstrip('/')}", headers=headers)
        made = client._process_response(
            cast_to=cast_to,
            options=_final_options(package).construct(method="post", url=path, json_data=body, **options),
            response=canned(library, recorded, request),
            stream=more.get("stream") or False,
            stream_cls=more.get("stream_cls"),
        )
        return seen(made) if not isawaitable(made) else _awaited(made, seen)

    def seen(made: Any) -> Any:
        if learns:
            _readers.learn(recorded, made, package)
        return made

    twin = copy(instance)
    twin._post = post
    return twin


async def _awaited(made: Awaitable[Any], seen: Callable[[Any], Any]) -> Any:
    return seen(await made)


@lru_cache(maxsize=16)
def _final_options(package: str) -> Any:
    return import_module(f"{package}._models").FinalRequestOptions
