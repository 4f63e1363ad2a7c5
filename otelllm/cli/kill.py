"""`otelllm kill`: calls of a feature, model, provider, user, tool or tag are refused from now on, in every process."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ._policies import user
from ._switching import add_options, at_collector, in_file

if TYPE_CHECKING:
    import argparse

    from ._options import Subparsers


def add(subparsers: Subparsers) -> None:
    """The command's options."""
    parser = subparsers.add_parser("kill", help="refuse calls from now on: otelllm kill feature:support")
    add_options(parser)
    parser.add_argument("--answer", metavar="TEXT", help="what apps get in place of an error")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Put the switch into the policy of the collector, or of a file."""
    by = args.by or user()
    if args.file:
        from ..policy_switches import on  # noqa: PLC0415  the rules' code is wanted by this only

        in_file(args.file, lambda text: on(text, args.what, by=by, answer=args.answer))
    else:
        answer = {} if args.answer is None else {"answer": args.answer}
        at_collector(args, "POST", what=args.what, by=by, **answer)
    print(f"{args.what} is off, within a second in every process that follows this policy: otelllm unkill {args.what}")
    return 0
