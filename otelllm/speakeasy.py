"""What the SDKs made by Speakeasy (mistralai, google-genai's interactions) share in what they take and give back.

Their objects are read as the JSON that they came from. They fill what the provider left out with defaults that look
like facts: 0 tokens, the tool call's id "null", its index 0, and `Unset()` where a null would do.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from copy import copy
from typing import Any

from .attempt import Target
from .http_clients import offline

__all__ = ["aimed", "answered", "as_sent", "given", "key_of"]

_KINDS = ("type", "role")
_PLAIN = frozenset({str, int, float, bool, bytes, type(None)})


def as_sent(thing: Any) -> Any:
    """`thing`, of the SDK's types, dicts and lists of them, as plain data without what the SDK made up."""
    kind = type(thing)
    if kind in _PLAIN:
        return thing
    if kind is list or kind is tuple:
        return [as_sent(one) for one in thing]
    if hasattr(kind, "__pydantic_fields_set__"):
        return _object(thing)
    if isinstance(thing, str):
        return str.__str__(thing)  # a word that the SDK didn't know is of a type of its own, and no attribute
    if isinstance(thing, Mapping):
        return {name: as_sent(value) for name, value in thing.items() if given(value)}
    return [as_sent(one) for one in thing] if isinstance(thing, list | tuple) else thing


def _object(thing: Any) -> Any:
    """One of the SDK's objects; a variant that it doesn't know is what it kept of it."""
    there = thing.__dict__
    if "is_unknown" in there:
        return there.get("raw")
    found = {}
    for name in thing.__pydantic_fields_set__:
        if name in there:  # or among the extra ones
            value = there[name]
            found[name] = value if type(value) in _PLAIN else as_sent(value)
    for name in _KINDS:  # constants of the class, which are sent, too: an app's own objects have them from there alone
        if name in there and name not in found and isinstance(kind := there[name], str):
            found[name] = kind
    if extra := thing.__pydantic_extra__:
        found.update(extra)
    return found


def given(value: Any) -> bool:
    """Whether the app, or the provider, said anything: the SDK's sentinel is no word."""
    return type(value).__name__ != "Unset"


def key_of(instance: Any) -> str | None:
    """The API key of a resource's client, where it is there as it is: it may have to be fetched."""
    key = getattr(instance.sdk_configuration.security, "api_key", None)
    return key if isinstance(key, str) and key else None


def aimed(instance: Any, target: Target, *, once: bool) -> Any:
    """A resource like `instance` that sends to `target`; without the client's own retries where `once`. (What the app
    says of retries in a call stays its own.)
    """
    if target.base_url is None and target.key is None and not once:
        return instance
    config = copy(instance.sdk_configuration)
    if once:
        config.retry_config = None
    if target.base_url is not None:
        config.server_url = target.base_url
    if target.key is not None:
        security = config.security() if callable(config.security) else config.security
        config.security = type(security)(api_key=target.key.secret)
    twin = copy(instance)
    twin.sdk_configuration = config
    return twin


def answered(instance: Any, body: bytes, *, streamed: bool) -> Any:
    """A resource like `instance` whose requests are answered with `body`, and not sent: nothing of it is signed, no
    token is fetched, and no hook of the app's sees it.
    """
    library = _http_library(type(instance))
    config = copy(instance.sdk_configuration)
    config.client = offline(library, body, streams=streamed, asynchronous=False)
    config.async_client = offline(library, body, streams=streamed, asynchronous=True)
    config.security = None
    for name in ("_hooks", "_async_hooks"):
        if (hooks := config.__dict__.get(name)) is not None:
            config.__dict__[name] = hooks = copy(hooks)
            hooks.before_request_hooks, hooks.after_success_hooks, hooks.after_error_hooks = [], [], []
    twin = copy(instance)
    twin.sdk_configuration = config
    return twin


def _http_library(kind: Any) -> Any:
    """httpx or httpx2: the one that this SDK was built on."""
    base = next(one for one in kind.__mro__ if one.__name__ in {"BaseSDK", "AsyncBaseSDK"})
    return vars(sys.modules[base.__module__])["httpx"]
