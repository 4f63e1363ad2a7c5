"""A file (or folder) a provider SDK, each with a `PROVIDER`; found here at run time, and through entry points."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..plugins import load

if TYPE_CHECKING:
    from ..spec import Provider

__all__ = ["found"]


def found() -> list[Provider]:
    """Every provider that we know, ours and outsiders' (entry points in `otelllm.providers`). Imports no SDK."""
    return load(__name__, __path__, "PROVIDER")
