"""Where the collector keeps its data, for itself and for commands that look there."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["TOKEN_FILE", "default_data", "local_token"]

TOKEN_FILE = "operate.token"  # noqa: S105  where it is, not what
"""In the collector's folder: whoever can read it may do everything with that collector."""


def default_data(environ: Mapping[str, str]) -> Path:
    """The folder where none is named."""
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Application Support" / "otelllm"
    return Path(environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share") / "otelllm"


def local_token(folder: Path) -> str | None:
    """The token of the collector that keeps its data in this folder, for those who may read it; None where not."""
    try:
        return (folder / TOKEN_FILE).read_text(encoding="ascii").strip() or None
    except (OSError, UnicodeDecodeError):
        return None
