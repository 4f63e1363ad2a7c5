"""`otelllm keys`, as a process of its own: the command must not import the collector, and its file is ours alone."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import get_args

from otelllm.folders import default_data

from .config import BadSetting
from .keys import Scope, add_key, read_keys, remove_key

__all__ = ["main"]


def main(arguments: Sequence[str], environ: Mapping[str, str] = os.environ) -> int:
    """Add, list or remove; the exit code."""
    parser = argparse.ArgumentParser(prog="otelllm keys")
    actions = parser.add_subparsers(dest="action", required=True)
    for name in ("add", "list", "remove"):
        action = actions.add_parser(name)
        action.add_argument("--data", default=environ.get("OTELLLM_DATA"))
        if name != "list":
            action.add_argument("name")
        if name == "add":
            action.add_argument("--scope", choices=get_args(Scope), required=True)
            action.add_argument("--project")
    chosen = parser.parse_args(arguments)
    folder = Path(chosen.data).expanduser() if chosen.data else default_data(environ)
    try:
        if chosen.action == "add":
            secret = add_key(folder, chosen.name, chosen.scope, chosen.project)
            print(secret)  # noqa: T201  alone on its line, for $(otelllm keys add …)
            print("otelllm: this key is shown once; send it as 'Authorization: Bearer KEY'", file=sys.stderr)  # noqa: T201
        elif chosen.action == "remove":
            remove_key(folder, chosen.name)
        else:
            for key in read_keys(folder):
                print(f"{key.name}\t{key.scope}\t{key.project or '-'}\t{key.made}")  # noqa: T201
    except (BadSetting, OSError) as error:
        print(f"otelllm keys: {error}", file=sys.stderr)  # noqa: T201
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
