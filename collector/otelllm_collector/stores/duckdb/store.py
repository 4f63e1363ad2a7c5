"""The store on DuckDB, put together."""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb
import orjson

from ...questions import BadQuestion, Busy, Page, SpanFilter, SqlAnswer
from ...rows import Batch
from ...sql import sql
from ..spec import Record
from .arrow import Broken, to_ipc
from .conditions import BUCKETS, KEYS, after, log_condition, span_condition, trace_condition, with_condition
from .database import cursor, open_database
from .sandbox import check
from .span import read_span
from .writing import Writing

if TYPE_CHECKING:
    from types import TracebackType

__all__ = ["DuckDBStore", "open_store"]

log = logging.getLogger(__name__)


ANSWER_LIMIT = 64 * 1024 * 1024
"""Bytes of text that the answer to a user's query may hold: ten thousand rows of long prompts are gigabytes."""

STEP = 100

BATCHS_OWN_FAULTS = (duckdb.DataError, duckdb.IntegrityError, duckdb.ProgrammingError)
"""Errors that the same batch would meet again. All others, as a full disk, pass: the sender must keep its data."""


def open_store(folder: Path, memory_limit: str = "1GB") -> DuckDBStore:
    """The store in this folder; raises `BadSetting` where another process has it or a newer otelllm wrote it."""
    return DuckDBStore(open_database(folder, memory_limit))


class DuckDBStore:
    """Keeps `stores.spec.Store`'s contract."""

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self._connection = connection
        self._writer = cursor(connection)
        self._writing = Writing(self._writer)
        self._untidy = False
        self._asking: set[duckdb.DuckDBPyConnection] = set()
        self._lock = threading.Lock()
        self._is_failing = False
        self._is_asked = True
        self._is_open = True

    def write(self, batches: Sequence[Batch]) -> None:
        """Keep all of the batches, or raise and keep none."""
        try:
            self._writing.write(batches)
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

    def tidy(self) -> None:
        """Move what is in the write-ahead log into the file."""
        if self._untidy:
            self._untidy = False
            with contextlib.suppress(duckdb.TransactionException):  # a question is being answered: next time
                self._writer.execute("checkpoint otelllm")

    def break_off(self) -> None:
        """End the questions that are being answered and take no more."""
        with self._lock:
            self._is_asked = False
            for asking in self._asking:
                asking.interrupt()

    def close(self) -> None:
        """Break off questions and close."""
        self.break_off()
        if not self._is_open:
            return
        self._is_open = False
        self.tidy()
        self._writer.close()
        self._connection.close()

    def traces(self, spans: SpanFilter, page: Page) -> list[Record]:
        """Summaries of traces, newest first."""
        condition = trace_condition(spans) & after(page.after, "t")
        return self._ask(with_condition("read/traces", condition), condition.values | {"limit": page.limit + 1})

    def trace(self, trace_id: str) -> tuple[Record, list[Record]] | None:
        """One trace's summary and its spans."""
        summaries = self._ask(sql("read/trace"), {"trace_id": trace_id})
        if not summaries:
            return None
        bounds = {"start": summaries[0]["start_ns"], "end": max(int(str(row["end_ns"])) for row in summaries)}
        spans = self._ask(sql("read/trace_spans"), {"trace_id": trace_id, **bounds})
        summary = {key: value for key, value in summaries[0].items() if key != "end_ns"}
        return summary, spans

    def span(self, trace_id: str, span_id: str) -> Record | None:
        """Everything about one span."""
        with self._cursor() as own:
            return read_span(own, trace_id, span_id)

    def spans(self, spans: SpanFilter, page: Page) -> list[Record]:
        """Spans, newest first."""
        condition = span_condition(spans) & after(page.after, "s")
        return self._ask(with_condition("read/light_spans", condition), condition.values | {"limit": page.limit + 1})

    def aggregates(self, by: str, bucket: str, spans: SpanFilter, limit: int) -> list[Record]:
        """Sums and percentiles over model calls."""
        condition = span_condition(spans)
        query = with_condition("read/aggregates", condition)
        query = query.replace("/*key*/ null", KEYS[by]).replace("/*bucket*/ null", BUCKETS[bucket])
        return self._ask(query, condition.values | {"limit": limit})

    def facets(self, field: str, spans: SpanFilter, limit: int) -> list[Record]:
        """The values of a field, the commonest first."""
        condition = span_condition(spans)
        query = with_condition("read/facets", condition).replace("/*key*/ null", KEYS[field])
        return self._ask(query, condition.values | {"limit": limit})

    def metric_names(self, start: int | None, end: int | None) -> list[Record]:
        """What metrics there are."""
        return self._ask(sql("read/metric_names"), {"start": start, "end": end})

    def metrics(self, name: str, start: int | None, end: int | None, limit: int) -> list[Record]:
        """Data points of one metric."""
        points = self._ask(sql("read/metrics"), {"name": name, "start": start, "end": end, "limit": limit})
        return [point | {"attributes": orjson.loads(str(point["attributes"]))} for point in points]

    def logs(self, spans: SpanFilter, page: Page) -> list[Record]:
        """Log records, newest first."""
        condition = log_condition(spans) & after(page.after, "l")
        records = self._ask(with_condition("read/logs", condition), condition.values | {"limit": page.limit + 1})
        for record in records:
            record["attributes"] = orjson.loads(str(record["attributes"]))
            body = record["body"]
            record["body"] = None if body is None else orjson.loads(str(body))
        return records

    def sql(self, query: str, limit: int, timeout_s: float) -> SqlAnswer:
        """A user's own query."""
        with self._cursor() as own, _reading_only(own, query, timeout_s):
            result = own.execute(query)
            columns = [(column[0], str(column[1])) for column in result.description or []]
            rows, truncated = _read(result, limit)
            own.abort()
            return SqlAnswer(columns, rows, truncated)

    def sql_arrow(self, query: str, limit: int, timeout_s: float) -> bytes:
        """A user's own query as an Arrow IPC stream."""
        with self._cursor() as own, _reading_only(own, query, timeout_s):
            return to_ipc(own.sql(query).limit(limit), ANSWER_LIMIT)

    def _ask(self, query: str, values: dict[str, object]) -> list[Record]:
        with self._cursor() as own:
            result = own.execute(query, values)
            names = [column[0] for column in result.description]
            return [dict(zip(names, row, strict=True)) for row in result.fetchall()]

    @contextlib.contextmanager
    def _cursor(self) -> Iterator[duckdb.DuckDBPyConnection]:
        with self._lock:
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
            with self._lock:
                self._asking.discard(own)
            own.close()


def _read(result: duckdb.DuckDBPyConnection, limit: int) -> tuple[list[tuple[object, ...]], bool]:
    """Rows up to the limit of their number or of their text's size, and whether there are more."""
    rows: list[tuple[object, ...]] = []
    size = 0
    while len(rows) <= limit:
        if size >= ANSWER_LIMIT:
            return rows, bool(result.fetchmany(1))
        step = result.fetchmany(min(STEP, limit + 1 - len(rows)))
        if not step:
            return rows, False
        rows += step
        size += sum(len(value) for row in step for value in row if isinstance(value, (str, bytes)))
    return rows[:limit], True


class _reading_only:  # noqa: N801  reads as a word: `with _reading_only(cursor, …):`
    """A checked query's transaction: read-only, ended after `timeout_s`, the user's own errors told as such."""

    def __init__(self, own: duckdb.DuckDBPyConnection, query: str, timeout_s: float) -> None:
        self._own, self._query, self._timeout_s = own, query, timeout_s
        self._is_late = False
        self._timer = threading.Timer(timeout_s, self._interrupt)

    def _interrupt(self) -> None:
        self._is_late = True
        self._own.interrupt()

    def __enter__(self) -> None:
        check(self._own, self._query)
        self._own.execute("begin transaction read only")
        self._timer.daemon = True
        self._timer.start()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self._timer.cancel()
        with contextlib.suppress(duckdb.Error):
            self._own.execute("rollback")
        if isinstance(error, (duckdb.Error, Broken)) and self._is_late:
            raise BadQuestion(
                f"the query took longer than {self._timeout_s:g} s; narrow it by start_time, or ask for fewer columns"
            ) from error
        if isinstance(error, (duckdb.Error, Broken)) and not isinstance(error, duckdb.InterruptException):
            raise BadQuestion(str(error)) from error
