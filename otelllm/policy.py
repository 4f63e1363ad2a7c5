"""otelllm.toml -> what is kept and which stages a call passes; checked key by key, reloaded while running."""

from __future__ import annotations

import hashlib
import re
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any, NoReturn, get_args

import orjson

from .call import Call
from .capture import Mode
from .enforce.kill_switch import KillRule, KillSwitch, RuleMode
from .enforce.match import WrongWhen, compile_when
from .errors import BadConfig
from .file_watcher import FileWatcher
from .spec import Stage, Stages
from .steps import Steps
from .toml_lines import Keys, line_of

__all__ = ["CaptureRules", "Policy", "Watched", "from_mapping", "load", "parse"]

# Known to the policy file's reference, enforced by later versions. Taking them silently would let somebody believe in
# a limit that is not there.
LATER = (
    "state", "limits", "queue", "budgets", "routes", "outputs", "retries", "endpoints", "keys", "fallbacks", "cache",
    "service",
)  # fmt: skip
SECTIONS = ("capture", "kill")

UNITS = {"": 1, "B": 1, "KB": 1 << 10, "KIB": 1 << 10, "MB": 1 << 20, "MIB": 1 << 20}


@dataclass(frozen=True, slots=True)
class CaptureRules:
    """[capture]: what content is kept; None where the policy does not say."""

    content: Mode | None = None
    part_bytes: int = 65_536
    span_bytes: int = 1 << 20
    blobs: str | None = None
    """Where images, sounds and files are stored: a folder, or a URL for fsspec."""


@dataclass(frozen=True, slots=True)
class Policy:
    """What one policy file says; `Policy()` says nothing."""

    capture: CaptureRules = field(default_factory=CaptureRules)
    kill: tuple[KillRule, ...] = ()
    path: Path | None = None
    version: str = ""
    """A short hash of what it says: the same rules have the same version, however they are written."""

    def with_kill(self, text: str) -> Policy:
        """This policy and the switches of a text such as "feature:support,model:gpt-4o*" or "all" (OTELLLM_KILL)."""
        rules = tuple(_switch(entry.strip()) for entry in text.split(",") if entry.strip())
        if not rules:
            return self
        # The operator's word of the moment is asked first, before a rule of the file may give an answer.
        version = _version([self.version, [rule.name for rule in rules]])
        return replace(self, kill=rules + self.kill, version=version)

    def stages(self) -> Stages:
        """What the flow runs for each call; empty where no rule is on."""
        switch = KillSwitch(self.kill)
        return Stages(resolve=(_kill_stage(switch),), version=self.version) if switch.rules else Stages()


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
    except _Wrong as wrong:
        line = line_of(text, wrong.keys)
        raise BadConfig(f"{source}:{line}: {wrong}" if line else f"{source}: {wrong}") from wrong


def from_mapping(keys: Mapping[str, Any]) -> Policy:
    """The policy of the file's keys as Python values: {"capture": {"content": "full"}, "kill": [{"when": …}]}."""
    try:
        return _policy(keys)
    except _Wrong as wrong:
        raise BadConfig(f"policy: {wrong}") from wrong


class Watched:
    """Follows a policy file: a good change goes to `on_change`, a broken or deleted file is told to `on_error` once.

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
            policy = load(self._path)
        except BadConfig as error:
            self._on_error(error)
        else:
            self._on_change(policy)


class _Wrong(Exception):  # noqa: N818  never leaves this file: it becomes a BadConfig with its line
    """A value that can't be used, and the keys that lead to it."""

    def __init__(self, keys: Keys, message: str) -> None:
        super().__init__(message)
        self.keys = keys


def _policy(keys: Mapping[str, Any]) -> Policy:
    for name in keys:
        if name in LATER:
            raise _Wrong((name,), f"{name} is not enforced by this version of otelllm; leave the section out")
        if name not in SECTIONS:
            _unknown((name,), name, (*SECTIONS, *LATER), "section")
    kill = keys.get("kill", [])
    if not isinstance(kill, list | tuple):
        raise _Wrong(("kill",), "kill is a list of rules; begin each with [[kill]]")
    rules = tuple(_kill(rule, number) for number, rule in enumerate(kill))
    return Policy(_capture(keys.get("capture", {})), rules, version=_version(keys))


def _version(said: object) -> str:
    return hashlib.sha256(orjson.dumps(said, str, orjson.OPT_SORT_KEYS | orjson.OPT_NON_STR_KEYS)).hexdigest()[:12]


def _unknown(path: Keys, name: str, known: tuple[str, ...], kind: str = "key") -> NoReturn:
    near = get_close_matches(name, known, 1)
    way_out = f"did you mean {near[0]!r}?" if near else f"use one of {', '.join(known)}"
    raise _Wrong(path, f"{_dotted(path)} is not a {kind}; {way_out}")


def _dotted(path: Keys) -> str:
    return ".".join(str(part) for part in path if isinstance(part, str))


def _table(value: object, path: Keys, known: tuple[str, ...]) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise _Wrong(path, f"{_dotted(path)} = {value!r} is not a table; its keys are {', '.join(known)}")
    for key in value:
        if key not in known:
            _unknown((*path, key), str(key), known)
    return value


def _one_of(value: object, path: Keys, known: tuple[str, ...]) -> Any:
    if value not in known:
        raise _Wrong(path, f"{_dotted(path)} = {value!r} is none of {', '.join(map(repr, known))}")
    return value


def _capture(value: object) -> CaptureRules:
    table = _table(value, ("capture",), ("content", "part_bytes", "span_bytes", "blobs"))
    read: dict[str, Any] = {}
    if "content" in table:
        read["content"] = _one_of(table["content"], ("capture", "content"), get_args(Mode))
    for name in ("part_bytes", "span_bytes"):
        if name in table:
            read[name] = _size(table[name], ("capture", name))
    if "blobs" in table:
        read["blobs"] = _text(table["blobs"], ("capture", "blobs"))
    return CaptureRules(**read)


def _size(value: object, path: Keys) -> int:
    """A size in bytes: 65536 or "64KB" (of 1,024 bytes)."""
    if isinstance(value, int) and not isinstance(value, bool) and value > 0:
        return value
    parsed = re.fullmatch(r"(\d+(?:\.\d+)?) ?([A-Za-z]*)", value) if isinstance(value, str) else None
    if parsed is None or parsed[2].upper() not in UNITS or float(parsed[1]) <= 0:
        raise _Wrong(path, f'{_dotted(path)} = {value!r} is not a size; try "64KB", "1MB" or 65536')
    return int(float(parsed[1]) * UNITS[parsed[2].upper()])


def _text(value: object, path: Keys) -> str:
    if not isinstance(value, str) or not value.strip():
        raise _Wrong(path, f"{_dotted(path)} = {value!r} is no text; write one in quotes or leave the key out")
    return value


def _kill(value: object, number: int) -> KillRule:
    path: Keys = ("kill", number)
    rule = _table(value, path, ("name", "mode", "when", "answer"))
    when = rule.get("when", {})
    if not isinstance(when, Mapping):
        raise _Wrong((*path, "when"), f'kill.when = {when!r} is not a table; try {{ feature = "support" }}')
    try:
        match = compile_when(when)
    except WrongWhen as error:
        raise _Wrong((*path, "when", error.key), f"kill.when.{error}") from error
    mode: RuleMode = _one_of(rule.get("mode", "enforce"), (*path, "mode"), get_args(RuleMode))
    answer = _text(rule["answer"], (*path, "answer")) if "answer" in rule else None
    name = _text(rule["name"], (*path, "name")) if "name" in rule else f"kill {number + 1}"
    return KillRule(name, match.applies, match.scope, mode, answer)


def _switch(entry: str) -> KillRule:
    """One switch of OTELLLM_KILL: "all", or KEY:VALUE."""
    if entry == "all":
        return KillRule("OTELLLM_KILL all", lambda _: True, "all")
    key, colon, value = entry.partition(":")
    if not colon:
        raise BadConfig(f"OTELLLM_KILL: {entry!r} is no switch; write KEY:VALUE, such as feature:support, or all")
    try:
        match = compile_when({key.strip(): value.strip()})
    except WrongWhen as error:
        raise BadConfig(f"OTELLLM_KILL: {error}") from error
    return KillRule(f"OTELLLM_KILL {entry}", match.applies, match.scope)


def _kill_stage(switch: KillSwitch) -> Stage:
    def stage(call: Call) -> Steps[str | None]:
        return switch.decide(call)
        yield  # type: ignore[unreachable]  # a stage is a generator; this one never waits

    return stage
