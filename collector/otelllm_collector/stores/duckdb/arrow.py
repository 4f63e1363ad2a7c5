"""DuckDB's answers to an Arrow IPC stream."""

from __future__ import annotations

import io
from typing import Any

import nanoarrow as na  # type: ignore[import-untyped]  # nanoarrow publishes no types
from nanoarrow import ipc

from ...questions import SqlStream

__all__ = ["Broken", "to_ipc"]


class Broken(Exception):  # noqa: N818  says what happened, as the library's own do
    """A result could not be read to its end; the text says why."""


class _Bounded(io.BytesIO):
    """A buffer that refuses to grow beyond its limit."""

    def __init__(self, limit: int) -> None:
        super().__init__()
        self._limit = limit
        self.is_full = False

    def write(self, piece: Any, /) -> int:
        """Add a piece, or refuse it."""
        if self.tell() + len(piece) > self._limit:
            self.is_full = True
            raise OverflowError
        return super().write(piece)


def to_ipc(result: Any, limit: int) -> SqlStream:
    """An Arrow IPC stream of a result, of at most so many bytes; else `Broken`."""
    out = _Bounded(limit)
    rows = 0
    try:
        with ipc.StreamWriter.from_writable(out) as writer:
            stream = na.c_array_stream(result)
            for part in stream:
                writer.write_array(part)
                rows += len(part)
            writer.write_stream(stream)  # which has ended: of no rows at all this tells the columns
    except RuntimeError as error:  # nanoarrow's own wraps what the database or the buffer raised
        full = f"the answer is larger than {limit // 2**20} MB; ask for fewer rows or columns at a time"
        raise Broken(full if out.is_full else str(error)) from error
    return SqlStream(out.getvalue(), rows)
