"""A file (or folder) a provider SDK, each with a `PROVIDER`; found here at run time, and through entry points."""

from __future__ import annotations

import pkgutil
from importlib import import_module
from importlib.metadata import entry_points
from typing import TYPE_CHECKING

from ..safely import safely

if TYPE_CHECKING:
    from ..spec import Provider

__all__ = ["found"]


def found() -> list[Provider]:
    """Every provider that we know, ours and outsiders'. Imports no SDK."""
    providers: list[Provider] = []
    for module in pkgutil.iter_modules(__path__):
        with safely(f"loading the provider {module.name}"):
            providers.append(import_module(f"{__name__}.{module.name}").PROVIDER)
    for entry in entry_points(group="otelllm.providers"):
        with safely(f"loading the provider {entry.name}"):
            providers.append(entry.load())
    return providers
