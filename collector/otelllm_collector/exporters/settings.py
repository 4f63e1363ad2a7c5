"""Exporters as the settings file has them: `[[exporter]]` tables of TOML (docs/exporters.md has one for each kind)."""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..config import BadSetting
from .presets import PRESETS, Preset

__all__ = ["Destination", "Keep", "Redact", "Sample", "read_destinations"]

SIGNALS = ("traces", "metrics", "logs")
_KEYS = {
    "kind", "name", "endpoint", "protocol", "headers", "compression", "signals", "timeout_s", "batch_bytes", "keep",
    "sample", "redact",
}  # fmt: skip
_VARIABLE = re.compile(r"\$\{(\w+)\}")
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")


@dataclass(frozen=True, slots=True)
class Keep:
    """Which spans go: values of one field are alternatives, fields add up; empty means all."""

    service: tuple[str, ...] = ()
    operation: tuple[str, ...] = ()
    provider: tuple[str, ...] = ()
    model: tuple[str, ...] = ()
    only_genai: bool = False
    """Only spans that say a GenAI operation, in whichever vocabulary the store understood."""


@dataclass(frozen=True, slots=True)
class Sample:
    """Which traces go, decided once the trace had `wait_s` to end. Any of the conditions is enough."""

    rate: float = 1.0
    """Of all traces, by their id: every exporter and every collector picks the same ones."""
    errors: bool = False
    slower_than_s: float | None = None
    dearer_than_usd: float | None = None
    score_below: float | None = None
    wait_s: float = 30.0


@dataclass(frozen=True, slots=True)
class Redact:
    """What does not leave."""

    content: bool = False
    """No prompts, answers, tool arguments and results, in any vocabulary."""
    secrets: bool = False
    """The shapes that the library knows (keys, cards, e-mail, …) are taken out of every text."""
    attributes: tuple[str, ...] = ()
    """Names; one that ends in * is a prefix."""

    @property
    def is_any(self) -> bool:
        """Whether anything is taken out."""
        return self.content or self.secrets or bool(self.attributes)


@dataclass(frozen=True, slots=True)
class Destination:
    """One backend and what it gets."""

    name: str
    endpoint: str
    """http://host:port (or with a path) for HTTP; http(s)://host:port for gRPC, where https means TLS."""
    protocol: str = "http/protobuf"
    """http/protobuf, http/json or grpc."""
    paths: Mapping[str, str] = field(default_factory=dict)
    """Signal -> path behind the endpoint; none for gRPC."""
    headers: Mapping[str, str] = field(default_factory=dict)
    compression: str = "gzip"
    """gzip or none."""
    signals: tuple[str, ...] = ("traces",)
    timeout_s: float = 10.0
    batch_bytes: int = 4 * 1024 * 1024
    """Bodies that wait are put together up to this."""
    keep: Keep = Keep()
    sample: Sample | None = None
    redact: Redact = Redact()


def read_destinations(path: Path, environ: Mapping[str, str] = os.environ) -> list[Destination]:
    """All of a file's; `BadSetting` names the table, the value and the way out."""
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8")).get("exporter", [])
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BadSetting(f"{str(path)!r} can't be read: {error}") from error
    if not isinstance(tables, list):
        raise BadSetting(f"{path}: exporter is one table; write [[exporter]], once for each backend")
    found: list[Destination] = []
    for number, table in enumerate(tables, 1):
        one = _Reader(f"{path}, exporter {number}", environ).destination(table)
        if any(one.name == other.name for other in found):
            raise BadSetting(f"{path}, exporter {number}: the name {one.name!r} is taken; give each its own")
        found.append(one)
    return found


class _Reader:
    """Reads one table, and says where a value is wrong."""

    def __init__(self, place: str, environ: Mapping[str, str]) -> None:
        self._place, self._environ = place, environ

    def destination(self, table: Mapping[str, Any]) -> Destination:
        """The table as a destination."""
        kind = table.get("kind", "otlp")
        preset = PRESETS.get(kind)
        if preset is None:
            raise self._bad("kind", kind, f"one of {', '.join(sorted(PRESETS))}")
        self._only(table, _KEYS | set(preset.values), "")
        values = {name: self._text(table, name, preset.values[name]) for name in preset.values}
        name = self._text(table, "name", kind)
        if not _NAME.fullmatch(name):
            raise self._bad("name", name, "small letters, digits, - and _, at most 64 of them")
        protocol = self._chosen(table, "protocol", ("http/protobuf", "http/json", "grpc"), preset.protocol)
        signals = self._texts(table, "signals") or preset.signals
        if (wrong := set(signals) - set(preset.can)) or not signals:
            raise self._bad("signals", sorted(wrong), f"of {', '.join(preset.can)}, which is what {kind} takes")
        return Destination(
            name=name, endpoint=self._endpoint(table, preset, values), protocol=protocol,
            paths={} if protocol == "grpc" else preset.paths, headers=self._headers(table, preset, values),
            compression=self._chosen(table, "compression", ("gzip", "none"), preset.compression), signals=signals,
            timeout_s=self._number(table, "timeout_s", 10.0, 0.1), batch_bytes=int(
                self._number(table, "batch_bytes", 4 * 2**20, 1024)
            ),
            keep=self._keep(table.get("keep", {})), sample=self._sample(table.get("sample")),
            redact=self._redact(table.get("redact", {})),
        )  # fmt: skip

    def _endpoint(self, table: Mapping[str, Any], preset: Preset, values: Mapping[str, str]) -> str:
        endpoint = self._text(table, "endpoint", preset.endpoint).format_map(values).rstrip("/")
        if not endpoint.startswith(("http://", "https://")):
            raise self._bad("endpoint", endpoint, "an address such as http://127.0.0.1:4318")
        return endpoint

    def _headers(self, table: Mapping[str, Any], preset: Preset, values: Mapping[str, str]) -> dict[str, str]:
        made = {name: preset.fill(text, values) for name, text in preset.headers.items()}
        given = table.get("headers", {})
        if not isinstance(given, Mapping):
            raise self._bad("headers", given, "a table of texts")
        return {**made, **{str(name).lower(): self._filled(str(value)) for name, value in given.items()}}

    def _keep(self, table: Mapping[str, Any]) -> Keep:
        self._only(table, {"service", "operation", "provider", "model", "only_genai"}, "keep.")
        return Keep(
            service=self._texts(table, "service"),
            operation=self._texts(table, "operation"),
            provider=self._texts(table, "provider"),
            model=self._texts(table, "model"),
            only_genai=self._flag(table, "only_genai"),
        )

    def _sample(self, table: Mapping[str, Any] | None) -> Sample | None:
        if table is None:
            return None
        known = {"rate", "errors", "slower_than_s", "dearer_than_usd", "score_below", "wait_s"}
        self._only(table, known, "sample.")
        rate = self._number(table, "rate", 0.0, 0.0)
        if rate > 1:
            raise self._bad("sample.rate", rate, "a share from 0 to 1")
        return Sample(
            rate=rate,
            errors=self._flag(table, "errors"),
            slower_than_s=self._optional(table, "slower_than_s"),
            dearer_than_usd=self._optional(table, "dearer_than_usd"),
            score_below=self._optional(table, "score_below"),
            wait_s=self._number(table, "wait_s", 30.0, 0.0),
        )

    def _redact(self, table: Mapping[str, Any]) -> Redact:
        self._only(table, {"content", "secrets", "attributes"}, "redact.")
        return Redact(self._flag(table, "content"), self._flag(table, "secrets"), self._texts(table, "attributes"))

    def _only(self, table: Any, known: set[str], prefix: str) -> None:
        if not isinstance(table, Mapping):
            raise self._bad(prefix.rstrip(".") or "exporter", table, "a table")
        for name in table:
            if name not in known:
                raise BadSetting(f"{self._place}: there is no {prefix}{name}; there is {', '.join(sorted(known))}")

    def _text(self, table: Mapping[str, Any], name: str, default: str | None) -> str:
        value = table.get(name, default)
        if not isinstance(value, str) or not value:
            raise self._bad(name, value, "a text; a key is best given as ${VARIABLE}")
        return self._filled(value)

    def _filled(self, text: str) -> str:
        """`${NAME}` out of the environment: no key stands in a file."""

        def value(found: re.Match[str]) -> str:
            if found[1] not in self._environ:
                raise BadSetting(f"{self._place}: the variable {found[1]} is not set; set it, or write the value")
            return self._environ[found[1]]

        return _VARIABLE.sub(value, text)

    def _texts(self, table: Mapping[str, Any], name: str) -> tuple[str, ...]:
        value = table.get(name, [])
        listed = [value] if isinstance(value, str) else value
        if not isinstance(listed, list) or not all(isinstance(one, str) for one in listed):
            raise self._bad(name, value, "a list of texts")
        return tuple(listed)

    def _chosen(self, table: Mapping[str, Any], name: str, choices: tuple[str, ...], default: str) -> str:
        value = table.get(name, default)
        if value not in choices:
            raise self._bad(name, value, f"one of {', '.join(choices)}")
        return str(value)

    def _number(self, table: Mapping[str, Any], name: str, default: float, least: float) -> float:
        value = table.get(name, default)
        if isinstance(value, bool) or not isinstance(value, int | float) or value < least:
            raise self._bad(name, value, f"a number from {least:g}")
        return float(value)

    def _optional(self, table: Mapping[str, Any], name: str) -> float | None:
        return self._number(table, name, 0.0, float("-inf")) if name in table else None

    def _flag(self, table: Mapping[str, Any], name: str) -> bool:
        value = table.get(name, False)
        if not isinstance(value, bool):
            raise self._bad(name, value, "true or false")
        return value

    def _bad(self, name: str, value: object, wanted: str) -> BadSetting:
        return BadSetting(f"{self._place}: {name} = {value!r} is not {wanted}")
