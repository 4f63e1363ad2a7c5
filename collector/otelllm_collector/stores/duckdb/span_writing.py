"""Spans into their table, each once, and the summaries of their traces.

Most traces come whole in one batch, and nothing of them is stored: their columns and sums go in as they were decoded.
Of the others a few columns are looked at row by row.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import reduce
from typing import Any, NamedTuple

from ...columns import Piece, joined
from ...conversations import Conversations, FirstCall
from ...enrich import merge, summarise
from ...packed import SpanKey, fullest, light_rows, packed, span_rows
from ...repeats import has_request_above, is_request_of_stream, mark, may_repeat
from ...rows import Batch, MessageRow, SpanColumns, TraceRow, UnnamedCall
from ...span_row import Light
from ...sql import sql
from .changed_hours import ChangedHours
from .records import light_spans
from .registered import Named, insertion
from .tables import Tables

__all__ = ["SpanWriting"]

DAY_NS = 86_400_000_000_000

PREFIXES = 50_000
"""Calls of unnamed sessions that others may go on from after a restart."""

TRACE_LOOKED_THROUGH = 5_000
"""Spans of a trace that are looked through again for each batch that adds calls to it."""

_STORED = -1
"""The place of a span that is read back from the store."""

_KEY = {"trace_id": "UUID", "span_id": "UBIGINT"}


class _Stored(NamedTuple):
    start_ns: int
    end_ns: int
    parts: int
    inferred_session: str | None
    prefix: int | None


class _TraceId(NamedTuple):
    trace_id: bytes


class _Part(NamedTuple):
    """One batch's spans, and the hashes of its messages in order."""

    spans: SpanColumns
    hashes: list[bytes]


class SpanWriting:
    """Writes spans and summaries of traces; in the caller's transaction."""

    def __init__(self, tables: Tables, hours: ChangedHours) -> None:
        self._tables, self._hours = tables, hours
        self._conversations: Conversations | None = None

    def forget_conversations(self) -> None:
        """What was found is not stored: it has to be found again."""
        self._conversations = None

    def write(
        self, batches: Sequence[Batch], messages: Mapping[bytes, MessageRow], message_ids: Mapping[bytes, int]
    ) -> None:
        """The batches' spans; these are their messages, and the messages' ids."""
        columns = self._tables.columns["spans"]
        parts = [
            _Part(batch.columns or packed(batch, columns), list(batch.messages))
            for batch in batches
            if batch.columns or batch.spans
        ]
        if not parts:
            return
        seen = Counter(trace_id for part in parts for trace_id in part.spans.traces)
        stored = self._known_traces([trace for part in parts for trace in part.spans.traces.values()])
        touched = {trace_id for trace_id, times in seen.items() if times > 1} | stored.keys()
        rows = _light(parts, touched)
        spans: dict[SpanKey, Light] = fullest(rows)
        known = {trace_id: reduce(merge, summaries) for trace_id, summaries in stored.items()}
        replaced = self._drop_stored(spans, known) if known else {}
        recounted = self._mark_repeats(list(spans.values()), known)
        left = {id(row) for row in spans.values()}
        dropped: dict[int, list[Light]] = {}
        for row in rows:
            if id(row) not in left:
                dropped.setdefault(row.place, []).append(row)
        calls = _calls(parts, spans, dropped)
        renamed = self._name_sessions(calls, replaced, messages, seen)
        self._replace(spans, replaced)
        self._hours.note(time for part in parts for time in part.spans.hours)
        self._insert(parts, dropped, message_ids)
        if recounted:
            starts = [span.start_ns for span in recounted]
            self._hours.note(starts)
            named = Named("repeated_spans", {**_KEY, "counted": "BOOLEAN"}, recounted)
            self._tables.change("write/uncount_spans", named, starts)
        again = {key[0] for key in replaced} | {one.trace_id for one in recounted if one.place == _STORED}
        again |= renamed & known.keys()
        changed = self._new_traces(parts, touched, calls)
        _note_sessions(spans, calls)
        of_touched = self._changed_traces(summarise(spans.values()), known, again)
        self._delete_traces([summary for trace_id in of_touched for summary in stored.get(trace_id, ())])
        self._tables.insert("traces", [*changed.values(), *of_touched.values()], message_ids)

    def _new_traces(
        self, parts: Sequence[_Part], touched: Collection[bytes], calls: Mapping[SpanKey, UnnamedCall]
    ) -> dict[bytes, TraceRow]:
        """Summaries of traces of which nothing is stored, and which came in one batch."""
        found = {
            trace_id: trace
            for part in parts
            for trace_id, trace in part.spans.traces.items()
            if trace_id not in touched
        }
        if named := {trace_id for (trace_id, _), call in calls.items() if call.inferred_session} - set(touched):
            spans = {(row.trace_id, row.span_id): row for row in _light(parts, named)}
            _note_sessions(spans, calls)
            found |= summarise(spans.values())
        return found

    def _name_sessions(
        self,
        calls: Mapping[SpanKey, UnnamedCall],
        replaced: Mapping[SpanKey, _Stored],
        messages: Mapping[bytes, MessageRow],
        coming: Collection[bytes],
    ) -> set[bytes]:
        """Note sessions where nobody said them; the traces of which stored spans changed by that."""
        named = {key: stored for key, stored in replaced.items() if stored.prefix is not None and key in calls}
        for key, stored in named.items():
            calls[key].inferred_session, calls[key].prefix = stored.inferred_session, stored.prefix
        if not calls:
            return set()
        if self._conversations is None:
            self._conversations = self._stored_conversations()
        first = self._conversations.find([call for key, call in calls.items() if key not in named], messages)
        traces = {call.trace_id for call in first}
        if first:
            starts = [call.start_ns for call in first]
            self._tables.change(
                "write/name_sessions", Named("first_calls", {**_KEY, "inferred_session": "VARCHAR"}, first), starts
            )
            if others := traces.difference(coming):
                self.recount(others, min(starts), max(starts))
        return traces

    def _stored_conversations(self) -> Conversations:
        found = Conversations()
        rows = self._tables.fetch(sql("write/recent_prefixes"), {"limit": PREFIXES})
        for trace_id, *of_call, service, user, prefix in rows:
            found.remember(FirstCall(trace_id.bytes, *of_call), (service, user), prefix)
        return found

    def _insert(
        self, parts: Sequence[_Part], dropped: Mapping[int, list[Light]], message_ids: Mapping[bytes, int]
    ) -> None:
        """All spans but those that are dropped, told by the place of their part."""
        tables, columns = self._tables, self._tables.columns["spans"]
        made = [
            Piece(
                part.spans.rows, part.spans.arrays, [0, *map(message_ids.__getitem__, part.hashes)], _noted(part.spans)
            )
            for part in parts
        ]
        if whole := [one for place, one in enumerate(made) if place not in dropped]:
            tables.insert_table(joined(columns, whole), insertion("spans"))
        for place, rows in dropped.items():
            if len(rows) < parts[place].spans.rows:
                with tables.registered("dropped_spans", _KEY, rows):
                    tables.insert_table(joined(columns, [made[place]]), sql("write/insert_other_spans"))
        if tables.mirror is not None:
            for place, part in enumerate(parts):
                gone = {(row.trace_id, row.span_id) for row in dropped.get(place, ())}
                kept = [one for one in span_rows(part.spans, part.hashes) if (one.trace_id, one.span_id) not in gone]
                tables.mirror.insert("spans", Named("batch_rows", columns, kept, message_ids))

    def _known_traces(self, coming: Sequence[TraceRow]) -> dict[bytes, list[TraceRow]]:
        """Stored summaries of these traces: one each, two or more where a trace lasted longer than a day."""
        times = [time for trace in coming for time in (trace.start_ns, trace.end_ns)]
        return self._traces({trace.trace_id for trace in coming}, _bounds(times))

    def _traces(self, trace_ids: set[bytes], bounds: dict[str, int]) -> dict[bytes, list[TraceRow]]:
        with self._tables.registered(
            "batch_traces", {"trace_id": "UUID"}, [_TraceId(trace_id) for trace_id in trace_ids]
        ):
            rows = self._tables.fetch(sql("write/known_traces"), bounds)
        known: dict[bytes, list[TraceRow]] = {}
        for row in rows:
            trace = TraceRow(row[0].bytes, *row[1:])
            known.setdefault(trace.trace_id, []).append(trace)
        return known

    def _drop_stored(self, spans: dict[SpanKey, Light], traces: dict[bytes, TraceRow]) -> dict[SpanKey, _Stored]:
        """Take out of `spans` what is stored already and as full; returns what is stored but has to be replaced."""
        suspects = [span for span in spans.values() if span.trace_id in traces]
        bounds = {"start": min(t.start_ns for t in traces.values()), "end": max(t.end_ns for t in traces.values())}
        with self._tables.registered("batch_spans", _KEY, suspects):
            found = self._tables.fetch(sql("write/known_spans"), bounds)
        replaced = {}
        for trace_id, span_id, *rest in found:
            key, stored = (trace_id.bytes, span_id), _Stored(*rest)
            span = spans[key]
            if (span.parts, span.end_ns) > (stored.parts, stored.end_ns):
                replaced[key] = stored
            else:
                del spans[key]
        return replaced

    def _mark_repeats(self, rows: list[Light], known: dict[bytes, TraceRow]) -> list[Light]:
        """Note which spans are the same call as another; those, coming or stored, of which that was not known."""
        least: dict[bytes, int] = {}
        for row in rows:
            if row.trace_id in known and (
                may_repeat(row) or row.parent_span_id is not None or is_request_of_stream(row)
            ):
                least[row.trace_id] = min(least.get(row.trace_id, 2), _calls_it_may_change(row))
        # Where what comes and what is stored may be one call, or tell that two are, the stored ones are looked at, too.
        asked = [
            known[trace_id]
            for trace_id, number in least.items()
            if known[trace_id].calls >= number and known[trace_id].spans <= TRACE_LOOKED_THROUGH
        ]
        stored = self._summable(asked) if asked else []
        coming = {(row.trace_id, row.span_id) for row in rows} if stored else set()
        return mark([*rows, *(span for span in stored if (span.trace_id, span.span_id) not in coming)])

    def _replace(self, spans: dict[SpanKey, Light], replaced: dict[SpanKey, _Stored]) -> None:
        if not replaced:
            return
        starts = [stored.start_ns for stored in replaced.values()]
        rows = [spans[key] for key in replaced]
        self._hours.note(starts)
        self._tables.change("write/delete_spans", Named("replaced_spans", _KEY, rows), starts)

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
            self._tables.change("write/delete_traces", named, starts)

    def recount(self, trace_ids: set[bytes], start_ns: int, end_ns: int) -> None:
        """Sum traces anew, spans of which that began between these times have changed; in the caller's transaction."""
        known = self._traces(trace_ids, _bounds((start_ns, end_ns)))
        changed = self._recounted([reduce(merge, summaries) for summaries in known.values()]) if known else {}
        self._delete_traces([summary for trace_id in changed for summary in known[trace_id]])
        self._tables.insert("traces", list(changed.values()), {})

    def _recounted(self, traces: list[TraceRow]) -> dict[bytes, TraceRow]:
        return summarise(self._summable(traces))

    def _summable(self, traces: list[TraceRow]) -> list[Light]:
        """The stored spans of these traces, as far as sums need them."""
        bounds = {"start": min(t.start_ns for t in traces), "end": max(t.end_ns for t in traces)}
        with self._tables.registered("batch_traces", {"trace_id": "UUID"}, traces):
            return light_spans(self._tables.connection, sql("write/summable_spans"), bounds, place=_STORED)


def _light(parts: Sequence[_Part], traces: Collection[bytes]) -> list[Light]:
    return [
        row
        for place, part in enumerate(parts)
        if traces and not part.spans.traces.keys().isdisjoint(traces)
        for row in light_rows(part.spans, traces, place)
    ]


def _calls(
    parts: Sequence[_Part], spans: Mapping[SpanKey, Light], dropped: Mapping[int, list[Light]]
) -> dict[SpanKey, UnnamedCall]:
    """The calls that are not dropped and whose sender named no session."""
    found: dict[SpanKey, UnnamedCall] = {}
    for place, part in enumerate(parts):
        gone = {(row.trace_id, row.span_id) for row in dropped.get(place, ())}
        for call in part.spans.unnamed:
            key = (call.trace_id, call.span_id)
            if key not in gone:
                call.inferred_session = call.prefix = None  # of a transaction that failed
                call.counted = spans[key].counted if key in spans else call.counted
                found[key] = call
    return found


def _note_sessions(spans: Mapping[SpanKey, Light], calls: Mapping[SpanKey, UnnamedCall]) -> None:
    for key, span in spans.items():
        if key in calls:
            span.inferred_session = calls[key].inferred_session


def _noted(spans: SpanColumns) -> dict[str, list[Any]]:
    """The columns that the writer has filled, where it has."""
    columns: dict[str, list[Any]] = {}
    for call in spans.unnamed:
        for name, value in (("inferred_session", call.inferred_session), ("prefix", call.prefix)):
            if value is not None:
                columns.setdefault(name, [None] * spans.rows)[call.row] = value
    return columns


def _calls_it_may_change(row: Light) -> int:
    """Of how many stored calls at least a span that comes may change whether they count."""
    if may_repeat(row):
        return 0 if has_request_above(row) else 1
    return 1 if is_request_of_stream(row) else 2


def _bounds(times: Iterable[int]) -> dict[str, int]:
    starts = list(times)
    # A time near the ends of what 64 bits hold must not overflow when a day is added to it.
    return {"start": max(min(starts), DAY_NS), "end": min(max(starts), 2**63 - 1 - DAY_NS)}
