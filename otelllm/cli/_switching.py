"""What `otelllm kill` and `otelllm unkill` share: a policy changed, in a file or by the collector."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import BadConfig
from . import _options
from ._client import send
from ._failure import Failure
from ._policies import operator

if TYPE_CHECKING:
    import argparse

__all__ = ["add_options", "at_collector", "in_file"]


def add_options(parser: argparse.ArgumentParser) -> None:
    """Where the policy is."""
    parser.add_argument(
        "what", metavar="KEY:VALUE", help="feature, model, provider, user, tool or tag.NAME and a value or glob; or all"
    )
    parser.add_argument("--file", metavar="FILE", help="change this policy file, and not the collector's policy")
    parser.add_argument("--by", help="who does it, for the audit; you where not given")
    _options.url(parser)
    _options.data(parser)


def in_file(name: str, changed: Callable[[str], str]) -> tuple[str, str]:
    """Let `changed` make a new text of the file's; the texts before and after."""
    file = Path(name)
    try:
        before = file.read_text(encoding="utf-8") if file.exists() else ""
        after = changed(before)
        if after != before:
            _replace(file, after)
    except BadConfig as error:
        raise Failure(str(error)) from error
    except (OSError, UnicodeDecodeError) as error:
        raise Failure(f"policy file {str(file)!r} can't be changed ({error})") from error
    return before, after


def at_collector(args: argparse.Namespace, method: str, **said: str) -> None:
    """Tell the collector: in the body where there is one, else in the address."""
    content = json.dumps(said).encode() if method == "POST" else None
    with send(
        args.url, "/v1/kill", said if content is None else {}, method=method, content=content, headers=operator(args)
    ) as answer:
        answer.read()


def _replace(file: Path, text: str) -> None:
    """At once: who watches the file must not see half of it."""
    handle, name = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as out:
            out.write(text)
        if file.exists():
            Path(name).chmod(file.stat().st_mode & 0o777)
        else:
            Path(name).chmod(0o644)
        Path(name).replace(file)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
