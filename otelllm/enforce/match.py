"""A rule's `when` -> a fast predicate of the call: does this rule speak of this call?"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping
from difflib import get_close_matches
from fnmatch import translate
from hashlib import blake2b
from random import random
from typing import Any, NamedTuple

from .. import semconv
from ..call import Call
from ..errors import BadConfig

__all__ = ["Match", "WrongWhen", "accepts", "compile_when"]

Predicate = Callable[[Call], bool]

TEXTS_KEPT = 1024
"""For each glob: what it was asked for, for a match costs a microsecond, and each rule asks more than once a call."""


class WrongWhen(BadConfig):
    """A condition that can't be used; `key` says which."""

    def __init__(self, message: str, key: str) -> None:
        super().__init__(message)
        self.key = key


class Match(NamedTuple):
    """A compiled `when`: whether a call is meant, and the condition in words, such as "feature=support"."""

    applies: Predicate
    scope: str


def _tier(call: Call) -> str:
    tier = (call.request.tier or "").lower()
    return tier if tier not in {"", "auto", "default"} else "standard"


READ: dict[str, Callable[[Call], str | None]] = {
    "provider": lambda call: call.provider,
    "model": lambda call: call.request.model,
    "feature": lambda call: call.scope.feature,
    "user": lambda call: call.scope.user or call.request.user,
    "priority": lambda call: call.scope.priority or "default",
    "tier": _tier,
    "tool": lambda call: call.request.subject if call.operation == semconv.EXECUTE_TOOL else None,
}
CASELESS = {"model", "provider"}


def compile_when(when: Mapping[str, object], salt: str = "") -> Match:
    """The predicate of a rule's conditions, all of which must hold; none at all means every call.

    `salt` makes the shares of different rules fall on different users.
    """
    tests: list[tuple[Callable[[Call], Any], Callable[[Any], bool]]] = []
    words: list[str] = []
    for key, wanted in _flat(when).items():
        if key == "share":
            tests.append((_whom, _within(_share(wanted), salt)))
            words.append(f"share={wanted}")
            continue
        if key == "input_tokens":
            tests.append((_input_tokens, _compared(wanted)))
            words.append(f"input_tokens {wanted}")
            continue
        read = _reader(key)
        values = _values(key, wanted)
        tests.append((read, accepts(values, caseless=key in CASELESS)))
        words.append(f"{key}={'|'.join(values)}")
    scope = ", ".join(words) or "all"
    if not tests:
        return Match(lambda _: True, scope)
    if len(tests) == 1:
        read, is_meant = tests[0]
        return Match(lambda call: (value := read(call)) is not None and is_meant(value), scope)
    return Match(
        lambda call: all((value := read(call)) is not None and is_meant(value) for read, is_meant in tests), scope
    )


def _whom(call: Call) -> str:
    """Whose calls a share keeps together: a user's, else a session's, else nobody's."""
    return call.scope.user or call.request.user or call.scope.session or str(random())  # noqa: S311  a sample only


def _input_tokens(call: Call) -> float | None:
    """How many tokens the prompt is expected to have; worked out once, for the first rule that asks."""
    size = call.input_size
    if callable(size):
        size = call.input_size = size()
    return size


_COMPARISONS: dict[str, Callable[[float, float], bool]] = {
    ">": operator.gt, ">=": operator.ge, "<": operator.lt, "<=": operator.le,
}  # fmt: skip


def _compared(wanted: object) -> Callable[[float], bool]:
    parsed = re.fullmatch(r"\s*(>=|<=|>|<)\s*([0-9][0-9_]*)\s*", wanted) if isinstance(wanted, str) else None
    if parsed is None:
        raise WrongWhen(f'input_tokens = {wanted!r} compares nothing; write "> 8000" or "<= 500"', "input_tokens")
    holds, bound = _COMPARISONS[parsed[1]], float(parsed[2].replace("_", ""))
    return lambda tokens: holds(tokens, bound)


def _share(wanted: object) -> float:
    if isinstance(wanted, bool) or not isinstance(wanted, int | float) or not 0 <= wanted <= 1:
        raise WrongWhen(f"share = {wanted!r} is not a share; write a part of 1, such as 0.05", "share")
    return float(wanted)


def _within(share: float, salt: str) -> Callable[[str], bool]:
    bound = int(share * 2**64)
    return lambda whom: int.from_bytes(blake2b(f"{salt}\0{whom}".encode(), digest_size=8).digest()) < bound


def _flat(when: Mapping[str, object]) -> dict[str, object]:
    """`tag.tenant = …` without quotes is a table `tag` to TOML; both ways of writing it mean the same."""
    flat = {key: value for key, value in when.items() if key != "tag"}
    tags = when.get("tag", {})
    if not isinstance(tags, Mapping):
        raise WrongWhen(f"tag = {tags!r} needs a name; write tag.NAME = {tags!r}", "tag")
    return flat | {f"tag.{name}": value for name, value in tags.items()}


def _reader(key: str) -> Callable[[Call], str | None]:
    if key.startswith("tag.") and len(key) > 4:
        name = key[4:]
        return lambda call: call.scope.tags.get(name)
    if key not in READ:
        near = get_close_matches(key, [*READ, "input_tokens", "share"], 1)
        way_out = (
            f"did you mean {near[0]!r}?" if near else f"use one of {', '.join(READ)}, input_tokens, share, tag.NAME"
        )
        raise WrongWhen(f"{key} is not a key; {way_out}", key)
    return READ[key]


def _values(key: str, wanted: object) -> list[str]:
    values: list[str] = []
    for value in wanted if isinstance(wanted, list | tuple) else [wanted]:
        if not isinstance(value, str) or not value:
            raise WrongWhen(f'{key} = {value!r} is no text; write a value, a glob or a list, such as "gpt-4o*"', key)
        values.append(value)
    if not values:
        raise WrongWhen(f"{key} = [] matches nothing; write a value, a glob or a list", key)
    return values


def accepts(values: list[str], *, caseless: bool) -> Callable[[str], bool]:
    """Whether a text is one of `values`, or taken by one of them that is a glob."""
    if caseless:
        values = [value.lower() for value in values]
    exact = frozenset(value for value in values if not re.search(r"[*?\[]", value))
    globs = [value for value in values if value not in exact]
    if not globs:
        return (lambda text: text.lower() in exact) if caseless else exact.__contains__
    matches = re.compile("|".join(map(translate, globs))).match
    known: dict[str, bool] = {}

    def accepted(text: str) -> bool:
        found = known.get(text)
        if found is None:
            if len(known) >= TEXTS_KEPT:
                known.clear()
            said = text.lower() if caseless else text
            found = known[text] = said in exact or matches(said) is not None
        return found

    return accepted
