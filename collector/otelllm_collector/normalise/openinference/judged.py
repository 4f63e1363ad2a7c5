"""Evaluations and annotations: https://arize-ai.github.io/openinference/spec/feedback/annotations.html

They stand on the span that they judge, or on one of the trace or session that they judge; an evaluator's own span has
its result as what came out of it, and Phoenix's experiments write it as bare attributes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from otelllm import semconv

from ..judgements import TARGET, judged, judgement, judgements
from ..spec import Foreign
from ..values import parsed, text
from .leaves import JUDGED, WHOLE, Groups, Leaves, listed

__all__ = ["read_judgements"]

_FIELDS = ("annotator_kind", "identifier", "metadata")
_BARE = ("score", "label", "explanation")


def read_judgements(span: Foreign, groups: Groups, *, is_evaluator: bool) -> list[dict[str, Any]] | None:
    """What the span says about itself, its trace or its session."""
    said = judgements(_attached(span, groups))
    if said is not None or not is_evaluator:
        return said
    attributes, metadata = span.attributes, parsed(span.attributes.get("metadata"))
    for place in (attributes, metadata, _flat(attributes)):
        if isinstance(place, Mapping) and not place.keys().isdisjoint(("score", "label")):
            name = text(place.get("evaluator_name")) or text(place.get("name"))
            return judged({**{key: place.get(key) for key in _BARE}, "name": name}, span.name)
    return judged(attributes.get("output.value"), span.name)


def _attached(span: Foreign, groups: Groups) -> Iterator[dict[str, Any] | None]:
    for of in JUDGED:
        if of in groups:
            target = next((kind for kind in ("trace", "session") if of.startswith(f"{kind}.")), None)
            session = text(span.attributes.get(semconv.SESSION_ID)) if target == "session" else None
            for leaves in listed(groups, of):
                one = _fields(leaves)
                beside = {f"openinference.{key}": text(one.get(key)) for key in _FIELDS}
                yield judgement(
                    text(one.get("name")), one.get("score"), one.get("label"), one.get("explanation"),
                    **beside, **{TARGET: target, semconv.SESSION_ID: session},
                )  # fmt: skip


def _fields(leaves: Leaves) -> Mapping[str, Any]:
    """`evaluation.score` and `annotation.score` are the same; a list that came as one value may have bare names."""
    whole = leaves.get(WHOLE)
    if isinstance(whole, Mapping):
        inner = whole.get("evaluation", whole.get("annotation"))
        return inner if isinstance(inner, Mapping) else whole
    return {key.partition(".")[2]: value for key, value in leaves.items()}


def _flat(attributes: Mapping[str, Any]) -> dict[str, Any]:
    begin = "metadata."
    return {key.removeprefix(begin): value for key, value in attributes.items() if key.startswith(begin)}
