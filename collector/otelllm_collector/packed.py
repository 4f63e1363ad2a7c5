"""A batch's spans as columns, with all that a store needs to know of them: made where they are decoded, so that the
writer's thread does next to nothing for each span.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, fields
from typing import Any

from .columns import MESSAGES, Columns, Piece, arrays, values
from .conversations import is_unnamed
from .enrich import summarise
from .repeats import mark
from .rows import NO_MESSAGE, Batch, SpanColumns, SpanRow, UnnamedCall

__all__ = ["Light", "SpanKey", "fullest", "light_rows", "pack", "packed", "span_rows", "text_of"]

SpanKey = tuple[bytes, int]

HOUR_NS = 3_600_000_000_000


@dataclass(slots=True)
class Light:
    """What tells a span's version, its call, and its part in its trace's sums."""

    trace_id: bytes
    span_id: int
    parent_span_id: int | None
    name: str
    start_ns: int
    end_ns: int
    parts: int
    service_name: str | None
    status: str
    operation: str | None
    provider: str | None
    request_model: str | None
    response_model: str | None
    response_id: str | None
    input_tokens: int | None
    output_tokens: int | None
    cache_read_tokens: int | None
    cost_usd: float | None
    cost_status: str | None
    ttft_s: float | None
    first_chunk_s: float | None
    user_id: str | None
    session_id: str | None
    inferred_session: str | None
    feature: str | None
    counted: bool
    place: int = 0
    """Which of the parts that are written together has it."""

    @property
    def session(self) -> str | None:
        """Whoever named it."""
        return self.session_id or self.inferred_session


_LIGHT = tuple(one.name for one in fields(Light) if one.name != "place")


def pack(batch: Batch, columns: Columns) -> None:
    """Let the batch have columns, as a store's table has them, in the place of its spans."""
    if batch.spans:
        batch.columns = packed(batch, columns)
        batch.spans = []


def packed(batch: Batch, columns: Columns) -> SpanColumns:
    """The batch's spans, each once, as such columns; messages are named by their places in the batch, from 1."""
    spans = list(fullest(batch.spans).values())
    mark(spans)
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
        arrays(columns, spans, places), columns, len(spans), len(batch.spans), summarise(spans),
        sum(map(text_of, spans)), list({span.start_ns // HOUR_NS: span.start_ns for span in spans}.values()), unnamed,
    )  # fmt: skip


def text_of(span: SpanRow) -> int:
    """Characters of what may be long in a span."""
    return len(span.attributes) + len(span.events or "") + len(span.tool_result or "")


def fullest(rows: Iterable[Any]) -> dict[SpanKey, Any]:
    """Each span once: of several versions the fullest, the later one of equals."""
    spans: dict[SpanKey, Any] = {}
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
    rows = [Light(*(column[index] for column in found)) for index in wanted]
    for row in rows:
        row.place = place
    return rows


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
