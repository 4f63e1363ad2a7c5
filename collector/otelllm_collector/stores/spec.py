"""What a store is: the contract that every store keeps and one suite tests (tests/collector/test_store_contract.py)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from typing import BinaryIO, Protocol

from ..questions import Page, Signal, SpanFilter, SqlAnswer, SqlStream
from ..rows import Batch

__all__ = ["TABLES", "Record", "Store"]

TABLES = ("spans", "traces", "messages", "contents", "logs", "metrics", "scores", "resources", "scopes")
"""What can be exported as tables."""

Record = dict[str, object]
"""An answer's row, ready for JSON: ids in hexadecimal, absent values None."""


class Store(Protocol):
    """Keeps batches and answers questions.

    One thread writes; any number ask at the same time, and asking MUST NOT hold up the writer.
    A question that can't be answered raises `BadQuestion`; nothing else of a caller's doing may raise.
    """

    @property
    def span_columns(self) -> dict[str, str]:
        """The columns into which spans can be packed before they are written (see packed.py), with their types."""

    def follow(self, journal: str) -> int:
        """What is written from now on comes from the journal of this identity; the number up to which it is stored, 0
        where nothing of it is. Called before the first `write`, by whoever has a journal.
        """

    def write(self, batches: Sequence[Batch], upto: int | None = None) -> None:
        """Keep all of the batches, and in the same transaction that the journal is stored up to the number `upto`; or
        raise and keep nothing.

        MUST be durable when it returns: kill -9 and a power cut lose nothing. A span that is stored already (by trace
        and span id, within 24 hours) MUST be stored once, the fuller later version of it.
        """

    def tidy(self) -> None:
        """Called when no one writes for a while: put the file in order."""

    def upkeep(self) -> float | None:
        """One step of what keeps the file small and in order: called by the writer's thread after each commit and in
        idle moments. It SHOULD take no longer than a commit. Seconds until it wants to be called again; None: whenever.
        """

    def retain(self) -> Future[Record]:
        """Drop what the settings say at once, in steps of `upkeep`, which has to be called; what was dropped."""

    def reprice(self, since_ns: int) -> Future[Record]:
        """Compute the costs of calls that began then or later by today's prices, in steps of `upkeep`.

        MUST leave costs alone that a provider, a library or the app's own prices said; sums of traces follow.
        """

    def backup(self) -> BinaryIO:
        """The whole database as it is now, as a file that another collector can start on; its reader closes it.

        MUST hold all that was acknowledged before, and not hold up the writer.
        """

    def state(self) -> Record:
        """How many bytes are on disk, how many of them are in use, and what upkeep did."""

    def break_off(self) -> None:
        """End the questions that are being answered and take no more; writing goes on. MUST NOT wait."""

    def close(self) -> None:
        """Break off questions and close; what was written stays. MUST be safe to call twice."""

    def traces(self, spans: SpanFilter, page: Page) -> list[Record]:
        """Summaries of traces, newest first; one more than the page's limit where others follow."""

    def trace(self, trace_id: str, project: str | None = None) -> tuple[Record, list[Record]] | None:
        """One trace's summary and its spans in order of start, None where unknown.

        With a project here and in every filter an answer MUST hold nothing of another's data: a trace that several
        share is summed up from the project's own spans.
        """

    def span(self, trace_id: str, span_id: str, project: str | None = None) -> Record | None:
        """Everything about one span."""

    def spans(self, spans: SpanFilter, page: Page) -> list[Record]:
        """Spans, newest first; one more than the page's limit where others follow."""

    def aggregates(
        self, by: str, bucket: str, spans: SpanFilter, limit: int, *, percentiles: bool = True
    ) -> list[Record]:
        """Sums over model calls, and percentiles where they are wanted; else these are None."""

    def facets(self, field: str, spans: SpanFilter, limit: int) -> list[Record]:
        """The values of a field, the commonest first."""

    def decisions(self, spans: SpanFilter, limit: int) -> list[Record]:
        """How often each rule of a policy decided what, by the `otelllm.decision` events of spans."""

    def metric_names(self, spans: SpanFilter) -> list[Record]:
        """What metrics there are. Of the filter this and `metrics` take what `questions.FILTERS_OF` says."""

    def metrics(self, name: str, spans: SpanFilter, limit: int) -> list[Record]:
        """Data points of one metric, newest first."""

    def logs(self, spans: SpanFilter, page: Page) -> list[Record]:
        """Log records, newest first; one more than the page's limit where others follow."""

    def sql(self, query: str, limit: int, timeout_s: float) -> SqlAnswer:
        """A user's own query: exactly one statement that only reads. MUST NOT write, reach a file or the network.

        It sees all projects: nobody who may see only one of them may ask it.
        """

    def batches(self, spans: SpanFilter, signal: Signal = "traces") -> Iterator[Batch]:
        """Spans as they were written, with their messages, resources and scopes, in order of start, or log records or
        data points in order of time: what `encode` makes the sender's own bytes of again. Of the filter these take what
        `questions.FILTERS_OF` says.

        Memory MUST NOT grow with their number, and nothing may be locked between two batches, however slow the reader.
        What comes in meanwhile may be among them. Raises `Busy` where the store stops before the end.
        """

    def table(self, name: str, spans: SpanFilter) -> Iterator[bytes]:
        """One of `TABLES` as one Arrow IPC stream in pieces; otherwise as `batches`."""

    def sql_arrow(self, query: str, limit: int, timeout_s: float) -> SqlStream:
        """The same as an Arrow IPC stream."""
