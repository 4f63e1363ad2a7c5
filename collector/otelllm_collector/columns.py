"""Rows to Arrow columns that DuckDB reads in place, and back.

Values given row by row cost 1,150 µs of CPU a span, Arrow 38; nanoarrow needs 3 MB where pyarrow needs 150.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from itertools import accumulate, repeat
from operator import attrgetter, is_not
from types import MappingProxyType
from typing import Any, NamedTuple

import nanoarrow as na  # type: ignore[import-untyped]  # nanoarrow publishes no types

__all__ = ["MESSAGES", "Arrays", "Columns", "Piece", "arrays", "joined", "table", "values"]

Columns = dict[str, str]
"""A table's columns and their DuckDB types, in order."""

Arrays = dict[str, Any]
"""Arrow's arrays by column."""

_UUID = na.extension_type(na.fixed_size_binary(16), "arrow.uuid", "")
_BYTES_16 = na.fixed_size_binary(16)

_SCALARS: dict[str, na.Schema] = {
    "VARCHAR": na.string(),
    "BIGINT": na.int64(),
    "UBIGINT": na.uint64(),
    "INTEGER": na.int32(),
    "UINTEGER": na.uint32(),
    "DOUBLE": na.float64(),
    "BOOLEAN": na.bool_(),
    "UUID": _UUID,
    "BLOB": na.binary(),
}
_ITEMS = {"BIGINT": "q", "INTEGER": "i", "UINTEGER": "I", "DOUBLE": "d"}
"""As `array` calls them, which takes half of nanoarrow's time; its "Q" takes the double of it."""

MESSAGES = {
    "message_id": "hash",
    "input_messages": "input_hashes",
    "output_messages": "output_hashes",
    "system_instructions": "system_hash",
    "tool_definitions": "tools_hash",
}
"""Columns that hold ids of messages, and the attributes that have their hashes."""


def table(columns: Columns, rows: Sequence[object], message_ids: Mapping[bytes, int] | None = None) -> na.Array:
    """The rows' attributes of these names as one Arrow table; messages by their ids, where those are given."""
    return _table(columns, arrays(columns, rows, message_ids), len(rows))


def arrays(columns: Columns, rows: Sequence[object], message_ids: Mapping[bytes, int] | None = None) -> Arrays:
    """The same by column, without those in which nothing is: most of most batches."""
    names = [MESSAGES.get(name, name) for name in columns] if message_ids is not None else list(columns)
    # Row by row, each while it is in the cache, and then turned: column by column costs twice the time.
    turned = (
        zip(*map(attrgetter(*names), rows), strict=True) if len(names) > 1 else [list(map(attrgetter(*names), rows))]
    )
    return {
        name: _column(kind, column, message_ids if name in MESSAGES else None)
        for (name, kind), column in zip(columns.items(), turned, strict=True)
        if column.count(None) < len(column)
    }


def _table(columns: Columns, found: Arrays, rows: int) -> na.Array:
    nothing = na.c_array_from_buffers(na.null(), rows, [], null_count=rows)
    children = {name: found.get(name, nothing) for name in columns}
    schema = na.struct({name: na.Schema(built.schema) for name, built in children.items()})
    return na.Array(na.c_array_from_buffers(schema, rows, [None], null_count=0, children=list(children.values())))


def _column(kind: str, values: Sequence[Any], ids: Mapping[bytes, int] | None) -> Any:
    if kind.endswith("[]"):
        return _lists(kind.removesuffix("[]"), values, ids)
    if ids is not None:
        return na.c_array([value and ids.get(value, 0) for value in values], na.int64())
    if kind == "UUID":
        return _uuids(values)
    if kind == "VARCHAR" and None not in values:
        return _texts(values)
    if kind in _ITEMS and None not in values:
        return _plain(_SCALARS[kind], array(_ITEMS[kind], values))
    return na.c_array(values, _SCALARS[kind])


def _plain(schema: na.Schema, items: array[Any]) -> Any:
    return na.c_array_from_buffers(schema, len(items), [None, items], null_count=0)


def _uuids(values: Sequence[bytes | None]) -> Any:
    missing = values.count(None)
    data = b"".join(values) if not missing else b"".join([value or bytes(16) for value in values])  # type: ignore[arg-type]  # no None is left where none is missing
    return na.c_array_from_buffers(
        _UUID, len(values), [_validity(values) if missing else None, data], null_count=missing
    )


def _texts(values: Sequence[str]) -> Any:
    """In buffers of just their size: nanoarrow's own have room for as much again."""
    whole = "".join(values)
    pieces: Sequence[str | bytes] = values if whole.isascii() else [value.encode() for value in values]
    offsets = array("i", accumulate(map(len, pieces), initial=0))
    return na.c_array_from_buffers(na.string(), len(values), [None, offsets, whole.encode()], null_count=0)


def _lists(kind: str, values: Sequence[Sequence[Any] | None], ids: Mapping[bytes, int] | None) -> Any:
    missing = values.count(None)
    offsets = array("i", [0])
    flat: list[Any] = []
    for value in values:
        if value:
            flat.extend(value)
        offsets.append(len(flat))
    if ids is not None:
        # A message that the batch does not bring is none that can be read.
        child = _plain(na.int64(), array("q", map(ids.get, flat, repeat(0))))
    else:
        child = _uuids(flat) if kind == "UUID" else na.c_array(flat, _SCALARS[kind])
    buffers = [_validity(values) if missing else None, offsets]
    return na.c_array_from_buffers(na.list_(_SCALARS[kind]), len(values), buffers, null_count=missing, children=[child])


def _validity(values: Sequence[object]) -> bytes:
    # As one number of which each digit is a bit: reading that is done in C.
    digits = bytes(map(is_not, reversed(values), repeat(None))).translate(_DIGITS)
    return int(digits, 2).to_bytes((len(values) + 7) // 8, "little")


_DIGITS = b"01".ljust(256)


def values(part: Piece, columns: Columns, names: Iterable[str]) -> list[Sequence[Any]]:
    """These columns of a piece as Python's values."""
    nothing = [None] * part.rows
    return [
        nothing
        if (column := part.found.get(name)) is None
        else na.Array(_plain_bytes(column, columns[name])).to_pylist()
        for name in names
    ]


def _plain_bytes(column: Any, kind: str) -> Any:
    """The column in a type that nanoarrow knows."""
    if kind != "UUID":
        return column
    view = column.view()
    validity = view.buffer(0) if column.null_count else None
    return na.c_array_from_buffers(
        _BYTES_16, column.length, [validity, view.buffer(1)], null_count=column.null_count
    )  # fmt: skip


class Piece(NamedTuple):
    """Some rows by column."""

    rows: int
    found: Arrays
    ids: Sequence[int] = ()
    """Of its messages, which it names by their places here."""
    others: Mapping[str, Sequence[Any]] = MappingProxyType({})
    """Columns in the place of its own."""


def joined(columns: Columns, pieces: Sequence[Piece]) -> na.Array:
    """Pieces as one table, with ids of messages in the place of their places.

    Of one chunk: DuckDB reads several with a thread each, which fill row groups in part and write them twice.
    """
    whole: Arrays = {}
    for name, kind in columns.items():
        parts = [
            _Part(
                piece.rows,
                _column(kind, other, None) if (other := piece.others.get(name)) is not None else piece.found.get(name),
                piece.ids,
            )
            for piece in pieces
        ]
        if any(part.column is not None for part in parts):
            whole[name] = _joined(kind, parts, is_of_messages=name in MESSAGES)
    return _table(columns, whole, sum(piece.rows for piece in pieces))


class _Part(NamedTuple):
    rows: int
    column: Any
    """None where nothing is in it."""
    ids: Sequence[int]

    def buffer(self, place: int) -> memoryview | None:
        return None if self.column is None else memoryview(self.column.view().buffer(place)).cast("B")


def _joined(kind: str, parts: Sequence[_Part], *, is_of_messages: bool) -> Any:
    rows = sum(part.rows for part in parts)
    missing = sum(part.rows if part.column is None else part.column.null_count for part in parts)
    validity = None
    if missing:
        validity = _joined_bits(
            (part.rows, None if part.column is None else part.buffer(0) if part.column.null_count else _ALL)
            for part in parts
        )
    item, children = kind.removesuffix("[]"), []
    if item != kind:
        buffers = [_joined_offsets(parts)]
        inner = [
            _Part(part.column.child(0).length, part.column.child(0), part.ids)
            for part in parts
            if part.column is not None
        ]
        children = [_joined(item, inner, is_of_messages=is_of_messages)]
    elif kind in ("VARCHAR", "BLOB"):
        buffers = [_joined_offsets(parts), b"".join(part.buffer(2) or b"" for part in parts)]
    elif kind == "BOOLEAN":
        buffers = [_joined_bits((part.rows, part.buffer(1)) for part in parts)]
    elif is_of_messages:
        buffers = [b"".join(_ids(part) for part in parts)]
    else:
        width = _WIDTHS.get(kind, 8)
        buffers = [b"".join(part.buffer(1) or bytes(width * part.rows) for part in parts)]
    return na.c_array_from_buffers(_type(kind), rows, [validity, *buffers], null_count=missing, children=children)


def _ids(part: _Part) -> bytes | array[int]:
    if part.column is None:
        return bytes(8 * part.rows)
    return array("q", map(part.ids.__getitem__, memoryview(part.column.view().buffer(1))))


_ALL = b""
"""In the place of bits: all are set."""


def _joined_bits(parts: Iterable[tuple[int, bytes | memoryview | None]]) -> bytes:
    """Bits one behind the other; None is so many that are not set."""
    found = at = 0
    for rows, bits in parts:
        if bits is not None:
            ones = (1 << rows) - 1
            found |= (ones if bits is _ALL else int.from_bytes(bits, "little") & ones) << at
        at += rows
    return found.to_bytes((at + 7) // 8, "little")


def _joined_offsets(parts: Sequence[_Part]) -> bytes:
    """Where each text ends. All of a part are moved at once, as one number of 32 bits a text."""
    pieces, end = [bytes(4)], 0
    for part in parts:
        own = (part.buffer(1) or b"")[4 : 4 * (part.rows + 1)]
        moved = int.from_bytes(own, "little") + end * _each(part.rows)
        pieces.append(moved.to_bytes(4 * part.rows, "little"))
        end += int.from_bytes(own[-4:], "little")
    return b"".join(pieces)


@lru_cache(16)
def _each(rows: int) -> int:
    """1 in each of so many numbers of 32 bits."""
    return int.from_bytes(b"\1\0\0\0" * rows, "little")


def _type(kind: str) -> na.Schema:
    return na.list_(_SCALARS[kind.removesuffix("[]")]) if kind.endswith("[]") else _SCALARS[kind]


_WIDTHS = {"INTEGER": 4, "UINTEGER": 4, "UUID": 16}
