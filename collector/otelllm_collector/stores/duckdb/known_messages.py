"""The ids of messages: which of those that come are stored already, and the numbers of those that are not."""

from __future__ import annotations

import contextlib
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Set

import duckdb

from ...rows import MessageRow
from ...sql import sql

__all__ = ["KnownMessages"]

REMEMBERED = 200_000
"""Messages that need not be written again: about 32 MB. A forgotten one is written twice, nothing worse."""

READ_BACK = 64 * 1024 * 1024
"""Of their text at most this much is read at a start: 0.3 s."""
READ_BACK_AT_ONCE = 4096


class KnownMessages:
    """Hash -> id of the messages used last; ids are given in the order of writing."""

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self._ids: OrderedDict[bytes, int] = OrderedDict()
        [(newest,)] = connection.execute("select coalesce(max(message_id), 0) from raw.messages").fetchall()
        self.newest: int = newest
        self._used: set[int] | None = None
        self.in_hand: dict[bytes, int] = {}
        """Of the messages that the batches in hand name; another object each time, for a mirror reads the last."""
        self.remember(self._recent(connection))

    def number(self, rows: Mapping[bytes, MessageRow]) -> list[MessageRow]:
        """Give all of them ids, `in_hand`; those that have to be written."""
        known = {key: number for key in rows if (number := self._ids.get(key)) is not None}
        new = [row for key, row in rows.items() if key not in known]
        self.in_hand = known | {row.hash: number for number, row in enumerate(new, self.newest + 1)}
        if self._used is not None:
            self._used.update(self.in_hand.values())
        return new

    def remember(self, ids: Mapping[bytes, int]) -> None:
        """These are stored. What was numbered and is not, gives its numbers to others."""
        for key, message_id in ids.items():
            self._ids[key] = message_id
            self._ids.move_to_end(key)
        self.newest = max(self.newest, max(ids.values(), default=0))
        while len(self._ids) > REMEMBERED:
            self._ids.popitem(last=False)

    @contextlib.contextmanager
    def noting(self) -> Iterator[set[int]]:
        """A set of the ids of messages that batches name inside the block, written then or before."""
        self._used = set()
        try:
            yield self._used
        finally:
            self._used = None

    def forget(self, message_ids: Set[int]) -> None:
        """Messages that are gone: they have to be written when they come again."""
        for key in [key for key, message_id in self._ids.items() if message_id in message_ids]:
            del self._ids[key]

    def _recent(self, connection: duckdb.DuckDBPyConnection) -> dict[bytes, int]:
        """The newest of the store, oldest first."""
        found: list[tuple[bytes, int]] = []
        size, to = 0, self.newest
        while to > self.newest - REMEMBERED and to > 0 and size < READ_BACK:
            after = max(to - READ_BACK_AT_ONCE, self.newest - REMEMBERED)
            rows = connection.execute(sql("write/recent_messages"), {"after": after, "to": to}).fetchall()
            found += [(key, message_id) for key, message_id, _ in rows]
            size += sum(row[2] for row in rows)
            to = after
        return dict(reversed(found))
