"""What OpenInference flattens, put together again: `llm.input_messages.0.message.contents.1.message_content.text`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from ..values import items, parsed

__all__ = [
    "CALLS",
    "CHOICES",
    "CONTENTS",
    "DOCUMENTS",
    "INPUT",
    "JUDGED",
    "OUTPUT",
    "PROMPTS",
    "RANKED_IN",
    "RANKED_OUT",
    "TOOLS",
    "VECTORS",
    "WHOLE",
    "Groups",
    "Leaves",
    "gathered",
    "inner",
    "listed",
]

INPUT, OUTPUT = "llm.input_messages", "llm.output_messages"
PROMPTS, CHOICES = "llm.prompts", "llm.choices"
TOOLS, DOCUMENTS, VECTORS = "llm.tools", "retrieval.documents", "embedding.embeddings"
RANKED_IN, RANKED_OUT = "reranker.input_documents", "reranker.output_documents"
JUDGED = tuple(f"{of}{kind}" for of in ("", "trace.", "session.") for kind in ("evaluations", "annotations"))
_FLATTENED = (INPUT, OUTPUT, PROMPTS, CHOICES, TOOLS, DOCUMENTS, VECTORS, RANKED_IN, RANKED_OUT, *JUDGED)

CONTENTS, CALLS = "message.contents.", "message.tool_calls."
"""A message's own lists."""
WHOLE = ""
"""The leaf that is an item itself: of a list that came as one value, and whose items have names of others."""
_STRUCTURES = frozenset({"arguments", "metadata", "json_schema", "vector"})
"""Leaves that may be structures."""

Leaves = dict[str, Any]
"""A leaf -> its value; CONTENTS and CALLS -> index -> leaves."""
Groups = Mapping[str, Mapping[int, Leaves]]
"""A list's name -> index -> leaves."""


class _Place(NamedTuple):
    """Where an attribute belongs."""

    of: str
    at: int
    """The index; below zero the whole list stands here."""
    leaf: str
    number: int
    within: str
    """The leaf of an inner list's item."""


_MOST = 8192
_LONGEST = 256
_places: dict[str, _Place | None] = {}
"""Keys that were read before: an app writes the same ones all day. Forgotten at once when there are too many."""
_UNREAD = _Place("", 0, "", 0, "")


def gathered(attributes: Mapping[str, Any]) -> Groups:
    """All lists of a span, in one pass."""
    found: dict[str, dict[int, Leaves]] = {}
    whole: list[tuple[str, Any]] = []
    known = _places
    for key, value in attributes.items():
        place = known.get(key, _UNREAD)
        if place is _UNREAD:
            place = _place(key)
        if place is None:
            continue
        of, index, leaf, number, within = place
        if index < 0:
            whole.append((of, value))
            continue
        group = found.get(of)
        if group is None:
            group = found[of] = {}
        leaves = group.get(index)
        if leaves is None:
            leaves = group[index] = {}
        if within:
            leaves.setdefault(leaf, {}).setdefault(number, {})[within] = value
        else:
            leaves[leaf] = value
    for of, value in whole:
        if of not in found and (made := dict(enumerate(map(_leaves, _items(value))))):
            found[of] = made
    return found


def listed(groups: Groups, of: str) -> list[Leaves]:
    """A list's items in the order of their numbers, which need not be the attributes'."""
    group = groups.get(of)
    return [group[index] for index in sorted(group)] if group else []


def inner(leaves: Leaves, of: str) -> list[Leaves]:
    """An inner list's items, likewise."""
    group = leaves.get(of)
    return [group[index] for index in sorted(group)] if group else []


def _place(key: str) -> _Place | None:
    place = None
    for of in _FLATTENED:
        if key.startswith(of):
            if len(key) == len(of):
                place = _Place(of, -1, "", 0, "")
            elif key[len(of)] == ".":
                index, _, rest = key[len(of) + 1 :].partition(".")
                leaf = _leaf(rest)
                place = _Place(of, int(index), *leaf) if leaf is not None and _is_index(index) else None
            break
    if len(key) <= _LONGEST:
        if len(_places) >= _MOST:
            _places.clear()
        _places[key] = place
    return place


def _is_index(text: str) -> bool:
    return text.isdecimal() and len(text) < 7


def _leaf(rest: str) -> tuple[str, int, str] | None:
    for of in (CONTENTS, CALLS):
        if rest.startswith(of):
            number, _, within = rest[len(of) :].partition(".")
            return (of, int(number), within) if within and _is_index(number) else None
    return rest, 0, ""


def _items(value: Any) -> list[Any]:
    given = parsed(value)
    return given if isinstance(given, list) else [given]


def _leaves(item: Any) -> Leaves:
    """An item of a list that came as one value."""
    if not isinstance(item, Mapping) or not _is_own(item):
        return {WHOLE: item}
    leaves: Leaves = {}
    for key, value in _flat(item, ""):
        if (place := _leaf(key)) is None:
            continue
        leaf, number, within = place
        if within:
            leaves.setdefault(leaf, {}).setdefault(number, {})[within] = value
        else:
            leaves[leaf] = value
    return leaves


def _is_own(item: Mapping[str, Any]) -> bool:
    """Whether its names are OpenInference's, dotted or nested: a plain message has a `message` too."""
    said = item.get("message")
    if isinstance(said, Mapping):
        return "contents" in said or any("tool_call" in one for one in items(said.get("tool_calls")))
    return isinstance(item.get("tool"), Mapping) or any("." in name for name in item)


def _flat(item: Mapping[str, Any], before: str) -> Iterator[tuple[str, Any]]:
    for name, value in item.items():
        key = before + name
        if isinstance(value, Mapping) and key.rpartition(".")[2] not in _STRUCTURES:
            yield from _flat(value, f"{key}.")
        elif isinstance(value, list) and value and all(isinstance(one, Mapping) for one in value):
            for index, one in enumerate(value):
                yield from _flat(one, f"{key}.{index}.")
        else:
            yield key, value
