"""What can be asked of a store: filters, pages and the question about sums."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple

__all__ = [
    "FILTERS_OF",
    "MODEL_CALLS",
    "OWN_STEPS",
    "BadQuestion",
    "Busy",
    "Key",
    "Page",
    "Signal",
    "SpanFilter",
    "SqlAnswer",
    "SqlStream",
]

Signal = Literal["traces", "metrics", "logs"]

FILTERS_OF = {"logs": ("start", "end", "service", "trace_id", "q"), "metrics": ("start", "end", "service")}
"""What of a `SpanFilter` other records than spans have."""

MODEL_CALLS = ("chat", "generate_content", "text_completion", "embeddings", "rerank")
OWN_STEPS = ("embeddings", "rerank")
"""Those that an app may also do by itself: calls of a model only where a provider or a model is named."""
"""The operations that are calls of a model: only they are summed."""


class BadQuestion(Exception):  # noqa: N818  says what happened, as the library's own do
    """A question that can't be answered as asked; the text names the value and the way out."""


class Busy(Exception):  # noqa: N818  says what happened, as the library's own do
    """The store can't take more at the moment; ask again later."""


class Key(NamedTuple):
    """Where a page ended: times alone are not unique, so the id follows."""

    time_ns: int
    id: str


class Page(NamedTuple):
    """How many, and after which record (newest first)."""

    limit: int
    after: Key | None = None


class SqlAnswer(NamedTuple):
    """Rows of a user's own query."""

    columns: list[tuple[str, str]]
    rows: list[tuple[object, ...]]
    truncated: bool


class SqlStream(NamedTuple):
    """The same as an Arrow IPC stream, with the number of its rows."""

    stream: bytes
    rows: int


@dataclass(frozen=True, slots=True)
class SpanFilter:
    """Which spans are meant; empty means all. Values of one field are alternatives, fields add up."""

    start: int | None = None
    end: int | None = None
    service: tuple[str, ...] = ()
    provider: tuple[str, ...] = ()
    model: tuple[str, ...] = ()
    """The model asked for or the one that answered."""
    operation: tuple[str, ...] = ()
    user: tuple[str, ...] = ()
    session: tuple[str, ...] = ()
    feature: tuple[str, ...] = ()
    name: tuple[str, ...] = ()
    trace_id: tuple[str, ...] = ()
    """Hexadecimal, 32 digits."""
    error: bool | None = None
    min_ms: float | None = None
    max_ms: float | None = None
    q: str | None = None
    """Text that a prompt or an answer holds, in any case."""
    project: str | None = None
    """Only what came with keys of this project, and nothing that another's data adds to."""
    resources: tuple[int, ...] | None = None
    """Those of the project: filled in by the store."""
    within: tuple[tuple[int, int | None], ...] | None = None
    """Only what began between these times, for `q` is nowhere else: filled in by the store."""
