"""A rule's scope: whom it counts together. One bucket for what is named, or one for each value that comes."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from ..attempt import Target
from ..call import Call
from .match import accepts
from .values import Keys, Wrong, dotted

__all__ = ["Scope", "read"]

Value = Callable[[Call, Target], str | None]
"""The value by which a call is counted; None where the call has none, and the rule does not speak of it."""


def _model(call: Call, target: Target) -> str | None:
    return target.model or call.request.model


def _user(call: Call, target: Target) -> str | None:
    return call.scope.user or call.request.user


def _key(call: Call, target: Target) -> str | None:
    return target.key.hash if target.key is not None else call.key


_EACH: dict[str, Value] = {
    "user": _user,
    "session": lambda call, _: call.scope.session,
    "feature": lambda call, _: call.scope.feature,
    "key": _key,
    "model": _model,
    "provider": lambda call, _: call.provider,
}
_NAMED = ("model", "provider", "feature", "user", "session")
_CASELESS = {"model", "provider"}
_KNOWN = 'all, user, session, feature, key, model, provider, "tag:NAME", "model:GLOB", "provider:NAME", "feature:NAME"'


class Scope(NamedTuple):
    """Whom a rule counts together."""

    text: str
    """As the policy says it: "user", "model:gpt-4o*", "user, feature"."""
    parts: tuple[Value, ...]

    def value(self, call: Call, target: Target) -> str | None:
        """What tells this call's bucket from the rule's other ones; None where the rule does not speak of the call."""
        if len(self.parts) == 1:
            return self.parts[0](call, target)
        found = [part(call, target) for part in self.parts]
        return None if None in found else "\0".join(str(one) for one in found)

    def shown(self, value: str) -> str:
        """The scope and its value, in words: "user=u-1", "model:gpt-4o*"."""
        if not value or (":" in self.text and not self.text.startswith("tag:")):
            return self.text
        return f"{self.text}={value.replace(chr(0), ', ')}"


def read(value: object, path: Keys) -> Scope:
    """A scope, or a list of them: then there is a bucket for each combination."""
    named = value if isinstance(value, list | tuple) else [value]
    if not named:
        raise Wrong(path, f"{dotted(path)} = [] counts nobody; use one of {_KNOWN}")
    return Scope(", ".join(map(str, named)), tuple(_part(one, path) for one in named))


def _part(named: object, path: Keys) -> Value:
    if not isinstance(named, str):
        raise Wrong(path, f"{dotted(path)} = {named!r} is no scope; use one of {_KNOWN}")
    if named == "all":
        return lambda _call, _target: ""
    kind, colon, name = named.partition(":")
    if not colon and kind in _EACH:
        return _EACH[kind]
    if kind == "tag" and name:
        return lambda call, _: call.scope.tags.get(name)
    if kind in _NAMED and name:
        return _only(_EACH[kind], name, caseless=kind in _CASELESS)
    raise Wrong(path, f"{dotted(path)} = {named!r} is no scope; use one of {_KNOWN}")


def _only(read_value: Value, glob: str, *, caseless: bool) -> Value:
    """All values that the glob takes, in one bucket."""
    is_meant = accepts([glob], caseless=caseless)

    def value(call: Call, target: Target) -> str | None:
        found = read_value(call, target)
        return glob if found is not None and is_meant(found) else None

    return value
