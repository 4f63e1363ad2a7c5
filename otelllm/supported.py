"""Which versions of a package we were tested with, and what there is to say of another one."""

from __future__ import annotations

import re
import sys
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version

__all__ = ["installed", "outside", "span"]


def installed(package: str) -> str | None:
    """The version of `package` here; None where it isn't installed."""
    return _installed(package, tuple(sys.path))


@lru_cache(maxsize=128)
def _installed(package: str, _: tuple[str, ...]) -> str | None:
    """Read once a path: a package's metadata is a file of some kB, parsed as a mail."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def span(oldest: str, newest: str = "") -> str:
    """The supported range, as people read it."""
    return f"{oldest} to {newest}" if newest else f"from {oldest}"


def outside(found: str, oldest: str, newest: str = "") -> str | None:
    """ "older" or "newer" than what was tested, None within.

    A minor release more is within: SDKs make one a week, and break nothing by it. Before 1.0 the minor is the major.
    """
    here = _numbers(found)
    if here < _numbers(oldest):
        return "older"
    if newest and _major(here) > _major(_numbers(newest)):
        return "newer"
    return None


def _numbers(text: str) -> tuple[int, ...]:
    found = re.match(r"\d+(\.\d+)*", text)
    return tuple(map(int, found[0].split("."))) if found else ()


def _major(numbers: tuple[int, ...]) -> tuple[int, ...]:
    return numbers[:2] if numbers[:1] == (0,) else numbers[:1]
