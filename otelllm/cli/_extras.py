"""Which packages a command needs, and which of otelllm's extras bring them."""

from __future__ import annotations

import re
import sys
from importlib.metadata import PackageNotFoundError, distribution, requires

from ._failure import Failure

__all__ = ["need"]


def need(what: str, *extras: str) -> None:
    """`Failure` names the packages that are missing for `what`, and the extra to install."""
    for extra in extras:
        missing = [package for package in _packages(extra) if not _is_installed(package)]
        if missing:
            raise Failure(f'{what} needs {", ".join(missing)}: pip install "otelllm[{extra}]"')


def _packages(extra: str) -> list[str]:
    """What the installed otelllm says that the extra brings; nothing when it runs from a folder, not installed."""
    try:
        lines = requires("otelllm") or []
    except PackageNotFoundError:
        return []
    wanted = re.compile(rf"""extra == ['"]{extra}['"]""")
    return [
        match[0]
        for line in lines
        if wanted.search(line) and not _is_for_older(line) and (match := re.match(r"[\w.-]+", line))
    ]


def _is_for_older(line: str) -> bool:
    """Whether only Pythons before this one need the package: they lack a module that this one has."""
    bound = re.search(r"""python_version < ['"](\d+)\.(\d+)['"]""", line)
    return bound is not None and sys.version_info[:2] >= (int(bound[1]), int(bound[2]))


def _is_installed(package: str) -> bool:
    try:
        distribution(package)
    except PackageNotFoundError:
        return False
    return True
