"""`otelllm query "SQL"`: ask the collector's database."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from . import _options
from ._client import ask, send
from ._failure import Failure
from ._files import whole
from ._table import render

if TYPE_CHECKING:
    import argparse

    from ._options import Subparsers

ARROW = "application/vnd.apache.arrow.stream"


def add(subparsers: Subparsers) -> None:
    """The command's options."""
    parser = subparsers.add_parser("query", help="ask the collector's database in SQL")
    parser.add_argument(
        "sql", metavar="SQL", help="one SELECT over spans, traces, messages, …; - reads it from standard input"
    )
    parser.add_argument("--limit", type=int, default=10_000, help="rows at most (10000)")
    parser.add_argument("--output", metavar="FILE", help="write the rows there, and not to standard output")
    _options.url(parser)
    _options.format_(parser, "arrow")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Give out the rows; that there are more goes to standard error."""
    if args.format == "arrow" and not args.output and sys.stdout.isatty():
        raise Failure("--format arrow is not for a terminal to show; add --output FILE, or `> FILE` or a pipe")
    sql = sys.stdin.read() if args.sql == "-" else args.sql
    more = (_give_arrow if args.format == "arrow" else _give_text)(args, sql)
    if more:
        print(f"otelllm: {more}", file=sys.stderr)
    return 0


def _give_text(args: argparse.Namespace, sql: str) -> str:
    """What there is to say about rows that are not here; `_give_arrow` does the same."""
    answer = ask(args.url, "/api/sql", {"sql": sql, "limit": args.limit})
    text = render([column["name"] for column in answer["columns"]], answer["rows"], args.format)
    if args.output:
        with whole(Path(args.output)) as file:
            file.write(f"{text}\n".encode())
    else:
        print(text)
    return f"only the first {len(answer['rows'])} rows; --limit gives more" if answer["truncated"] else ""


def _give_arrow(args: argparse.Namespace, sql: str) -> str:
    body = json.dumps({"sql": sql, "limit": args.limit}).encode()
    with send(args.url, "/api/sql", {}, content=body, headers={"Accept": ARROW}) as answer:
        if answer.headers.get_content_type() != ARROW:
            raise Failure(f"{args.url} answers, but not in Arrow as an otelllm collector does: is --url right?")
        content, rows = answer.read(), answer.headers.get("x-otelllm-rows")
    if args.output:
        with whole(Path(args.output)) as file:
            file.write(content)
    else:
        sys.stdout.buffer.write(content)
    is_full = rows == str(args.limit)
    return f"{rows} rows, as many as --limit allows: there may be more" if is_full else ""
