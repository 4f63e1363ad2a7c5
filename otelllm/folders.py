"""Where data is: the collector's, for itself and for commands that look there, and the counters of limits."""

from __future__ import annotations

import sys
from os.path import expanduser
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["TOKEN_FILE", "default_data", "default_state", "local_token"]

TOKEN_FILE = "operate.token"  # noqa: S105  where it is, not what
"""In the collector's folder: whoever can read it may do everything with that collector."""


def default_data(environ: Mapping[str, str]) -> Path:
    """The folder where none is named."""
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Application Support" / "otelllm"
    return Path(environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share") / "otelllm"


def default_state(environ: Mapping[str, str]) -> Path:
    """The folder of a user's counters. It may be one that can't be made: see `state.sqlite_file.place_for`."""
    if sys.platform == "darwin":
        return Path(expanduser("~")) / "Library" / "Application Support" / "otelllm" / "state"
    named = environ.get("XDG_STATE_HOME") or environ.get("LOCALAPPDATA")
    return Path(named or Path(expanduser("~")) / ".local" / "state") / "otelllm"


def local_token(folder: Path) -> str | None:
    """The token of the collector that keeps its data in this folder, for those who may read it; None where not."""
    try:
        return (folder / TOKEN_FILE).read_text(encoding="ascii").strip() or None
    except (OSError, UnicodeDecodeError):
        return None
