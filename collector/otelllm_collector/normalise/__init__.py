"""Foreign vocabularies to the conventions' names, a file each; `genai.py` says which of those have a column."""

from __future__ import annotations

import logging
import pkgutil
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from typing import Any

from ..native import compiled_first

__path__ = compiled_first(__path__, "normalise")

from .spec import Foreign, Vocabulary

__all__ = ["Made", "normalise", "vocabularies"]

log = logging.getLogger(__name__)

OLDER = "older-genai"
_OWN = "otelllm"
"""Our own library's scope: what it writes is right as it is."""
_SHAPES = 4096
"""Scopes and sets of attributes of which it is remembered which vocabularies they are in."""

_known: dict[tuple[str, ...], tuple[Vocabulary, ...]] = {}
_failed: set[str] = set()


@dataclass(slots=True)
class Made:
    """What foreign names say in the conventions' own."""

    vocabulary: str
    """Its name, or several with a comma, in the order of their rank."""
    attributes: dict[str, Any]
    """None says that what stands under this name is no such thing."""


@cache
def vocabularies() -> tuple[Vocabulary, ...]:
    """All of them, by rank."""
    names = sorted({found.name for found in pkgutil.iter_modules(__path__)})  # the compiled ones are there twice
    modules = (import_module(f"{__name__}.{name}") for name in names)
    made = [module.VOCABULARY for module in modules if hasattr(module, "VOCABULARY")]
    return tuple(sorted(made, key=lambda one: (one.rank, one.name)))


def normalise(span: Foreign) -> Made | None:
    """What the span's foreign attributes say; None where it has none. Never raises."""
    if span.scope == _OWN:
        return None
    spoken = _spoken(span.scope, span.attributes)
    if not spoken:
        return None
    merged: dict[str, Any] = {}
    names: list[str] = []
    for vocabulary in spoken:
        beats = vocabulary.beats_native
        # Whatever is written in today's names might be in yesterday's: such a span is in them only where they differ.
        said = vocabulary.name != OLDER
        for name, value in _read(vocabulary, span).items():
            if name in beats or (value is not None and name not in span.attributes):
                merged.setdefault(name, value)
                said = True
        if said:
            names.append(vocabulary.name)
    return Made(",".join(names), merged) if names else None


def _spoken(scope: str, attributes: Mapping[str, Any]) -> tuple[Vocabulary, ...]:
    shape = (scope, *attributes)
    known = _known.get(shape)
    if known is None:
        if len(_known) >= _SHAPES:
            _known.clear()
        keys = attributes.keys()
        known = _known[shape] = tuple(one for one in vocabularies() if one.knows(scope, keys))
    return known


def _read(vocabulary: Vocabulary, span: Foreign) -> Mapping[str, Any]:
    try:
        return vocabulary.read(span)
    except Exception as error:  # whatever a sender makes up, its span is kept
        kind = f"{vocabulary.name}: {type(error).__name__}"
        if kind not in _failed:
            _failed.add(kind)
            log.warning("a span in the vocabulary %s can't be read and is kept as it came", kind, exc_info=True)
        return {}
