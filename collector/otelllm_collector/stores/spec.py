"""What a store is: the contract that every store keeps and one suite tests (tests/collector/test_store_contract.py)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from ..questions import Page, SpanFilter, SqlAnswer
from ..rows import Batch

__all__ = ["Record", "Store"]

Record = dict[str, object]
"""An answer's row, ready for JSON: ids in hexadecimal, absent values None."""


class Store(Protocol):
    """Keeps batches and answers questions.

    One thread writes; any number ask at the same time, and asking MUST NOT hold up the writer.
    A question that can't be answered raises `BadQuestion`; nothing else of a caller's doing may raise.
    """

    def write(self, batches: Sequence[Batch]) -> None:
        """Keep all of the batches, or raise and keep none.

        MUST be durable when it returns: kill -9 and a power cut lose nothing. A span that is stored already (by trace
        and span id, within 24 hours) MUST be stored once, the fuller later version of it.
        """

    def tidy(self) -> None:
        """Called when no one writes for a while: put the file in order."""

    def break_off(self) -> None:
        """End the questions that are being answered and take no more; writing goes on. MUST NOT wait."""

    def close(self) -> None:
        """Break off questions and close; what was written stays. MUST be safe to call twice."""

    def traces(self, spans: SpanFilter, page: Page) -> list[Record]:
        """Summaries of traces, newest first; one more than the page's limit where others follow."""

    def trace(self, trace_id: str) -> tuple[Record, list[Record]] | None:
        """One trace's summary and its spans in order of start, None where unknown."""

    def span(self, trace_id: str, span_id: str) -> Record | None:
        """Everything about one span."""

    def spans(self, spans: SpanFilter, page: Page) -> list[Record]:
        """Spans, newest first; one more than the page's limit where others follow."""

    def aggregates(self, by: str, bucket: str, spans: SpanFilter, limit: int) -> list[Record]:
        """Sums and percentiles over model calls."""

    def facets(self, field: str, spans: SpanFilter, limit: int) -> list[Record]:
        """The values of a field, the commonest first."""

    def metric_names(self, start: int | None, end: int | None) -> list[Record]:
        """What metrics there are."""

    def metrics(self, name: str, start: int | None, end: int | None, limit: int) -> list[Record]:
        """Data points of one metric, newest first."""

    def logs(self, spans: SpanFilter, page: Page) -> list[Record]:
        """Log records, newest first; one more than the page's limit where others follow."""

    def sql(self, query: str, limit: int, timeout_s: float) -> SqlAnswer:
        """A user's own query: exactly one statement that only reads. MUST NOT write, reach a file or the network."""

    def sql_arrow(self, query: str, limit: int, timeout_s: float) -> bytes:
        """The same as an Arrow IPC stream."""
