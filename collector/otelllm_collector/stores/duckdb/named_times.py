"""When the spans began that can name what a search has found: of a message that was said once, an hour or two."""

from __future__ import annotations

from operator import itemgetter
from typing import TYPE_CHECKING

from ...sql import sql
from . import text_index
from .stretches import HOUR_NS, LENGTHS, between, whole_stretches

if TYPE_CHECKING:
    import duckdb

__all__ = ["times_of_hits"]

BLOCKS_AT_MOST = 16
"""What is in more blocks is in most hours."""
STRETCHES_AT_MOST = 50


def times_of_hits(own: duckdb.DuckDBPyConnection) -> tuple[tuple[int, int | None], ...] | None:
    """Stretches of time, None where it may be any: those whose spans name a block with a message of `text_hits`, and
    those of which it is not known (hours.py).

    Content that came beside its span is not in any hour's blocks: where it is meant the time may be any.
    """
    blocks = own.execute(
        "select distinct message_id // $size from text_hits order by 1 limit $most",
        {"size": text_index.BLOCK, "most": BLOCKS_AT_MOST + 1},
    ).fetchall()
    if len(blocks) > BLOCKS_AT_MOST or (blocks and own.execute(sql("read/hits_beside")).fetchall()):
        return None
    hours = own.execute(sql("read/naming_hours"), {"blocks": [block for (block,) in blocks]}).fetchall()
    unknown = between(whole_stretches(own, 0, None, LENGTHS[-1]), 0, None)
    times = sorted([*unknown, *((hour, hour + HOUR_NS) for (hour,) in hours)], key=itemgetter(0))
    return tuple(times) if len(times) <= STRETCHES_AT_MOST else None
