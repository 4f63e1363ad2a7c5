"""`otelllm backup`: a copy of a running collector's database."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from . import _options
from ._client import send
from ._failure import Failure
from ._files import whole

if TYPE_CHECKING:
    import argparse

    from ._options import Subparsers

FILE_NAME = "otelllm.duckdb"
PATIENCE_S = 6 * 3600.0
"""The copy is made before its first byte comes: seconds a gigabyte."""


def add(subparsers: Subparsers) -> None:
    """The command's options."""
    parser = subparsers.add_parser("backup", help="copy the database of a running collector")
    parser.add_argument(
        "--output", metavar="DIR", required=True, help="a folder for it; `otelllm collector --data DIR` starts on it"
    )
    _options.url(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Write the file, and say how large it is. A database that is there already is never written over."""
    path = Path(args.output) / FILE_NAME
    if path.exists():
        raise Failure(f"--output {args.output!r} has a database already; choose another folder")
    with send(args.url, "/api/maintenance/backup", {}, method="POST", timeout=PATIENCE_S) as answer:
        size = int(answer.headers["Content-Length"])
        with whole(path) as file:
            shutil.copyfileobj(answer, file, 1024 * 1024)
            if file.tell() != size:
                raise Failure(f"the backup broke off after {file.tell():,} of {size:,} bytes; make it again")
    print(f"{path}: {size:,} bytes")
    return 0
