"""The store's SQL: `schema/` one object a file, `read/` one question a file, `write/` one step of the writer a file.

Columns that several questions share stand in a file of their own: `/*include NAME*/` puts `read/NAME` there.
"""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files

__all__ = ["sql"]

_INCLUDE = re.compile(r"^ *\/\*include (\w+)\*\/(.*)\n", re.MULTILINE)


@cache
def sql(name: str) -> str:
    """The text of one file, named as `read/traces`, with what it includes."""
    text = (files(__name__) / f"{name}.sql").read_text(encoding="utf-8")
    return _INCLUDE.sub(lambda found: sql(f"read/{found[1]}").removesuffix("\n") + found[2] + "\n", text)
