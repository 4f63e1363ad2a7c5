"""What users hang on spans by themselves: labels and metadata, as tags."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from otelllm import semconv

from .values import parsed, text

__all__ = ["labels", "tagged"]


def labels(value: Any) -> Iterator[tuple[str, Any]]:
    """A tag each out of a list, its JSON text, or a text with commas."""
    given = parsed(value)
    if isinstance(given, str):
        given = given.split(",")
    if isinstance(given, list | tuple):
        yield from ((semconv.TAG + one.strip(), "true") for one in given if text(one))


def tagged(
    attributes: Mapping[str, Any], prefix: str, named: Mapping[str, Collection[str]], *, is_json: bool = False
) -> Iterator[tuple[str, Any]]:
    """Metadata under this prefix as tags; a key in `named` gives those attributes instead. "feature" is both: it stays
    findable under the name that its user gave.
    """
    for key, value in attributes.items():
        if not key.startswith(prefix) or not (rest := key[len(prefix) :]):
            continue
        said = parsed(value) if is_json else value
        if isinstance(said, list | dict):
            said = value  # a structure stays JSON text
        if rest in named:
            yield from ((name, said) for name in named[rest] if text(str(said)))
            continue
        if rest == "feature" and text(said):
            yield semconv.FEATURE, said
        yield semconv.TAG + rest, said
