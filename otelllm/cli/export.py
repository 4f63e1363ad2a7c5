"""`otelllm export`: what the collector has, as OTLP or as Parquet."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import _options
from ._client import send
from ._failure import Failure
from ._files import whole
from ._moments import nanoseconds

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable, Iterator

    from ._options import Subparsers

SIGNALS = ("traces", "logs", "metrics")
TABLES = ("spans", "traces", "messages", "contents", "logs", "metrics", "scores", "resources", "scopes")
ROWS = 65_536
"""Of a Parquet row group, unless it has `BYTES` before."""
BYTES = 64 * 1024 * 1024
SILENCE_S = 600.0


def add(subparsers: Subparsers) -> None:
    """The command's options."""
    parser = subparsers.add_parser("export", help="write what the collector has into files")
    parser.add_argument(
        "--format", choices=["otlp", "jsonl", "parquet"], default="otlp",
        help="otlp: protobuf, each request behind its length; jsonl: OTLP/JSON, a request a line; parquet: tables",
    )  # fmt: skip
    parser.add_argument(
        "--output", metavar="DIR", required=True, help="the folder: it gets a file a signal, of parquet a file a table"
    )
    parser.add_argument(
        "--signal", choices=SIGNALS, action="append", help="only this one, of otlp and jsonl; may be repeated"
    )
    parser.add_argument("--start", help="begun at this moment or later: 2026-11-24, 2026-11-24T10:00, 7d (ago)")
    parser.add_argument("--end", help="begun before this moment")
    parser.add_argument("--service", action="append", help="only of this service; may be repeated")
    _options.url(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Write the files, and say how large they are."""
    wanted: dict[str, Any] = {
        name: nanoseconds(f"--{name}", text) for name in ("start", "end") if (text := getattr(args, name))
    }
    if args.service:
        wanted["service"] = args.service
    folder = Path(args.output)
    if folder.exists() and not folder.is_dir():
        raise Failure(f"--output {args.output!r} is a file; name a folder for the files that are made")
    if args.format == "parquet":
        if args.signal:
            raise Failure("--signal is of format otlp and jsonl; parquet has a file a table")
        _write_tables(args.url, folder, wanted)
        return 0
    for signal in dict.fromkeys(args.signal or SIGNALS):
        path = folder / f"{signal}.{args.format}"
        arguments = {**wanted, "format": args.format, "signal": signal}
        with send(args.url, "/api/export", arguments, timeout=SILENCE_S) as answer, whole(path) as file:
            shutil.copyfileobj(answer, file, 1024 * 1024)
        print(f"{path}: {path.stat().st_size:,} bytes")
    return 0


def _write_tables(url: str, folder: Path, wanted: dict[str, Any]) -> None:
    try:
        from pyarrow import Table, ipc, parquet  # noqa: PLC0415  50 MB that only this format needs
    except ImportError as error:
        raise Failure('format parquet needs pyarrow: pip install "otelllm[parquet]"') from error
    for table in TABLES:
        path = folder / f"{table}.parquet"
        arguments = {**wanted, "format": "arrow", "table": table}
        with send(url, "/api/export", arguments, timeout=SILENCE_S) as answer, whole(path) as file:
            stream = ipc.open_stream(answer)
            with parquet.ParquetWriter(file, stream.schema, compression="zstd") as writer:
                rows = 0
                for group in _groups(stream):
                    rows += sum(batch.num_rows for batch in group)
                    writer.write_table(Table.from_batches(group))
        print(f"{path}: {rows:,} rows, {path.stat().st_size:,} bytes")


def _groups(stream: Iterable[Any]) -> Iterator[list[Any]]:
    """Batches put together to row groups that readers like."""
    group: list[Any] = []
    for batch in stream:
        group.append(batch)
        if sum(one.num_rows for one in group) >= ROWS or sum(one.nbytes for one in group) >= BYTES:
            yield group
            group = []
    if group:
        yield group
