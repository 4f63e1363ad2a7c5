"""Compiled modules, where there are any: made of this package's own sources by `scripts/native.py` (`make native`).

They stand apart in `_native/`, with a hash of the sources that they were made of: after a change of one of them all
are passed over, so that nobody runs yesterday's code. `OTELLLM_NATIVE=0` does the same.
"""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Iterable
from importlib.machinery import EXTENSION_SUFFIXES
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

__all__ = ["COMPILED", "FOLDER", "GROUP", "STAMP", "compiled_first", "is_compiled", "sources_hash"]

HERE = Path(__file__).parent
FOLDER = HERE / "_native"
STAMP = FOLDER / "sources.sha256"
GROUP = "otelllm_native"
"""mypyc compiles them together, into one library of this name: calls between them are then calls of C functions."""

COMPILED = (
    "decode/protobuf", "decode/spans", "decode/content", "decode/values",
    "normalise/spec", "normalise/values", "normalise/messages", "normalise/repair", "normalise/older_genai",
    "text/marks",
    "columns", "enrich", "packed", "repeats", "rows", "span_row",
)  # fmt: skip
"""What is done for each span, or oftener. Without their `.py`."""


def sources_hash() -> str:
    """Of the compiled modules' sources as they are now."""
    return hashlib.sha256(b"".join((HERE / f"{module}.py").read_bytes() for module in COMPILED)).hexdigest()


def is_compiled() -> bool:
    """Whether there are compiled modules for this Python, made of the sources as they are now, that are to be used."""
    if os.environ.get("OTELLLM_NATIVE") == "0" or not _library().is_file():
        return False
    try:
        return STAMP.read_text(encoding="ascii") == sources_hash()
    except OSError:
        return False


def compiled_first(path: Iterable[str], package: str) -> list[str]:
    """A package's `__path__` in which its compiled modules are found before their sources."""
    if not is_compiled():
        return list(path)
    name = f"{GROUP}__mypyc"
    if name not in sys.modules:  # they look for it by its name, and it is on nobody's path
        spec = spec_from_file_location(name, _library())
        assert spec is not None
        assert spec.loader is not None
        sys.modules[name] = module_from_spec(spec)
        spec.loader.exec_module(sys.modules[name])
    return [str(FOLDER / package), *path]


def _library() -> Path:
    return FOLDER / f"{GROUP}__mypyc{EXTENSION_SUFFIXES[0]}"
