"""What `otelllm kill` and `otelllm unkill` share: a policy read, changed and written, in a file or at the collector."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import BadConfig
from . import _options
from ._client import NotAsExpected, NothingThere, send
from ._failure import Failure
from ._policies import operator, user

if TYPE_CHECKING:
    import argparse

__all__ = ["add_options", "change"]

TRIES = 5


def add_options(parser: argparse.ArgumentParser) -> None:
    """Where the policy is."""
    parser.add_argument(
        "what", metavar="KEY:VALUE", help="feature, model, provider, user, tool or tag.NAME and a value or glob; or all"
    )
    parser.add_argument("--file", metavar="FILE", help="change this policy file, and not the collector's policy")
    parser.add_argument("--by", help="who does it, for the audit; you where not given")
    _options.url(parser)
    _options.data(parser)


def change(args: argparse.Namespace, changed: Callable[[str, str], str]) -> tuple[str, str]:
    """Let `changed` make a new text of (the policy's text, who does it); the texts before and after."""
    by = args.by or user()
    try:
        if args.file:
            return _in_file(Path(args.file), lambda text: changed(text, by))
        return _at_collector(args, by, lambda text: changed(text, by))
    except BadConfig as error:
        raise Failure(str(error)) from error


def _in_file(file: Path, changed: Callable[[str], str]) -> tuple[str, str]:
    try:
        before = file.read_text(encoding="utf-8") if file.exists() else ""
        after = changed(before)
        if after != before:
            _replace(file, after)
    except (OSError, UnicodeDecodeError) as error:
        raise Failure(f"policy file {str(file)!r} can't be changed ({error})") from error
    return before, after


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


def _at_collector(args: argparse.Namespace, by: str, changed: Callable[[str], str]) -> tuple[str, str]:
    for _ in range(TRIES):
        before, etag = _current(args.url)
        after = changed(before)
        if after == before:
            return before, after
        headers = {"Content-Type": "application/toml", "If-Match": etag, **operator(args)}
        try:
            with send(
                args.url, "/v1/policy", {"by": by}, method="PUT", content=after.encode(), headers=headers
            ) as answer:
                json.load(answer)
        except NotAsExpected:
            continue  # somebody else pushed meanwhile
        return before, after
    raise Failure("the collector's policy is being changed by others all the time; try again")


def _current(url: str) -> tuple[str, str]:
    try:
        with send(url, "/v1/policy", {}) as answer:
            return answer.read().decode(), answer.headers["ETag"]
    except NothingThere:
        return "", '""'
