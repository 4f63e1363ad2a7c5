"""[cache.exact] of a policy: which calls may be answered out of a cache, with whose answers, kept where."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from ...call import Call
from ...errors import BadConfig
from .. import values
from ..match import Match, compile_when
from ..values import RuleMode, Wrong
from . import places

__all__ = ["CacheRule", "read"]

ScopeOf = Callable[[Call], str | None]

EVERY_CALL = compile_when({})


@dataclass(frozen=True, slots=True)
class CacheRule:
    """One rule; frozen, so that equal settings are equal rules."""

    name: str = "cache.exact"
    mode: RuleMode = "enforce"
    where: str = "memory"
    max_bytes: int = places.ROOM
    ttl_s: float = 3600.0
    scope: tuple[str, ...] = ("user",)
    only_when_deterministic: bool = True
    match: Match = EVERY_CALL


def read(value: object) -> CacheRule | None:
    """The section [cache]."""
    table = values.table(value, ("cache",), ("exact",))
    if "exact" not in table:
        return None
    path: values.Keys = ("cache", "exact")
    rule = values.table(
        table["exact"],
        path,
        ("name", "mode", "when", "where", "max_bytes", "ttl", "scope", "only_when_deterministic"),
    )
    return CacheRule(
        name=values.text(rule["name"], (*path, "name")) if "name" in rule else "cache.exact",
        mode=values.mode(rule, path),
        where=_where(rule.get("where", "memory"), (*path, "where")),
        max_bytes=values.size(rule.get("max_bytes", "256MB"), (*path, "max_bytes")),
        ttl_s=values.duration_s(rule.get("ttl", "1h"), (*path, "ttl")),
        scope=tuple(_scope(one, (*path, "scope")) for one in values.texts(rule.get("scope", "user"), (*path, "scope"))),
        only_when_deterministic=values.flag(
            rule.get("only_when_deterministic", True), (*path, "only_when_deterministic")
        ),
        match=values.when(rule, path),
    )


def _where(value: object, path: values.Keys) -> str:
    where = values.text(value, path)
    try:
        places.check(where)
    except BadConfig as error:
        raise Wrong(path, f"cache.exact.where = {error}") from error
    return where


def _scope(value: str, path: values.Keys) -> str:
    if value not in READ and not re.fullmatch(r"tag:\S+", value):
        raise Wrong(path, f"cache.exact.scope = {value!r} is no scope; use one of {', '.join(READ)}, tag:NAME")
    return value


READ: dict[str, ScopeOf] = {
    "user": lambda call: call.scope.user or call.request.user,
    "session": lambda call: call.scope.session,
    "feature": lambda call: call.scope.feature,
    "all": lambda call: "",
}


def scope_of(call: Call, name: str) -> str | None:
    """Whose answer it is, by one word of `scope`; None where the call does not say."""
    if name.startswith("tag:"):
        return call.scope.tags.get(name[4:])
    return READ[name](call)
