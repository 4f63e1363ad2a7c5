"""What is stored, given out in windows of time: bounded memory, and no transaction open while somebody reads.

A window is a question of its own, so a checkpoint can happen between two of them however slow the reader is; what
comes in meanwhile is given out where its time is still to come.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import Any, NamedTuple

import duckdb
from nanoarrow import ipc  # type: ignore[import-untyped]  # nanoarrow publishes no types

from ...columns import MESSAGES
from ...questions import Signal, SpanFilter
from ...rows import NO_MESSAGE, Batch, LogRow, MessageRow, MetricRow, ResourceRow, ScopeRow
from ...span_row import SpanRow
from ...sql import sql
from .conditions import (
    Condition,
    log_condition,
    metric_condition,
    own_contents,
    span_condition,
    trace_condition,
    with_condition,
)  # fmt: skip
from .project import of_own_judgement, of_own_spans, own_senders, unshared
from .text_search import search_everything

__all__ = ["ARROW_TABLES", "as_span", "read_batches", "read_table"]

Cursor = Callable[[], AbstractContextManager[duckdb.DuckDBPyConnection]]
"""Gives a connection for one question."""

ROWS = 512
"""Of a window, before it is known how large they are."""
WINDOW_BYTES = 8 * 1024 * 1024

ALL = SpanFilter()

LISTS, SINGLE = ("input_messages", "output_messages"), ("system_instructions", "tool_definitions")
"""Columns of ids."""

# Table -> its alias and its column of time.
ARROW_TABLES = {
    "spans": ("s", "start_ns"),
    "traces": ("t", "start_ns"),
    "messages": ("m", "first_seen_ns"),
    "contents": ("c", "time_ns"),
    "logs": ("l", "time_ns"),
    "metrics": ("m", "time_ns"),
    "scores": ("c", "time_ns"),
    "resources": ("r", ""),
    "scopes": ("s", ""),
}


def read_batches(cursor: Cursor, spans: SpanFilter, signal: Signal) -> Iterator[Batch]:
    """Records as they were written, with their messages, resources and scopes, in order of time."""
    table, column, read = _BATCHES[signal]
    windows = _Windows(cursor, table, column, spans)
    for start, end in windows:
        with cursor() as own:
            if signal == "traces":
                search_everything(own, spans)
            batch, size = read(own, replace(spans, start=start, end=end))
            _add_senders(own, batch)
        if batch.size:
            windows.learn(size)
            yield batch


class _Read(NamedTuple):
    batch: Batch
    size: int
    """Of its texts, more or less."""


def _read_spans(own: duckdb.DuckDBPyConnection, spans: SpanFilter) -> _Read:
    condition = span_condition(spans)
    found = _records(own, with_condition("read/whole_spans", condition), condition.values)
    messages = _messages(own, found)
    batch = Batch(messages={row.hash: row for row in messages.values()})
    batch.spans = [as_span(record, messages) for record in found]
    size = sum(len(row.attributes) + len(row.events or "") for row in batch.spans)
    return _Read(batch, size + sum(len(row.body) for row in batch.messages.values()))


def _read_logs(own: duckdb.DuckDBPyConnection, spans: SpanFilter) -> _Read:
    condition = log_condition(spans)
    found = _records(own, with_condition("read/whole_logs", condition), condition.values)
    for record in found:
        record["trace_id"] = record["trace_id"] and record["trace_id"].bytes
    batch = Batch(logs=[LogRow(**record) for record in found])
    return _Read(batch, sum(len(row.attributes) + len(row.body or "") for row in batch.logs))


def _read_metrics(own: duckdb.DuckDBPyConnection, spans: SpanFilter) -> _Read:
    condition = metric_condition(spans)
    found = _records(own, with_condition("read/whole_metrics", condition), condition.values)
    batch = Batch(metrics=[MetricRow(**record) for record in found])
    return _Read(batch, sum(200 + len(row.attributes) + len(row.exemplars or "") for row in batch.metrics))


_BATCHES: dict[Signal, tuple[str, str, Callable[[duckdb.DuckDBPyConnection, SpanFilter], _Read]]] = {
    "traces": ("spans", "start_ns", _read_spans),
    "logs": ("logs", "time_ns", _read_logs),
    "metrics": ("metrics", "time_ns", _read_metrics),
}
"""Signal -> its table, the column of time, and how a window of it is read."""


def read_table(cursor: Cursor, table: str, spans: SpanFilter) -> Iterator[bytes]:
    """One of `ARROW_TABLES` as pieces of one Arrow IPC stream, in order of time."""
    alias, column = ARROW_TABLES[table]
    out = io.BytesIO()
    with cursor() as holding, ipc.StreamWriter.from_writable(out) as writer:
        if table != "logs":  # they are looked through themselves
            search_everything(holding, spans)
        only = _choosing(holding, table, spans)
        windows: Any = _Windows(cursor, table, column, ALL if only else spans) if column else [(None, None)]
        is_empty = True
        for start, end in windows:
            window = replace(spans, start=start, end=end)
            condition = _condition(table, alias, column, window) & Condition(only, {})
            query = with_condition(f"export/{table}", condition)
            writer.write_stream(holding.sql(query, params=condition.values or None))
            is_empty = False
            piece = _taken(out)
            if column:
                windows.learn(len(piece))
            yield piece
        if is_empty:
            writer.write_stream(holding.sql(sql(f"export/{table}").replace("/*condition*/ true", "false")))
    yield _taken(out)


def _choosing(holding: duckdb.DuckDBPyConnection, table: str, spans: SpanFilter) -> str:
    """A condition for messages, which have no time of their spans: those that the chosen spans name."""
    if table != "messages" or spans == ALL:
        return ""
    condition = span_condition(spans)
    query = with_condition("export/wanted_messages", condition)
    query = query.replace("/*contents*/ true", own_contents(spans).text or "true")
    holding.execute(query, condition.values)
    return "m.message_id in (select w.message_id from wanted_messages as w)"


def _condition(table: str, alias: str, column: str, spans: SpanFilter) -> Condition:
    if table == "spans":
        return span_condition(spans)
    if table == "traces":
        return trace_condition(spans) & unshared(spans)
    if table == "logs":
        return log_condition(spans)
    if table == "metrics":
        return metric_condition(spans)
    if not column:
        return own_senders(table, spans)
    text = f"{alias}.{column} >= $start and {alias}.{column} < $end"
    condition = Condition(text, {"start": spans.start, "end": spans.end})
    if table == "contents":
        return condition & of_own_spans(spans) & own_contents(spans)
    return condition & of_own_judgement(spans) if table == "scores" else condition


def _taken(out: io.BytesIO) -> bytes:
    piece = out.getvalue()
    out.seek(0)
    out.truncate()
    return piece


class _Windows:
    """Windows of time that hold a bounded number of rows each, from the first row to the last."""

    def __init__(self, cursor: Cursor, table: str, column: str, spans: SpanFilter) -> None:
        self._cursor = cursor
        self._query = sql("read/window").replace("/*table*/", table).replace("/*time*/ null", column)
        self._start, self._end = spans.start or 0, spans.end if spans.end is not None else 2**63
        self._rows, self._last = ROWS, 0

    def learn(self, size: int) -> None:
        """The last window came to so many bytes: windows to come are of `WINDOW_BYTES`, more or less."""
        self._rows = max(16, min(8 * ROWS, WINDOW_BYTES * self._last // max(size, 1)))

    def __iter__(self) -> Iterator[tuple[int, int]]:
        # What comes in while we read must not make this endless.
        return self._within(self._start, self._end)

    def _within(self, start: int, end: int) -> Iterator[tuple[int, int]]:
        with self._cursor() as own:
            [(rows, first, last)] = own.execute(self._query, {"start": start, "end": end}).fetchall()
        if not rows:
            return
        if rows <= self._rows or first == last:
            self._last = rows
            yield first, last + 1
            return
        middle = (first + last) // 2 + 1
        yield from self._within(first, middle)
        yield from self._within(middle, last + 1)


def _records(own: duckdb.DuckDBPyConnection, query: str, values: Mapping[str, object]) -> list[dict[str, Any]]:
    result = own.execute(query, values)
    names = [column[0] for column in result.description]
    return [dict(zip(names, row, strict=True)) for row in result.fetchall()]


def as_span(record: dict[str, Any], messages: Mapping[int, MessageRow]) -> SpanRow:
    """A row of raw.spans as it was written. Messages that are not given by their ids count as gone."""
    record["trace_id"] = record["trace_id"].bytes
    for column in LISTS:
        ids = record.pop(column)
        record[MESSAGES[column]] = None if ids is None else [_hash(one, messages) for one in ids]
    for column in SINGLE:
        one = record.pop(column)
        record[MESSAGES[column]] = None if one is None else _hash(one, messages)
    record["counted"] = record["counted"] is not False
    return SpanRow(**record)


def _hash(message_id: int, messages: Mapping[int, MessageRow]) -> bytes:
    message = messages.get(message_id)
    return NO_MESSAGE if message is None else message.hash


def _messages(own: duckdb.DuckDBPyConnection, spans: list[dict[str, Any]]) -> dict[int, MessageRow]:
    """Messages that the records of spans name, by id."""
    wanted: set[int] = set()
    for record in spans:
        for column in LISTS:
            wanted.update(record[column] or ())
        wanted.update(record[column] for column in SINGLE if record[column])
    found = _records(own, sql("read/whole_messages"), {"ids": sorted(wanted)}) if wanted else []
    return {one.pop("message_id"): MessageRow(**one) for one in found}


def _add_senders(own: duckdb.DuckDBPyConnection, batch: Batch) -> None:
    # A sender may have been written twice, by two collectors one after the other.
    rows: list[SpanRow | LogRow | MetricRow] = [*batch.spans, *batch.logs, *batch.metrics]
    wanted = {"wanted": list({row.resource_id for row in rows})}
    for record in _records(own, sql("read/whole_resources"), wanted):
        batch.resources[record["resource_id"]] = ResourceRow(**record)
    wanted = {"wanted": list({row.scope_id for row in rows})}
    for record in _records(own, sql("read/whole_scopes"), wanted):
        batch.scopes[record["scope_id"]] = ScopeRow(**record)
