"""What a vocabulary is: the names under which one library writes its spans, and what they mean in the conventions'."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Protocol

import orjson

__all__ = ["Foreign", "Vocabulary"]


@dataclass(slots=True)
class Foreign:
    """A span as it came, in plain values."""

    name: str
    scope: str
    """Of the instrumentation; often empty."""
    attributes: Mapping[str, Any]
    """MUST NOT be changed."""
    events: Sequence[Mapping[str, Any]]
    """Each {"name": str, "time_ns": int, "attributes": {…}}."""
    start_ns: int
    end_ns: int
    is_root: bool
    is_error: bool
    structures: dict[str, Any] = field(default_factory=dict)
    """What `structure` has read so far."""

    def structure(self, name: str) -> Any:
        """What the JSON text of an attribute says, read once; a value that is no such text as it is."""
        if name in self.structures:
            return self.structures[name]
        value = self.attributes.get(name)
        if isinstance(value, str):
            with suppress(orjson.JSONDecodeError):
                value = orjson.loads(value)
        self.structures[name] = value
        return value


class Vocabulary(Protocol):
    """One library's names. A module in `normalise/` with a `VOCABULARY` is one; nothing else names it."""

    name: str
    """As people filter by it: "openinference", "vercel"."""
    rank: int
    """Where a span carries several, the one of the lowest rank gives each field; the conventions' own names are 0."""
    beats_native: Collection[str]
    """Attributes of the conventions that this library writes wrongly under their own name: what `read` says counts."""

    def knows(self, scope: str, keys: Collection[str]) -> bool:
        """Whether a span of this scope with these attributes is written in it. MUST depend on nothing else: the answer
        is remembered.
        """

    def read(self, span: Foreign) -> Mapping[str, Any]:
        """The conventions' attributes (`otelllm.semconv`) that the span's own say, in the conventions' types and units.

        Messages, instructions, tool definitions and documents as structures in the conventions' shape, not as JSON
        text; a tool's arguments and result as structures or text. What is not said MUST be left out: no zero, no
        guess. A value of None says that what stands under the conventions' name is no such thing, and counts only for
        names in `beats_native`. Operations of ours stay ours: a parent that repeats its calls' usage gets an operation
        that is no call of a model, and then it is not summed. MUST NOT raise for any values; what it raises all the
        same is counted, and the span kept as it came.
        """
