"""A file (or folder) a framework, vector store or reranker, each with a `FRAMEWORK`; found here at run time, and
through entry points.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..plugins import load

if TYPE_CHECKING:
    from ..spec import Framework

__all__ = ["found"]


def found() -> list[Framework]:
    """Every framework that we know, ours and outsiders' (entry points in `otelllm.frameworks`). Imports none."""
    return load(__name__, __path__, "FRAMEWORK")
