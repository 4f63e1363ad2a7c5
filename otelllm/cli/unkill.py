"""`otelllm unkill`: takes back what `otelllm kill` switched off."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ._failure import Failure
from ._switching import add_options, change

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
    from ..policy_switches import off, switches  # noqa: PLC0415  the rules' code is wanted by this command only

    before, after = change(args, lambda text, _: off(text, args.what))
    if before == after:
        known = ", ".join(switch.what for switch in switches(before)) or "none is on"
        raise Failure(f"`otelllm kill` turned on no switch {args.what!r} ({known}); rules of the policy's own stay")
    print(f"{args.what} is on again")
    return 0
