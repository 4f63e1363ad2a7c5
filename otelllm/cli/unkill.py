"""`otelllm unkill`: takes back what `otelllm kill` switched off."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ._failure import Failure
from ._policies import user
from ._switching import add_options, at_collector, in_file

if TYPE_CHECKING:
    import argparse

    from ._options import Subparsers


def add(subparsers: Subparsers) -> None:
    """The command's options."""
    parser = subparsers.add_parser("unkill", help="let calls pass again that `otelllm kill` switched off")
    add_options(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Take the switch out of the policy of the collector, or of a file."""
    if args.file:
        _in_file(args.file, args.what)
    else:
        at_collector(args, "DELETE", what=args.what, by=args.by or user())
    print(f"{args.what} is on again")
    return 0


def _in_file(file: str, what: str) -> None:
    from ..policy_switches import off, switches  # noqa: PLC0415  the rules' code is wanted by this only

    before, after = in_file(file, lambda text: off(text, what))
    if before == after:
        known = ", ".join(switch.what for switch in switches(before)) or "none is on"
        raise Failure(f"no switch {what!r} ({known}) was turned on by `otelllm kill`; rules of the policy's own stay")
