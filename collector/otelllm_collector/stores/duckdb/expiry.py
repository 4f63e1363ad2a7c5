"""What is too old or too much is dropped, in short steps of the writer's thread: content first, the rest later."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Generator
from concurrent.futures import Executor
from typing import TYPE_CHECKING, Any, NamedTuple

import duckdb
import orjson

from ...content_forms import DROPPED
from ...retention import CONVENTIONS, Retention, Rule, rules, without_content
from ...sql import sql
from ..spec import Record
from . import text_index
from .slices import Which, slices, statement

if TYPE_CHECKING:
    from .writing import Writing

__all__ = ["Expiry", "checkpoint", "used_bytes"]

log = logging.getLogger(__name__)

DELETED_A_STEP = 50_000
REDUCED_A_STEP = 2048
LOOK_S = 0.05
"""How often it is looked whether the search for messages has ended."""
GARBAGE = 500_000
"""Messages found at a time: 20 MB of ids."""
HEADROOM = 0.1
"""Of its size is free after the database was too large."""
OLDER_PART = 0.75

OLDER = "older-genai"
"""A vocabulary whose content stands under the conventions' own prefix; all else is the app's."""

HAS_CONTENT = """coalesce(x.content_forms, '') not like '%"content":"dropped"%'"""
IS_EVENT = "x.event_name is not null and x.content_dropped is null"

Steps = Generator[float, None, None]


class _Reduced(NamedTuple):
    trace_id: bytes
    span_id: int
    attributes: str
    events: str | None
    made: str | None
    content_forms: str


class _ReducedLog(NamedTuple):
    id: int
    attributes: str


class _Message(NamedTuple):
    message_id: int


class Expiry:
    """One run over everything; a new one for each."""

    def __init__(self, own: duckdb.DuckDBPyConnection, writing: Writing, searching: Executor, search: Any) -> None:
        """`own` is the writer's connection; `search` gives a connection for a question, asked in `searching`."""
        self._own, self._writing, self._searching, self._search = own, writing, searching, search
        self._dropped: Counter[str] = Counter()

    @property
    def dropped(self) -> Record:
        """How many rows of each table are gone, and of how many the content is."""
        return dict(self._dropped)

    def age(self, retention: Retention, now_ns: int) -> Steps:
        """Drop what is too old."""
        whole, content = rules(retention.days, now_ns), rules(retention.content_days, now_ns)
        yield from self._drop_rows(whole)
        yield from self._drop_content(content)
        if self._dropped:
            yield from self._drop_messages()

    def _drop_rows(self, old: list[Rule]) -> Steps:
        for rule in old:
            for name in ("spans", "logs", "metrics"):
                yield from self._delete(Which(name, rule.before_ns, rule.condition, rule.values))
        if old:
            newest, oldest = max(rule.before_ns for rule in old), min(rule.before_ns for rule in old)
            yield from self._delete(Which("traces", newest, _text("keep/gone_trace")))
            gone = _text("keep/gone_span")
            yield from self._delete(Which("contents", newest, gone))
            yield from self._delete(Which("scores", newest, f"x.trace_id is not null and {gone}"))
            yield from self._delete(Which("scores", oldest, "x.trace_id is null"))

    def _delete(self, which: Which) -> Steps:
        query = statement("keep/delete", which)
        for start, end in slices(self._own, which, DELETED_A_STEP):
            if which.table == "spans":
                self._writing.hours.note_between(start, end)
            [(deleted,)] = self._own.execute(query, {**which.values, "from": start, "to": end}).fetchall()
            self._dropped[which.table] += deleted
            yield 0.0

    def _drop_content(self, old: list[Rule]) -> Steps:
        for rule in old:
            condition = f"{HAS_CONTENT} and {rule.condition}"
            yield from self._reduce_spans(Which("spans", rule.before_ns, condition, rule.values))
            yield from self._reduce_logs(Which("logs", rule.before_ns, f"{IS_EVENT} and {rule.condition}", rule.values))
        if old:
            newest = max(rule.before_ns for rule in old)
            yield from self._drop_beside(newest)

    def _drop_beside(self, before_ns: int) -> Steps:
        """Content that came as records beside spans, and what judges said of it."""
        spanless = _text("keep/spanless")
        yield from self._delete(Which("contents", before_ns, spanless))
        which = Which("scores", before_ns, f"x.explanation is not null and {spanless}")
        query = statement("keep/drop_explanations", which)
        for start, end in slices(self._own, which, DELETED_A_STEP):
            self._own.execute(query, {"from": start, "to": end})
            yield 0.0

    def _reduce_spans(self, which: Which) -> Steps:
        query = statement("keep/content_of_spans", which)
        columns = {"trace_id": "UUID", "span_id": "UBIGINT"} | dict.fromkeys(_Reduced._fields[2:], "VARCHAR")
        for start, end in slices(self._own, which, REDUCED_A_STEP):
            bounds = {"from": start, "to": end}
            reduced = [_reduced(*row) for row in self._own.execute(query, {**which.values, **bounds}).fetchall()]
            with self._writing.registered("reduced_spans", columns, reduced):
                self._own.execute(sql("keep/drop_content"), bounds)
            self._dropped["content"] += len(reduced)
            yield 0.0

    def _reduce_logs(self, which: Which) -> Steps:
        query = statement("keep/content_of_logs", which)
        columns = {"id": "BIGINT", "attributes": "VARCHAR"}
        for start, end in slices(self._own, which, REDUCED_A_STEP):
            bounds = {"from": start, "to": end}
            found = self._own.execute(query, {**which.values, **bounds}).fetchall()
            reduced = [_ReducedLog(number, _less(text, is_foreign=True) or "{}") for number, text in found]
            with self._writing.registered("reduced_logs", columns, reduced):
                self._own.execute(sql("keep/drop_log_content"), bounds)
            self._dropped["log content"] += len(reduced)
            yield 0.0

    def _drop_messages(self) -> Steps:
        """Messages that nothing names any more. Searched for beside the writer, which notes what it uses meanwhile."""
        with self._writing.messages.noting() as used:
            while True:
                searching = self._searching.submit(self._garbage)
                while not searching.done():
                    yield LOOK_S
                found = searching.result()
                for start in range(0, len(found), DELETED_A_STEP):
                    garbage = [_Message(one) for one in found[start : start + DELETED_A_STEP] if one not in used]
                    if garbage:
                        bounds = {"start": garbage[0].message_id, "end": garbage[-1].message_id}
                        with self._writing.registered("garbage", {"message_id": "BIGINT"}, garbage):
                            self._own.execute(sql("keep/delete_messages"), bounds)
                    self._writing.messages.forget({one.message_id for one in garbage})
                    self._dropped["messages"] += len(garbage)
                    yield 0.0
                if len(found) < GARBAGE:
                    self._own.execute(sql("keep/drop_sketches"), {"size": text_index.BLOCKS * text_index.BLOCK})
                    return

    def _garbage(self) -> list[int]:
        with self._search() as own:
            return sorted(row[0] for row in own.execute(sql("keep/garbage"), {"limit": GARBAGE}).fetchall())

    def shrink(self, size: int) -> Generator[float, None, bool]:
        """Drop as much as brings the database well below its size, by an estimate; whether there was too much.

        What is dropped shows in the file only where whole row groups are gone, or after a rewriting: whoever measures
        too early and drops again drops everything.
        """
        checkpoint(self._own)
        used = used_bytes(self._own)
        if used <= size:
            return False
        excess = used - (1 - HEADROOM) * size
        content = max(1, self._content_bytes())
        # Numbers are a fifth of the bytes: they stay while there is content of any but the youngest quarter.
        share = min(1.0, excess / content)
        enough_ns = self._quantile(HAS_CONTENT, share)
        before_ns = min(enough_ns, self._quantile("true", OLDER_PART))
        gone = content * self._share(HAS_CONTENT, before_ns)
        yield from self._drop_content([Rule(before_ns, "true", {})])
        if excess > content or before_ns < enough_ns:  # quantiles are not exact: `gone` is never just the excess
            oldest = min(1.0, max(0.0, excess - gone) / max(1, used - gone))
            yield from self._drop_rows([Rule(self._quantile("true", oldest), "true", {})])
        yield from self._drop_messages()
        checkpoint(self._own)
        return True

    def _content_bytes(self) -> int:
        query = (
            "select count(distinct block) * any_value(block_size) from ("
            "  select unnest(list_append(additional_block_ids, block_id)) as block"
            "  from pragma_storage_info('raw.messages') where block_id >= 0"
            "), pragma_database_size() where database_name = 'otelllm'"
        )
        [(size,)] = self._own.execute(query).fetchall()
        return int(size or 0)

    def _quantile(self, condition: str, share: float) -> int:
        """A time before which this share of the spans began."""
        query = f"select approx_quantile(x.start_ns, {share:f}) from raw.spans as x where {condition}"  # noqa: S608  our own pieces
        [(found,)] = self._own.execute(query).fetchall()
        return 0 if found is None else int(found) + 1

    def _share(self, condition: str, before_ns: int) -> float:
        """Which share of such spans began before this time."""
        query = f"select avg((x.start_ns < $before)::integer) from raw.spans as x where {condition}"  # noqa: S608  our own pieces
        [(share,)] = self._own.execute(query, {"before": before_ns}).fetchall()
        return float(share or 0)


def used_bytes(own: duckdb.DuckDBPyConnection) -> int:
    """Of the file, without what is free in it."""
    found = own.execute("select block_size * used_blocks from pragma_database_size() where database_name = 'otelllm'")
    [(used,)] = found.fetchall()
    return int(used)


def checkpoint(own: duckdb.DuckDBPyConnection) -> None:
    """Free what was deleted; where a question is being answered at the moment, some of it."""
    try:
        own.execute("checkpoint otelllm")
    except duckdb.TransactionException:
        log.debug("a question is being answered: the next checkpoint frees what was deleted")


def _text(name: str) -> str:
    """A condition without the comment above it: it stands inside a line."""
    return "\n".join(line for line in sql(name).splitlines() if not line.startswith("--"))


def _reduced(
    trace_id: Any, span_id: int, _start: int, attributes: str, events: str | None, made: str | None,
    vocabulary: str | None, forms: str | None,
) -> _Reduced:  # fmt: skip
    is_foreign = vocabulary not in (None, OLDER)
    kept = orjson.dumps({**orjson.loads(forms or "{}"), **orjson.loads(DROPPED)}).decode()
    return _Reduced(
        trace_id.bytes, span_id, _less(attributes, is_foreign=is_foreign) or "{}",
        _less_events(events, is_foreign=is_foreign), _less_made(made), kept,
    )  # fmt: skip


def _less(attributes: str | None, *, is_foreign: bool) -> str | None:
    if not attributes:
        return attributes
    return orjson.dumps(without_content(orjson.loads(attributes), is_foreign=is_foreign)).decode()


def _less_events(events: str | None, *, is_foreign: bool) -> str | None:
    if not events:
        return events
    found = orjson.loads(events)
    for event in found:
        # Events that only carry messages say so by their name, whoever wrote the span.
        is_told = is_foreign or event["name"].startswith(CONVENTIONS)
        event["attributes"] = without_content(event["attributes"], is_foreign=is_told)
    return orjson.dumps(found).decode()


def _less_made(made: str | None) -> str | None:
    if not made:
        return made
    found = orjson.loads(made)
    found["attributes"] = without_content(found["attributes"], is_foreign=True)
    return orjson.dumps(found).decode()
