"""Find the spans of which a message holds a text: the index says which messages to read, then they are read."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace

import duckdb
import orjson

from ...decode.inflate import zstd
from ...questions import Page, SpanFilter
from ...sql import sql
from ...text.places import wanted
from ..spec import Record
from . import text_index
from .conditions import SKELETON, named_condition, with_condition
from .named_times import times_of_hits

__all__ = ["TextSearch", "search_everything"]

ALL_BLOCKS = (1 << text_index.BLOCKS) - 1

PLACES_A_LOOK = 4
"""What these leave over is asked for the next ones."""
PLACES_AT_MOST = 24
READ_AT_ONCE = 64
"""Blocks: a quarter of a second. Where more may hold the text, the newest spans' are read first."""
READ_BEFORE = 8
"""The same where the question is for the newest spans only."""
FIRST_WINDOW_NS = 900_000_000_000
NEXT_WINDOW = 4

Ask = Callable[[SpanFilter], list[Record]]


def search_everything(own: duckdb.DuckDBPyConnection, spans: SpanFilter) -> SpanFilter:
    """Have all messages with the filter's text in `text_hits`, where it has one: conditions take them from there.

    The filter, with the times of the spans that can name them.
    """
    if spans.q is None:
        return spans
    search = TextSearch(own, spans.q)
    search.read(search.blocks)
    return replace(spans, within=times_of_hits(own))


class TextSearch:
    """One search through one connection, which has the messages that were found as its table `text_hits`."""

    def __init__(self, own: duckdb.DuckDBPyConnection, q: str) -> None:
        self._own = own
        q_json = orjson.dumps(q).decode()[1:-1]
        self._values = {"q": q, "q_json": q_json, "is_exact": q_json.lower() in SKELETON}
        own.execute("create or replace temp table text_hits (message_id bigint not null)")
        [(lowered, newest)] = own.execute(
            "select lower($q_json), (select coalesce(max(message_id), 0) from raw.messages)", {"q_json": q_json}
        ).fetchall()
        self.blocks = self._possible(wanted(lowered)[:PLACES_AT_MOST], newest)
        """Those that may hold the text."""
        self._read: set[int] = set()

    def _possible(self, places: list[int], newest: int) -> set[int]:
        # Of a run that the index does not have all blocks may.
        masks = dict.fromkeys(range(newest // (text_index.BLOCKS * text_index.BLOCK) + 1), ALL_BLOCKS)
        left: set[int] | None = None
        for start in range(0, len(places), PLACES_A_LOOK):
            asked = places[start : start + PLACES_A_LOOK]
            found: dict[tuple[int, int], bytes] = {
                (run, piece): zstd.decompress(bits)
                for run, piece, bits in self._own.execute(
                    sql("read/sketches"),
                    {
                        "pieces": sorted({place // text_index.PIECE for place in asked}),
                        "runs": None if left is None else sorted(left),
                    },
                ).fetchall()
            }
            left = set()
            for run in {run for run, _ in found}:
                for place in asked:
                    masks[run] &= found[run, place // text_index.PIECE][place % text_index.PIECE]
                if masks[run]:
                    left.add(run)
            if not left:
                break
        return {
            run * text_index.BLOCKS + block
            for run, mask in masks.items()
            if mask
            for block in range(text_index.BLOCKS)
            if mask >> block & 1
        }

    def read(self, blocks: Iterable[int]) -> None:
        """Look for the text in the messages of these blocks, as far as they may hold it and were not read yet."""
        for first, last in _stretches(sorted(self.blocks.intersection(blocks) - self._read)):
            self._own.execute(
                sql("read/text_hits"),
                {**self._values, "first": first * text_index.BLOCK, "last": (last + 1) * text_index.BLOCK - 1},
            )
        self._read |= self.blocks.intersection(blocks)

    def newest(self, spans: SpanFilter, page: Page, ask: Ask) -> list[Record]:
        """What `ask` finds, the newest of something; it is asked with an earlier `start` until that is enough."""
        if len(self.blocks) <= (READ_AT_ONCE if spans.start is None else READ_BEFORE):
            self.read(self.blocks)
            return ask(replace(spans, within=times_of_hits(self._own)))
        records: list[Record] = []
        for start, end in self._windows(spans, page):
            condition = named_condition(replace(spans, start=start, end=end))
            named = self._own.execute(
                with_condition("read/named_blocks", condition), condition.values | {"size": text_index.BLOCK}
            ).fetchall()
            self.read(block for (block,) in named)
            records = ask(replace(spans, start=start))
            if len(records) > page.limit:
                break
        return records

    def _windows(self, spans: SpanFilter, page: Page) -> Iterator[tuple[int | None, int | None]]:
        """Backwards in time, each longer than the one before; the last one has no start but the filter's own."""
        until = min((time for time in (spans.end, page.after and page.after.time_ns + 1) if time), default=2**63 - 1)
        [(first, last)] = self._own.execute(
            "select min(start_ns), max(start_ns) from raw.spans where start_ns >= $start and start_ns < $end",
            {"start": spans.start or 0, "end": until},
        ).fetchall()
        end, length = None, FIRST_WINDOW_NS
        while first is not None and last - length > first:
            last -= length
            yield last, end
            end, length = last, length * NEXT_WINDOW
        yield spans.start, end


def _stretches(blocks: list[int]) -> Iterator[tuple[int, int]]:
    """First and last of those that follow each other, the newest first."""
    while blocks:
        last = first = blocks.pop()
        while blocks and blocks[-1] == first - 1:
            first = blocks.pop()
        yield first, last
