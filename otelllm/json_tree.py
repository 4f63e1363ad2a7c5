"""JSON values on their way onto a span: made readable, walked part by part, cut to a size without breaking."""

from __future__ import annotations

import dataclasses
import enum
import hashlib
import math
import sys
from collections.abc import Callable, Collection, Iterator, Mapping
from datetime import date, time
from decimal import Decimal
from pathlib import PurePath
from typing import Any
from uuid import UUID

import orjson

__all__ = ["Tree", "cut_text", "each_part", "each_text", "fit", "fit_messages", "fits_in_parts", "plain", "readable"]

Tree = Any
"""None, bool, int, float, str, list or dict, as orjson gives them."""

WORDS = frozenset({"type", "role", "id", "name", "mime_type", "modality", "sha256", "size", "file_id", "finish_reason"})
"""What a message or part says about itself: no content, never redacted nor cut."""

DEPTH = 100
NODES = 100_000
"""More than this in a value that orjson refused: a loop, most likely."""


def readable(value: object) -> object:
    """orjson's `default`: what it can't serialise by itself.

    An object of no known kind is named by its class only: its repr may be slow and may hold a key (a client's does).
    """
    for package, name, read in _THEIRS:
        module = sys.modules.get(package)
        if module is not None and isinstance(value, getattr(module, name)):
            return read(value)
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, bytes | bytearray | memoryview):
        return {"sha256": hashlib.sha256(value).hexdigest(), "size": len(value)}
    if isinstance(value, set | frozenset):
        return sorted(value, key=str)
    if isinstance(value, Decimal | PurePath):
        return str(value)
    if isinstance(value, BaseException):
        return f"{type(value).__qualname__}: {value}"
    if isinstance(value, Collection) and not isinstance(value, Iterator | type):
        return list(value)
    return f"<{value.__qualname__ if isinstance(value, type) else type(value).__qualname__}>"


def _model_dump(value: Any) -> object:
    return value.model_dump() if hasattr(value, "model_dump") else value.dict()  # pydantic 2 or 1


_THEIRS: tuple[tuple[str, str, Callable[[Any], object]], ...] = (
    ("pydantic", "BaseModel", _model_dump),
    ("otelllm.fields", "Fields", _model_dump),  # an answer's decoded bytes, where a raw view gave no SDK object
    ("numpy", "ndarray", lambda value: value.tolist()),
    ("numpy", "generic", lambda value: value.item()),
)


def plain(value: object) -> Tree:
    """A copy that orjson takes for sure; raises ValueError for a value that has no end."""
    left = NODES

    def copy(node: object, depth: int) -> Tree:
        nonlocal left
        left -= 1
        if left < 0:
            raise ValueError("the value has no end, or more than 100,000 parts")
        if depth > DEPTH:
            return "[deeper]"
        if isinstance(node, enum.Enum):
            node = node.value
        if dataclasses.is_dataclass(node) and not isinstance(node, type):
            node = {field.name: getattr(node, field.name) for field in dataclasses.fields(node)}
        if isinstance(node, Mapping):
            return {str(copy(key, depth + 1)): copy(each, depth + 1) for key, each in node.items()}
        if isinstance(node, list | tuple):
            return [copy(each, depth + 1) for each in node]
        return _leaf(node) if isinstance(node, LEAVES) else copy(readable(node), depth + 1)

    return copy(value, 0)


LEAVES = (str, int, float, date, time, UUID, type(None))


def _leaf(node: object) -> Tree:
    if isinstance(node, str):
        return node.encode("utf-8", "replace").decode()
    if isinstance(node, int) and not isinstance(node, bool):
        return int(node) if -(2**63) <= node < 2**64 else str(node)
    if isinstance(node, float):
        return node if math.isfinite(node) else None
    return node if node is None or isinstance(node, bool) else str(node)


def each_part(tree: Tree, change: Callable[[Tree], Tree]) -> Tree:
    """Messages, parts, tool definitions or documents with `change` applied to each field that is content."""
    if isinstance(tree, list):
        return [each_part(each, change) for each in tree]
    if not isinstance(tree, dict):
        return change(tree)
    words = WORDS - {"name"} if "role" in tree else WORDS  # a message's name is a person's, a part's is a tool's
    return {
        key: each_part(each, change)
        if key == "parts"
        else each
        if key in words and not isinstance(each, list | dict)
        else change(each)
        for key, each in tree.items()
    }


def fits_in_parts(tree: Tree, limit: int) -> bool:
    """Whether no field of messages or parts is above `limit` bytes: each would be the same after `fit`."""
    if isinstance(tree, list):
        return all(fits_in_parts(each, limit) for each in tree)
    if not isinstance(tree, dict):
        return _is_within(tree, limit)
    return all(fits_in_parts(each, limit) if key == "parts" else _is_within(each, limit) for key, each in tree.items())


def _is_within(tree: Tree, limit: int) -> bool:
    if isinstance(tree, str):  # no character is more than 4 bytes
        return len(tree) * 4 <= limit or len(tree.encode("utf-8", "replace")) <= limit
    return not isinstance(tree, list | dict) or len(orjson.dumps(tree, readable)) <= limit


def each_text(tree: Tree, change: Callable[[str], str], change_key: Callable[[str], str]) -> Tree:
    """The tree with every text in it changed, at any depth, and every key."""
    if isinstance(tree, str):
        return change(tree)
    if isinstance(tree, list):
        return [each_text(each, change, change_key) for each in tree]
    if isinstance(tree, dict):
        return {change_key(key): each_text(each, change, change_key) for key, each in tree.items()}
    return tree


def cut_text(text: str, limit: int) -> str:
    """The text itself, or as much of its beginning as fits into `limit` bytes of UTF-8, whole characters only."""
    if len(text) <= limit and (text.isascii() or len(text.encode("utf-8", "replace")) <= limit):
        return text
    return text[:limit].encode("utf-8", "replace")[:limit].decode("utf-8", "ignore")


def fit(tree: Tree, limit: int) -> Tree:
    """The tree itself, or one of at most `limit` bytes: a text is cut, a structure gets shorter texts and lists."""
    if isinstance(tree, str):
        return cut_text(tree, limit)
    if not isinstance(tree, list | dict):
        return tree
    length = limit
    while len(orjson.dumps(tree)) > limit and length > 0:
        length //= 2
        tree = _shortened(tree, length, max(length // 16, 8) if length else 0)
    return tree


def fit_messages(tree: Tree, limit: int) -> Tree | None:
    """Messages of at most `limit` bytes: first all texts get shorter, then the oldest go; None where nothing fits."""
    length = limit
    if isinstance(tree, list):
        tree = tree[-max(limit // 32, 1) :]  # none is smaller than 32 bytes, so no more could fit
    while isinstance(tree, list) and len(orjson.dumps(tree)) > limit:
        length //= 2
        tree = each_part(tree, lambda part: fit(part, max(length, 128)))  # noqa: B023  called at once
        if length < 256:
            tree = tree[len(tree) // 2 :] if len(tree) > 1 else None
    return tree


def _shortened(tree: Tree, length: int, items: int) -> Tree:
    if isinstance(tree, str):
        return cut_text(tree, length)
    if isinstance(tree, list):
        return [_shortened(each, length, items) for each in tree[:items]]
    if isinstance(tree, dict):
        kept = list(tree.items())[:items]
        return {cut_text(key, length): _shortened(each, length, items) for key, each in kept}
    return tree
