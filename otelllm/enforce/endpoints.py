"""Endpoints: other places that speak the same SDK's wire format; "MODEL@NAME" leads to one."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from urllib.parse import urlsplit

from . import values
from .keys import variables
from .values import Keys, Wrong

__all__ = ["Endpoint", "check", "names_of", "place_of", "read"]


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One of [[endpoints]]."""

    name: str
    provider: str
    """Whose SDK's calls may go there: as `gen_ai.provider.name` has it."""
    base_url: str
    keys: tuple[str, ...] = ()
    """Names of variables; none where the app's own key is taken there."""


def read(value: object, path: Keys, number: int) -> Endpoint:
    """One of [[endpoints]]."""
    rule = values.table(value, path, ("name", "provider", "base_url", "keys"))
    for key in ("name", "provider", "base_url"):
        if key not in rule:
            raise Wrong(path, f"endpoints {number + 1} has no {key}; an endpoint needs name, provider and base_url")
    name = values.text(rule["name"], (*path, "name"))
    if not re.fullmatch(r"[A-Za-z0-9_.-]+", name):
        raise Wrong((*path, "name"), f"endpoints.name = {name!r} holds more than letters, digits, and the signs _.-")
    url = values.text(rule["base_url"], (*path, "base_url"))
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.username or parts.query:
        raise Wrong(
            (*path, "base_url"),
            "endpoints.base_url is no URL of a service; write https://HOST/PATH, without a key or a query in it",
        )
    keys = variables(rule["keys"], (*path, "keys")) if "keys" in rule else ()
    return Endpoint(name, values.text(rule["provider"], (*path, "provider")).lower(), url, keys)


def place_of(said: str, names: Collection[str]) -> tuple[str | None, str]:
    """Model and endpoint of "MODEL", "MODEL@ENDPOINT" or "@ENDPOINT"; a model's own name may have an @ in it."""
    model, at, endpoint = said.rpartition("@")
    return (model or None, endpoint) if at and endpoint in names else (said, "")


def names_of(endpoints: Iterable[Endpoint]) -> frozenset[str]:
    """Their names, each of which must be there once."""
    names: set[str] = set()
    for number, one in enumerate(endpoints):
        if one.name in names:
            raise Wrong(("endpoints", number, "name"), f"two [[endpoints]] have the name {one.name!r}; rename one")
        names.add(one.name)
    return frozenset(names)


def check(said: str, names: Collection[str], path: Keys) -> None:
    """Raises where `said` leads to an endpoint that is not there. (Digits after an @ are a model's date.)"""
    model, _ = place_of(said, names)
    _, at, endpoint = (model or "").rpartition("@")
    if at and not endpoint.isdecimal():
        known = f"use one of {', '.join(sorted(names))}, or add it" if names else "add it"
        raise Wrong(path, f"{values.dotted(path)} = {said!r}: no [[endpoints]] has the name {endpoint!r}; {known}")
