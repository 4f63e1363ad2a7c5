"""`otelllm policy check FILE`: whether a policy file can be used."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import BadConfig
from ._failure import Failure

if TYPE_CHECKING:
    import argparse

    from ._options import Subparsers


def add(subparsers: Subparsers) -> None:
    """The command's options."""
    parser = subparsers.add_parser("policy", help="policy files")
    actions = parser.add_subparsers(metavar="ACTION", required=True)
    checking = actions.add_parser("check", help="say whether a policy file can be used")
    checking.add_argument(
        "file", metavar="FILE", nargs="?", default="otelllm.toml", help="otelllm.toml where not given"
    )
    checking.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Name the first thing in the file that can't be used; if there is none, what the file says."""
    from ..policy import load  # noqa: PLC0415  the rules' code is wanted by this command only

    try:
        policy = load(Path(args.file))
    except BadConfig as error:
        raise Failure(str(error)) from error
    content = policy.capture.content or "left to the app"
    print(f"{args.file} can be used: version {policy.version}, content {content}, kill switches {len(policy.kill)}")
    return 0
