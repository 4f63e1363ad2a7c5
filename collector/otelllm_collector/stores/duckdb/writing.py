"""The writer: many batches in one transaction, each span once, summaries of traces kept up to date."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence

import duckdb

from ...rows import Batch, MessageRow, ScoreRow
from ...sql import sql
from .changed_hours import ChangedHours
from .known_messages import KnownMessages
from .mirror import Mirror
from .registered import Registered
from .scores import searched_from, without_repeats
from .span_writing import SpanWriting
from .stretches import Stretch
from .tables import Tables

__all__ = ["Writing"]


class Writing:
    """Writes batches through one connection, which nobody else uses."""

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self._tables = Tables(connection)
        self._resources = {row[0] for row in self._tables.fetch("select resource_id from raw.resources order by 1")}
        self._scopes = {row[0] for row in self._tables.fetch("select scope_id from raw.scopes order by 1")}
        self.messages = KnownMessages(connection)
        kept = self._tables.fetch("select start_ns, hours from raw.summed order by all")
        self.hours = ChangedHours(map(Stretch._make, kept), self._tables.change)
        self._spans = SpanWriting(self._tables, self.hours)
        self._journal = ""

    @property
    def mirror(self) -> Mirror | None:
        """Where a second file is being made of this one: what is changed here has to be changed there."""
        return self._tables.mirror

    @mirror.setter
    def mirror(self, mirror: Mirror | None) -> None:
        self._tables.mirror = mirror

    @property
    def span_columns(self) -> dict[str, str]:
        """Of the table of spans."""
        return self._tables.columns["spans"]

    def move(self, connection: duckdb.DuckDBPyConnection) -> None:
        """Go on with another connection, to a file that holds the same."""
        self._tables.connection = connection

    def follow(self, journal: str) -> int:
        """What is written from now on comes from this journal; the number up to which it is stored."""
        self._journal = journal
        return max(
            (int(number) for name, number in self._tables.fetch(sql("write/known_place")) if name == journal), default=0
        )

    def write(self, batches: Sequence[Batch], upto: int | None = None) -> None:
        """Write all of them durably, and that the journal is stored up to this number; or raise and write nothing."""
        with self.transaction():
            resources = self._write_senders(batches, "resources")
            scopes = self._write_senders(batches, "scopes")
            messages = self._write_messages(batches)
            self._spans.write(batches, messages, self.messages.in_hand)
            self._write_scores([score for batch in batches for score in batch.scores])
            self.insert("contents", [content for batch in batches for content in batch.contents])
            self.insert("logs", [log for batch in batches for log in batch.logs])
            self.insert("metrics", [metric for batch in batches for metric in batch.metrics])
            if upto is not None:
                self._tables.connection.execute(sql("write/place"), {"journal": self._journal, "number": upto})
        # Only what is committed may be taken for written.
        self._resources |= resources
        self._scopes |= scopes
        self.messages.remember(self.messages.in_hand)

    @contextlib.contextmanager
    def transaction(self) -> Iterator[None]:
        """What the block writes is durable after it, or nothing of it is written."""
        self._tables.connection.execute("begin")
        try:
            yield
            self._tables.connection.execute("commit")  # one fdatasync
        except BaseException:
            with contextlib.suppress(duckdb.TransactionException):  # a commit that failed has rolled back already
                self._tables.connection.execute("rollback")
            if self.mirror is not None:
                self.mirror.forget()
            self._spans.forget_conversations()
            raise
        if self.mirror is not None:
            self.mirror.commit()

    def _write_senders(self, batches: Sequence[Batch], name: str) -> set[int]:
        known: set[int] = getattr(self, f"_{name}")
        rows: dict[int, object] = {}
        for batch in batches:
            rows |= getattr(batch, name)
        new = {key: row for key, row in rows.items() if key not in known}
        self.insert(name, list(new.values()))
        return set(new)

    def _write_messages(self, batches: Sequence[Batch]) -> dict[bytes, MessageRow]:
        rows: dict[bytes, MessageRow] = {}
        for batch in batches:
            rows |= batch.messages
        self.insert("messages", self.messages.number(rows))
        return rows

    def recount(self, trace_ids: set[bytes], start_ns: int, end_ns: int) -> None:
        """Sum traces anew, spans of which that began between these times have changed; in the caller's transaction."""
        self._spans.recount(trace_ids, start_ns, end_ns)

    def _write_scores(self, scores: list[ScoreRow]) -> None:
        if not scores:
            return
        bounds = {"start": searched_from(scores), "end": max(score.time_ns for score in scores)}
        self.insert("scores", without_repeats(scores, self._tables.fetch(sql("write/known_scores"), bounds)))

    def insert(self, name: str, rows: Sequence[object]) -> None:
        """Insert rows into a table; in a transaction."""
        self._tables.insert(name, rows, self.messages.in_hand)

    def registered(self, name: str, columns: dict[str, str], rows: Sequence[object]) -> Registered:
        """Rows that SQL sees under a name inside the block."""
        return self._tables.registered(name, columns, rows)
