"""Compiled modules, where there are any: made of this package's own sources by `scripts/native.py` (`make native`).

They stand apart in `_native/`, with the hash of the source that each was made of: after a change of the source the
compiled one is passed over, so that nobody runs yesterday's code. `OTELLLM_NATIVE=0` passes over all of them.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable
from pathlib import Path

__all__ = ["COMPILED", "FOLDER", "is_compiled", "ours_first", "source_hash"]

HERE = Path(__file__).parent
FOLDER = HERE / "_native"
COMPILED = ("decode/protobuf",)
"""Without their `.py`."""


def source_hash(module: str) -> str:
    """Of a module's source as it is now."""
    return hashlib.sha256((HERE / f"{module}.py").read_bytes()).hexdigest()


def is_compiled(module: str) -> bool:
    """Whether there is a compiled form of the module, made of its source as it is now, and it is to be used."""
    try:
        made_of = (FOLDER / f"{module}.sha256").read_text(encoding="ascii")
    except OSError:
        return False
    return os.environ.get("OTELLLM_NATIVE") != "0" and made_of == source_hash(module)


def ours_first(path: Iterable[str], package: str) -> list[str]:
    """A package's `__path__` in which its compiled modules are found before their sources."""
    of_package = [module for module in COMPILED if module.startswith(f"{package}/")]
    if of_package and all(map(is_compiled, of_package)):
        return [str(FOLDER / package), *path]
    return list(path)
