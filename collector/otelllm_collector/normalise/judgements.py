"""Results of evaluations in the conventions' attributes, from the shapes in which libraries say them.

A vocabulary gives them out as a list under the name of the conventions' event; decoding makes a score of each.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from otelllm import semconv

from .values import found, number, parsed, text

__all__ = ["EVALUATE", "TARGET", "judged", "judgement", "judgements"]

EVALUATE = "evaluate"
"""The operation of an evaluator's own span."""
TARGET = "otelllm.evaluation.target"
"""What is judged, where that is not the span itself: trace or session."""

_NAMES = ("name", "assessment_name", "key", "metric", "criterion")
_VALUES = ("score", "value", "result")
_REASONS = ("explanation", "comment", "rationale", "reason", "reasoning")
_JUDGES = ("annotator_kind", "kind", "identifier")
_MOST = 100
"""Judgements of one span."""
_WORD = 60
"""Characters of a bare text that is a label; a longer one is an answer of some kind."""
_BEFORE = "Evaluation: "
"""Which Phoenix puts before the evaluator's name."""


def judgement(
    name: str | None, value: Any, label: Any = None, explanation: Any = None, **beside: Any
) -> dict[str, Any] | None:
    """One result; None where nothing is said. A value that is no number is a label."""
    score = float(value) if isinstance(value, bool) else number(value)
    said = found(
        **{
            semconv.EVALUATION_SCORE: score,
            semconv.EVALUATION_LABEL: text(label) or (text(value) if score is None else None),
            semconv.EVALUATION_EXPLANATION: text(explanation),
        }
    )
    return {semconv.EVALUATION_NAME: name, **said, **found(**beside)} if said and name else None


def judged(result: Any, span_name: str) -> list[dict[str, Any]] | None:
    """What an evaluator gave back: a number, a word, an object that has one of the usual names, or a list of those."""
    name = span_name.removeprefix(_BEFORE).strip()
    return judgements(_read(parsed(result), text(name)))


def judgements(given: Iterable[dict[str, Any] | None]) -> list[dict[str, Any]] | None:
    """Those that say something, None where there are none."""
    return [one for one, _ in zip((one for one in given if one is not None), range(_MOST), strict=False)] or None


def _read(result: Any, name: str | None, depth: int = 0) -> Iterator[dict[str, Any] | None]:
    if isinstance(result, list) and depth < 3:
        for one in result:
            if isinstance(one, Mapping):
                yield from _read(one, name, depth + 1)
    elif isinstance(result, Mapping):
        if isinstance(result.get("results"), list):
            yield from _read(result["results"], name, depth + 1)
        else:
            yield _object(result, name)
    elif isinstance(result, (bool, int, float)) or (isinstance(result, str) and len(result) <= _WORD):
        yield judgement(name, result)


def _object(result: Mapping[str, Any], name: str | None) -> dict[str, Any] | None:
    inner = result.get("feedback")
    value = inner.get("value") if isinstance(inner, Mapping) else _first(result, _VALUES)
    if isinstance(value, (Mapping, list)):
        return None
    judges = {key: text(result.get(key)) for key in _JUDGES}
    return judgement(
        text(_first(result, _NAMES)) or name, value, result.get("label"), _first(result, _REASONS), **judges
    )


def _first(result: Mapping[str, Any], names: Iterable[str]) -> Any:
    return next((result[name] for name in names if result.get(name) is not None), None)
