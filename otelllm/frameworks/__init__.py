"""A file (or folder) a framework, vector store or reranker, each with a `FRAMEWORK`; found here at run time, and
through entry points.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..plugins import load

if TYPE_CHECKING:
    from ..spec import Framework

__all__ = ["WATCHED", "found", "installed"]

WATCHED = {
    "langchain": ("langchain_core", "langgraph"),
    "llamaindex": ("llama_index",),
    "openai_agents": ("agents",),
    "pgvector": ("psycopg",),
    "qdrant": ("qdrant_client",),
}
"""What a file watches, where that is not the package of the file's own name."""


def found() -> list[Framework]:
    """Every framework that we know, ours and outsiders' (entry points in `otelllm.frameworks`). Imports none."""
    return load(__name__, __path__, "FRAMEWORK")


def installed() -> list[Framework]:
    """Those of them that are here, and outsiders'."""
    return load(__name__, __path__, "FRAMEWORK", WATCHED)
