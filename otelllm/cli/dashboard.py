"""`otelllm dashboard`: the trace explorer, on a collector that runs already."""

from __future__ import annotations

from typing import TYPE_CHECKING

from . import _options
from ._children import Children
from ._servers import start_dashboard

if TYPE_CHECKING:
    import argparse

    from ._options import Subparsers


def add(subparsers: Subparsers) -> None:
    """The command's options."""
    parser = subparsers.add_parser("dashboard", help="the trace explorer")
    _options.port(parser)
    _options.url(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Until Ctrl-C."""
    with Children() as children:
        dashboard = start_dashboard(children, args.port, args.url)
        if children.ready(dashboard):
            children.stay(dashboard)
    return children.code()
