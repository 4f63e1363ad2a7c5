"""Rows as text: a table to read, JSON or CSV to go on with."""

from __future__ import annotations

import csv
import io
import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["render"]

WIDEST = 60


def render(columns: Sequence[str], rows: Sequence[Sequence[Any]], style: str) -> str:
    """The rows in the style that --format names."""
    if style == "json":
        return json.dumps([dict(zip(columns, row, strict=True)) for row in rows], ensure_ascii=False, indent=2)
    if style == "csv":
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerows([columns, *(["" if cell is None else _plain(cell) for cell in row] for row in rows)])
        return text.getvalue().rstrip("\n")
    return _table(columns, rows)


def _table(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    lines = [list(columns), *([_short(cell) for cell in row] for row in rows)]
    widths = [max(len(line[at]) for line in lines) for at in range(len(columns))]
    right = [any(isinstance(row[at], int | float) for row in rows) for at in range(len(columns))]
    lines.insert(1, ["-" * width for width in widths])
    return "\n".join(
        "  ".join(
            cell.rjust(width) if to_right else cell.ljust(width)
            for cell, width, to_right in zip(line, widths, right, strict=True)
        ).rstrip()
        for line in lines
    )


def _plain(cell: Any) -> str:
    return json.dumps(cell, ensure_ascii=False) if isinstance(cell, dict | list | bool) else str(cell)


def _short(cell: Any) -> str:
    """A cell on one line; an unknown value is left empty, as it is not a word."""
    if cell is None:
        return ""
    text = f"{cell:.6g}" if isinstance(cell, float) else _plain(cell)
    text = " ".join(text.split())
    return text if len(text) <= WIDEST else f"{text[: WIDEST - 1]}…"
