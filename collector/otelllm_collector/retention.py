"""How long data is kept: the settings, and what is left of a span whose content is dropped. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from otelllm import semconv

from .config import BadSetting, Settings
from .normalise.genai import CONTENT, TEXT_CONTENT

__all__ = ["CONVENTIONS", "KEEP_ALL", "Ages", "Retention", "Rule", "read_retention", "rules", "without_content"]

DAY_NS = 86_400_000_000_000
EVERY_S = 600.0
LEAST_SIZE = 16 * 1024 * 1024

_PROJECT = "project:"
_OF_PROJECTS = (
    "x.resource_id in (select r.resource_id from raw.resources as r where contains(r.attributes, 'otelllm.project') "
    """and list_contains($projects::varchar[], r.attributes::json ->> '$."otelllm.project"'))"""
)

_UNITS = {"KB": 1000, "MB": 1000**2, "GB": 1000**3, "TB": 1000**4, "KIB": 1024, "MIB": 1024**2, "GIB": 1024**3}


@dataclass(frozen=True, slots=True)
class Ages:
    """Days that something is kept: of these services so many, of these projects' others so many, of all others
    `default`. None is for ever.
    """

    default: float | None = None
    by_service: Mapping[str, float | None] = field(default_factory=dict)
    by_project: Mapping[str, float | None] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Retention:
    """What is dropped, and when. Content goes first and leaves the numbers; later the rest goes."""

    days: Ages = Ages()
    """Of spans, traces, logs, metrics and scores."""
    content_days: Ages = Ages()
    """Of prompts, answers, tools' arguments and results, searches' texts, errors' texts."""
    size: int | None = None
    """Bytes of the database: beyond it content goes, oldest first, but for the youngest quarter; then all."""
    every_s: float = EVERY_S

    @property
    def is_all_kept(self) -> bool:
        """Whether nothing is ever dropped."""
        return (self.days, self.content_days, self.size) == (Ages(), Ages(), None)


KEEP_ALL = Retention()


class Rule(NamedTuple):
    """Rows older than this, of these services or projects."""

    before_ns: int
    condition: str
    """SQL over `x`, any table that has a service_name and a resource_id."""
    values: dict[str, object]


def rules(ages: Ages, now_ns: int) -> list[Rule]:
    """What the ages come to at this moment."""
    found = []
    others: list[str] = []
    values: dict[str, object] = {}
    if ages.by_service:
        others.append("(x.service_name is null or not list_contains($named::varchar[], x.service_name))")
        values["named"] = list(ages.by_service)
    for project, days in ages.by_project.items():
        if days is not None:
            condition = " and ".join([*others, _OF_PROJECTS])
            found.append(Rule(now_ns - int(days * DAY_NS), condition, {**values, "projects": [project]}))
    if ages.default is not None:
        if ages.by_project:
            others.append(f"not {_OF_PROJECTS}")
            values["projects"] = list(ages.by_project)
        found.append(Rule(now_ns - int(ages.default * DAY_NS), " and ".join(others) or "true", values))
    for service, days in ages.by_service.items():
        if days is not None:
            found.append(Rule(now_ns - int(days * DAY_NS), "x.service_name = $service", {"service": service}))
    return found


def read_retention(settings: Settings) -> Retention:
    """Ages as people write them, "30" or "30,checkout=7,project:shop=off", and sizes, "20GB"; raises `BadSetting`."""
    size, every = settings.retention_size, settings.retention_every
    return Retention(
        days=_ages("--retention-days", settings.retention_days),
        content_days=_ages("--retention-content-days", settings.retention_content_days),
        size=_size(size) if size else None,
        every_s=_seconds(every) if every else EVERY_S,
    )


def _ages(option: str, text: str | None) -> Ages:
    default: float | None = None
    by_service: dict[str, float | None] = {}
    by_project: dict[str, float | None] = {}
    for part in filter(None, map(str.strip, (text or "").split(","))):
        service, is_named, number = part.rpartition("=")
        days = None if number == "off" else _number(number)
        if (days is None and number != "off") or (is_named and service in ("", _PROJECT)):
            raise BadSetting(f"{option} {part!r} is no number of days; try 30, off, or 30,SERVICE=7,project:NAME=90")
        if service.startswith(_PROJECT):
            by_project[service.removeprefix(_PROJECT)] = days
        elif is_named:
            by_service[service] = days
        else:
            default = days
    return Ages(default, by_service, by_project)


def _number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if 0 <= number < 100_000 else None


def _seconds(text: str) -> float:
    number = _number(text)
    if not number:
        raise BadSetting(f"--retention-every {text!r} is no number of seconds above 0; try 600")
    return number


def _size(text: str) -> int:
    match = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?) *([KMGT]I?B)?", text.strip().upper())
    size = int(float(match[1]) * _UNITS.get(match[2] or "", 1)) if match else 0
    if size < LEAST_SIZE:
        raise BadSetting(f"--retention-size {text!r} is no size of {LEAST_SIZE // 2**20} MiB or more; try 20GB")
    return size


CONVENTIONS = "gen_ai."
"""What the names of the conventions begin with, of old ones too."""

_TEXTS = frozenset({
    *CONTENT, *TEXT_CONTENT, semconv.EVALUATION_EXPLANATION, semconv.EXCEPTION_MESSAGE, semconv.EXCEPTION_STACKTRACE,
})  # fmt: skip
"""The conventions' attributes that hold content."""

_DESCRIBING = frozenset(
    value for name, value in vars(semconv).items() if name.isupper() and isinstance(value, str) and "." in value
) - _TEXTS - {semconv.PROMPT_VARIABLE}  # fmt: skip
"""All others of the conventions and of ours: who, which, how much."""


def without_content(attributes: Mapping[str, Any], *, is_foreign: bool) -> dict[str, Any]:
    """The attributes that are no content. Of a library that has names of its own (`is_foreign`) nobody knows which of
    its texts are, nor of older conventions: of those only numbers and today's names stay.
    """
    return {
        name: value
        for name, value in attributes.items()
        if name not in _TEXTS
        and not name.startswith(semconv.PROMPT_VARIABLE)
        and (
            name in _DESCRIBING
            or isinstance(value, (bool, int, float))
            or not (is_foreign or name.startswith(CONVENTIONS))
        )
    }
