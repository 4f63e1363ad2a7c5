"""`otelllm collector`: receive OTLP, keep it in DuckDB, answer questions about it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from . import _options
from ._children import Children
from ._servers import start_collector

if TYPE_CHECKING:
    import argparse

    from ._options import Subparsers


def add(subparsers: Subparsers) -> None:
    """The command's options."""
    parser = subparsers.add_parser("collector", help="receive OTLP and keep it in DuckDB")
    _options.data(parser)
    _options.http(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Until Ctrl-C."""
    with Children() as children:
        collector = start_collector(children, _options.address(args.http), args.data)
        if children.ready(collector):
            children.stay(collector)
    return children.code()
