"""What content of a call is kept, and how much: off, redacted or full; serialised once, cut inside its structure."""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import orjson

from . import semconv
from .blobs import kept_in
from .json_tree import Tree, cut_text, each_part, each_text, fit, fit_messages, fits_in_parts, plain, readable
from .redaction import has_keys, hide_keys, holds_keys, may_hold_secrets, redact_known
from .safely import safely

if TYPE_CHECKING:
    from .call import Part

__all__ = ["Capture", "Content", "Mode", "blob"]

Mode = Literal["off", "redacted", "full"]

# Attributes made of messages, parts or the like: their own words (role, type, id, …) are no content.
MESSAGES = frozenset(
    {
        semconv.INPUT_MESSAGES,
        semconv.OUTPUT_MESSAGES,
        semconv.SYSTEM_INSTRUCTIONS,
        semconv.TOOL_DEFINITIONS,
        semconv.RETRIEVAL_DOCUMENTS,
    }
)


@dataclass(frozen=True, slots=True)
class Capture:
    """What is kept of prompts, answers, tool arguments and error messages."""

    mode: Mode = "off"
    redact: Callable[[str], str] | None = None
    """The user's own, a pure function of one text: before the built-in shapes in mode redacted, alone in mode full."""
    part_bytes: int = 65_536
    """The most of one part: a text, or a tool's arguments or result."""
    span_bytes: int = 1 << 20
    """The most of one call, all its content together."""


class Content:
    """The content of one call, as attributes. Nothing here raises: what can't be serialised or redacted is left out."""

    __slots__ = ("_as_it_is", "_left", "attributes", "capture", "redactions", "truncated")

    def __init__(self, capture: Capture) -> None:
        self.capture = capture
        self.attributes: dict[str, str] = {}
        self.truncated = False
        """Something was cut or left out."""
        self.redactions = 0
        self._as_it_is = capture.mode == "full" and capture.redact is None and not has_keys()
        self._left = capture.span_bytes

    def write(self, name: str, value: object) -> None:
        """Keep a structure as JSON, as it is now: what the app does to it later changes nothing."""
        if self.capture.mode == "off":
            return
        data: bytes | None = None
        try:
            data = orjson.dumps(value, readable)
        except Exception:  # a loop, a lone surrogate, a 65-bit number: `plain` makes something of them
            self._write(name, lambda: self._shaped(name, plain(value)))
            return
        # Nothing is too large and there is nothing to redact: one dumps and nothing else.
        if self._is_small(name, value, data) and (self._as_it_is or self._is_clean(data)):
            self._keep(name, data)
        else:
            self._write(name, lambda: self._shaped(name, orjson.loads(data)))

    def _is_small(self, name: str, value: object, data: bytes) -> bool:
        """Whether the whole, or each of its parts, is within the limits. Reading 100 kB back costs 300 µs."""
        if len(data) > self._left:
            return False
        limit = self.capture.part_bytes
        return len(data) <= limit or (name in MESSAGES and fits_in_parts(value, limit))

    def write_text(self, name: str, text: str) -> None:
        """Keep a text as it is, not as JSON."""
        if self.capture.mode != "off":
            self._write(name, lambda: cut_text(self._text(text), self._left).encode("utf-8", "replace"))

    def text(self, text: str) -> str | None:
        """A text that is content but goes elsewhere, such as an error's message; None where none is kept."""
        if self.capture.mode == "off":
            return None
        with safely("redacting a text"):
            return self._text(text)
        self.truncated = True
        return None

    def _write(self, name: str, make: Callable[[], bytes | None]) -> None:
        data: bytes | None = None
        with safely("keeping content"):
            data = make()
        if data is None:
            self.truncated = True
        else:
            self._keep(name, data)

    def _keep(self, name: str, data: bytes) -> None:
        self.attributes[name] = data.decode()
        self._left -= len(data)

    def _text(self, text: str) -> str:
        return str(self._cut(text if self._as_it_is else self._edited(text)))

    def _shaped(self, name: str, tree: Tree) -> bytes | None:
        """The JSON of a tree, redacted first and cut then: a secret cut in half would have lost its shape."""
        in_parts = name in MESSAGES
        if not self._as_it_is:
            tree = each_part(tree, self._redacted) if in_parts else self._redacted(tree)
        tree = each_part(tree, self._cut) if in_parts else self._cut(tree)
        data = orjson.dumps(tree)
        if len(data) <= self._left:
            return data
        self.truncated = True
        if self._left < 2:  # not even []
            return None
        tree = fit_messages(tree, self._left) if in_parts else fit(tree, self._left - 2)
        data = orjson.dumps(tree)
        return data if tree is not None and len(data) <= self._left else None

    def _is_clean(self, data: bytes) -> bool:
        """Whether the JSON as a text already shows that redaction would change nothing."""
        holds = holds_keys if self.capture.mode == "full" else may_hold_secrets
        return self.capture.redact is None and not holds(data.decode())

    def _redacted(self, tree: Tree) -> Tree:
        return each_text(tree, self._edited, self._known)

    def _edited(self, text: str) -> str:
        """One text through the user's function, then the built-in shapes."""
        redact = self.capture.redact
        if redact is not None:
            edited = redact(text)
            if not isinstance(edited, str):
                raise TypeError(f"redact= returned {type(edited).__qualname__}; it must return a str")
            self.redactions += edited != text
            text = edited
        return self._known(text)

    def _known(self, text: str) -> str:
        text, found = hide_keys(text) if self.capture.mode == "full" else redact_known(text)
        self.redactions += found
        return text

    def _cut(self, tree: Tree) -> Tree:
        cut = fit(tree, self.capture.part_bytes)
        if cut is not tree:
            self.truncated = True
        return cut


def blob(mime_type: str, modality: str, data: bytes | str) -> Part:
    """A part that stands for an image, a sound or a file: what it is, its hash and size, without its content; and
    where that is, if it is stored apart (see blobs).

    A text is base64 or a data URL; what is neither has a size only.
    """
    part: Part = {"type": "blob", "mime_type": mime_type, "modality": modality}
    if isinstance(data, str):
        try:
            data = base64.b64decode(data.partition(",")[2] if data.startswith("data:") else data, validate=True)
        except (binascii.Error, ValueError):
            return {**part, "size": len(data)}
    part.update(sha256=hashlib.sha256(data).hexdigest(), size=len(data))
    if (store := kept_in()) is not None and (uri := store.keep(part["sha256"], data, mime_type)) is not None:
        part["uri"] = uri
    return part
