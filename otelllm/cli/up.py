"""`otelllm up`: the collector and the trace explorer together."""

from __future__ import annotations

from typing import TYPE_CHECKING

from . import _options
from ._children import Children
from ._servers import start_collector, start_dashboard

if TYPE_CHECKING:
    import argparse

    from ._options import Subparsers


def add(subparsers: Subparsers) -> None:
    """The command's options."""
    parser = subparsers.add_parser("up", help="the collector and the trace explorer together")
    _options.data(parser)
    _options.http(parser)
    _options.grpc(parser)
    _options.port(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Until Ctrl-C."""
    with Children() as children:
        collector = start_collector(children, _options.address(args.http), args.data, *_options.given(args, "grpc"))
        # The dashboard is told where the collector really listens: that may be a free port.
        if children.ready(collector):
            dashboard = start_dashboard(children, args.port, collector.address)
            if children.ready(dashboard):
                children.stay(collector, dashboard)
    return children.code()
