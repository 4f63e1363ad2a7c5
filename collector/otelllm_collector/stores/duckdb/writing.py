"""The writer: many batches in one transaction, each span once, summaries of traces kept up to date."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from functools import reduce
from typing import Any, NamedTuple

import duckdb

from ...conversations import Conversations, FirstCall
from ...enrich import merge, summarise
from ...repeats import has_request_above, is_request_of_stream, may_repeat, repeated
from ...rows import Batch, MessageRow, ScoreRow, SpanRow, TraceRow
from ...sql import sql
from .changed_hours import KEPT, ChangedHours
from .known_messages import KnownMessages
from .mirror import Mirror
from .registered import Named, Registered, insertion, read_columns
from .scores import searched_from, without_repeats
from .stretches import Stretch
from .versions import SpanKey, fullest

__all__ = ["Writing"]

DAY_NS = 86_400_000_000_000

PREFIXES = 50_000
"""Calls of unnamed sessions that others may go on from after a restart."""

TRACE_LOOKED_THROUGH = 5_000
"""Spans of a trace that are looked through again for each batch that adds calls to it."""


class _Stored(NamedTuple):
    start_ns: int
    end_ns: int
    parts: int
    inferred_session: str | None
    prefix: int | None


class _TraceId(NamedTuple):
    trace_id: bytes


class _Record:
    """A row read back, with its columns as attributes."""

    def __init__(self, columns: Sequence[str], values: Sequence[Any]) -> None:
        self.__dict__.update(zip(columns, values, strict=True))
        self.trace_id: bytes = self.__dict__["trace_id"].bytes


class Writing:
    """Writes batches through one connection, which nobody else uses."""

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self._connection = connection
        self._columns = read_columns(connection, (*TABLES, *MADE_BEHIND))
        self._resources = {row[0] for row in self._fetch("select resource_id from raw.resources order by 1")}
        self._scopes = {row[0] for row in self._fetch("select scope_id from raw.scopes order by 1")}
        self.messages = KnownMessages(connection)
        kept = self._fetch("select start_ns, hours from raw.summed order by all")
        self.hours = ChangedHours(map(Stretch._make, kept), self._change)
        self.mirror: Mirror | None = None
        """Where a second file is being made of this one: what is changed here has to be changed there."""
        self._conversations: Conversations | None = None

    def move(self, connection: duckdb.DuckDBPyConnection) -> None:
        """Go on with another connection, to a file that holds the same."""
        self._connection = connection

    def follow(self, journal: str) -> int:
        """What is written from now on comes from this journal; the number up to which it is stored."""
        self._journal = journal
        return max(
            (int(number) for name, number in self._fetch(sql("write/known_place")) if name == journal), default=0
        )

    def write(self, batches: Sequence[Batch], upto: int | None = None) -> None:
        """Write all of them durably, and that the journal is stored up to this number; or raise and write nothing."""
        with self.transaction():
            resources = self._write_senders(batches, "resources")
            scopes = self._write_senders(batches, "scopes")
            messages = self._write_messages(batches)
            self._write_spans([span for batch in batches for span in batch.spans], messages)
            self._write_scores([score for batch in batches for score in batch.scores])
            self.insert("contents", [content for batch in batches for content in batch.contents])
            self.insert("logs", [log for batch in batches for log in batch.logs])
            self.insert("metrics", [metric for batch in batches for metric in batch.metrics])
            if upto is not None:
                self._connection.execute(sql("write/place"), {"journal": self._journal, "number": upto})
        # Only what is committed may be taken for written.
        self._resources |= resources
        self._scopes |= scopes
        self.messages.remember(self.messages.in_hand)

    @contextlib.contextmanager
    def transaction(self) -> Iterator[None]:
        """What the block writes is durable after it, or nothing of it is written."""
        self._connection.execute("begin")
        try:
            yield
            self._connection.execute("commit")  # one fdatasync
        except BaseException:
            with contextlib.suppress(duckdb.TransactionException):  # a commit that failed has rolled back already
                self._connection.execute("rollback")
            if self.mirror is not None:
                self.mirror.forget()
            self._conversations = None  # what was found is not stored: it has to be found again
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

    def _write_spans(self, rows: list[SpanRow], messages: Mapping[bytes, MessageRow]) -> None:
        spans = fullest(rows)
        if not spans:
            return
        stored = self._known_traces(spans.values())
        known = {trace_id: reduce(merge, summaries) for trace_id, summaries in stored.items()}
        replaced = self._drop_stored(spans, known) if known else {}
        recounted = {key[0] for key in replaced} | self._mark_repeats(list(spans.values()), known)
        recounted |= self._name_sessions(spans, replaced, messages) & known.keys()
        self._replace(spans, replaced)
        self.hours.note(span.start_ns for span in spans.values())
        self.insert("spans", list(spans.values()))
        changed = self._changed_traces(summarise(spans.values()), known, recounted)
        self._delete_traces([summary for trace_id in changed for summary in stored.get(trace_id, ())])
        self.insert("traces", list(changed.values()))

    def _known_traces(self, spans: Collection[SpanRow]) -> dict[bytes, list[TraceRow]]:
        """Stored summaries of the spans' traces: one each, two or more where a trace lasted longer than a day."""
        return self._traces({span.trace_id for span in spans}, _bounds(span.start_ns for span in spans))

    def _traces(self, trace_ids: set[bytes], bounds: dict[str, int]) -> dict[bytes, list[TraceRow]]:
        with self.registered("batch_traces", {"trace_id": "UUID"}, [_TraceId(trace_id) for trace_id in trace_ids]):
            rows = self._fetch(sql("write/known_traces"), bounds)
        known: dict[bytes, list[TraceRow]] = {}
        for row in rows:
            trace = TraceRow(*row)
            trace.trace_id = trace.trace_id.bytes  # type: ignore[attr-defined]  # DuckDB's UUID, until here
            known.setdefault(trace.trace_id, []).append(trace)
        return known

    def _drop_stored(self, spans: dict[SpanKey, SpanRow], traces: dict[bytes, TraceRow]) -> dict[SpanKey, _Stored]:
        """Take out of `spans` what is stored already and as full; returns what is stored but has to be replaced."""
        suspects = [span for span in spans.values() if span.trace_id in traces]
        bounds = {"start": min(t.start_ns for t in traces.values()), "end": max(t.end_ns for t in traces.values())}
        with self.registered("batch_spans", {"trace_id": "UUID", "span_id": "UBIGINT"}, suspects):
            found = self._fetch(sql("write/known_spans"), bounds)
        replaced = {}
        for trace_id, span_id, *rest in found:
            key, stored = (trace_id.bytes, span_id), _Stored(*rest)
            span = spans[key]
            if (span.parts, span.end_ns) > (stored.parts, stored.end_ns):
                replaced[key] = stored
            else:
                del spans[key]
        return replaced

    def _mark_repeats(self, rows: list[SpanRow], known: dict[bytes, TraceRow]) -> set[bytes]:
        """Note which spans are the same call as another; the traces of which stored spans changed by that."""
        traces: dict[bytes, list[Any]] = {}
        calls: Counter[bytes] = Counter()
        least: dict[bytes, int] = {}
        for row in rows:
            traces.setdefault(row.trace_id, []).append(row)
            is_call = may_repeat(row)
            calls[row.trace_id] += is_call
            if row.trace_id in known and (is_call or row.parent_span_id is not None or is_request_of_stream(row)):
                least[row.trace_id] = min(least.get(row.trace_id, 2), _calls_it_may_change(row))
        # Where what comes and what is stored may be one call, or tell that two are, the stored ones are looked at, too.
        asked = [
            known[trace_id]
            for trace_id, number in least.items()
            if known[trace_id].calls >= number and known[trace_id].spans <= TRACE_LOOKED_THROUGH
        ]
        stored = self._summable(asked) if asked else []
        coming = {(row.trace_id, row.span_id) for row in rows} if stored else set()
        for span in stored:
            if (span.trace_id, span.span_id) not in coming:
                traces[span.trace_id].append(span)
                if may_repeat(span):
                    calls[span.trace_id] += 1
        changed: list[Any] = []
        for trace_id, number in calls.items():
            spans = traces[trace_id]
            if number < 2 and not (number and any(map(is_request_of_stream, spans))):
                continue
            outdone = repeated(spans)
            for span in spans:
                if may_repeat(span) and span.counted == (span.span_id in outdone):
                    span.counted = not span.counted
                    if not isinstance(span, SpanRow):
                        changed.append(span)
        if changed:
            columns = {"trace_id": "UUID", "span_id": "UBIGINT", "counted": "BOOLEAN"}
            starts = [span.start_ns for span in changed]
            self.hours.note(starts)
            self._change("write/uncount_spans", Named("repeated_spans", columns, changed), starts)
        return {span.trace_id for span in changed}

    def _name_sessions(
        self, spans: dict[SpanKey, SpanRow], replaced: dict[SpanKey, _Stored], messages: Mapping[bytes, MessageRow]
    ) -> set[bytes]:
        """Note sessions where nobody said them; the traces of which stored spans changed by that."""
        named = {key: stored for key, stored in replaced.items() if stored.prefix is not None}
        for key, stored in named.items():
            spans[key].inferred_session, spans[key].prefix = stored.inferred_session, stored.prefix
        if self._conversations is None:
            self._conversations = self._stored_conversations()
        first = self._conversations.find([span for key, span in spans.items() if key not in named], messages)
        traces = {call.trace_id for call in first}
        if first:
            starts = [call.start_ns for call in first]
            columns = {"trace_id": "UUID", "span_id": "UBIGINT", "inferred_session": "VARCHAR"}
            self._change("write/name_sessions", Named("first_calls", columns, first), starts)
            if others := traces - {span.trace_id for span in spans.values()}:
                self.recount(others, min(starts), max(starts))
        return traces

    def _stored_conversations(self) -> Conversations:
        found = Conversations()
        for trace_id, *of_call, service, user, prefix in self._fetch(sql("write/recent_prefixes"), {"limit": PREFIXES}):
            found.remember(FirstCall(trace_id.bytes, *of_call), (service, user), prefix)
        return found

    def _replace(self, spans: dict[SpanKey, SpanRow], replaced: dict[SpanKey, _Stored]) -> None:
        if not replaced:
            return
        starts = [stored.start_ns for stored in replaced.values()]
        rows = [spans[key] for key in replaced]
        named = Named("replaced_spans", {"trace_id": "UUID", "span_id": "UBIGINT"}, rows)
        self.hours.note(starts)
        self._change("write/delete_spans", named, starts)

    def _changed_traces(
        self, new: dict[bytes, TraceRow], known: dict[bytes, TraceRow], to_recount: set[bytes]
    ) -> dict[bytes, TraceRow]:
        """Summaries of the new spans onto those that there are; anew from the spans where one of them was replaced."""
        changed = {}
        for trace_id, summary in new.items():
            if trace_id not in to_recount:
                changed[trace_id] = merge(known[trace_id], summary) if trace_id in known else summary
        if to_recount:
            changed |= self._recounted([merge(known[trace_id], new[trace_id]) for trace_id in to_recount])
        return changed

    def _delete_traces(self, outdated: list[TraceRow]) -> None:
        if outdated:
            starts = [trace.start_ns for trace in outdated]
            named = Named("changed_traces", {"trace_id": "UUID", "start_ns": "BIGINT"}, outdated)
            self._change("write/delete_traces", named, starts)

    def recount(self, trace_ids: set[bytes], start_ns: int, end_ns: int) -> None:
        """Sum traces anew, spans of which that began between these times have changed; in the caller's transaction."""
        known = self._traces(trace_ids, _bounds((start_ns, end_ns)))
        changed = self._recounted([reduce(merge, summaries) for summaries in known.values()]) if known else {}
        self._delete_traces([summary for trace_id in changed for summary in known[trace_id]])
        self.insert("traces", list(changed.values()))

    def _recounted(self, traces: list[TraceRow]) -> dict[bytes, TraceRow]:
        return summarise(self._summable(traces))

    def _summable(self, traces: list[TraceRow]) -> list[Any]:
        """The stored spans of these traces, as far as sums need them."""
        bounds = {"start": min(t.start_ns for t in traces), "end": max(t.end_ns for t in traces)}
        with self.registered("batch_traces", {"trace_id": "UUID"}, traces):
            result = self._connection.execute(sql("write/summable_spans"), bounds)
            columns = [column[0] for column in result.description]
            return [_Record(columns, row) for row in result.fetchall()]

    def _write_scores(self, scores: list[ScoreRow]) -> None:
        if not scores:
            return
        bounds = {"start": searched_from(scores), "end": max(score.time_ns for score in scores)}
        self.insert("scores", without_repeats(scores, self._fetch(sql("write/known_scores"), bounds)))

    def insert(self, name: str, rows: Sequence[object]) -> None:
        """Insert rows into a table; in a transaction."""
        if rows:
            message_ids = self.messages.in_hand if name in NAME_MESSAGES else None
            named = Named("batch_rows", self._columns[name], rows, message_ids)
            with Registered(self._connection, named):
                self._connection.execute(insertion(name))
            if self.mirror is not None:
                self.mirror.insert(name, named)

    def _change(self, name: str, named: Named, starts: Sequence[int]) -> None:
        """Delete or update what `named` names; `starts` are when that began."""
        bounds = {"start": min(starts), "end": max(starts)}
        with Registered(self._connection, named):
            self._connection.execute(sql(name), bounds)
        if self.mirror is not None:
            self.mirror.change(name, named, bounds)

    def registered(self, name: str, columns: dict[str, str], rows: Sequence[object]) -> Registered:
        """Rows that SQL sees under a name inside the block."""
        return Registered(self._connection, Named(name, columns, rows))

    def _fetch(self, query: str, arguments: Mapping[str, object] | None = None) -> list[tuple[Any, ...]]:
        return self._connection.execute(query, arguments).fetchall()


def _calls_it_may_change(row: SpanRow) -> int:
    """Of how many stored calls at least a span that comes may change whether they count."""
    if may_repeat(row):
        return 0 if has_request_above(row) else 1
    return 1 if is_request_of_stream(row) else 2


def _bounds(times: Iterable[int]) -> dict[str, int]:
    starts = list(times)
    # A time near the ends of what 64 bits hold must not overflow when a day is added to it.
    return {"start": max(min(starts), DAY_NS), "end": min(max(starts), 2**63 - 1 - DAY_NS)}


NAME_MESSAGES = frozenset({"messages", "spans", "contents"})

TABLES = ("resources", "scopes", "messages", "spans", "traces", "contents", "scores", "logs", "metrics")
MADE_BEHIND = ("text_sketches", *KEPT)
