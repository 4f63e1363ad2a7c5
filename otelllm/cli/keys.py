"""`otelllm keys`: who may send spans to the collector, ask it, operate it."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

from . import _options
from ._extras import need

if TYPE_CHECKING:
    import argparse

    from ._options import Subparsers


def add(subparsers: Subparsers) -> None:
    """The command's options."""
    parser = subparsers.add_parser("keys", help="the collector's API keys: add, list, remove")
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    adding = actions.add_parser("add", help="make a key and show it, once")
    adding.add_argument("name", metavar="NAME", help="whose it is")
    adding.add_argument(
        "--scope", choices=["ingest", "read", "operate"], required=True,
        help="send spans and feedback; ask; change and all of the others",
    )  # fmt: skip
    adding.add_argument("--project", help="goes onto all that comes with this key, as otelllm.project")
    listing = actions.add_parser("list", help="names, scopes and projects; keys themselves are not kept")
    removing = actions.add_parser("remove", help="make a key useless, at once")
    removing.add_argument("name", metavar="NAME")
    for action in (adding, listing, removing):
        _options.data(action)
        action.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """The collector's own command on its own file, whether a collector runs or not."""
    need("the collector's keys", "collector")
    given = {"--data": args.data, "--scope": getattr(args, "scope", None), "--project": getattr(args, "project", None)}
    words = [args.action, *(word for option, value in given.items() if value for word in (option, value))]
    name = ["--", args.name] if args.action != "list" else []
    command = [sys.executable, "-P", "-m", "otelllm_collector.keys_command", *words, *name]
    return subprocess.run(command, check=False).returncode  # noqa: S603  this Python, a module of ours
