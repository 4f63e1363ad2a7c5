"""`otelllm query "SQL"`: ask the collector's database."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from . import _options
from ._client import ask
from ._table import render

if TYPE_CHECKING:
    import argparse

    from ._options import Subparsers


def add(subparsers: Subparsers) -> None:
    """The command's options."""
    parser = subparsers.add_parser("query", help="ask the collector's database in SQL")
    parser.add_argument(
        "sql", metavar="SQL", help="one SELECT over spans, traces, messages, …; - reads it from standard input"
    )
    parser.add_argument("--limit", type=int, default=10_000, help="rows at most (10000)")
    _options.url(parser)
    _options.format_(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Print the rows; that there are more goes to standard error."""
    sql = sys.stdin.read() if args.sql == "-" else args.sql
    answer = ask(args.url, "/api/sql", {"sql": sql, "limit": args.limit})
    print(render([column["name"] for column in answer["columns"]], answer["rows"], args.format))
    if answer["truncated"]:
        print(f"otelllm: only the first {len(answer['rows'])} rows; --limit gives more", file=sys.stderr)
    return 0
