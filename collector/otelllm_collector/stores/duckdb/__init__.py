"""The store on DuckDB: one process owns the file, one thread writes, each question has its own cursor."""

from __future__ import annotations

from .store import DuckDBStore, open_store

__all__ = ["DuckDBStore", "open_store"]
