"""`otelllm reprice`: compute the costs of calls anew, by the prices that the collector knows today."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from . import _options
from ._client import send
from ._moments import nanoseconds

if TYPE_CHECKING:
    import argparse

    from ._options import Subparsers

PATIENCE_S = 6 * 3600.0


def add(subparsers: Subparsers) -> None:
    """The command's options."""
    parser = subparsers.add_parser("reprice", help="compute costs anew by today's prices")
    parser.add_argument("--since", help="calls begun then or later: 2026-11-24, 30d (ago); all by default")
    _options.url(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Say how many calls have another cost. Costs that a provider or a library reported stay as they are."""
    since = nanoseconds("--since", args.since) if args.since else 0
    body = json.dumps({"since": since}).encode()
    with send(args.url, "/api/maintenance/reprice", {}, content=body, timeout=PATIENCE_S) as answer:
        done = json.load(answer)
    print(f"{done['calls']:,} calls looked at, {done['repriced']:,} have another cost")
    return 0
