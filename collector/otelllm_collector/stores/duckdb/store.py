"""The store on DuckDB, put together."""

from __future__ import annotations

import contextlib
import logging
import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import BinaryIO

import duckdb
import orjson

from ...clocks import Calendar
from ...config import BadSetting
from ...questions import Busy, Page, Signal, SpanFilter, SqlAnswer, SqlStream
from ...retention import KEEP_ALL, Retention
from ...rows import Batch
from ...sql import sql
from ..spec import Record
from .arrow import to_ipc
from .backup import write_backup
from .compacting import compact_traces
from .conditions import after, log_condition, metric_condition, of_project, with_condition
from .database import FILE_NAME, copies, cursor, open_database, own_folder, swap_in, swap_to_the_end
from .expiry import Expiry, checkpoint, used_bytes
from .exporting import read_batches, read_table
from .hours import HourSums
from .lists import list_decisions, list_facets, list_spans, list_traces
from .project import own_parts, with_resources
from .records import records
from .repricing import reprice
from .rewriting import Rewriting, free_share
from .span import read_span
from .sums import list_sums
from .text_index import Moment, TextIndex
from .upkeep import Job, Upkeep
from .user_query import ANSWER_LIMIT, read_rows, reading_only
from .writing import Writing

__all__ = ["DuckDBStore", "open_store"]

log = logging.getLogger(__name__)


RETENTION = "retention"
MOST_FREE = 1 / 3
"""Of the file may be free: DuckDB uses free blocks again, and rewriting costs as much as all the data."""
FREE_ABOVE_LIMIT = 0.05
"""The same where the file is larger than it may be."""
AGAIN_S = 60
IDLE_S = 0.3
"""Without a gap of this length between two commits spans come in as fast as they are taken."""
QUIET_WITHIN_S = 0.2
"""So long new questions wait for the old ones to end, before a swap is put off."""

BATCHS_OWN_FAULTS = (duckdb.DataError, duckdb.IntegrityError, duckdb.ProgrammingError)
"""Errors that the same batch would meet again. All others, as a full disk, pass: the sender must keep its data."""


def open_store(folder: Path, memory_limit: str = "1GB", retention: Retention = KEEP_ALL) -> DuckDBStore:
    """The store in this folder; raises `BadSetting` where another process has it or a newer otelllm wrote it, `Busy`
    where its disk is full.
    """
    return DuckDBStore(folder, memory_limit, retention)


class DuckDBStore:
    """Keeps `stores.spec.Store`'s contract."""

    def __init__(self, folder: Path, memory_limit: str, retention: Retention) -> None:
        self._folder, self._memory_limit, self._retention = folder, memory_limit, retention
        self._owned = own_folder(folder)
        try:
            if self._owned is not None:
                swap_to_the_end(folder)
            self._connection = open_database(folder, memory_limit)
            if self._owned is None:  # its owner has let go of the file, but for a moment only
                self._connection.close()
                raise BadSetting(f"{str(folder)!r} is in use by another collector; choose another folder by --data")
        except BaseException:
            self._release()
            raise
        self._writer = cursor(self._connection)
        self._writing = Writing(self._writer)
        self._index, self._hours = TextIndex(self._writer, self._writing), HourSums(self._writing)
        self._untidy = self._owes_rewriting = False
        self._asking: set[duckdb.DuckDBPyConnection] = set()
        self._changed = threading.Condition()
        self._upkeep = Upkeep()
        self._searching = ThreadPoolExecutor(1, "otelllm-upkeep")
        self._next_run = time.monotonic()
        self._calendar = Calendar(folder / "calendar.json")
        self._written_at = 0.0
        self._again_at: dict[object, float] = {}
        self._is_failing = False
        self._is_asked = True
        self._is_paused = False
        self._is_open = True

    @property
    def span_columns(self) -> dict[str, str]:
        """Of the table of spans, with DuckDB's types."""
        return self._writing.span_columns

    def follow(self, journal: str) -> int:
        """How far this journal is stored."""
        return self._writing.follow(journal)

    def write(self, batches: Sequence[Batch], upto: int | None = None) -> None:
        """Keep all of the batches, or raise and keep none."""
        try:
            self._writing.write(batches, upto)
        except duckdb.Error as error:
            if isinstance(error, BATCHS_OWN_FAULTS):
                raise
            if not self._is_failing:
                self._is_failing = True
                log.error("the database can't be written; senders are asked to come again: %s", error)
            raise Busy(f"the database can't be written at the moment ({type(error).__name__})") from error
        if self._is_failing:
            self._is_failing = False
            log.warning("the database can be written again")
        self._untidy = True
        self._written_at = time.monotonic()

    def tidy(self) -> None:
        """Move what is in the write-ahead log into the file."""
        if self._untidy:
            self._untidy = False
            with contextlib.suppress(duckdb.TransactionException):  # a question is being answered: next time
                compact_traces(self._writer, self._writing)
                self._writer.execute("checkpoint otelllm")

    def upkeep(self) -> float | None:
        """One step of what keeps the file small."""
        if not self._retention.is_all_kept and time.monotonic() >= self._next_run and not self._upkeep.has(RETENTION):
            self.retain()
        waits = (self._upkeep.step(), *(self._made_behind(made) for made in (self._index, self._hours)))
        self._untidy |= any(wait is not None for wait in waits)
        return min((wait for wait in waits if wait is not None), default=None)

    def _made_behind(self, made: TextIndex | HourSums) -> float | None:
        """A step of what questions do without where it is not made. Never raises: the writer goes on."""
        if time.monotonic() < self._again_at.get(made, 0):
            return None
        try:
            return made.step(self._cursor, self._searching, self._moment())
        except Exception:
            log.warning("%s can't be made; it is tried again in %d s", type(made).__name__, AGAIN_S, exc_info=True)
            self._again_at[made] = time.monotonic() + AGAIN_S
            return None

    def _moment(self) -> Moment:
        if self._upkeep.is_at_work:
            return Moment.TAKEN
        return Moment.IDLE if time.monotonic() - self._written_at > IDLE_S else Moment.BUSY

    def retain(self) -> Future[Record]:
        """Drop what the settings say, now; then give free blocks back to the disk where they are many."""
        self._next_run = time.monotonic() + self._retention.every_s
        return self._upkeep.add(RETENTION, self._retain())

    def _retain(self) -> Job:
        expiry = Expiry(self._writer, self._writing, self._searching, self._cursor)
        yield from expiry.age(self._retention, self._calendar.now_ns())
        limit, is_too_large = self._retention.size, False
        if limit is not None and not self._owes_rewriting:
            is_too_large = yield from expiry.shrink(limit)
        with self._alone(QUIET_WITHIN_S):  # where somebody always asks, no checkpoint would ever show what is free
            checkpoint(self._writer)
        yield 0.0
        done = expiry.dropped
        if self._is_worth_rewriting(is_too_large):
            # Until it has come to that nobody knows how large the database is.
            self._owes_rewriting = is_too_large or self._owes_rewriting
            rewritten: Record = yield from Rewriting(self._writer, self._writing, self._folder).run(self._swap)
            done |= rewritten
            self._owes_rewriting = "skipped" in done and self._owes_rewriting
        return done

    def _is_worth_rewriting(self, was_too_large: bool) -> bool:
        limit, size = self._retention.size, (self._folder / FILE_NAME).stat().st_size
        if limit is None or size <= limit:
            return free_share(self._writer) > MOST_FREE
        return self._owes_rewriting or was_too_large or free_share(self._writer) > FREE_ABOVE_LIMIT

    def _swap(self, finish: Callable[[], None]) -> bool:
        """Let a rewritten file take the database's place: only while no question is being answered."""
        with self._alone(QUIET_WITHIN_S) as is_alone:
            if not is_alone:
                return False
            finish()
            try:
                self._writer.close()
                self._connection.close()
                swap_in(self._folder, copies(self._folder) / "rewritten.duckdb")
            finally:
                self._connection = open_database(self._folder, self._memory_limit)
                self._writer = cursor(self._connection)
                self._writing.move(self._writer)
        return True

    @contextlib.contextmanager
    def _alone(self, within_s: float) -> Iterator[bool]:
        """New questions wait while the block lasts; whether those that were being answered have ended in time."""
        with self._changed:
            self._is_paused = True
            is_alone = self._changed.wait_for(lambda: not self._asking, within_s)
        try:
            yield is_alone
        finally:
            with self._changed:
                self._is_paused = False
                self._changed.notify_all()

    def reprice(self, since_ns: int) -> Future[Record]:
        """Costs by today's prices."""
        return self._upkeep.add("reprice", reprice(self._writer, self._writing, since_ns))

    def backup(self) -> BinaryIO:
        """The database as it is now, as a file of its own."""
        with self._cursor() as own:
            return write_backup(own, self._folder)

    def state(self) -> Record:
        """How large the database is, and what upkeep did."""
        with self._cursor() as own:
            return {
                "bytes_on_disk": sum(file.stat().st_size for file in self._folder.glob(f"{FILE_NAME}*")),
                "bytes_used": used_bytes(own),
                "unindexed_messages": self._index.behind,
                "hours_to_sum": self._hours.to_sum,
                "longest_hold_s": self._upkeep.longest_s,
                "clock_ahead_s": self._calendar.ahead_s,
                "last": dict(self._upkeep.last),
            }

    def break_off(self) -> None:
        """End the questions that are being answered and take no more."""
        with self._changed:
            self._is_asked = False
            for asking in self._asking:
                asking.interrupt()

    def close(self) -> None:
        """Break off questions and close."""
        self.break_off()
        if not self._is_open:
            return
        self._is_open = False
        self._upkeep.close()
        self._searching.shutdown()
        self.tidy()
        self._writer.close()
        self._connection.close()
        self._release()

    def _release(self) -> None:
        if self._owned is not None:
            os.close(self._owned)
            self._owned = None

    def traces(self, spans: SpanFilter, page: Page) -> list[Record]:
        """Summaries of traces, newest first."""
        wanted = self._wanted(spans)
        with self._cursor() as own:
            found = list_traces(own, wanted, page)
        return [_without_end(one) for one in self._parts(found, wanted)]

    def trace(self, trace_id: str, project: str | None = None) -> tuple[Record, list[Record]] | None:
        """One trace's summary and its spans."""
        wanted = self._wanted(SpanFilter(project=project))
        summaries = self._parts(self._ask(sql("read/trace"), {"trace_id": trace_id}), wanted)
        if not summaries:
            return None
        bounds = {"start": summaries[0]["start_ns"], "end": max(int(str(row["end_ns"])) for row in summaries)}
        condition = of_project(wanted, "s.resource_id")
        query = with_condition("read/trace_spans", condition)
        return _without_end(summaries[0]), self._ask(query, condition.values | {"trace_id": trace_id, **bounds})

    def span(self, trace_id: str, span_id: str, project: str | None = None) -> Record | None:
        """Everything about one span."""
        wanted = self._wanted(SpanFilter(project=project))
        with self._cursor() as own:
            return read_span(own, trace_id, span_id, wanted)

    def spans(self, spans: SpanFilter, page: Page) -> list[Record]:
        """Spans, newest first."""
        with self._cursor() as own:
            return list_spans(own, with_resources(own, spans), page)

    def aggregates(
        self, by: str, bucket: str, spans: SpanFilter, limit: int, *, percentiles: bool = True
    ) -> list[Record]:
        """Sums over model calls, and percentiles where they are wanted."""
        with self._cursor() as own:
            return list_sums(own, by, bucket, with_resources(own, spans), limit, percentiles=percentiles)

    def facets(self, field: str, spans: SpanFilter, limit: int) -> list[Record]:
        """The values of a field, the commonest first."""
        with self._cursor() as own:
            return list_facets(own, field, with_resources(own, spans), limit)

    def decisions(self, spans: SpanFilter, limit: int) -> list[Record]:
        """How often each rule decided what."""
        with self._cursor() as own:
            return list_decisions(own, with_resources(own, spans), limit)

    def metric_names(self, spans: SpanFilter) -> list[Record]:
        """What metrics there are."""
        condition = metric_condition(self._wanted(spans))
        return self._ask(with_condition("read/metric_names", condition), condition.values)

    def metrics(self, name: str, spans: SpanFilter, limit: int) -> list[Record]:
        """Data points of one metric."""
        condition = metric_condition(self._wanted(spans))
        query = with_condition("read/metrics", condition)
        points = self._ask(query, condition.values | {"name": name, "limit": limit})
        return [point | {"attributes": orjson.loads(str(point["attributes"]))} for point in points]

    def logs(self, spans: SpanFilter, page: Page) -> list[Record]:
        """Log records, newest first."""
        condition = log_condition(self._wanted(spans)) & after(page.after, "l")
        records = self._ask(with_condition("read/logs", condition), condition.values | {"limit": page.limit + 1})
        for record in records:
            record["attributes"] = orjson.loads(str(record["attributes"]))
            body = record["body"]
            record["body"] = None if body is None else orjson.loads(str(body))
        return records

    def sql(self, query: str, limit: int, timeout_s: float) -> SqlAnswer:
        """A user's own query."""
        with self._cursor() as own, reading_only(own, query, timeout_s):
            result = own.execute(query)
            columns = [(column[0], str(column[1])) for column in result.description or []]
            rows, truncated = read_rows(result, limit)
            own.abort()
            return SqlAnswer(columns, rows, truncated)

    def sql_arrow(self, query: str, limit: int, timeout_s: float) -> SqlStream:
        """A user's own query as an Arrow IPC stream."""
        with self._cursor() as own, reading_only(own, query, timeout_s):
            return to_ipc(own.sql(query).limit(limit), ANSWER_LIMIT)

    def batches(self, spans: SpanFilter, signal: Signal = "traces") -> Iterator[Batch]:
        """Spans, log records or data points as they were written, in order of time."""
        return read_batches(self._cursor, self._wanted(spans), signal)

    def table(self, name: str, spans: SpanFilter) -> Iterator[bytes]:
        """A table as one Arrow IPC stream in pieces."""
        return read_table(self._cursor, name, self._wanted(spans))

    def _wanted(self, spans: SpanFilter) -> SpanFilter:
        """The filter, with the resources of its project where it has one."""
        if spans.project is None:
            return spans
        with self._cursor() as own:
            return with_resources(own, spans)

    def _parts(self, traces: list[Record], spans: SpanFilter) -> list[Record]:
        """Summaries of traces, of a project's part of them where it sees no more."""
        if spans.project is None:
            return traces
        with self._cursor() as own:
            return own_parts(own, traces, spans)

    def _ask(self, query: str, values: dict[str, object]) -> list[Record]:
        with self._cursor() as own:
            return records(own, query, values)

    @contextlib.contextmanager
    def _cursor(self) -> Iterator[duckdb.DuckDBPyConnection]:
        with self._changed:
            self._changed.wait_for(lambda: not self._is_paused)
            if not self._is_asked:
                raise Busy("the collector is stopping")
            own = self._connection.cursor()
            self._asking.add(own)
        try:
            own.execute("use otelllm.main")
            yield own
        except duckdb.InterruptException as error:
            raise Busy("the collector is stopping") from error
        finally:
            own.close()
            with self._changed:
                self._asking.discard(own)
                self._changed.notify_all()


def _without_end(trace: Record) -> Record:
    return {key: value for key, value in trace.items() if key != "end_ns"}
