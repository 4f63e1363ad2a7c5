"""One thing that `otelllm doctor` looked at."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

__all__ = ["Finding"]


class Finding(NamedTuple):
    """What was looked at, and what is to be said of it."""

    subject: str
    """Such as "openai", "policy", "spans"."""
    well: bool
    text: str
    more: tuple[str, ...] = ()
    """Further lines."""
    facts: Mapping[str, Any] = {}
    """The same for programs: the keys of its object in --format json."""

    def lines(self) -> str:
        """As people read it."""
        return "\n       ".join((f"{'  ok ' if self.well else 'WRONG'}  {self.text}", *self.more))

    def record(self) -> dict[str, Any]:
        """As programs read it."""
        return {"subject": self.subject, "well": self.well, "text": self.text, "more": list(self.more), **self.facts}
