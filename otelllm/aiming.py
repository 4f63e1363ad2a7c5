"""How an attempt is sent where a policy steers it: to another model or place, with another key, once and not again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .attempt import Target
from .spec import Surface
from .stages import Asked

__all__ = ["aimed"]


def aimed(asked: Asked, kwargs: Mapping[str, Any], target: Target, *, once: bool) -> tuple[Any, Mapping[str, Any]]:
    """The resource to call in place of the app's, and what to call it with.

    `kwargs` are those of the method that sends: the app's own, or a manager's request. Where `once`, the SDK's own
    retries are off.
    """
    aim = getattr(asked.provider, "aim", None)
    instance = asked.instance if aim is None else aim(asked.instance, target, once=once)
    return instance, _steered(asked.surface, kwargs, target)


def _steered(surface: Surface, kwargs: Mapping[str, Any], target: Target) -> Mapping[str, Any]:
    changes: dict[str, Any] = {}
    if target.model is not None:
        changes["model"] = target.model
    if target.max_tokens is not None:
        changes.update(_limit(surface, {**kwargs, **changes}, target.max_tokens))
    if not changes:
        return kwargs
    body = kwargs.get("body")
    if isinstance(body, Mapping) and "model" in body:  # a manager's request, made up by now
        return {**kwargs, "body": {**body, **changes}}
    return {**kwargs, **changes}


def _limit(surface: Surface, kwargs: Mapping[str, Any], tokens: int) -> Mapping[str, Any]:
    limit = getattr(surface, "limit_output", None)
    return {"max_tokens": tokens} if limit is None else limit(kwargs, tokens)
