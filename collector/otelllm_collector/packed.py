"""A batch's spans as columns, with all that a store needs to know of them: made where they are decoded, so that the
writer's thread does next to nothing for each span.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Any, TypeVar

from .columns import MESSAGES, Columns, Piece, built, values
from .conversations import is_unnamed
from .enrich import summarise
from .repeats import mark
from .rows import NO_MESSAGE, Batch, SpanColumns, UnnamedCall
from .span_row import NAMES, Light, SpanRow

__all__ = ["SpanKey", "fullest", "light_rows", "pack", "packed", "span_rows", "text_of"]

SpanKey = tuple[bytes, int]
L = TypeVar("L", bound=Light)

HOUR_NS = 3_600_000_000_000


_LIGHT = NAMES[: NAMES.index("counted") + 1]
"""What `Light` has of a row: what sums and versions are told by."""


def pack(batch: Batch, columns: Columns) -> None:
    """Let the batch have columns, as a store's table has them, in the place of its spans."""
    if batch.spans:
        batch.columns = packed(batch, columns)
        batch.spans = []


def packed(batch: Batch, columns: Columns) -> SpanColumns:
    """The batch's spans, each once, as such columns; messages are named by their places in the batch, from 1."""
    spans: list[SpanRow] = list(fullest(batch.spans).values())
    mark(spans)
    # Row by row, each while it is in the cache, and then turned: column by column costs twice the time.
    turned = dict(zip(NAMES, zip(*[span.values() for span in spans], strict=True), strict=True))
    places = {key: place for place, key in enumerate(batch.messages, 1)}
    unnamed = [
        UnnamedCall(
            row, span.trace_id, span.span_id, span.start_ns, span.operation, span.service_name, span.user_id,
            span.counted, span.input_hashes, span.output_hashes,
        )
        for row, span in enumerate(spans)
        if is_unnamed(span)
    ]  # fmt: skip
    return SpanColumns(
        built(columns, turned, places), columns, len(spans), len(batch.spans), summarise(spans),
        sum([text_of(span) for span in spans]),
        list({span.start_ns // HOUR_NS: span.start_ns for span in spans}.values()), unnamed,
    )  # fmt: skip


def text_of(span: SpanRow) -> int:
    """Characters of what may be long in a span."""
    size = len(span.attributes)
    size += len(span.events) if span.events is not None else 0
    return size + (len(span.tool_result) if span.tool_result is not None else 0)


def fullest(rows: Iterable[L]) -> dict[SpanKey, L]:
    """Each span once: of several versions the fullest, the later one of equals."""
    spans: dict[SpanKey, L] = {}
    for row in rows:
        key = (row.trace_id, row.span_id)
        other = spans.get(key)
        if other is None or (row.parts, row.end_ns) >= (other.parts, other.end_ns):
            spans[key] = row
    return spans


def light_rows(part: SpanColumns, traces: Collection[bytes], place: int) -> list[Light]:
    """The spans of these traces."""
    whole = Piece(part.rows, part.arrays)
    (ids,) = values(whole, part.columns, ("trace_id",))
    wanted = [index for index, trace_id in enumerate(ids) if trace_id in traces]
    found = values(whole, part.columns, _LIGHT)
    return [
        Light(place=place, **{name: column[index] for name, column in zip(_LIGHT, found, strict=True)})
        for index in wanted
    ]


def span_rows(part: SpanColumns, hashes: Sequence[bytes]) -> list[SpanRow]:
    """All of them as they were; `hashes` are those of the batch's messages, in order."""
    known = (NO_MESSAGE, *hashes)
    found: list[Sequence[Any]] = []
    whole = values(Piece(part.rows, part.arrays), part.columns, part.columns)
    for (name, kind), column in zip(part.columns.items(), whole, strict=True):
        if name not in MESSAGES:
            found.append(column)
        elif kind.endswith("[]"):
            found.append([value and [known[place] for place in value] for value in column])
        else:
            found.append([known[value] if value else None for value in column])
    names = [MESSAGES.get(name, name) for name in part.columns]
    rows = [SpanRow(**dict(zip(names, row, strict=True))) for row in zip(*found, strict=True)]
    for call in part.unnamed:
        rows[call.row].inferred_session, rows[call.row].prefix = call.inferred_session, call.prefix
    return rows
