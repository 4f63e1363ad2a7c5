"""`otelllm policy`: `check` explains a file; `push`, `show` and `history` are of the one that a collector gives out."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from . import _options, _simulating
from ._client import ask, send
from ._failure import Failure
from ._moments import written
from ._policies import loaded, operator, user
from ._table import render

if TYPE_CHECKING:
    import argparse

    from ..call import Call
    from ._options import Subparsers


_DESCRIBES = ("provider", "model", "operation", "tier", "user", "session", "feature", "priority", "key")


def add(subparsers: Subparsers) -> None:
    """The command's options."""
    parser = subparsers.add_parser("policy", help="policy files")
    actions = parser.add_subparsers(metavar="ACTION", required=True)
    checking = actions.add_parser("check", help="say whether a policy file can be used")
    checking.add_argument(
        "file", metavar="FILE", nargs="?", default="otelllm.toml", help="otelllm.toml where not given"
    )
    checking.add_argument(
        "--call", metavar="KEY=VALUE", action="append", help="show which rules such a call meets: --call model=gpt-4o"
    )
    checking.set_defaults(run=run)
    simulating = actions.add_parser(
        "simulate", help="show what a policy file would have done with calls that were made"
    )
    _simulating.add(simulating)
    pushing = actions.add_parser("push", help="put a policy file in force for all who ask the collector for it")
    pushing.add_argument("file", metavar="FILE", nargs="?", default="otelllm.toml", help="otelllm.toml where not given")
    pushing.add_argument("--by", help="who pushes it, for the audit; you where not given")
    _options.url(pushing)
    _options.data(pushing)
    pushing.set_defaults(run=push)
    listing = actions.add_parser(
        "history", help="who pushed which policy and when; with NUMBER, what that push changed"
    )
    listing.add_argument("number", metavar="NUMBER", nargs="?", type=int, help="of a push")
    _options.url(listing)
    _options.format_(listing)
    listing.set_defaults(run=history)
    showing = actions.add_parser("show", help="print the policy that the collector gives out")
    _options.url(showing)
    showing.set_defaults(run=show)


def run(args: argparse.Namespace) -> int:
    """Name the first thing in the file that can't be used; if there is none, what the file says, rule by rule."""
    from ..policy_words import explain, met  # noqa: PLC0415  the rules' code is wanted by this command only

    policy = loaded(args.file)
    print(f"{args.file} can be used: version {policy.version}")
    print("\n".join(f"  {line}" for line in explain(policy)) or "  it says nothing: every call passes")
    if args.call:
        found = met(policy, _call(args.call))
        print(f"a call with {', '.join(args.call)} meets")
        print("\n".join(f"  {line}" for line in found) or "  no rule")
    return 0


def _call(said: list[str]) -> Call:
    """The call that --call describes, KEY=VALUE each."""
    from ..call import Call, Request, Scope  # noqa: PLC0415

    told: dict[str, str] = {}
    for one in said:
        key, equals, value = one.partition("=")
        if not equals or (key not in _DESCRIBES and not key.startswith("tag.")):
            raise Failure(f"--call {one!r} describes no call; write KEY=VALUE with {', '.join(_DESCRIBES)} or tag.NAME")
        told[key] = value
    tags = {key[4:]: value for key, value in told.items() if key.startswith("tag.")}
    scope = Scope(
        user=told.get("user"), session=told.get("session"), feature=told.get("feature"),
        priority=told.get("priority"), tags=tags,
    )  # fmt: skip
    request = Request(model=told.get("model"), tier=told.get("tier"))
    return Call(told.get("provider", ""), told.get("operation", "chat"), request, scope, key=told.get("key"))


def push(args: argparse.Namespace) -> int:
    """Check the file here, where its name is known, then send it as it is."""
    policy = loaded(args.file)
    headers = {"Content-Type": "application/toml", **operator(args)}
    by = {"by": args.by or user()}
    with send(
        args.url, "/v1/policy", by, method="PUT", content=Path(args.file).read_bytes(), headers=headers
    ) as answer:
        pushed = json.load(answer)
    print(f"{args.file} is in force: policy {pushed['number']}, version {policy.version}")
    return 0


def show(args: argparse.Namespace) -> int:
    """The text as it was pushed; its version goes to standard error."""
    with send(args.url, "/v1/policy", {}) as answer:
        text, version = answer.read().decode(), answer.headers["ETag"]
    print(text, end="" if text.endswith("\n") else "\n")
    print(f"otelllm: version {version.removeprefix('W/').strip(chr(34))}", file=sys.stderr)
    return 0


def history(args: argparse.Namespace) -> int:
    """The pushes, newest first; or one, line by line."""
    if args.number is not None:
        print(ask(args.url, f"/v1/policy/history/{args.number}")["diff"])
        return 0
    columns = ("number", "pushed", "by", "key", "address", "version")
    pushed = ask(args.url, "/v1/policy/history")["policies"]
    rows = [[{**one, "pushed": written(one["pushed_ns"])}[name] for name in columns] for one in pushed]
    print(render(columns, rows, args.format))
    return 0
