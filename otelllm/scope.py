"""On whose behalf a call is made: `otelllm.context()` puts a `Scope` into OpenTelemetry's context."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from types import MappingProxyType

from opentelemetry.context import Context, attach, detach, get_value, set_value

from .call import NOBODY, Scope

__all__ = ["context", "current"]

_KEY = "otelllm.scope"


def current(context: Context | None = None) -> Scope:
    """The scope of `context`, or of the context that is current."""
    scope = get_value(_KEY, context)
    return scope if isinstance(scope, Scope) else NOBODY


@contextmanager
def context(  # noqa: PLR0913  all optional, all by name
    *,
    user: str | None = None,
    session: str | None = None,
    feature: str | None = None,
    prompt: str | tuple[str, str] | None = None,
    variables: Mapping[str, object] | None = None,
    priority: str | None = None,
    tags: Mapping[str, object] | None = None,
    depends_on: Iterable[str] | None = None,
    cache: bool | None = None,
) -> Iterator[None]:
    """Say on whose behalf the calls inside are made: on their spans, and what the policy's scopes go by.

    Contexts nest: an inner one adds to the outer one, tags key by key. `prompt` is a name, or (name, version);
    `variables` fill it and count as content. `cache` asks for stored answers
    (`[cache.exact]` of the policy) or forbids them; `depends_on` says what they go with (`otelllm.cache.invalidate`).
    Works around sync and async code; travels with OpenTelemetry's context,
    so across tasks, and across threads where that is carried.
    """
    before = current()
    given = {"user": user, "session": session, "feature": feature, "priority": priority}
    changes: dict[str, object] = {name: str(value) for name, value in given.items() if value is not None}
    if prompt is not None:
        name, version = (prompt, None) if isinstance(prompt, str) else prompt
        changes["prompt_name"] = str(name)
        changes["prompt_version"] = None if version is None else str(version)
    if variables is not None:
        changes["prompt_variables"] = MappingProxyType({str(name): str(value) for name, value in variables.items()})
    if tags is not None:
        merged = {**before.tags, **{str(name): str(value) for name, value in tags.items()}}
        changes["tags"] = MappingProxyType(merged)
    if depends_on is not None:
        changes["depends_on"] = (*before.depends_on, *map(str, depends_on))
    if cache is not None:
        changes["cache"] = cache
    token = attach(set_value(_KEY, replace(before, **changes)))  # type: ignore[arg-type]  # built by name above
    try:
        yield
    finally:
        detach(token)
