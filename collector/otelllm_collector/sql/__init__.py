"""The store's SQL: `schema/` one object a file, `read/` one question a file, `write/` one step of the writer a file."""

from __future__ import annotations

from functools import cache
from importlib.resources import files

__all__ = ["sql"]


@cache
def sql(name: str) -> str:
    """The text of one file, named as `read/traces`."""
    return (files(__name__) / f"{name}.sql").read_text(encoding="utf-8")
