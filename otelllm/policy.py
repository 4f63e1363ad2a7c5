"""otelllm.toml -> what is kept and which stages a call passes; checked key by key, reloaded while running."""

from __future__ import annotations

import hashlib
import re
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, get_args

import orjson

from .capture import Mode
from .enforce import (
    budgets,
    counters,
    endpoints,
    fallbacks,
    keys,
    kill_switch,
    limits,
    outputs,
    queue,
    retries,
    routing,
    values,
)
from .enforce.budgets import Budget
from .enforce.cache import rule as cache_rule
from .enforce.cache.rule import CacheRule
from .enforce.counters import Counters
from .enforce.endpoints import Endpoint
from .enforce.fallbacks import Fallback
from .enforce.keys import KeyRule
from .enforce.kill_switch import KillRule
from .enforce.limits import Limit
from .enforce.outputs import Output
from .enforce.queue import QueueRules
from .enforce.retries import RetryRules
from .enforce.routing import Route
from .enforce.values import Wrong
from .errors import BadConfig
from .file_watcher import FileWatcher
from .toml_lines import line_of

__all__ = ["CaptureRules", "Policy", "Watched", "from_mapping", "load", "parse"]


@dataclass(frozen=True, slots=True)
class CaptureRules:
    """[capture]: what content is kept; None where the policy does not say."""

    content: Mode | None = None
    part_bytes: int = 65_536
    span_bytes: int = 1 << 20
    blobs: str | None = None
    """Where images, sounds and files are stored: a folder, or a URL for fsspec."""


@dataclass(frozen=True, slots=True)
class Service:
    """[service]: where more of the policy comes from."""

    url: str
    """The base URL of a collector."""


@dataclass(frozen=True, slots=True)
class Policy:
    """What one policy file says; `Policy()` says nothing."""

    capture: CaptureRules = field(default_factory=CaptureRules)
    kill: tuple[KillRule, ...] = ()
    routes: tuple[Route, ...] = ()
    outputs: tuple[Output, ...] = ()
    limits: tuple[Limit, ...] = ()
    queue: QueueRules = field(default_factory=QueueRules)
    budgets: tuple[Budget, ...] = ()
    service: Service | None = None
    state: Counters = field(default_factory=Counters)
    cache: CacheRule | None = None
    retries: RetryRules | None = None
    endpoints: tuple[Endpoint, ...] = ()
    keys: tuple[KeyRule, ...] = ()
    fallbacks: tuple[Fallback, ...] = ()
    path: Path | None = None
    said: Mapping[str, Any] = field(default_factory=dict)
    """Its sections, as they were written."""
    version: str = ""
    """A short hash of what it says: the same rules have the same version, however they are written."""

    @property
    def shape(self) -> str:
        """The version of those rules alone that change answers: where others are edited, stored answers still hold."""
        shaping = {name: self.said[name] for name in SHAPING if name in self.said}
        return _version(shaping) if shaping else ""

    def with_kill(self, text: str) -> Policy:
        """This policy and the switches of a text such as "feature:support,model:gpt-4o*" or "all" (OTELLLM_KILL)."""
        rules = kill_switch.read_text(text)
        if not rules:
            return self
        # The operator's word of the moment is asked first, before a rule of the file may give an answer.
        version = _version([self.version, [rule.name for rule in rules]])
        return replace(self, kill=rules + self.kill, version=version)

    def over(self, served: Policy | None) -> Policy:
        """This policy, and what `served` says where this one does not; the kill switches of both.

        Raises BadConfig where a rule of one leads to an endpoint that only the other's own [[endpoints]] had.
        """
        if served is None:
            return self
        own = {name: getattr(self, name) for name in self.said.keys() - {"kill", "service"}}
        both = replace(
            served, **own, kill=self.kill + served.kill, service=self.service, path=self.path,
            said={**served.said, **self.said}, version=_version([self.version, served.version]),
        )  # fmt: skip
        try:
            _check_places(both)
        except Wrong as wrong:
            raise BadConfig(
                f"the app's own policy and the collector's do not fit together: {wrong} (the app's own sections win:"
                " its [[endpoints]] stand in the place of the collector's)"
            ) from wrong
        return both

    def switched_by(self, other: Policy) -> Policy:
        """This policy with the kill switches of `other` in place of its own."""
        return replace(self, kill=other.kill, version=_version([self.version, other.version]))


def load(path: Path) -> Policy:
    """The policy of a file. Raises BadConfig that names file, line, value and the way out."""
    return replace(parse(_read(path), str(path)), path=path)


def _read(path: Path) -> str:
    try:
        return path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise BadConfig(
            f"policy file {str(path)!r} can't be read ({reason}); check its name and permissions"
        ) from error
    except UnicodeDecodeError as error:
        raise BadConfig(f"{path}: not UTF-8 (byte {error.start}); save it as UTF-8") from error


def parse(text: str, source: str) -> Policy:
    """The policy of a TOML text; errors name `source` and the line."""
    try:
        keys = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        place = re.search(r" \(at (?:line (\d+), column \d+|end of document)\)$", str(error))
        line = (place[1] if place is not None else None) or text.count("\n") + 1
        reason = str(error)[: place.start()] if place is not None else str(error)
        raise BadConfig(f"{source}:{line}: not TOML: {reason}; `key = value`, texts in quotes") from error
    try:
        return _policy(keys)
    except Wrong as wrong:
        line = line_of(text, wrong.keys)
        raise BadConfig(f"{source}:{line}: {wrong}" if line else f"{source}: {wrong}") from wrong


def from_mapping(keys: Mapping[str, Any]) -> Policy:
    """The policy of the file's keys as Python values: {"capture": {"content": "full"}, "kill": [{"when": …}]}."""
    try:
        return _policy(keys)
    except Wrong as wrong:
        raise BadConfig(f"policy: {wrong}") from wrong


class Watched:
    """Follows a policy file: a good change goes to `on_change`, which may refuse it by BadConfig; that, and a broken or
    deleted file, is told to `on_error` once.

    Both are called from a thread of ours. Whoever watches keeps the old policy after an error.
    """

    def __init__(self, path: Path, on_change: Callable[[Policy], None], on_error: Callable[[Exception], None]) -> None:
        self._path = path
        self._on_change = on_change
        self._on_error = on_error
        self._handled = self._content()
        self._watcher = FileWatcher(path, self._reload)

    def start(self) -> None:
        """Watch from now on."""
        self._watcher.start()

    def stop(self) -> None:
        """Watch no more."""
        self._watcher.stop()

    def _content(self) -> str:
        """The file's text, or why there is none; what was handled once is not handled again."""
        try:
            return _read(self._path)
        except BadConfig as error:
            return str(error)

    def _reload(self) -> None:
        content = self._content()
        if content == self._handled:
            return
        self._handled = content
        try:
            self._on_change(load(self._path))
        except BadConfig as error:  # of the file; or of who follows it: counters that this process has no client for
            self._on_error(error)


def _policy(said: Mapping[str, Any]) -> Policy:
    for name in said:
        if name not in SECTIONS:
            values.unknown((name,), name, tuple(SECTIONS), "section")
    read = {name: SECTIONS[name](value) for name, value in said.items()}
    policy = Policy(**read, said=dict(said), version=_version(said))
    _check_places(policy)
    return policy


def _check_places(policy: Policy) -> None:
    """Raises where a rule leads to an endpoint that the policy does not have: its name would be taken for a model's."""
    names = endpoints.names_of(policy.endpoints)
    for number, route in enumerate(policy.routes):
        endpoints.check(route.model, names, ("routes", number, route.key))
    for number, fallback in enumerate(policy.fallbacks):
        for target in fallback.to:
            endpoints.check(target, names, ("fallbacks", number, "to"))


def _version(said: object) -> str:
    return hashlib.sha256(orjson.dumps(said, str, orjson.OPT_SORT_KEYS | orjson.OPT_NON_STR_KEYS)).hexdigest()[:12]


def _capture(value: object) -> CaptureRules:
    table = values.table(value, ("capture",), ("content", "part_bytes", "span_bytes", "blobs"))
    read: dict[str, Any] = {}
    if "content" in table:
        read["content"] = values.one_of(table["content"], ("capture", "content"), get_args(Mode))
    for name in ("part_bytes", "span_bytes"):
        if name in table:
            read[name] = values.size(table[name], ("capture", name))
    if "blobs" in table:
        read["blobs"] = values.text(table["blobs"], ("capture", "blobs"))
    return CaptureRules(**read)


def _service(value: object) -> Service:
    table = values.table(value, ("service",), ("url",))
    url = values.text(table.get("url", ""), ("service", "url"))
    if not re.match(r"https?://[^/]", url):
        raise Wrong(
            ("service", "url"), f'service.url = {url!r} is no address; write one such as "http://127.0.0.1:4318"'
        )
    return Service(url)


# Sections whose rules may make another answer of the same request.
SHAPING = ("routes", "outputs", "guards", "structure")

# What each section is read by: it becomes the field of that name in `Policy`.
SECTIONS: dict[str, Callable[[object], Any]] = {
    "cache": cache_rule.read,
    "capture": _capture,
    "kill": partial(values.rules, section="kill", read=kill_switch.read),
    "routes": partial(values.rules, section="routes", read=routing.read),
    "service": _service,
    "outputs": partial(values.rules, section="outputs", read=outputs.read),
    "limits": partial(values.rules, section="limits", read=limits.read),
    "queue": queue.read,
    "state": counters.read,
    "budgets": partial(values.rules, section="budgets", read=budgets.read),
    "retries": retries.read,
    "endpoints": partial(values.rules, section="endpoints", read=endpoints.read),
    "keys": partial(values.rules, section="keys", read=keys.read),
    "fallbacks": partial(values.rules, section="fallbacks", read=fallbacks.read),
}
