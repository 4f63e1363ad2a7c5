"""Folders of plug-ins, listed at run time: a new one is one new file; outsiders use entry points."""

from __future__ import annotations

import pkgutil
import sys
from collections.abc import Iterable
from functools import lru_cache
from importlib import import_module
from importlib.metadata import entry_points
from typing import Any

from .safely import safely

__all__ = ["load"]


def load(package: str, path: Iterable[str], name: str) -> list[Any]:
    """`name` of each module in the folder of `package`, and of each entry point in the group of that name."""
    found: list[Any] = []
    for module in pkgutil.iter_modules(path):
        with safely(f"loading {package}.{module.name}"):
            found.append(getattr(import_module(f"{package}.{module.name}"), name))
    for entry in _entries(tuple(sys.path)).select(group=package):
        with safely(f"loading {entry.name} of {package}"):
            found.append(entry.load())
    return found


@lru_cache(maxsize=2)
def _entries(_: tuple[str, ...]) -> Any:
    """Every entry point on this path: a file of each installed package is read, 10 ms for a hundred of them."""
    return entry_points()
